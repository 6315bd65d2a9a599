"""Print the tables of docs/numerics.md: what rounding errors become in the Lagrange codes.

Everything is computed by the code that runs in the program: its codes, guard and delay model.
From N = 100 on a tenth of the patterns is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from coded_dgd import schemes
from coded_dgd.codes import circle
from coded_dgd.config import DEFAULT_GUARDS
from coded_dgd.delays.shifted_exponential import ShiftedExponential
from coded_dgd.guard import GuardedDecoder, replay
from coded_dgd.schemes._lagrange import LagrangeScheme
from coded_dgd.schemes.base import Bools, CodedScheme, Learnt
from coded_dgd.schemes.lcc_mmc import LCCMMC

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = Iterator[list[str]]

LAW = ShiftedExponential(mu=10, alpha=0.01, seed=0)
UNIT = 2.0**-53


class Problem(NamedTuple):
    """Data blocks X : (N, k, l) and a point."""

    X: Floats
    theta: Floats

    def blocks(self, scheme: CodedScheme) -> Floats:
        """What the scheme encodes, of shape (N, k, l)."""
        if not scheme.of_gram_matrix:
            return self.X
        X = self.X.reshape(-1, self.X.shape[-1])
        return np.reshape(X.T @ X, (scheme.blocks, -1, X.shape[-1]))

    def payloads(self, scheme: CodedScheme, dtype: str) -> Floats:
        """All messages, of shape (M, J, l), as workers compute them with this type."""
        features, theta = self.X.shape[-1], self.theta.astype(dtype)
        length = features // scheme.blocks if scheme.of_gram_matrix else features
        payloads = np.empty((*scheme.expected.shape, length))
        for worker in range(scheme.workers):
            coded = scheme.encode(worker, self.blocks(scheme)).astype(dtype)
            coded = coded.reshape(scheme.messages, -1, features)  # tasks of a message are summed
            products = coded @ theta
            payloads[worker] = (
                products if scheme.of_gram_matrix else np.einsum("jkl,jk->jl", coded, products)
            )
        return payloads

    def exact(self) -> NDArray[np.longdouble]:
        """The gradient X^T X theta in extended precision."""
        X = self.X.reshape(-1, self.X.shape[-1]).astype(np.longdouble)
        gradient: NDArray[np.longdouble] = X.T @ (X @ self.theta)
        return gradient

    def scale(self) -> float:
        """||X||_2 ||X diag(theta)||_F, where rounding errors of the gradient start."""
        X = self.X.reshape(-1, self.X.shape[-1])
        return float(np.linalg.norm(X, 2) * np.linalg.norm(X * self.theta))


class Sample(NamedTuple):
    """What happened, one entry per straggler pattern."""

    amplification: Floats
    """At the first decodable set, before the guard."""
    accepted: Floats
    """Amplification that the gradient was decoded with."""
    extra: Floats
    time: Floats
    error: Floats
    """||decoded gradient - exact||; nan without data."""


def gaussian(blocks: int, seed: int = 0) -> Problem:
    """Blocks of 4 x 16 independent standard normal entries."""
    rng = np.random.default_rng(seed)
    return Problem(rng.standard_normal((blocks, 4, 16)), rng.standard_normal(16))


def finish_times(patterns: int, workers: int, load: int) -> Floats:
    """Straggler patterns of the papers' law, the same whatever the load."""
    patterns = max(10, patterns // 10) if workers >= 100 else patterns
    return LAW.sample(np.random.default_rng(1), patterns, workers, np.arange(1.0, load + 1))


def sample(
    scheme: CodedScheme,
    finish: Floats,
    guard: float = np.inf,
    problem: Problem | None = None,
    dtype: str = "float64",
    lost: Iterable[int] = (),
) -> Sample:
    """Decode the gradient of every straggler pattern under the guard, without the lost workers."""
    norms, error = None, np.nan
    if problem is not None:
        norms = np.einsum("nkl,nkl->n", blocks := problem.blocks(scheme), blocks)
        payloads, exact = problem.payloads(scheme, dtype), problem.exact()
    decoder, gone = GuardedDecoder(scheme, guard, norms), dict.fromkeys(lost, 0.0)
    results = []
    for pattern in finish:
        time = replay(decoder, pattern, gone).completion_time
        if problem is not None:
            arrived = payloads[tuple(np.array(decoder.order).T)]
            error = float(np.linalg.norm((decoder.weights @ arrived).ravel() - exact))
        amplifications = decoder.first_amplification, decoder.amplification
        results.append((*amplifications, decoder.extra, time, error))
    return Sample(*np.array(results, dtype=np.float64).T)


def create(name: str, workers: int, load: int, blocks: int | None = None) -> LagrangeScheme:
    """Build one of the program's Lagrange schemes."""
    scheme = schemes.create(name, workers, blocks, load)
    assert isinstance(scheme, LagrangeScheme)
    return scheme


def lagrange(nodes: Floats, points: Floats) -> Floats:
    """Lagrange polynomials of real `nodes` at `points`, of shape (points, nodes)."""
    gaps = nodes[:, None] - nodes
    factors = np.divide(
        points[:, None, None] - nodes,
        gaps,
        out=np.ones((len(points), *gaps.shape)),
        where=gaps != 0,
    )
    products: Floats = factors.prod(axis=-1)
    return products


def equispaced(count: int) -> Floats:
    """Equispaced points of [-1, 1]."""
    return np.linspace(-1, 1, count)


class RealPoints(LCCMMC):
    """LCC-MMC on real points, as in the papers; worker i takes the points r i, ..., r i + r - 1."""

    def __init__(self, workers: int, load: int, place: Callable[[int], Floats]) -> None:
        super().__init__("real points", workers, workers, load)
        self.points = np.arange(self.grid).reshape(workers, load)
        self.alphas, self.betas = place(self.nodes), place(self.grid)

    def generator(self, worker: int) -> Floats:
        return lagrange(self.alphas, self.betas[self.points[worker]])

    def weights(self, arrived: Bools, learnt: Learnt | None = None) -> Floats:
        weights = np.zeros(arrived.shape)
        weights[arrived] = self.solve(self.betas[self.points[arrived]])
        return weights

    def solve(self, betas: Floats) -> Floats:
        """Weights of h(beta) in the sum of h over the nodes."""
        weights: Floats = lagrange(betas, self.alphas).sum(axis=0)
        return weights


class Vandermonde(RealPoints):
    """The same, decoded by solving for the coefficients of h."""

    def solve(self, betas: Floats) -> Floats:
        powers = np.vander(betas, self.threshold)
        sums = np.vander(self.alphas, self.threshold).sum(axis=0)
        return np.linalg.solve(powers.T, sums)


def placed(scheme: LagrangeScheme, points: Integers) -> LagrangeScheme:
    """Give a scheme another placement."""
    scheme.points = points.reshape(scheme.points.shape)
    return scheme


def permuted(scheme: LagrangeScheme, ranks: Integers) -> LagrangeScheme:
    """Give a scheme's workers another order around the circle."""
    in_order = scheme.points[np.argsort(circle.spread_ranks(scheme.workers))]
    return placed(scheme, in_order[ranks])


def power(value: float) -> str:
    """Format a positive number of whatever order with one digit."""
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def digits(amplification: Floats) -> str:
    """Format median and 99th percentile of the decimal digits that an amplification costs."""
    median, high = np.maximum(np.log10(np.quantile(amplification, (0.5, 0.99))), 0)
    return f"{median:.1f} / {high:.1f}"


def percent(condition: NDArray[np.bool_]) -> str:
    """Format how often a condition holds."""
    return f"{100 * condition.mean():.3g} %"


class Table(NamedTuple):
    """What to print: title, column heads, and the rows for a number of patterns."""

    title: str
    head: Sequence[str]
    rows: Callable[[int], Rows]


LOADS = (2, 3, 4, 5, 8, 10, 20, 40)


def threshold_rows(patterns: int) -> Rows:
    """The project's placement."""
    problem = gaussian(40)
    for load in LOADS:
        scheme, finish = create("lcc-mmc", 40, load), finish_times(patterns, 40, load)
        error = sample(scheme, finish, problem=problem).error / np.linalg.norm(problem.exact())
        yield [str(load), *map(power, np.quantile(error, (0.5, 0.99, 1))), percent(error > 1e-6)]


def residual(weights: Floats, points: Integers, scheme: LagrangeScheme) -> float:
    """|V^T w - n e| / |w|_1 in extended precision: what a decode of an h of norm 1 is off by."""
    turns = np.multiply.outer(np.arange(1, scheme.nodes), points) % scheme.grid
    angles = turns * (2 * np.arccos(np.longdouble(-1)) / scheme.grid)
    harmonics = np.sqrt(np.longdouble(2)) * np.vstack([np.cos(angles), np.sin(angles)])
    sums = np.append(harmonics @ weights, weights.sum(dtype=np.longdouble) - scheme.nodes)
    return float(np.sqrt((sums**2).sum()) / np.abs(weights).sum())


def weights_rows(patterns: int) -> Rows:
    """The two ways to find the weights at the threshold."""
    for load in LOADS:
        scheme = create("lcc-mmc", 40, load)
        decoder, found = GuardedDecoder(scheme, np.inf), []
        for finish in finish_times(patterns, 40, load):
            points = scheme.points[tuple(np.array(replay(decoder, finish).order).T)]
            ways = (circle.shortest_weights, circle.interpolation_weights)
            weights = [way(points, scheme.grid, scheme.nodes) for way in ways]
            found.append([residual(each, points, scheme) for each in weights])
        yield [
            str(load),
            *(power(f(way)) for way in np.transpose(found) for f in (np.median, np.max)),
        ]


def points_rows(patterns: int) -> Rows:
    """What else one might do."""
    problem = gaussian(40)
    for load in LOADS:
        shuffled = np.random.default_rng(2).permutation(40 * load)
        alternatives = (
            Vandermonde(40, load, equispaced),
            RealPoints(40, load, equispaced),
            RealPoints(40, load, np.polynomial.chebyshev.chebpts1),
            placed(
                RealPoints(40, load, np.polynomial.chebyshev.chebpts1),
                circle.golden_placement(40, load),
            ),
            placed(create("lcc-mmc", 40, load), shuffled),
            create("lcc-mmc", 40, load),
        )
        row = [str(load)]
        for scheme in alternatives:
            error = sample(scheme, finish_times(patterns, 40, load), problem=problem).error
            error /= float(np.linalg.norm(problem.exact()))
            row.append(f"{power(np.median(error))} ({percent(~(error <= 1e-6))})")
        yield row


DEFAULT_GUARD = DEFAULT_GUARDS["float64"]
GUARDS = (DEFAULT_GUARD, 1e4, 1e2)


def guard_rows(patterns: int) -> Rows:
    """Waiting for a smaller amplification."""
    cases = [("lcc-mmc", 40, load) for load in (3, 5, 10)]
    cases += [("lcc-mmc-2", 40, 10), ("lcc", 40, 4), ("lcc-mmc", 100, 10)]
    for name, workers, load in cases:
        scheme, problem = create(name, workers, load), gaussian(workers)
        finish = finish_times(patterns, workers, load)
        ideal = scheme.completion_time(scheme.message_times(finish)).mean()
        row = [f"{name}, N = {workers}, r = {load}"]
        for guard in GUARDS:
            got = sample(scheme, finish, guard, problem)
            growth = 100 * (got.time.mean() / ideal - 1)
            error = got.error.max() / float(np.linalg.norm(problem.exact()))
            row.append(f"{got.extra.mean():.2f}, {growth:+.2f} %, {power(error)}")
        yield row


def sizes_rows(patterns: int) -> Rows:
    """Amplification against N."""
    cases = (("lcc-mmc", 5), ("lcc-mmc-2", 10), ("lcc", 4), ("lcc", 10))
    for workers in (10, 20, 40, 60, 100, 150):
        row = [str(workers)]
        for name, load in cases:
            got = sample(create(name, workers, load), finish_times(patterns, workers, load))
            row.append(f"{digits(got.amplification)} ({percent(got.amplification > 1e6)})")
        yield row


def placement_rows(patterns: int) -> Rows:
    """Order of the workers around the circle, and workers that are slow together."""
    cases = [("lcc-mmc", 40, 40, load) for load in (3, 10, 40)]
    cases += [("lcc-mmc", 60, 40, 5), ("lcc", 40, 40, 5)]
    for name, workers, blocks, load in cases:
        finish, ranks = finish_times(patterns, workers, load), np.arange(workers)
        factor = np.random.default_rng(3).exponential(size=(patterns, 5))
        orders = (
            ranks,
            circle.spread_ranks(workers),
            np.random.default_rng(4).permutation(workers),
        )
        for stragglers, law in (
            ("independent", finish),
            ("hosts filled", finish * factor[:, ranks * 5 // workers, None]),
            ("hosts in turn", finish * factor[:, ranks % 5, None]),
        ):
            row = [f"{name}, M = {workers}, N = {blocks}, r = {load}", stragglers]
            for order in orders:
                got = sample(
                    permuted(create(name, workers, load, blocks), order), law, DEFAULT_GUARD
                )
                row.append(f"{digits(got.amplification)} ({got.extra.mean():.2f})")
            yield row


def by_host(hosts: Integers) -> Integers:
    """Order of the workers around the circle that spreads each host as evenly as can be."""
    share = np.empty(len(hosts))
    for host in np.unique(hosts):
        mine = np.flatnonzero(hosts == host)
        share[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    order: Integers = np.argsort(np.lexsort((hosts, share)))
    return order


def dealt(sizes: Sequence[int]) -> Integers:
    """Host of each worker where hosts take one each in turn as long as they have a slot."""
    return np.array([h for turn in range(max(sizes)) for h, n in enumerate(sizes) if turn < n])


def hosts_rows(patterns: int) -> Rows:
    """One host of three is lost; rank 0 is on the first."""
    workers = np.arange(40)
    layouts = {
        f"{text}, {way}": hosts
        for text, sizes in {"14, 14, 13": (13, 14, 13), "20, 12, 9": (19, 12, 9)}.items()
        for way, hosts in {
            "filled": np.repeat(np.arange(3), sizes),
            "in turn": dealt(sizes),
        }.items()
    }
    layouts["14, 14, 13, pairs in turn"] = workers // 2 % 3
    for name, load in (("lcc-mmc", 10), ("lcc", 5)):
        finish = finish_times(patterns, len(workers), load)
        for layout, hosts in layouts.items():
            row = [f"{name}, r = {load}", layout]
            for order in (workers, circle.spread_ranks(len(workers)), by_host(hosts)):
                scheme = permuted(create(name, len(workers), load), order)
                got = [sample(scheme, finish, lost=np.flatnonzero(hosts == h)) for h in range(3)]
                row.append(digits(np.concatenate([each.amplification for each in got])))
            yield row


DATA = (
    "Gaussian",
    "uniform on [0, 1]",
    "400 columns",
    "columns of sizes 1e-3..1e3",
    "blocks of sizes 1e-3..1e3",
    "X theta cancels",
    "columns and blocks of such sizes, X theta cancels",
    "blocks aligned",
)


def hostile(kind: str, blocks: int, seed: int) -> Problem:
    """Data on which a careless bound would fail."""
    rng = np.random.default_rng(seed)
    features = 400 if "400" in kind else 16
    X, theta = rng.standard_normal((blocks, 4, features)), rng.standard_normal(features)
    if "uniform" in kind:
        X = rng.random(X.shape)
    if "cancels" in kind:  # to a millionth
        X -= (1 - 1e-6) * np.multiply.outer(X @ theta, theta / (theta @ theta))
    if "columns of" in kind or "columns and" in kind:
        sizes = 10 ** rng.uniform(-3, 3, features)
        X, theta = X * sizes, theta / sizes if "cancels" in kind else theta
    if "blocks of" in kind:
        X *= 10 ** rng.uniform(-3, 3, (blocks, 1, 1))
    if "aligned" in kind:  # they add up in the coded block of one evaluation point
        signs = np.sign(circle.cardinal(np.array([1]), 2 * blocks, blocks)[0])
        X = signs[:, None, None] * X[0] + 1e-3 * X
    return Problem(X, theta)


def bound_rows(patterns: int) -> Rows:
    """Errors against what the guard promises."""
    cases = [("lcc-mmc", 40, 3), ("lcc-mmc", 40, 10), ("lcc-mmc", 100, 10)]
    cases += [("lcc-mmc-2", 40, 10), ("lcc", 40, 5)]
    for kind in DATA:
        worst = np.zeros(4)
        for seed, (name, workers, load) in enumerate(cases):
            problem, scheme = hostile(kind, workers, seed), create(name, workers, load)
            scale, norm = problem.scale(), float(np.linalg.norm(problem.exact()))
            finish = finish_times(patterns, workers, load)
            ever = sample(scheme, finish, problem=problem)
            got = sample(scheme, finish, DEFAULT_GUARD, problem)
            bounded = (sent.error / (sent.accepted * UNIT * scale) for sent in (got, ever))
            ratios = (*bounded, got.error / scale, got.error / norm)
            worst = np.maximum(worst, [ratio.max() for ratio in ratios])
        yield [kind, *(f"{ratio:.1f}" for ratio in worst[:2]), *map(power, worst[2:])]


SINGLE_GUARDS = (np.inf, 1e4, 1e3, DEFAULT_GUARDS["float32"], 10.0)


def float32_rows(patterns: int) -> Rows:
    """Errors of float32 workers, and what keeping them small costs."""
    for name, load in (("lcc", 4), ("lcc-mmc", 5), ("mds-mmc", 5)):
        for workers in (8, 16, 24, 40):
            scheme = schemes.create(name, workers, None, load)
            assert isinstance(scheme, CodedScheme)
            rng = np.random.default_rng(0)
            features = 2 * workers
            X = rng.standard_normal((workers, 8, features))
            problem = Problem(X, rng.standard_normal(features))
            finish = finish_times(patterns, workers, load)
            ideal = scheme.completion_time(scheme.message_times(finish)).mean()
            row, ratio = [f"{name}, N = {workers}, r = {load}"], 0.0
            for guard in SINGLE_GUARDS:
                got = sample(scheme, finish, guard, problem, "float32")
                growth = 100 * (got.time.mean() / ideal - 1)
                error = got.error.max() / float(np.linalg.norm(problem.exact()))
                row.append(f"{power(np.median(got.accepted))}, {power(error)}, {growth:+.1f} %")
                bounded = got.error / (got.accepted * 2.0**-24 * problem.scale())
                ratio = max(ratio, bounded.max())
            yield [*row, f"{ratio:.1f}"]


TABLES: dict[str, list[Table]] = {
    "weights": [
        Table(
            "residual of the weights at exactly 2 N - 1 messages / |w|_1: lcc-mmc, N = 40",
            ("r", "QR: median", "max", "interpolation: median", "max"),
            weights_rows,
        )
    ],
    "threshold": [
        Table(
            "error at exactly 2 N - 1 messages: lcc-mmc, N = 40",
            ("r", "median", "p99", "max", "> 1e-6"),
            threshold_rows,
        ),
        Table(
            "the same with other points and placements: median error (how often > 1e-6)",
            (
                "r",
                "equispaced, Vandermonde",
                "equispaced, Lagrange",
                "Chebyshev, by worker",
                "Chebyshev, golden",
                "circle, random",
                "circle, golden",
            ),
            points_rows,
        ),
    ],
    "guard": [
        Table(
            "mean extra messages, growth of E[T], and the largest error that passes the guard",
            ("scheme", *(f"guard {power(guard)}" for guard in GUARDS)),
            guard_rows,
        )
    ],
    "float32": [
        Table(
            "float32 workers: median amplification, largest error / gradient, growth of E[T]; "
            "and largest error / (amplification 2^-24 scale)",
            (
                "scheme",
                "no guard",
                *(f"guard {power(guard)}" for guard in SINGLE_GUARDS[1:]),
                "C",
            ),
            float32_rows,
        )
    ],
    "sizes": [
        Table(
            "log10 of the amplification before the guard: median / p99 (how often > 1e6)",
            ("N = M", "lcc-mmc, r = 5", "lcc-mmc-2, r = 10", "lcc, r = 4", "lcc, r = 10"),
            sizes_rows,
        )
    ],
    "placement": [
        Table(
            "log10 of the amplification: median / p99 (mean extra messages at guard 1e6)",
            ("scheme", "stragglers", "as they are", "spread_ranks", "random"),
            placement_rows,
        )
    ],
    "hosts": [
        Table(
            "log10 of the amplification without one host: median / p99; M = N = 40",
            ("scheme", "ranks of each host", "as they are", "spread_ranks", "by host"),
            hosts_rows,
        )
    ],
    "bound": [
        Table(
            "largest error / (amplification 2^-53 scale), and largest error",
            ("data", "guard 1e6", "no guard", "error / scale", "error / gradient"),
            bound_rows,
        )
    ],
}


def show(table: Table, patterns: int) -> None:
    """Print a table as aligned Markdown, and the time it took."""
    begin = perf_counter()
    lines = [list(table.head), *table.rows(patterns)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    click.echo(f"{table.title}; {patterns} patterns\n")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(f"| {' | '.join(cells)} |")
    click.echo(f"\n{perf_counter() - begin:.0f} s\n")


@click.command()
@click.option("--patterns", default=1000, show_default=True, help="Straggler patterns.")
@click.option("--table", "chosen", type=click.Choice(list(TABLES)), help="All of them by default.")
def main(patterns: int, chosen: str | None) -> None:
    """Print the tables of docs/numerics.md."""
    with np.errstate(all="ignore"):
        for name in [chosen] if chosen else TABLES:
            for table in TABLES[name]:
                show(table, patterns)


if __name__ == "__main__":
    main()
