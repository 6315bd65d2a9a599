
# From here on all launchers are the same.
@sweep@set -- @options@ "$@"
python=$environment/bin/python
if [ ! -x "$python" ]; then
    echo "$job: there is no $python: run launch/local.sh once, or activate an environment before" >&2
    exit 1
fi
export PATH="$environment/bin:$PATH"
exec "$python" -m coded_dgd.batch.supervise "${supervise[@]}" -- \
    "${launcher[@]}" "$python" -m coded_dgd.run "$@"
