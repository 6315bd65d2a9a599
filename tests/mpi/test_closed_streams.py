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


SCRIPT = """
import coded_dgd
from mpi4py import MPI
if MPI.COMM_WORLD.rank == 0:
    from coded_dgd.engine.transports.ending import end_job
    end_job("this rank gives up")
coded_dgd.train(data="synthetic:rows=60,features=4", scheme="uc-mmc", load=2)
"""


def test_a_message_of_a_script_is_none_of_its_results(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    line = f"{mpiexec()} -n 3 sh -c 'exec {sys.executable} script.py 2>&-'"
    done = command("bash", "-c", line, cwd=tmp_path)
    assert done.code != 0
    assert "gives up" not in done.out
