"""Models of PyTorch: gradients, labels, types, refusals; the same results on every process."""

import re

import numpy as np
import pytest

from coded_dgd import train
from coded_dgd.errors import CodedDGDError
from coded_dgd.problems import evaluation
from coded_dgd.problems.model import Model
from coded_dgd.problems.predictor import Predictor

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, functional = torch.nn, torch.nn.functional

from coded_dgd.torch import TorchObjective  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::coded_dgd.errors.ConvergenceWarning")
RNG = np.random.default_rng(5)
X = RNG.standard_normal((48, 4))
Y = np.digitize(X @ [1.0, -2.0, 0.5, 0.0], [-1.0, 1.0]) * 10.0  # classes 0, 10, 20
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0] + 0.5


def classifier(outputs=3):
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs))


def of_classes(make=classifier, loss=functional.cross_entropy, classes=3, **options):
    objective = TorchObjective(make, loss, **options)
    objective.learn_classes(np.arange(float(classes)))
    return objective


def run(objective, y=Y, **options):
    options = {
        **{"scheme": "uc-mmc", "workers": 4, "load": 2, "iterations": 30, "step_size": 0.02},
        **options,
    }
    return train(X, y, objective=objective, transport="simulated", **options)


def refusal(make=classifier, loss=functional.cross_entropy, y=Y, **options):
    with pytest.raises(CodedDGDError) as caught:
        run(TorchObjective(make, loss, **options), y)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What it computes


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_gradient_is_that_of_the_weighted_sum_of_losses(dtype):
    objective = of_classes()
    start = objective.start(4, 1)
    rows, beta = X.astype(dtype), start.astype(dtype)
    labels, weights = (Y / 10).astype(dtype), RNG.standard_normal(len(X)).astype(dtype)
    found = objective.gradient(rows, labels, beta, weights)
    assert found.dtype == dtype
    step = RNG.standard_normal(len(start))
    ends = [
        objective.loss(X, Y / 10, start + h * step, weights.astype(float)) for h in (1e-5, -1e-5)
    ]
    slope = (ends[0] - ends[1]) / 2e-5
    assert found @ step == pytest.approx(slope, rel=1e-6 if dtype == np.float64 else 1e-3)


def test_gradient_and_loss_are_sums_over_more_rows_than_are_computed_at_once(monkeypatch):
    objective = of_classes()
    beta = objective.start(4, 1)
    whole = objective.gradient(X, Y / 10, beta, None), objective.loss(X, Y / 10, beta)
    monkeypatch.setattr("coded_dgd.torch.network.ROWS", 7)
    pieces = objective.gradient(X, Y / 10, beta, None), objective.loss(X, Y / 10, beta)
    np.testing.assert_allclose(pieces[0], whole[0], rtol=1e-12, atol=1e-12)
    assert pieces[1] == pytest.approx(whole[1], rel=1e-13)
    assert not objective.gradient(X[:0], Y[:0], beta, None).any()


def test_the_start_is_the_modules_own_for_the_seed():
    objective = of_classes()
    torch.manual_seed(7)
    own = nn.utils.parameters_to_vector(classifier().parameters()).detach().numpy()
    before = torch.get_rng_state()
    np.testing.assert_array_equal(objective.start(4, 7), own)
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.array_equal(objective.start(4, 8), own)


def test_what_is_not_trained_is_the_same_on_every_process():
    def make():
        module = classifier()
        module[0].requires_grad_(False)
        return module

    one, other = of_classes(make), of_classes(make)
    beta = one.start(4, 3)
    assert len(beta) == 6 * 3
    torch.rand(1)
    np.testing.assert_array_equal(
        one.gradient(X, Y / 10, beta, None), other.gradient(X, Y / 10, beta, None)
    )


def test_modules_with_memory_of_their_own_layout():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.LSTM(1, 3, batch_first=True), nn.Linear(3, 3)

        def forward(self, rows):
            return self.outer(self.inner(rows.unsqueeze(2))[0][:, -1])

    objective = of_classes(Recurrent)
    beta, other = objective.start(4, 0), objective.start(4, 1)
    first = objective.gradient(X, Y / 10, beta, None)
    assert not np.allclose(first, objective.gradient(X, Y / 10, other, None))
    np.testing.assert_array_equal(first, objective.gradient(X, Y / 10, beta, None))


