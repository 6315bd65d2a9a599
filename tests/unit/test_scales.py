"""Data of any size: the same model but for the scale, true numbers in messages, or one line."""

import re

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.errors import DataError, Diverged
from coded_dgd.problems.norms import norm

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 5))
y = X @ [1, 2, -3, 0.5, 1.5] + 0.1 * rng.standard_normal(40)
BETA = np.linalg.lstsq(X, y, rcond=None)[0]
STEP = 1 / np.linalg.eigvalsh(X.T @ X)[-1]

pytestmark = pytest.mark.filterwarnings("error")


def trained(of_rows=1.0, of_labels=1.0, **options):
    options = {"scheme": "uc-mmc", "load": 4, "iterations": 150, "check_gradient": True} | options
    return train(X * of_rows, y * of_labels, transport="simulated", workers=4, **options)


SCALES = [
    (1e-60, 1), (1e-60, 1e-60), (1e-60, 1e60), (1e-99, 1e99), (1e-140, 1), (1e-140, 1e-140),
    (1, 1e-60), (1, 1e-160), (1, 1e-200), (1, 1e99), (1e60, 1), (1e60, 1e60), (1e60, 1e-200),
    (1e99, 1e99), (1e99, 1e-99),
]  # fmt: skip


@pytest.mark.parametrize(("of_rows", "of_labels"), SCALES)
@pytest.mark.parametrize("scheme", ["uc-mmc", "lcc-mmc"])
def test_a_model_of_scaled_data_is_scaled(of_rows, of_labels, scheme):
    result = trained(of_rows, of_labels, scheme=scheme)
    np.testing.assert_allclose(result.coef_ * (of_rows / of_labels), BETA, rtol=1e-12)
    assert result.summary["step_size"] * of_rows**2 == pytest.approx(STEP, rel=2e-3)
    assert result.summary["gradient_error"]["max"] < 1e-12
    assert result.summary["distance_to_optimum"] <= 1e-12 * of_labels / of_rows


@pytest.mark.parametrize("of_rows", [1e-60, 1e-99, 1e60, 1e99])
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "nesterov"}, {"kernel": "gram"}, {"step_size": "theorem1"},
        {"scheme": "sgc", "load": None, "redundancy": 2}, {"scheme": "gc"},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_the_options(of_rows, options):
    found = trained(of_rows, 1.0, **options).coef_
    np.testing.assert_allclose(found * of_rows, trained(**options).coef_, rtol=1e-9)


@pytest.mark.parametrize("of_rows", [1e-60, 1e-140, 1, 1e60, 1e99])
@pytest.mark.parametrize("of_labels", [1e-60, 1e-160, 1, 1e99])
def test_stopping_depends_on_no_scale(of_rows, of_labels):
    result = trained(of_rows, of_labels, stop_at=1e-6)
    assert (result.summary["status"], result.n_iter_) == ("converged", 29)


@pytest.mark.parametrize("of_rows", [1e-140, 1e-60, 1, 1e60, 1e99])
@pytest.mark.parametrize("of_labels", [1, 1e-60, 1e99])
def test_divergence_names_a_step_that_is_safe(of_rows, of_labels):
    with pytest.raises(Diverged, match="or --step-size auto is safe") as caught:
        trained(of_rows, of_labels, step_size=1e3 * STEP / of_rows**2)
    step = float(re.search(r"--step-size (\S+) or", str(caught.value))[1])
    assert step * of_rows**2 == pytest.approx(STEP, rel=0.05)
    np.testing.assert_allclose(
        trained(of_rows, of_labels, step_size=step).coef_ * (of_rows / of_labels), BETA, rtol=1e-9
    )


@pytest.mark.parametrize("of_rows", [1e-60, 1e60, 1e99])
def test_logistic_regression(of_rows):
    labels = np.sign(y)
    options = {"transport": "simulated", "workers": 4, "scheme": "gc", "objective": "logistic"}
    found = train(X * of_rows, labels, **options).coef_ * of_rows
    np.testing.assert_allclose(found, train(X, labels, **options).coef_, rtol=1e-9)


@pytest.mark.parametrize("step_size", ["auto", 1.0, "theorem1"])
@pytest.mark.parametrize(
    ("of_rows", "of_labels", "options", "said"),
    [
        (1e-160, 1, {}, "the norm of X is 1.4e-159, whose square float64 cannot hold well"),
        (1e-160, 1, {"kernel": "gram"}, "the norm of X is 1.4e-159, whose square float64"),
        (1e-200, 1, {"scheme": "lcc-mmc"}, "the norm of X is 1.4e-199, whose square float64"),
        (1e-300, 1e99, {"scheme": "mds-mmc"}, "the norm of .* is .*, whose square float64"),
        (1e-80, 1, {"scheme": "mds-mmc"}, r"the norm of Q = X\^T X is 8.7e-159, whose square floa"),
        (1e60, 1, {"scheme": "mds-mmc"}, r"X, y, Q = X\^T X, row 1, column 1: .* square overflows"),
        (1e-140, 1e-200, {}, "the norm of X is 1.4e-139 and that of the labels 2.4e-199, whose p"),
        (1e-60, 1, {"dtype": "float32"}, "the norm of X is 1.4e-59, whose square float32"),
        (1e60, 1, {"dtype": "float32"}, r"the norm of X is 1.4e\+61, whose square float32"),
        (1, 1e-60, {"dtype": "float32"}, "the norm of the labels is 2.4e-59, whose square float"),
        (1, 1e-200, {"dtype": "float32"}, "the norm of the labels is 2.4e-199, whose square float"),
        (1, 1e60, {"dtype": "float32"}, r"the norm of the labels is 2.4e\+61, whose square float"),
    ],
)
def test_what_cannot_be_computed_with_is_refused(of_rows, of_labels, options, said, step_size):
    with pytest.raises(DataError, match=said):
        trained(of_rows, of_labels, step_size=step_size, **options)


def test_zeros_are_data():
    for rows, labels in ((0.0, 1.0), (1.0, 0.0)):
        np.testing.assert_array_equal(trained(rows, labels, iterations=3).coef_, np.zeros(5))


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-160, 1e-100, 1.0, 1e100, 1e200, 1e307])
def test_the_norm_of_any_vector(size):
    assert norm(np.array([3.0, -4.0]) * size) == pytest.approx(5 * size, rel=1e-15)
    assert norm(np.zeros(3)) == norm(np.empty(0)) == 0
    assert norm(np.array([1.0, np.inf])) == np.inf
    assert np.isnan(norm(np.array([1.0, np.nan])))


@pytest.mark.parametrize("values", [X, X.T, X[::3, 1], y, y.astype(np.float32)])
def test_a_norm_has_the_bits_of_that_of_numpy(values):
    assert norm(values) == float(np.linalg.norm(values))
