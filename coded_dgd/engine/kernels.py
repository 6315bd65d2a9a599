"""Choose the fastest way of computing tasks with a cost model that is fitted to measurements.

``products``  X~^T (X~ beta - y) from dense rows
``gram``      G beta - c from G = X~^T X~ and c = X~^T y, formed once: least squares only
``sparse``    the two products from sparse rows: copies of blocks, and losses of X beta
"""

from __future__ import annotations

from math import inf

from coded_dgd.config import RunConfig
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems.objectives import Objective, follows_slope
from coded_dgd.problems.objectives.least_squares import is_least_squares
from coded_dgd.problems.sources import Source
from coded_dgd.schemes import remedies
from coded_dgd.schemes.base import Scheme

ONE_PASS = 0.75
"""Time of the two products in one pass over memory, relative to two separate passes."""
FORMING = 0.05
"""Time of a multiplication in X~^T X~, relative to one in X~ beta."""
SMALL = 1 << 15
"""Size of a block, in numbers, up to which the overhead of the call dominates."""
DENSE = 0.25
"""Density from which on dense rows are faster than sparse ones."""


def choose(config: RunConfig, objective: Objective, source: Source, scheme: Scheme) -> str:
    """Return how workers compute: as ``--kernel`` says, or the fastest way for ``auto``.

    The choice of ``auto`` never takes more memory than the rows.

    Raises
    ------
    UsageError
        The requested kernel does not work with these data or this objective.
    Infeasible
        The requested kernel does not work with this scheme.
    """
    wanted, local = config.kernel, config.encode == "local"
    quadratic, linear = is_least_squares(objective), follows_slope(objective)
    if wanted == "gram" and not quadratic:
        raise UsageError("--kernel gram is for --objective least-squares: use --kernel auto")
    if wanted == "gram" and scheme.of_gram_matrix:
        raise Infeasible(f"--kernel gram: {scheme.name} has a way of its own: use --kernel auto")
    if wanted == "gram" and config.has_batches:
        raise UsageError(
            "--kernel gram sums all rows before a batch of them is drawn: use --kernel auto"
        )
    if wanted == "sparse" and local:
        raise UsageError("--kernel sparse needs --encode master: workers read dense rows")
    if wanted == "sparse" and (source.density is None or not linear):
        raise UsageError(
            "--kernel sparse is for sparse data (.svm, or a matrix of scipy) and losses of X beta: "
            "use --kernel auto"
        )
    if wanted == "sparse" and scheme.coded:
        raise Infeasible(
            f"--kernel sparse: what {scheme.name} encodes is dense: use --kernel auto, or "
            f"{remedies.COPIES}"
        )
    if wanted != "auto":
        return wanted
    sparse = source.density is not None and source.density < DENSE
    if sparse and linear and not scheme.coded and not local:
        return "sparse"
    height = -(-source.rows // scheme.blocks)
    tasks = sum(scheme.tasks(worker) for worker in range(scheme.workers))
    times = config.iterations * min(
        1.0, scheme.blocks / tasks
    )  # least number of times that each is computed, on average
    fits = source.features <= height and height * source.features > SMALL
    pays = times > break_even(height, source.features)
    possible = quadratic and not config.has_batches and not scheme.of_gram_matrix
    return "gram" if possible and fits and pays else "products"


def break_even(height: int, features: int) -> float:
    """Return how often a task must be computed for its Gram matrix to pay; inf if it never does.

    Parameters
    ----------
    height, features : int
        Number of rows of a block, and the number of features l.
    """
    saved = ONE_PASS * 2 * height * features - features**2
    return FORMING * height * features**2 / saved if saved > 0 else inf