def test_rows_that_may_not_be_written_to(recwarn):
    rows, beta = X.copy(), of_classes().start(4, 0)
    rows.flags.writeable = beta.flags.writeable = False
    assert np.isfinite(of_classes().gradient(rows, Y / 10, beta, None)).all()
    assert not recwarn.list


# Training


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_labels_of_classes_are_numbered_and_the_accuracy_is_reported(dtype):
    result = run(TorchObjective(classifier, functional.cross_entropy), iterations=150, dtype=dtype)
    assert result.summary["classes"] == [0, 10, 20]
    assert result.summary["accuracy"] > 0.95
    module = TorchObjective(classifier, functional.cross_entropy).module(result.coef_)
    right = 10 * module(torch.from_numpy(X)).argmax(1).numpy() == Y
    assert right.mean() == result.summary["accuracy"]


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ((), functional.binary_cross_entropy_with_logits),
        ((nn.Sigmoid(),), nn.BCELoss(reduction="none")),
    ],
)
def test_two_classes_by_one_output(last, loss):
    make = lambda: nn.Sequential(nn.Linear(4, 1), *last)  # noqa: E731
    result = run(TorchObjective(make, loss), np.sign(NUMBERS), iterations=100, step_size=0.1)
    assert result.summary["classes"] == [-1, 1]
    assert result.summary["accuracy"] > 0.95


def test_training_is_that_of_a_plain_loop():
    objective = TorchObjective(classifier, functional.cross_entropy)
    found = train(
        X[:47], Y[:47], objective=objective, transport="simulated", scheme="gc", workers=4, load=2,
        iterations=50, step_size=0.02, ridge=0.1, seed=6, optimizer="gd",
    ).coef_  # fmt: skip
    torch.manual_seed(6)
    module = classifier().double()
    parameters = [*module.parameters()]
    rows, labels = torch.from_numpy(X[:47]), torch.from_numpy(Y[:47] / 10).long()
    for _ in range(50):
        losses = functional.cross_entropy(module(rows), labels, reduction="sum")
        ridge = 0.05 * sum((each**2).sum() for each in parameters)
        gradients = torch.autograd.grad(losses + ridge, parameters)
        with torch.no_grad():
            for each, gradient in zip(parameters, gradients, strict=True):
                each -= 0.02 * gradient
    expected = nn.utils.parameters_to_vector(parameters).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rows", [48, 45])
def test_a_regression_with_a_bias_finds_it(rows):
    objective = TorchObjective(lambda: nn.Linear(4, 1), functional.mse_loss)
    result = train(
        X[:rows], NUMBERS[:rows], objective=objective, transport="simulated", workers=4, load=2,
        scheme="uc-mmc", iterations=200, step_size=0.01,
    )  # fmt: skip
    np.testing.assert_allclose(result.coef_, [1, -2, 0.5, 0, 0.5], atol=1e-6)
    assert "accuracy" not in result.summary


def test_weights_of_classes_have_the_type_of_the_data():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]), reduction="none")
    objective = of_classes(loss=loss)
    plain, beta = of_classes(), objective.start(4, 0)
    factors = np.array([1.0, 2.0, 3.0])[(Y / 10).astype(int)]
    np.testing.assert_allclose(
        objective.gradient(X, Y / 10, beta, None), plain.gradient(X, Y / 10, beta, factors)
    )


def test_training_repeats_bit_for_bit():
    one, other = (run(of_classes(), seed=3).coef_ for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_the_users_settings_of_pytorch_are_left_alone():
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    run(of_classes(), iterations=1)
    assert (torch.get_num_threads(), torch.get_deterministic_debug_mode()) == (threads, mode)


# Refusals


class Drawing(nn.Linear):
    """A layer that draws random numbers where PyTorch does not see it."""

    def forward(self, rows):
        return super().forward(rows) * np.random.default_rng().uniform()


class Broken(nn.Linear):
    def forward(self, rows):
        return super().forward(rows) * float("nan")


def with_layer(layer):
    return lambda: nn.Sequential(nn.Linear(4, 5), layer, nn.Linear(5, 3))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (with_layer(nn.Dropout()), "draws random numbers, as Dropout does"),
        (with_layer(nn.BatchNorm1d(5)), "changes its buffer 1.running_mean, as BatchNorm does"),
        (
            with_layer(nn.BatchNorm1d(5, track_running_stats=False)),
            "the loss of a row depends on the other rows, as with BatchNorm",
        ),
        (lambda: Drawing(4, 3), "the same rows have other losses after other calls"),
        (lambda: Broken(4, 3), "the gradient where training starts is not finite"),
        (lambda: nn.Linear(3, 3), r"rows of shape \(k, 4\), raised RuntimeError: .*3x3"),
        (lambda: nn.LazyLinear(3), "size raised ValueError: Attempted to use an uninitialized"),
        (lambda: nn.Tanh(), "has no parameters that require gradients"),
        (lambda: classifier(2), "the labels name 3 classes.*give its last layer 3 outputs"),
        (lambda: classifier(1), "the labels name 3 classes.*give its last layer 3 outputs"),
        (
            lambda: nn.Sequential(nn.Linear(4, 3), nn.Flatten(0)),
            r"returns \(24,\) for 8 rows",
        ),
        (lambda: None, "make_module returned a NoneType, and has to return a torch.nn.Module"),
        (lambda: 1 / 0, "make_module raised ZeroDivisionError"),
    ],
)
def test_a_module_that_cannot_be_trained_is_refused_before_training(make, words):
    said = refusal(make)
    assert re.search(words, said), said


