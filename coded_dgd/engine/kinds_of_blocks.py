"""The kind of blocks that an assignment asks for, and the arrays that hold them."""

from __future__ import annotations

from coded_dgd.engine.protocol import Assignment
from coded_dgd.problems.blocks import (
    Arrays,
    Blocks,
    Forms,
    GradientBlocks,
    GramBlocks,
    ProductBlocks,
    gram_forms,
    row_forms,
)
from coded_dgd.problems.objectives import LinearModel, Objective
from coded_dgd.problems.places import Places
from coded_dgd.problems.task_rows import TaskRows


def forms(assignment: Assignment) -> Forms:
    """Return the forms of the arrays that hold the blocks that are coming."""
    coming, height, columns = assignment.coming, assignment.height, assignment.columns
    labels, dtype = assignment.labels_shape, assignment.layout.dtype
    if assignment.kernel == "gram":
        return gram_forms(coming, columns, assignment.labels, dtype)
    if assignment.kernel == "sparse":
        from coded_dgd.problems.sparse import sparse_forms

        assert assignment.entries is not None and labels is not None
        return sparse_forms(assignment.entries, height, labels, dtype)
    return row_forms(coming, height, columns, labels, dtype)


def blocks(assignment: Assignment, arrays: Arrays, objective: Objective, rows: TaskRows) -> Blocks:
    """Return blocks of the kind that the kernel of the assignment needs.

    Parameters
    ----------
    arrays : sequence of arrays
        Arrays of the forms of the assignment, filled or to be loaded.
    """
    shared = assignment.shared
    places = Places(shared.places if shared else range(assignment.tasks))
    if assignment.kernel == "gram":
        return GramBlocks(arrays, places)
    if assignment.kernel == "sparse":
        from coded_dgd.problems.sparse import SparseBlocks

        assert isinstance(objective, LinearModel) and assignment.entries is not None
        return SparseBlocks(arrays, assignment.entries, assignment.columns, objective, rows, places)
    if assignment.product:
        return ProductBlocks(arrays)
    return GradientBlocks(arrays, objective, rows, places)
