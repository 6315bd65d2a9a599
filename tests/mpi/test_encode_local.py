"""``--encode local``: every worker reads the data and makes its own blocks."""

import gzip

import numpy as np
import pytest
from launching import mpirun, several

from coded_dgd.problems.sources import open_source, save

pytestmark = pytest.mark.mpi

QUICK = ["--delay", "shifted-exponential:mu=200,alpha=0.002", "--json", "--encode", "local"]


@pytest.fixture
def data(tmp_path):
    """A file, named as it is seen from the folder in which jobs run."""
    save(open_source("synthetic:rows=400,features=20", 1), tmp_path / "data.npy")
    return "data.npy"


def run(cwd, *arguments, fault=None):
    script = {} if fault is None else {"script": "faulty.py", "FAULTS": fault}
    return mpirun(5, *QUICK, "--check-gradient", *arguments, cwd=cwd, **script)


def test_the_model_is_the_same_as_with_encode_master(tmp_path, data):
    names, ways = ["lcc-mmc", "uc-mmc", "mds-mmc", "sgc"], ["local", "master"]
    common = [*QUICK, "--check-gradient", "--data", data, "--iterations", "20"]
    lines = [
        ["run", *common, "--scheme", name, "--encode", way, "--out", f"{name}-{way}"]
        for name in names
        for way in ways
    ]
    for done in several(5, lines, tmp_path):
        assert done.code == 0, done.err
        assert done.json["gradient_error"]["max"] <= 1e-9
    for name in names:
        models = [np.load(tmp_path / f"{name}-{way}" / "beta.npy") for way in ways]
        np.testing.assert_allclose(*models, rtol=1e-10)


def test_workers_read_a_table_as_rank_0_does(tmp_path):
    """A compressed table whose name says nothing, with a header and the label in the middle."""
    rows = np.random.default_rng(2).standard_normal((60, 6))
    text = "a,b,label,d,e,f\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())
    (tmp_path / "train").write_bytes(gzip.compress(text.encode()))
    reading = ["--data", "train", "--format", "csv", "--label", "label"]
    done = run(tmp_path, "--scheme", "lcc-mmc", *reading, "--iterations", "2000", "--out", "r")
    assert done.code == 0, done.err
    assert "train: 60 rows x 5 features, label 'label' (column 3 of 6), in memory" in done.err
    X, y = np.delete(rows, 2, axis=1), rows[:, 2]
    np.testing.assert_allclose(
        np.load(tmp_path / "r" / "beta.npy"), np.linalg.lstsq(X, y, rcond=None)[0], atol=1e-6
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["uc-mmc", "--load", "2"], "rank 2 on "),
        (["uncoded", "--on-loss", "replan"], "uncoded on 3 workers"),
        (["uncoded", "--spare", "1"], "rank 4 in the place of worker 2"),
        (["uncoded", "--replace"], "rank 5 in the place of worker 2"),
    ],
)
@pytest.mark.parametrize(
    "fault", ["kill-start:1:0", pytest.param("kill:1:3", marks=pytest.mark.slow)]
)
def test_a_killed_worker_is_survived(tmp_path, data, fault_tolerance, options, said, fault):
    done = run(tmp_path, "--data", data, "--scheme", *options, "--out", "run", fault=fault)
    assert done.code == 0, done.err
    assert done.json["workers_lost"] == [2]
    assert done.json["gradient_error"]["max"] <= 1e-10
    assert said in (tmp_path / "run" / "log.txt").read_text()


def test_data_that_a_host_does_not_have(tmp_path, data):
    done = run(tmp_path, "--data", data, "--scheme", "uncoded", fault="missing:1:0")
    assert done.code == 1
    (line,) = [line for line in done.said if "failed" in line]
    assert "rank 2 on " in line
    assert f"{tmp_path / 'data.npy'} cannot be used on " in line
    assert "use --encode master" in line
    done = run(tmp_path, "--data", data, "--scheme", "uc-mmc", "--load", "2", fault="missing:1:0")
    assert done.code == 0
    assert done.json["workers_lost"] == [2]


def test_resuming_and_several_schemes_side_by_side(tmp_path, data):
    """Both read the data again."""
    first = ["run", *QUICK, "--check-gradient", "--data", data, "--iterations", "10"]
    schemes = ["--schemes", "uncoded,lcc-mmc,mds-mmc", "--load", "4", "--iterations", "5"]
    lines = [
        [*first, "--out", "run"],
        ["run", "--resume", "run", "--iterations", "20", "--json"],
        ["compare", *schemes, "--out", "out", *QUICK],
    ]
    first, more, compared = several(5, lines, tmp_path)
    assert first.code == 0, first.err
    assert more.code == 0, more.err
    assert (more.json["resumed_at"], more.json["gradient_error"]["max"] <= 1e-9) == (10, True)
    assert compared.code == 0, compared.err
    assert len(compared.json["results"]) == 3
    assert all(each["gradient_error"]["max"] <= 1e-9 for each in compared.json["results"])


def test_workers_prepare_the_data_as_rank_0_does(tmp_path):
    """An intercept, scaled columns and sample weights, against one process."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((61, 4)) * [1, 5, 0.1, 1] + [100, 0, -3, 1e4]
    y = X @ [1.0, -1.0, 3.0, 0.5] + rng.standard_normal(61)
    weights = rng.integers(0, 3, 61).astype(float)
    np.savez(tmp_path / "data.npz", X=X, y=y)
    np.savetxt(tmp_path / "w.txt", weights)
    prepared = ["--data", "data.npz", "--weights", "w.txt", "--intercept", "--standardize"]
    common = [*QUICK, *prepared, "--ridge", "2", "--load", "2", "--optimizer", "nesterov"]
    kinds = [("lcc-mmc", "least-squares"), ("gc", "least-squares"), ("uc-mmc", "huber:delta=1e9")]
    lines = [
        ["run", *common, "--blocks", "2", "--scheme", scheme, "--objective", objective,
         "--iterations", "300", "--encode", way, "--out", f"{scheme}-{way}"]
        for scheme, objective in kinds
        for way in ("local", "master")
    ]  # fmt: skip
    for done in several(3, lines, tmp_path):
        assert done.code == 0, done.err
    mean, total = weights @ X / weights.sum(), weights.sum()
    deviation = np.sqrt(weights @ (X - mean) ** 2 / total)
    Z, level = (X - mean) / deviation, weights @ y / total
    beta = np.linalg.solve(
        Z.T @ (weights[:, None] * Z) + 2 * np.eye(4), Z.T @ (weights * (y - level))
    )
    expected = np.append(beta / deviation, level - beta / deviation @ mean)
    for scheme, _ in kinds:
        for way in ("local", "master"):
            found = np.load(tmp_path / f"{scheme}-{way}" / "beta.npy")
            np.testing.assert_allclose(found, expected, rtol=1e-9)
