"""This module reads traces of large-model training at ByteDance, which are parquet files.

They were published with J. Lin et al., "Understanding stragglers in large model training using
what-if analysis" (2025). A row is one operation, with ``step``, ``dp_rank``, ``stage``, ``optype``
and ``duration``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from coded_dgd.errors import DataError, UsageError
from coded_dgd.traces.importers._cells import complete, table
from coded_dgd.traces.importers.base import Imported, Importer

KEYS = ("step", "dp_rank", "stage")
COLUMNS = (*KEYS, "optype", "duration")
WANTED = f"a parquet file with the columns {', '.join(COLUMNS)}"
COMPUTING = "-compute"
"""End of the types of operations that compute, rather than send or wait."""


class ByteDance(Importer):
    """An entry is the time that a data-parallel rank computed in a step, over the median.

    It is the sum over the operations of a pipeline stage, and the largest over the stages.
    """

    wanted = WANTED

    def read(self, path: Path) -> Imported:
        columns = _columns(path)
        types = columns["optype"].astype(str)
        computes = np.char.endswith(types, COMPUTING)
        if not computes.any():
            raise DataError(f"{path} has no 'optype' that ends in {COMPUTING}: give {WANTED}")
        keys = [columns[key][computes] for key in KEYS]
        per_stage = table(keys, columns["duration"][computes].astype(np.float64))
        whole, notes = complete(per_stage)
        if not len(whole):
            raise DataError(f"{path}: no step has all ranks and stages: give a whole trace")
        times = whole.max(axis=2)
        median = float(np.median(times))
        if not 0 < median < np.inf:
            raise DataError(f"{path}: the median of the durations is {median:g}: give {WANTED}")
        return Imported(times / median, relative=True, notes=notes)


def _columns(path: Path) -> dict[str, Any]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise UsageError(f"{path} needs pyarrow: pip install coded_dgd[parquet]") from None
    with parquet.ParquetFile(path) as file:
        missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise DataError(f"{path} has no column {', '.join(missing)}: give {WANTED}")
        read = file.read(columns=list(COLUMNS))
    for name in COLUMNS:
        if read[name].null_count:
            raise DataError(f"{path}: column {name} has empty values: fill them, or drop the rows")
        numeric = str(read[name].type).startswith(("int", "uint", "float", "double", "half"))
        if name != "optype" and not numeric:
            raise DataError(f"{path}: column {name} is {read[name].type}, not numbers: convert it")
    return {name: read[name].to_numpy() for name in COLUMNS}