def test_a_module_in_evaluation_mode_may_have_dropout_and_batchnorm():
    make = lambda: with_layer(nn.Sequential(nn.BatchNorm1d(5), nn.Dropout()))().eval()  # noqa: E731
    assert run(TorchObjective(make, functional.cross_entropy), iterations=2).n_iter_ == 2


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.CrossEntropyLoss(), 'give CrossEntropyLoss with reduction="none"'),
        (nn.CrossEntropyLoss(reduction="sum"), 'give CrossEntropyLoss with reduction="none"'),
        (nn.CrossEntropyLoss, 'give CrossEntropyLoss(reduction="none")'),
        ("cross_entropy", "give F.cross_entropy"),
        (lambda out, y: out.sum(), "has shape (), and has to have"),
        (lambda out, y: out, "has shape (8, 3), and has to have one number for each row"),
        (lambda out, y: functional.cross_entropy(out, y, reduction="none"), "classifier=True"),
        (lambda out, y: out[:, 0] * float("nan"), "where training starts is not finite"),
    ],
)
def test_a_loss_that_is_not_of_each_row_is_refused(loss, words):
    with pytest.raises(CodedDGDError) as caught:
        run(TorchObjective(classifier, loss))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_nan_is_refused():
    objective = of_classes(loss=lambda outputs, labels: outputs[:, 0] * float("nan"))
    with pytest.raises(CodedDGDError, match="loss returned the float nan"):
        evaluation.loss(objective, X, Y / 10, objective.start(4, 0))


def test_a_module_in_place_of_a_function_that_makes_one_is_refused():
    with pytest.raises(CodedDGDError, match="has to be a function that makes a module anew"):
        TorchObjective(classifier(), functional.cross_entropy)


def test_one_class_alone_is_refused():
    assert "at least two classes" in refusal(y=np.ones(len(X)))


# What it predicts


@pytest.mark.parametrize(
    ("loss", "outputs", "classes"),
    [
        (functional.cross_entropy, 3, [0.0, 10.0, 20.0]),
        (functional.binary_cross_entropy_with_logits, 1, [0.0, 1.0]),
        (functional.mse_loss, 1, None),
    ],
)
def test_a_model_predicts_what_its_module_does(tmp_path, loss, outputs, classes):
    y = NUMBERS if classes is None else np.array(classes)[(Y / 10).astype(int) % len(classes)]
    objective = TorchObjective(lambda: classifier(outputs), loss)
    found = run(objective, y, standardize=True, step_size=1e-3, out=tmp_path / "r")
    model = Predictor(Model.read(tmp_path / "r"), objective)
    with torch.no_grad():
        made = objective.module(found.parameters_)(torch.tensor(X / X.std(axis=0))).squeeze(1)
    if classes is None:
        np.testing.assert_allclose(model.predict(X), made.numpy(), rtol=1e-9)
        with pytest.raises(CodedDGDError, match="has no probabilities"):
            model.predict_proba(X)
        return
    second = torch.sigmoid(made)
    chances = made.softmax(1) if made.ndim == 2 else torch.stack([1 - second, second], 1)
    np.testing.assert_allclose(model.predict_proba(X), chances.numpy(), rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(model.predict(X), np.array(classes)[chances.argmax(1)])
    assert model.score(X, y) == found.summary["accuracy"]
