"""An HDF5 dataset may need parts outside its file; without them HDF5 may silently read zeros.

A virtual dataset is composed from other files, an external dataset is stored in a raw file, a link
names an object elsewhere, and a filter is a library that unpacks chunks.
"""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from coded_dgd.errors import DataError

DEPTH = 8
"""Maximum depth to which virtual datasets of virtual datasets are followed."""


def refuse_broken_link(h5py: Any, file: Any, path: Path, name: str) -> None:
    """Refuse a broken link.

    Raises
    ------
    DataError
        If the file has a link of this name; the caller has found no object under it.
    """
    link = file.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        target = f"{link.path} of {link.filename}"
    elif isinstance(link, h5py.SoftLink):
        target = link.path
    else:
        return
    raise DataError(
        f"{path}: {name} is a link to {target}, which is not there or no dataset: put that where "
        "the link leads, or write the dataset itself"
    )


def refuse_absent(h5py: Any, dataset: Any, title: str) -> None:
    """Refuse a dataset some of whose values are not available.

    Parameters
    ----------
    dataset : h5py.Dataset
    title : str
        Name of the dataset in errors.

    Raises
    ------
    DataError
        If a filter, a source of a virtual dataset or an external file is missing, or the dataset
        has never been written.
    """
    _refuse_missing_filter(h5py, dataset, title)
    if dataset.is_virtual:
        _refuse_missing_source(h5py, dataset, title, DEPTH)
    elif dataset.external:
        _refuse_missing_raw(dataset, title)
    elif dataset.size and not dataset.id.get_storage_size():
        raise DataError(
            f"{title} was created but never written, and would read as zeros: write its values"
        )


def _refuse_missing_filter(h5py: Any, dataset: Any, title: str) -> None:
    properties = dataset.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        code, *_, name = properties.get_filter(number)
        if h5py.h5z.filter_avail(code):
            continue
        with contextlib.suppress(ImportError):
            import_module("hdf5plugin")  # registers its filters
        if not h5py.h5z.filter_avail(code):
            called = name.decode(errors="replace") or "without a name"
            raise DataError(
                f"{title} is compressed by the filter {called} ({code}), which is not installed: "
                "pip install hdf5plugin, or write the file again with gzip"
            )


def _refuse_missing_source(h5py: Any, dataset: Any, title: str, depth: int) -> None:
    """Refuse a virtual dataset if a part of it would read as the fill value."""
    mapped = 0
    for part in dataset.virtual_sources():
        source = f"{part.dset_name} of {part.file_name}"
        try:
            mapped += part.vspace.get_select_npoints()
        except RuntimeError:  # unlimited selection: sized when read
            raise DataError(
                f"{title} is virtual, and its source {source} of unlimited length: write the "
                "values into one dataset"
            ) from None
        refusal = DataError(
            f"{title} is virtual, and its source {source} is missing or too small: put the file "
            "back, or write the values into one dataset"
        )
        found = _source_file(dataset, part.file_name)
        if found is None:
            raise refusal
        try:
            with h5py.File(found, "r") as file:
                values = file.get(part.dset_name)
                if not isinstance(values, h5py.Dataset) or not _covers(h5py, values, part):
                    raise refusal
                _refuse_missing_filter(h5py, values, title)
                if values.is_virtual:
                    if not depth:
                        raise refusal
                    _refuse_missing_source(h5py, values, title, depth - 1)
        except OSError:
            raise refusal from None
    if mapped < dataset.size:
        raise DataError(
            f"{title} is virtual, and {dataset.size - mapped} of its {dataset.size} values have no "
            "source and would read as the fill value: write the values into one dataset"
        )


def _covers(h5py: Any, values: Any, part: Any) -> bool:
    """Return whether a source has all values that the virtual dataset takes from it."""
    if part.src_space.get_select_type() == h5py.h5s.SEL_ALL:
        return bool(values.size >= part.vspace.get_select_npoints())
    _, last = part.src_space.get_select_bounds()
    return len(last) == len(values.shape) and all(
        place < length for place, length in zip(last, values.shape, strict=True)
    )


def _source_file(dataset: Any, name: str) -> Path | None:
    """Return the source file that HDF5 would read; None if it does not exist."""
    own = Path(dataset.file.filename)
    if name == ".":
        return own
    folders = [own.absolute().parent, Path()]
    if prefix := os.environ.get("HDF5_VDS_PREFIX"):
        folders.insert(0, Path(prefix.replace("${ORIGIN}", str(own.absolute().parent))))
    found = (folder / name for folder in folders)
    return next((path for path in found if path.is_file()), None)


def _refuse_missing_raw(dataset: Any, title: str) -> None:
    folder = Path(os.environ.get("HDF5_EXTFILE_PREFIX", ""))
    needed = dataset.size * dataset.dtype.itemsize
    for name, offset, size in dataset.external:
        taken = min(size, needed)
        needed -= taken
        path = folder / os.fsdecode(name)
        if not path.is_file() or path.stat().st_size < offset + taken:
            raise DataError(
                f"{title} lies in the file {path}, which is missing or too short: put it back, or "
                "write the values into the dataset"
            )
