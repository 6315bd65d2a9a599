"""Ranks whose standard streams are closed, or whose messages nobody reads."""

import json
import sys

import pytest
from launching import command, mpiexec

pytestmark = pytest.mark.mpi

RUN = (
    f"{sys.executable} -m coded_dgd.run --scheme uc-mmc --load 2 --delay none --iterations 20 "
    "--data synthetic:rows=60,features=4 --json --out"
)


@pytest.mark.parametrize(
    "line",
    [
        f"{mpiexec()} -n 3 {RUN} run 2>&-",
        f"{mpiexec()} -n 3 sh -c 'exec {RUN} run 2>&- <&-'",
        f"{mpiexec()} -n 3 {RUN} run 2> >(exec true)",
    ],
    ids=["of mpiexec", "of ranks", "not read"],
)
def test_results_hold_nothing_but_results(tmp_path, line):
    done = command("bash", "-c", line, cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.json["iterations"] == 20
    records = (tmp_path / "run" / "iterations.jsonl").read_text().splitlines()
    assert [json.loads(record)["iteration"] for record in records] == list(range(20))
