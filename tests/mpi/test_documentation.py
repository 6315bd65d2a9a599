"""What README and docs show is true: their commands run, and say what is shown.

Commands are the lines of indented and fenced blocks that begin as `COMMAND` does. Each is run, in
the order of the page and in one folder per page, or stands in `NOT_RUN` with the reason.
"""

import itertools
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import click
import pytest
from launching import command, mpiexec, mpirun

from coded_dgd.cli import command as commands
from coded_dgd.cli.variables import subcommands

pytestmark = pytest.mark.mpi

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(
    r"(?:(?:\.|[\w./-]*(?:coded-dgd|mpiexec|mpirun|python3?|pip|\.sh|\.ci/run)|sbatch|qsub|"
    r"srun|docker|apptainer|git|export|eval|ssh|[A-Z_]\w*=\S+) .+|(?:launch|tests)/\S+\.sh)$"
)
USAGE = "[OPTIONS]"
LONG = "takes minutes"
NO_TRACES = "these traces are not part of the project; see test_benchmarks.py"
NOT_RUN = {
    ". .venv/bin/activate": "CI runs in that environment",
    "sbatch launch/slurm.sbatch --scheme uc-dynamic --data train.npy --objective logistic "
    "--optimizer auto": "tests/launch starts a cluster",
    "mpiexec -n 41 coded-dgd compare --load 10 --iterations 100": f"{LONG}; see test_compare.py",
    "coded-dgd reproduce all --out figures": f"{LONG}; see test_reproduce.py",
    "coded-dgd reproduce traces": f"{LONG}; see test_reproduce_traces.py",
    "coded-dgd reproduce traces --trace pai1.npy --trace pai4.npy --trace lambda40.npy": NO_TRACES,
    "coded-dgd theory --scheme lcc-mmc,uc-mmc,mds-mmc --load 2..40": "half a minute",
    'eval "$(_CODED_DGD_COMPLETE=bash_source coded-dgd)"': "see test_cli_reference.py",
    "_CODED_DGD_COMPLETE=fish_source coded-dgd > ~/.config/fish/completions/coded-dgd.fish": "fish",
    "mpiexec -n 9 python -m mpi4py examples/digits.py": "see test_torch_on_ranks.py",
    "python benchmarks/chaos.py": f"{LONG}; see test_chaos.py",
    "python benchmarks/lost_workers.py": LONG,
    "python benchmarks/who_dies.py": f"{LONG}; see test_endings.py",
    "python benchmarks/soak.py": LONG,
    "python benchmarks/time_to_accuracy.py --data a9a.svm": f"{LONG}; see test_compare.py",
    "python benchmarks/optimizers.py a9a.svm": f"{LONG}; see test_benchmarks.py",
    "python benchmarks/optimizers.py a9a.svm --seeds 1": f"{LONG}; see test_benchmarks.py",
    "python benchmarks/estimators.py coefficients --a9a a9a.svm": f"{LONG}; see test_benchmarks.py",
    "python benchmarks/estimators.py search": f"{LONG}; see test_benchmarks.py",
    "python benchmarks/fuzz.py": f"{LONG}; see test_fuzz.py",
    "mpiexec -n 41 coded-dgd compare --iterations 100 --schemes uncoded,lcc-mmc,uc-dynamic": LONG,
    "python benchmarks/combining.py --iterations 12": "it needs root and tc; see test_combining.py",
    "python benchmarks/dynamic.py law": f"{LONG}; see test_benchmarks.py",
    "python benchmarks/dynamic.py traces pai1.npy pai4.npy bytedance_se.npy": NO_TRACES,
    "python benchmarks/dynamic.py traces lambda40.npy --copies 1 2 3 4 10": NO_TRACES,
    "export PRTE_MCA_state_base_recoverable=1 PRTE_MCA_state_base_notify_errors=1 "
    "OMPI_MCA_mpi_ft_enable=1": "these tests run with it where the MPI can do it",
}
"""Commands that cannot run here, or not in seconds."""
NOT_RUN_ON = {
    "docs/numerics.md": f"{LONG}; test_benchmarks.py runs smaller ones",
    "docs/cluster.md": "these need a cluster; tests/launch starts one",
    "docs/planning.md": f"{LONG} on 41 ranks; see test_planning.py",
    "docs/development.md": "these run the tests",
    "docs/data.md": "IN and OUT stand for names; see test_convert.py",
}
"""Pages whose commands do not run."""
SHORTER = {
    "--realisations 1000000": "--realisations 20000",
    "--train 200": "--train 20",
    "--iterations 60 --out lcc-mmc": "--iterations 22 --out lcc-mmc",
    "PairMMC --check-gradient": "PairMMC --check-gradient --iterations 20",
    "--load 10 --copies 10": "--load 10 --copies 10 --iterations 3",
    "factor=5 --load 3": "factor=5 --load 3 --iterations 3",
    "WORKERS=8 launch/local.sh": "mpiexec -n 9 python -m coded_dgd.run",
    "launch/local.sh": "mpiexec -n 41 python -m coded_dgd.run --scheme lcc-mmc",
    "mpi4py script.py": f"mpi4py {ROOT / 'examples' / 'own_script.py'}",
}
"""What is run in place of what is shown; that local.sh runs this tests/launch finds out."""
ELSEWHERE = "python -m coded_dgd.run --transport simulated --workers 8 --load 4 --iterations 20"
BEFORE = {
    "coded-dgd plot lcc-mmc uc-mmc uncoded --out pictures": [
        f"{ELSEWHERE} --scheme uc-mmc --out uc-mmc",
        "python -m coded_dgd.run --transport simulated --workers 8 --scheme uncoded --out uncoded",
    ],
}
"""Runs that a command needs and the page only talks about."""
THE_SAME = {"coded-dgd report slow"}
"""Commands that say the same wherever they run, digit by digit."""


