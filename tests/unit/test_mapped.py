"""Arrays that are a part of a file are found there again, and no others."""

import numpy as np
import pytest

from coded_dgd.pool.mapped import Mapped
from coded_dgd.pool.parcels import pack, unpack

ARRAY = np.arange(60000.0).reshape(6000, 10)


@pytest.fixture
def mapped(tmp_path):
    """An array that is a file."""
    np.save(tmp_path / "x.npy", ARRAY)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def test_whole_arrays_and_ranges_of_rows(mapped):
    for part in mapped, mapped[3:400], np.asarray(mapped)[3:], mapped.T, mapped.reshape(-1)[5:]:
        found = Mapped.of(part)
        np.testing.assert_array_equal(found.open(), part)
        assert found.open().flags.f_contiguous == part.flags.f_contiguous


def test_it_travels_without_a_copy(mapped, tmp_path):
    folder = tmp_path / "parcel"
    folder.mkdir()
    text = pack({"X": mapped, "y": mapped[:3000]}, folder)
    assert not [*folder.iterdir()]
    found = unpack(text, folder)
    np.testing.assert_array_equal(found["X"], ARRAY)
    assert len(pack([ARRAY, ARRAY * 2], folder)) < 1000
    assert len([*folder.iterdir()]) == 2


def test_other_memory(mapped, tmp_path):
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    for other in ARRAY, ARRAY[3:], mapped[:, :4], mapped[::2], private, mapped + 1, ARRAY.copy():
        assert Mapped.of(other) is None


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_that_is_another_or_gone(mapped, tmp_path, replace):
    if replace:
        np.save(tmp_path / "new.npy", ARRAY + 1)
        (tmp_path / "new.npy").replace(tmp_path / "x.npy")
    else:
        (tmp_path / "x.npy").unlink()
    assert Mapped.of(mapped) is None
    np.testing.assert_array_equal(mapped, ARRAY)
