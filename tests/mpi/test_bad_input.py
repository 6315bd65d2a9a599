"""Bad input: one line that names the mend, and the documented exit code, from every launch."""

import os
import re
import sys

import numpy as np
import pytest
from launching import alone, command, mpirun, several, within

pytestmark = pytest.mark.mpi

SIMULATED = ["run", "--transport", "simulated", "--workers", "5", "--iterations", "2", "--quiet"]


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (["--scheme", "lcc-mcc"], "did you mean 'lcc-mmc'?"),
        (["--scheme", "lcc-mmc-9"], "fewer polynomials"),
        (["--scheme", "lcc-mmc-0"], "--scheme lcc-mmc"),
        (["--load", "6"], "choose --load from 1 to 5"),
        (["--scheme", "gc", "--blocks", "4"], "--blocks 5"),
        (["--scheme", "sgc", "--load", "3"], "--load means nothing to sgc"),
        (["--scheme", "sgc", "--redundancy", "9"], "--redundancy from 1 to 5"),
        (["--scheme", "sgc", "--wait", "fastest:9"], "K from 1 to 5"),
        (["--scheme", "sgc", "--p", "1"], "0 <= p < 1"),
        (["--scheme", "erasurehead", "--redundancy", "2"], "--redundancy 1"),
        (["--scheme", "sgc", "--assignment", "balanced"], "--assignment random"),
        (["--scheme", "lcc", "--objective", "logistic"], "use uc-mmc, gc"),
        (["--scheme", "nowhere:Scheme"], "MODULE:CLASS"),
        (["--delay", "bernoulli:p=1"], "0 <= p < 1"),
        (["--scheme", "uncoded", "--delay", "bernoulli:p=0.9,slow=inf"], "--wait"),
        (["--load", "0"], "--load (r) has to be 1 or more"),
        (["--load", "1"], "--load 2"),
        (["--scheme", "lcc", "--load", "1"], "--load 2"),
        (["--scheme", "uc-mmc", "--blocks", "20", "--load", "2"], "--load 4"),
        (["--scheme", "uncoded", "--blocks", "20", "--load", "2"], "--load 4"),
        (["--blocks", "0"], "--blocks (N) has to be 1 or more"),
        (["--workers", "0"], "--workers has to be 1 or more"),
        (["--iterations", "0"], "--iterations has to be 1 or more"),
        (["--iterations", "many"], "is not a valid integer"),
        (["--tolerance", "0.1"], "--tolerance means nothing to lcc-mmc"),
        (["--scheme", "uc-mmc-pg", "--tolerance", "1.5"], "choose 0 <= F < 1"),
        (["--delay", "shifted-exponential:mu=-1"], "has to be positive"),
        (["--delay", "shifted-exponential:mu=0"], "has to be positive"),
        (["--delay", "shifted-exponential:nu=1"], "did you mean 'mu'?"),
        (["--delay", "shifted-exponentail"], "did you mean 'shifted-exponential'?"),
        (["--delay", "persistent:ranks=9"], "choose ranks from 1 to 5"),
        (["--delay", "trace:nowhere.npy"], "no such file"),
        (["--data", "nowhere.npy"], "nowhere.npy"),
        (["--data", "synthetic:rows=0"], "rows"),
        (["--step-size", "-1"], "give auto or a positive number"),
        (["--step-size", "nan"], "give auto or a positive number"),
        (["--guard", "1"], "--guard has to be 2 or more"),
        (["--ridge", "-1"], "--ridge has to be 0 or more"),
        (["--stop-at", "2"], "0 <= F < 1"),
        (["--objective", "least-square"], "did you mean 'least-squares'?"),
        (["--optimizer", "sgd"], "there are: adam, cg, gd, lbfgs, momentum, nesterov"),
        (["--transport", "carrier-pigeon"], "--help"),
        (["--laod", "3"], "--load"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_options(tmp_path, arguments, mend):
    done = within(*SIMULATED, *arguments, cwd=tmp_path)
    assert done.code == 2, done.err
    (line,) = done.err.splitlines()
    assert line.startswith("coded-dgd: ")
    assert mend in line
    assert not list(tmp_path.iterdir())  # nothing was made


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "empty"),
        ("ragged.csv", b"1,2,3\n4,5\n", "ragged.csv"),
        ("nan.csv", b"1,2,3\n4,nan,6\n", "finite"),
        ("inf.svm", b"1 1:2\n-1 1:inf\n", "finite"),
        ("text.npy", b"not an array", "text.npy"),
        ("words.csv", b"1,2,3\n4,five,6\n", "words.csv"),
        ("data.parquet", b"PAR1", "arquet"),  # damaged, or unread without the extra parquet
        ("data.xlsx", b"PK", "unknown suffix"),
    ],
)
def test_data_files(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    done = within(*SIMULATED, "--data", name, cwd=tmp_path)
    assert done.code == 2, done.err
    (line,) = done.err.splitlines()
    assert says in line


def test_wrong_shape(tmp_path):
    np.save(tmp_path / "cube.npy", np.zeros((2, 3, 4)))
    done = within(*SIMULATED, "--data", "cube.npy", cwd=tmp_path)
    assert done.code == 2
    assert "(rows, features + 1)" in done.err


def test_the_run_folder_is_never_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    done = within(*SIMULATED, "--out", "mine", cwd=tmp_path)
    assert done.code == 2
    assert "name a new folder" in done.err
    assert not list((tmp_path / "mine").iterdir())


def test_an_unwritable_run_folder(tmp_path):
    (tmp_path / "file").write_text("")
    done = within(*SIMULATED, "--out", "file/run", cwd=tmp_path)
    assert done.code == 2
    assert "--out" in done.err


def test_a_single_rank_names_mpiexec_and_the_simulation(tmp_path):
    for done in (alone(cwd=tmp_path), mpirun(1, cwd=tmp_path)):  # and nothing else is said
        assert done.code == 2
        (line,) = [line for line in done.err.splitlines() if line.startswith("coded-dgd")]
        assert "mpiexec -n 41" in line
        assert "--transport simulated" in line


def test_errors_under_mpiexec_are_said_once(tmp_path):
    done = mpirun(3, "--workers", "8", cwd=tmp_path)
    assert done.code == 2
    (line,) = done.said
    assert "mpiexec -n 9" in line


@pytest.mark.parametrize(("rank", "lines"), [("0", 1), ("2", 0)])
def test_an_mpiexec_of_another_mpi(tmp_path, rank, lines):
    """Under a launcher that is not of mpi4py's MPI every process believes to be alone."""
    # without its own launcher Open MPI has much to say of parameters in the environment
    silent = {name: None for name in os.environ if name.startswith(("OMPI_MCA_", "PMIX_MCA_"))}
    done = alone(cwd=tmp_path, PMI_RANK=rank, PMI_SIZE="3", **silent)
    assert done.code == 2
    assert len(done.err.splitlines()) == lines
    assert not lines or "mpiexec of that MPI" in done.err


def test_help_under_mpiexec_is_said_once(tmp_path):
    done = mpirun(4, "--help", cwd=tmp_path)
    assert done.code == 0
    assert done.out.count("Usage:") == 1


def test_whatever_ends_the_command_on_rank_0_ends_the_job(tmp_path):
    """A file in the current folder takes the place of click, and ends rank 0 when imported."""
    (tmp_path / "click.py").write_text("raise SystemExit(0)\n")
    done = mpirun(3, "--laod", "3", cwd=tmp_path, timeout=30)
    assert done.code == 1, done.err
    (line,) = done.said
    assert re.search("rank 0 on .* failed: SystemExit: 0", line)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_of_all_commands(tmp_path, arguments):
    done = command(sys.executable, "-m", "coded_dgd", *arguments, cwd=tmp_path)
    assert done.code == (0 if arguments else 2)
    said, silent = (done.out, done.err) if arguments else (done.err, done.out)
    assert said.startswith("Usage: coded-dgd [OPTIONS] COMMAND")
    assert not silent


def test_bad_data_under_mpiexec(tmp_path):
    (tmp_path / "nan.csv").write_text("1,2,3\n4,nan,6\n" * 3)
    common = ["run", "--data", "nan.csv", "--quiet", "--step-size"]
    for done in several(4, [[*common, step] for step in ("auto", "0.1")], tmp_path):
        assert done.code == 2, done.err
        (line,) = done.said
        assert "row 2" in line
