"""HDF5: what a dataset needs beside its file; where that is missing nothing is read as zeros."""

import subprocess
import sys
import types

import h5py
import numpy as np
import pytest

from coded_dgd.errors import DataError
from coded_dgd.problems.sources import open_source

X = np.random.default_rng(1).standard_normal((10, 3))
y = X @ [1.0, 2.0, 3.0]
UNKNOWN = 32001  # of the filter blosc


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HDF5_VDS_PREFIX", "HDF5_EXTFILE_PREFIX", "HDF5_USE_FILE_LOCKING"):
        monkeypatch.delenv(name, raising=False)


def save(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


def refused(message, path="a.h5"):
    with pytest.raises(DataError, match=message) as refusal:
        open_source(path, 0)
    assert str(refusal.value).startswith(path)
    assert "\n" not in str(refusal.value)


def assert_read(path="a.h5"):
    for found, wanted in zip(open_source(path, 0).read(0, 10), (X, y), strict=True):
        np.testing.assert_array_equal(found, wanted)


def virtual(parts, shape=(10, 3), path="a.h5"):
    """A file whose X is virtual: rows, and the file, dataset and shape that they come from."""
    layout = h5py.VirtualLayout(shape, "f8")
    for rows, file, name, own in parts:
        source = h5py.VirtualSource(file, name, own)
        layout[rows] = source[: rows.stop - rows.start]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("X", layout)
        file["y"] = y


HALVES = [(slice(0, 5), "b.h5", "d", (5, 3)), (slice(5, 10), "c.h5", "d", (5, 3))]


def test_a_virtual_dataset_is_read_where_all_its_sources_are(tmp_path, monkeypatch):
    virtual(HALVES)
    save("b.h5", d=X[:5])
    save("c.h5", d=X[5:])
    assert_read()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert_read("../a.h5")


def test_a_virtual_dataset_of_its_own_file_and_of_virtual_ones():
    virtual([(slice(0, 10), "b.h5", "X", (10, 3))])
    virtual([(slice(0, 10), ".", "d", (10, 3))], path="b.h5")
    with h5py.File("b.h5", "a") as file:
        file["d"] = X
    assert_read()
    with h5py.File("b.h5", "a") as file:
        del file["d"]
    refused(r"dataset X is virtual, and its source d of \. is missing")


@pytest.mark.parametrize(
    ("b", "c", "source"),
    [
        (X[:5], None, "d of c.h5"),
        (None, X[5:], "d of b.h5"),
        (X[:5], X[5:9], "d of c.h5"),
        (X[:5], X[5:, :2], "d of c.h5"),
        (X[:5], X[5:].ravel(), "d of c.h5"),
        (X[:5], "other", "d of c.h5"),
        (X[:5], b"no HDF5", "d of c.h5"),
    ],
)
def test_a_missing_source_of_a_virtual_dataset_is_named(tmp_path, b, c, source):
    virtual(HALVES)
    for path, values in (("b.h5", b), ("c.h5", c)):
        if isinstance(values, bytes):
            (tmp_path / path).write_bytes(values)
        elif isinstance(values, str):
            save(path, **{values: X})
        elif values is not None:
            save(path, d=values)
    refused(f"dataset X is virtual, and its source {source} is missing or too small: put")


def test_rows_without_a_source_are_refused():
    save("b.h5", d=X[:5])
    virtual(HALVES[:1])
    refused("15 of its 30 values have no source and would read as the fill value")


def test_sources_of_unlimited_length_are_refused():
    layout = h5py.VirtualLayout((10, 3), "f8", maxshape=(None, 3))
    source = h5py.VirtualSource("b.h5", "d", (10, 3), maxshape=(None, 3))
    layout[0 : h5py.h5s.UNLIMITED] = source[0 : h5py.h5s.UNLIMITED]
    with h5py.File("a.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
        file["y"] = y
    refused("dataset X is virtual, and its source d of b.h5 of unlimited length: write")


def test_a_whole_source_is_looked_at_too():
    layout = h5py.VirtualLayout((10, 3), "f8")
    layout[:] = h5py.VirtualSource("b.h5", "d", (10, 3))
    with h5py.File("a.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
        file["y"] = y
    save("b.h5", d=X)
    assert_read()
    save("b.h5", d=X[:9])
    refused("its source d of b.h5 is missing or too small")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (h5py.ExternalLink("gone.h5", "/d"), "/d of gone.h5"),
        (h5py.ExternalLink("b.h5", "/gone"), "/gone of b.h5"),
        (h5py.SoftLink("/gone"), "/gone"),
    ],
)
def test_a_link_to_nothing_is_named(link, target):
    save("b.h5", d=X)
    save("a.h5", X=link, y=y)
    refused(f"X is a link to {target}, which is not there or no dataset: put that where")


def test_links_that_lead_somewhere_are_followed():
    save("b.h5", d=X)
    save("a.h5", X=h5py.ExternalLink("b.h5", "/d"), z=y, y=h5py.SoftLink("/z"))
    assert_read()


def test_values_in_a_raw_file(tmp_path):
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("X", X.shape, "f8", external=[("x.raw", 8, X.nbytes)])
        file["y"] = y
    raw = tmp_path / "x.raw"
    refused("dataset X lies in the file x.raw, which is missing or too short")
    raw.write_bytes(bytes(8) + X.tobytes())
    assert_read()
    raw.write_bytes(raw.read_bytes()[:-1])
    refused("dataset X lies in the file x.raw, which is missing or too short")


@pytest.mark.parametrize("chunks", [None, True])
def test_a_dataset_that_was_never_written_is_not_read_as_zeros(chunks):
    with h5py.File("a.h5", "w") as file:
        file["X"] = X
        file.create_dataset("y", (10,), "f8", chunks=chunks)
    refused("dataset y was created but never written, and would read as zeros")


def filtered(path):
    """A file whose X went through a filter that is not here."""
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(X.shape)
        properties.set_filter(UNKNOWN, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple(X.shape)
        dataset = h5py.h5d.create(file.id, b"X", h5py.h5t.NATIVE_DOUBLE, space, properties)
        dataset.write_direct_chunk((0, 0), X.tobytes(), 0)
        file["y"] = y


@pytest.mark.skipif(h5py.h5z.filter_avail(UNKNOWN), reason="the filter is installed")
def test_a_missing_filter_is_named(monkeypatch):
    filtered("a.h5")
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    refused(rf"dataset X is compressed by the filter .* \({UNKNOWN}\).*pip install hdf5plugin")
    virtual([(slice(0, 10), "a.h5", "X", (10, 3))], path="v.h5")
    refused("dataset X is compressed by the filter .*pip install hdf5plugin", "v.h5")


def test_filters_of_hdf5plugin_are_looked_for(monkeypatch):
    filtered("a.h5")
    seen = []
    monkeypatch.setitem(sys.modules, "hdf5plugin", types.ModuleType("hdf5plugin"))
    monkeypatch.setattr(
        h5py.h5z, "filter_avail", lambda code: bool(seen.append(code)) or len(seen) > 1
    )
    open_source("a.h5", 0)
    assert seen == [UNKNOWN, UNKNOWN]


WRITER = """
import h5py, sys
file = h5py.File("a.h5", "w", libver=sys.argv[1])
file["X"], file["y"] = [[1.0]], [1.0]
file.flush()
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(params=["earliest", "latest"])
def writer(request):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, request.param],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.communicate()


def test_a_file_that_is_being_written_names_the_writer(writer):
    refused("^a.h5 is locked, as another process has it .*wait .*HDF5_USE_FILE_LOCKING=FALSE")
    writer.communicate("\n")
    assert open_source("a.h5", 0).rows == 1


def test_a_file_whose_writer_was_killed_is_read_or_names_what_clears_its_mark():
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, "latest"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.readline()
    process.kill()
    process.communicate()
    refused("is open for writing by another process, or by one that ended .*h5clear -s")