def blocks(text):
    """Lines of each indented or fenced block, fences with what they say."""
    fence, lines = None, []
    for line in [*text.split("\n"), ""]:
        if line.startswith("```"):
            if fence is not None:
                yield fence, lines
            fence, lines = (line[3:] or "text", []) if fence is None else (None, [])
        elif fence is not None:
            lines.append(line)
        elif line.startswith("    "):
            lines.append(line[4:])
        elif lines:
            yield "", lines
            lines = []


def shown(page):
    """Commands of a page, and the lines that are shown as their output."""
    for kind, lines in blocks((ROOT / page).read_text(encoding="utf-8")):
        if kind == "console":
            starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
            for first, last in itertools.pairwise([*starts, len(lines)]):
                yield lines[first].removeprefix("$ "), lines[first + 1 : last]
        elif kind in ("", "sh", "bash"):
            yield from ((line, []) for line in lines if COMMAND.match(line) and USAGE not in line)


def run(text, cwd):
    """Run a command line as somebody in an environment with this Python would."""
    for long, short in SHORTER.items():
        text = text.replace(long, short)
    words = shlex.split(text)
    python = [sys.executable]
    swaps = {"mpiexec": [mpiexec()], "python": python, "coded-dgd": [*python, "-m", "coded_dgd"]}
    arguments = [part for word in words for part in swaps.get(word, [word])]
    return command(*arguments, cwd=cwd, timeout=300)


