"""Every replication scheme decodes the gradient of the batch, which all copies draw alike."""

import numpy as np
import pytest
from training import NAMES, TITLES, begin, decoded, points, source_of

from coded_dgd import train
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.problems import optimizers, step_sizes
from coded_dgd.problems.sources.base import ArraySource
from coded_dgd.problems.sources.in_memory import open_arrays


def hold(trainer, tolerance=1e-12):
    problem, at = trainer.problem, points(trainer.problem, 4)
    assert problem.batches.size < problem.source.rows
    found = decoded(trainer, at)
    for iteration, (gradient, loss) in enumerate(found):
        exact, size = problem.gradient(at[iteration], iteration), problem.gradient(at[iteration])
        scale = max(np.abs(exact).max(), np.abs(size).max())
        np.testing.assert_allclose(gradient, exact, rtol=0, atol=tolerance * scale)
        assert loss == pytest.approx(problem.loss(at[iteration], iteration), rel=tolerance)
    assert not np.allclose(problem.gradient(at[0], 0), problem.gradient(at[0], 1))


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("name", [*NAMES, "own_dynamic:TakeNext"])
def test_the_gradient_is_that_of_the_batch(name, title):
    hold(begin(name, title, batch="0.3"))


@pytest.mark.parametrize("batch", ["1", "2", "30"])
@pytest.mark.parametrize("blocks", [6, 12, 36])
def test_blocks_may_have_no_row_of_the_batch(blocks, batch):
    hold(begin("uc-mmc", "biased", blocks=blocks, load=min(8, blocks), batch=batch))


@pytest.mark.parametrize("name", ["uc-mmc", "gc", "own_dynamic:TakeNext"])
def test_sample_weights_and_single_precision(name):
    source = source_of("logistic")
    source.weights = np.random.default_rng(5).integers(0, 4, source.rows).astype(float)
    hold(begin(name, "logistic", source, batch="11"))
    hold(begin(name, "logistic", source, batch="11", dtype="float32"), 1e-5)


