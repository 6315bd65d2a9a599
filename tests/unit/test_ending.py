"""What `import coded_dgd` does to the end of a rank, and the guardian of rank 0; without MPI."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")

RANK = {"PMI_RANK": "1", "PMI_SIZE": "3"}


def run(code, **variables):
    unset = ("_CODED_DGD_RANK_PROCESS", "PMI_RANK", "PMI_SIZE")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, "-c", code], env=env | variables, capture_output=True, text=True,
        check=False, timeout=30,
    )  # fmt: skip


ENDS = """
from coded_dgd.host import open_mpi
open_mpi.end_job_surely = lambda: print("ends the job") or True
"""


def test_an_uncaught_exception_is_printed_as_usual_and_ends_the_job():
    done = run(f"import coded_dgd\n{ENDS}\nraise ValueError('mine')", **RANK)
    assert done.returncode == 1
    assert done.stdout == "ends the job\n"
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.endswith("ValueError: mine\n")


def test_also_where_another_hook_has_taken_the_place_of_ours():
    hook = "import sys\nsys.excepthook = lambda *_: print('another hook')"
    done = run(f"import coded_dgd\n{ENDS}\n{hook}\nraise ValueError", **RANK)
    assert done.stdout == "another hook\nends the job\n"


def test_a_hook_of_the_users_is_called_before():
    hook = "import sys\nsys.excepthook = lambda *_: print('my hook')"
    done = run(f"{hook}\nimport coded_dgd\n{ENDS}\nraise ValueError", **RANK)
    assert done.stdout == "my hook\nends the job\n"


@pytest.mark.parametrize("code", ["", "import sys; sys.exit(4)", "import os; os._exit(4)"])
def test_other_ends_are_left_alone(code):
    done = run(f"import coded_dgd\n{ENDS}\n{code}", **RANK)
    assert done.returncode == (4 if code else 0)
    assert done.stdout == done.stderr == ""


FORKED = """
import os
if os.fork():
    os.wait()
    print("parent", flush=True)
else:
    raise ValueError
"""


def test_only_the_rank_itself_counts():
    child = 'import subprocess, sys; subprocess.run([sys.executable, "-c", sys.argv[-1]])'
    for code in FORKED, f"import sys; sys.argv += ['import coded_dgd; raise ValueError']; {child}":
        done = run(f"import coded_dgd\n{ENDS}\n{code}", **RANK)
        assert done.returncode == 0
        assert "ends the job" not in done.stdout


@pytest.mark.parametrize("variables", [{}, {"PMI_RANK": "0", "PMI_SIZE": "1"}])
def test_a_process_alone_is_left_alone(variables):
    code = "import sys; before = sys.excepthook; import coded_dgd; print(sys.excepthook is before)"
    assert run(code, **variables).stdout == "True\n"


SKIPS = "from coded_dgd.engine.transports.ending import skip_finalize; skip_finalize(); import sys"


@pytest.mark.parametrize(
    ("end", "code"),
    [("", 0), ("sys.exit()", 0), ("sys.exit(3)", 3), ("sys.exit('why')", 1), ("raise OSError", 1)],
)
def test_the_exit_code_outlives_the_end_without_mpi_finalize(end, code):
    done = run(f"import coded_dgd\n{ENDS}\n{SKIPS}\n{end}", **RANK)
    assert done.returncode == code
    assert ("why" in done.stderr) == ("why" in end)


ENDED = """
from coded_dgd.engine.transports import ending
ending._mark("ended", 7)
print(ending.have_ended([6, 7, 8]), flush=True)
input()
"""


def test_ranks_that_have_ended_are_known_until_they_are_gone():
    job = f"a test of process {os.getpid()}"  # the same test may run elsewhere on this machine
    env = os.environ | {"PMIX_NAMESPACE": job, "PMIX_RANK": "7"}
    look = "from coded_dgd.engine.transports import ending; print(ending.have_ended([7]))"
    with subprocess.Popen(
        [sys.executable, "-c", ENDED], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"[7]\n"
        assert run(look, PMIX_NAMESPACE=job).stdout == "[7]\n"
        assert run(look, PMIX_NAMESPACE="another").stdout == "[]\n"
        process.kill()
        process.wait()
        assert run(look, PMIX_NAMESPACE=job).stdout == "[]\n"


@pytest.fixture
def launcher():
    with subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        process.stdout.readline()
        yield process
        process.kill()


def rank_0(launcher, end):
    return run(
        "from coded_dgd.host import guardian; import os\n"
        f"writer = guardian.start({launcher.pid}, 0)\n{end}"
    )


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.fork(); os._exit(0)"]
)
def test_a_guardian_ends_the_job_of_a_rank_0_that_ends_without_notice(launcher, end):
    begin = time.monotonic()
    rank_0(launcher, end)
    assert launcher.wait(10) == -signal.SIGTERM
    assert time.monotonic() - begin < 5
    assert "rank 0 ended without notice" in launcher.stderr.read()


@pytest.mark.parametrize("notice", ["LEAVING", "FINALIZING"])
def test_it_does_nothing_where_rank_0_leaves(launcher, notice):
    begin = time.monotonic()
    rank_0(launcher, f"os.write(writer, guardian.{notice})")  # and nobody holds its output
    assert time.monotonic() - begin < 2
    time.sleep(3)
    assert launcher.poll() is None


@pytest.mark.parametrize("rank_0_ends", [False, True])
def test_it_ends_a_job_that_is_stuck_in_mpi_finalize(launcher, rank_0_ends):
    """As where a rank is lost; or where MPI_Abort, with fault tolerance, ends rank 0 alone."""
    variables = {"PMIX_NAMESPACE": f"test {launcher.pid}", "OMPI_COMM_WORLD_LOCAL_SIZE": "3"}
    code = (
        "from coded_dgd.host import guardian; import os, sys, time\n"
        "if os.environ['PMIX_RANK'] == '0':\n"
        f"    os.write(guardian.start({launcher.pid}, 0), guardian.FINALIZING)\n"
        f"    {rank_0_ends} and sys.exit()\n"
        "time.sleep(30)"
    )
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | variables | {"PMIX_RANK": str(rank)}
        )
        for rank in (0, 1)
    ]
    try:
        assert launcher.wait(25) == -signal.SIGTERM
        assert "a rank was lost" in launcher.stderr.read()
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()


def test_it_holds_nothing_that_rank_0_prints_to(launcher):
    """A launcher waits for that, before it ends a job that has aborted."""
    begin = time.monotonic()
    done = rank_0(launcher, "print('out', flush=True); os.write(writer, guardian.ABORTING)")
    assert done.stdout == "out\n"
    assert time.monotonic() - begin < 2
