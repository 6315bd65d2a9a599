"""Encoding for several workers at once, and by each of them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import schemes
from coded_dgd.codes.placement import Encoder
from coded_dgd.errors import DataError
from coded_dgd.planner.memory import resident
from coded_dgd.problems import encoding
from coded_dgd.problems.blocks import GradientBlocks, row_forms, zeros
from coded_dgd.problems.encoding import LocalEncoding
from coded_dgd.problems.fingerprint import fingerprint
from coded_dgd.problems.objectives.least_squares import LeastSquares
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.sources import AS_THEY_ARE, open_source, save
from coded_dgd.problems.sources.gram import GramSource

SCHEMES = [("lcc-mmc", 3), ("uc-mmc", 3), ("gc", 2), ("mds-mmc", 3)]
MEGABYTES = 1 << 20


@pytest.fixture
def source():
    return open_source("synthetic:rows=53,features=7", 3)


@pytest.mark.parametrize(("name", "load"), SCHEMES)
def test_what_is_encoded_for_all_is_what_each_would_get(source, name, load):
    scheme = schemes.create(name, 6, 6, load)
    encoder = Encoder([scheme.placement(worker) for worker in (4, 1, 2)])
    ((_, X, y),) = Partition(53, 6).windows(source)
    for _ in range(2):  # in the same memory
        encoded = list(encoder.encode(X, y))
        assert len(encoded) == 3
        for number, worker in enumerate((4, 1, 2)):
            np.testing.assert_allclose(
                encoded[number][0], scheme.encode(worker, X), rtol=1e-13, atol=1e-13
            )
            assert encoded[number][0].base is None


def test_a_mapped_file_does_not_stay_in_memory(tmp_path):
    path = tmp_path / "data.npy"
    A = np.lib.format.open_memmap(path, mode="w+", shape=(200_000, 41))
    A[:] = 1.0
    del A
    source = open_source(str(path), 0)
    before = resident()
    for X, y in source.windows(10_000):
        assert X.sum() + y.sum() == 41 * 10_000
        del X, y
    assert path.stat().st_size > 60 * MEGABYTES
    assert resident() - before < 20 * MEGABYTES


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".svm", "synthetic"])
@pytest.mark.parametrize(("name", "load"), SCHEMES)
def test_a_worker_makes_the_same_of_the_data_as_rank_0(tmp_path, source, suffix, name, load):
    data = "synthetic:rows=53,features=7"
    if suffix != "synthetic":
        data = str(tmp_path / f"data{suffix}")
        save(source, Path(data))
    scheme = schemes.create(name, 6, 6, load)
    theirs = GramSource(source) if scheme.of_gram_matrix else source
    ((_, X, y),) = Partition(theirs.rows, 6).windows(theirs)
    mark = str(fingerprint(open_source(data, 3), data))
    for worker in range(6):
        local_encoding = LocalEncoding.of(
            data, 3, AS_THEY_ARE, mark, 6, scheme.placement(worker), scheme.of_gram_matrix
        )
        pieces = list(local_encoding.pieces(window=1000))
        assert len(pieces) > 1 or scheme.of_gram_matrix
        mine = np.concatenate([piece for _, piece, _ in pieces], axis=1)
        np.testing.assert_allclose(mine, scheme.encode(worker, X), rtol=1e-12, atol=1e-12)
        if not scheme.coded:
            np.testing.assert_array_equal(mine, scheme.encode(worker, X))
            labels = np.concatenate([piece for _, _, piece in pieces], axis=1)
            np.testing.assert_array_equal(labels, scheme.encode(worker, y))


@pytest.mark.parametrize(
    ("stored", "held", "direct"),
    [("f8", "f8", 1), ("f4", "f4", 1), ("f4", "f8", 1), ("f8", "f4", 0)],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_copied_rows_are_read_into_the_memory_of_the_blocks(
    tmp_path, monkeypatch, stored, held, direct, weighted
):
    """Unless its type would round them, and so change what is said of unusable values."""
    monkeypatch.setattr(encoding, "READ_BYTES", 300)
    A = np.random.default_rng(0).standard_normal((53, 8)).astype(stored)
    np.save(tmp_path / "data.npy", A)
    data = str(tmp_path / "data.npy")
    source = open_source(data, 0)
    mark = str(fingerprint(source, data))
    if weighted:
        source.weights = np.arange(53.0)
        monkeypatch.setattr(encoding, "open_source", lambda *_: source)
        mark = str(fingerprint(source, data))
    placement = np.array([5, 0])
    local = LocalEncoding.of(data, 0, AS_THEY_ARE, mark, 6, placement, False)
    arrays = zeros(row_forms(2, 9, 7, (2, 9) if weighted else (9,), held))
    blocks = GradientBlocks(arrays, LeastSquares())
    pieces = list(local.pieces(300, blocks.memory))
    assert len(pieces) > 2
    assert {np.shares_memory(X, blocks.X) for _, X, _ in pieces} == {bool(direct)}
    for piece in pieces:
        blocks.load(*piece)
    partition = Partition(53, 6)
    ((start, X, y),) = partition.windows(source)
    labels = partition.with_weights(start, y, source.weights)
    np.testing.assert_array_equal(arrays[0], X[placement].astype(held))
    np.testing.assert_array_equal(arrays[1], labels[placement].astype(held))


def test_a_worker_imports_readers_only_where_it_reads():
    code = (
        "import sys; import coded_dgd.engine.shard, coded_dgd.engine.transports.mpi.worker; "
        "print('coded_dgd.problems.sources' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_worker_refuses_other_data(tmp_path, source):
    path = tmp_path / "data.npy"
    save(source, path)
    mark = str(fingerprint(source, str(path)))
    local_encoding = LocalEncoding.of(str(path), 3, AS_THEY_ARE, mark, 6, np.array([0, 1]), False)
    assert len(list(local_encoding.pieces())) == 1
    save(open_source("synthetic:rows=53,features=7", 4), path)
    with pytest.raises(DataError, match="is not what rank 0 reads") as raised:
        list(local_encoding.pieces())
    assert os.uname().nodename in str(raised.value)
    path.unlink()
    with pytest.raises(DataError, match=r"no such file.*--encode master"):
        list(local_encoding.pieces())


def test_a_worker_weighs_the_rows_as_rank_0_does(monkeypatch, source):
    source.weights = np.arange(53.0)
    monkeypatch.setattr(encoding, "open_source", lambda *_: source)
    data, placement = "synthetic:rows=53,features=7", np.array([5, 0])
    mark = str(fingerprint(source, data))
    partition = Partition(53, 6)
    ((start, X, y),) = partition.windows(source)
    labels = partition.with_weights(start, y, source.weights)[placement]
    local = LocalEncoding.of(data, 3, AS_THEY_ARE, mark, 6, placement, False)
    pieces = list(local.pieces(window=500))
    assert len(pieces) > 1
    np.testing.assert_array_equal(np.concatenate([y for _, _, y in pieces], axis=2), labels)
    np.testing.assert_array_equal(np.concatenate([X for _, X, _ in pieces], axis=1), X[placement])
    np.testing.assert_array_equal(labels[0, 1], np.arange(44.0, 53))
    np.testing.assert_array_equal(labels[1, 1], [*range(8), 0])