@pytest.mark.parametrize("title", ["least-squares", "logistic"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("name", ["uc-mmc", "gc"])
def test_sparse_rows(name, title, dtype, tolerance):
    from scipy.sparse import csr_array

    source = source_of(title)
    X, y = source.read(0, source.rows)
    source = open_arrays(csr_array(np.where(np.abs(X) > 1.5, X, 0.0)), y)
    for weights in (None, np.arange(1.0, 1 + len(y))):
        source.weights = weights
        hold(begin(name, title, source, dtype=dtype, kernel="sparse", batch="0.4"), tolerance)


def test_on_average_the_gradient_is_that_of_all_rows():
    trainer = begin("uc-mmc", "biased", batch="0.2")
    [point] = points(trainer.problem)
    gradients = np.array([found[0] for found in decoded(trainer, [point] * 1000)])
    error = gradients.std(axis=0) / np.sqrt(len(gradients))
    assert (np.abs(gradients.mean(axis=0) - trainer.problem.gradient(point)) < 5 * error).all()
    assert (gradients.std(axis=0) > 0).all()


def test_the_batch_does_not_depend_on_the_scheme_or_the_blocks():
    at = points(begin("uc-mmc", "biased").problem, 3)
    found = [
        decoded(begin(name, "biased", batch="0.3", **options), at)
        for name, options in (("uc-mmc", {}), ("gc", {}), ("uncoded", {"blocks": 12}))
    ]
    for other in found[1:]:
        for (one, _), (two, _) in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-10)


def test_a_step_of_auto_suits_the_batches():
    """Expected smoothness is between the bounds of all rows and of m times the largest row."""
    one, some, most = (
        begin("uncoded", "logistic", batch=batch).problem.lipschitz() for batch in ("1", "10", "31")
    )
    source, whole = source_of("logistic"), begin("uncoded", "logistic").problem.lipschitz()
    rows = (source.read(0, source.rows)[0] ** 2).sum(axis=1)
    assert one == pytest.approx(0.25 * source.rows * rows.max() + 0.7)
    assert one > some > most == whole


def test_momentum_adds_up_no_more_of_the_errors_of_batches_than_gd():
    """Its constant velocity is 1 / (1 - factor) steps, and so is what one gradient adds."""
    problem = begin("uncoded", "logistic", batch="10").problem
    rule, longest = step_sizes.parse("auto"), 1 / problem.lipschitz()
    for name, reach in (("gd", 1), ("momentum", 10), ("momentum:factor=0.5", 2)):
        schedule = optimizers.find(name).schedule("auto", rule, problem)
        assert schedule(3) == pytest.approx(longest / reach)
    assert optimizers.find("momentum").schedule("0.1", step_sizes.parse("0.1"), problem)(3) == 0.1


X = np.random.default_rng(0).standard_normal((61, 4))
Y = X @ [1.0, -2.0, 0.5, 3.0] + 1


def run(**options):
    common = {"scheme": "uc-mmc", "workers": 5, "load": 2, "transport": "simulated",
              "iterations": 40, "check_gradient": True}  # fmt: skip
    return train(X, Y, **common | options)


def test_nothing_takes_the_gradient_of_a_batch_for_that_of_all_rows():
    found = run(batch=0.3, iterations=40)
    assert found.summary["gradient_error"]["max"] < 1e-12
    assert found.summary["epochs"] == pytest.approx(40 * 18 / 61)
    assert found.summary["kernel"] == "products"
    assert found.summary["loss"] == pytest.approx(np.sum((X @ found.coef_ - Y) ** 2) / 2, rel=1e-9)
    assert run().summary["epochs"] == 40


def test_one_row_is_not_all_rows():
    assert run(batch=1).summary["epochs"] == pytest.approx(40 / 61)
    assert run(batch=1.0).summary["epochs"] == 40
    np.testing.assert_array_equal(run(batch=1.0).coef_, run().coef_)
    assert run(batch=61).summary["gradient_error"]["max"] < 1e-12


@pytest.mark.parametrize("batch", [1, 5, 0.3])
def test_one_batch_with_a_small_gradient_is_no_target_that_is_reached(batch):
    """A row on which the model happens to be right has no gradient, whatever others have."""
    found = train(
        X, Y - 1, workers=5, scheme="uncoded", transport="simulated", batch=batch, stop_at=1e-3,
        iterations=3000,
    )  # fmt: skip
    assert found.summary["converged"]
    assert found.summary["final_gradient_norm_ratio"] <= 1e-3


def test_batches_without_a_gradient_are_no_end():
    """Weights of 0 leave rows out, and the rows drawn in an epoch need not be all rows."""
    weights = np.where(np.arange(61) < 3, 1.0, 0.0)
    found = run(batch=1, scheme="uncoded", load=None, sample_weight=weights, iterations=200)
    assert len(found.history) == 200


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"batch": 62}, UsageError, "--batch 62 is more than the 61 rows of the data"),
        ({"batch": 0}, UsageError, "--batch 0: give 1 row or more"),
        ({"batch": 1.5}, UsageError, "--batch 1.5: give a fraction of the rows"),
        ({"batch": 0.1, "kernel": "gram"}, UsageError, "sums all rows before a batch"),
        ({"batch": 0.1, "scheme": "lcc-mmc"}, Infeasible, "before a batch of them is drawn: use"),
        ({"batch": 0.1, "scheme": "mds-mmc"}, Infeasible, "before a batch of them is drawn: use"),
        ({"batch": 0.1, "optimizer": "lbfgs"}, Infeasible, "those of mini-batches are approx"),
    ],
)
def test_what_does_not_go_with_batches_is_refused_in_one_line(options, error, words):
    with pytest.raises(error) as raised:
        run(**options)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_small_batches_take_little():
    """The rows of the batch are taken out, not multiplied by zero."""
    trainer = begin("uncoded", "biased", batch="1")
    seen = []
    objective = trainer.problem.objective
    own = type(objective).gradient
    objective.gradient = lambda X, *rest: seen.append(len(X)) or own(objective, X, *rest)
    decoded(trainer, points(trainer.problem, 5))
    assert seen == [1] * 5


def test_a_source_of_one_row():
    source = ArraySource("data", np.ones((1, 5)), np.ones(1), "in memory")
    trainer = begin("uncoded", "biased", source, batch="1")
    [point] = points(trainer.problem)
    [(gradient, _)] = decoded(trainer, [point])
    np.testing.assert_allclose(gradient, trainer.problem.gradient(point), rtol=1e-12)