@pytest.mark.parametrize("page", PAGES)
def test_commands_run_and_say_what_is_shown(page, tmp_path):
    found = [(text, out) for text, out in shown(page) if text not in NOT_RUN]
    if page in NOT_RUN_ON:
        pytest.skip(NOT_RUN_ON[page])
    if not found:
        pytest.skip("no commands")
    for folder in ("examples", "benchmarks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "examples" / "my_scheme.py", tmp_path)
    for text, expected in found:
        for needed in BEFORE.get(text, []):
            assert run(needed, tmp_path).code == 0
        done = run(text, tmp_path)
        assert done.code == 0, f"{page}: {text}\n{done.err}"
        assert "pmix_ptl_base" not in done.err  # see test_processes.py
        said = (done.out + done.err).splitlines()
        if text in THE_SAME:
            assert said == expected
        elif expected:
            assert masked(said) == masked(expected)


EXACT = ("coded-dgd ", "synthetic:", "ideal on", "expected (exact)")
"""How lines begin whose numbers are the same wherever and whenever the command runs."""
VARYING = ("iteration ", "overrun ", "1 BLAS thread ", "[")
"""Lines that come or not, as time goes by and by the environment; the last are of mpiexec."""


def masked(lines):
    """Output without what depends on the machine: other numbers are as good as any."""
    kept = [line.rstrip() for line in lines if line and not line.startswith(VARYING)]
    return [line if line.startswith(EXACT) else _without_numbers(line) for line in kept]


def _without_numbers(line):
    loss = re.match(r"loss +\S+,", line)  # the model is the same
    rest = re.sub(r"\d[\d.e+-]*\d|\d", "#", line[loss.end() :] if loss else line)
    return (loss[0] if loss else "") + re.sub(r"\s+", " ", rest)


def test_every_reason_is_for_a_command_that_is_shown():
    everywhere = {text for page in PAGES for text, _ in shown(page)}
    assert NOT_RUN.keys() <= everywhere
    assert BEFORE.keys() <= everywhere


def _options(of):
    """Options of a command, or of all commands of a group."""
    found = {text for each in of.params for text in (*each.opts, *each.secondary_opts)}
    return found.union(
        *map(_options, subcommands(of).values() if isinstance(of, click.Group) else ())
    )


@pytest.mark.parametrize("page", PAGES)
def test_options_in_the_text_exist(page):
    """``coded-dgd COMMAND --option`` between backticks, and options on their own."""
    options = {name: _options(one) for name, one in subcommands(commands).items()}
    options["launch"] |= options["run"]  # behind --
    others = {"--with-ft", "--table", "--mpiexec", "--build-arg"}  # mpiexec, benchmarks, docker
    anywhere = set().union(*options.values()) | {"--help", "--version"} | others
    text = (ROOT / page).read_text(encoding="utf-8")
    for code in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", text):
        words = code.split()
        if words[:1] == ["coded-dgd"] and len(words) > 1 and words[1][0] != "-":
            assert words[1] in options, code
            known = options[words[1]] | {"--help"}
        elif words[0].startswith("--"):
            known = anywhere
        else:
            continue
        for word in words:
            if re.fullmatch(r"--[a-z][a-z-]*", word):
                assert word in known, code


def test_what_theory_says_of_the_schemes_in_the_readme(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown_command,) = re.findall(r"`(coded-dgd theory [^`]+)`", text)
    done = run(f"{shown_command} --json --quiet", tmp_path)
    for result in json.loads(done.out)["results"]:
        row = re.search(rf"^\| `{result['scheme']}`.*$", text, re.MULTILINE)[0]
        *_, messages, seconds = [cell.strip() for cell in row.strip("|").split("|")]
        assert float(messages) == pytest.approx(result["communication_load"], abs=0.051)
        assert float(seconds) == pytest.approx(result["expected_completion_time"], abs=0.0005)


EXAMPLES = ("estimator.py", "own_script.py")
"""Scripts that the README shows, in this order."""


def test_the_scripts_in_the_readme_are_examples():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown_here = ["\n".join(lines) for kind, lines in blocks(text) if kind == "python"]
    for name, python in zip(EXAMPLES, shown_here, strict=True):
        script = (ROOT / "examples" / name).read_text(encoding="utf-8")
        assert script.endswith(f"\n{python}\n")


def test_the_example_scripts_run(tmp_path):
    done = mpirun(5, cwd=tmp_path, script=str(ROOT / "examples" / "own_script.py"))
    assert (done.code, done.out.split()[0]) == (0, "200"), done.err
    pytest.importorskip("sklearn", minversion="1.6")
    done = command(sys.executable, str(ROOT / "examples" / "estimator.py"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert float(done.out.split()[-1]) > 0.95


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            path = (ROOT / page).parent / target
            assert path.exists(), f"{page}: {target}"
