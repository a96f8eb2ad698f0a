"""Weights of samples, weights of classes and smoothed labels, in every loss and fusion."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from tests.gradients import assert_close, assert_gradient
from tests.parts import (
    ALL_FUSIONS,
    ALL_LOSSES,
    arguments_of,
    as_rows,
    kinds_of_targets,
    loss_formula,
    made_loss,
    predictions,
    rows_for,
)

FIGURES = json.loads((Path(__file__).parents[1] / "layers" / "torch_figures.json").read_text())
N, C = 4, 5
each_part = pytest.mark.parametrize("part", [*ALL_LOSSES, *ALL_FUSIONS], ids=lambda part: part.__name__)
OF_CLASSES = [bp.CategoricalCrossentropy, bp.SoftmaxCrossentropy]
OF_ANSWERS = [bp.BinaryCrossentropy, bp.SigmoidCrossentropy]
PAIRS = [(bp.CategoricalCrossentropy, bp.SoftmaxCrossentropy), (bp.BinaryCrossentropy, bp.SigmoidCrossentropy)]


def sample_losses(loss, at, rows):
    losses = loss_formula(loss, "forward", at, rows)
    return losses[0] if type(loss) in ALL_FUSIONS else losses


@each_part
@pytest.mark.parametrize("seed", range(3))
def test_gradient_of_the_weighted_mean_matches_complex_step_and_central_differences(part, seed):
    rng = np.random.default_rng(seed)
    at, weights = predictions(part, rng, N, C), np.array([0.5, 3, 0, 1])
    if part.classifies and part not in ALL_FUSIONS:
        at = 0.25 + 0.5 * at
    loss = made_loss(part, rng, C)
    for kind, y_true in kinds_of_targets(loss, rng, N, C):
        rows = rows_for(loss, y_true, C)
        mean = loss.calculate(at, y_true, weights)
        losses = sample_losses(loss, at, rows)
        assert mean == pytest.approx(np.average(losses, weights=weights), rel=1e-12)
        claimed = loss.backward(loss.output if part in ALL_FUSIONS else at, y_true, weights)
        assert not claimed[2].any()
        terms = np.abs(claimed).max() if part in ALL_FUSIONS else None
        assert_gradient(
            lambda x, rows=rows: np.sum(weights / weights.sum() * sample_losses(loss, x, rows)),
            at,
            claimed,
            terms=terms,
            what=kind,
        )
        if part in ALL_FUSIONS:
            assert loss.forward(at, y_true, weights) == mean
        assert (
            loss.backward(loss.output if part in ALL_FUSIONS else at, y_true, 8 * weights).tolist() == claimed.tolist()
        )


@each_part
def test_equal_weights_are_no_weights_and_wrong_ones_are_refused_in_one_line(part):
    rng = np.random.default_rng(0)
    at = predictions(part, rng, N, C)
    _, y_true = next(kinds_of_targets(part, rng, N, C))
    loss = part()
    plain = loss.calculate(at, y_true)
    assert loss.calculate(at, y_true, np.full(N, 7)) == pytest.approx(plain, rel=1e-14)
    for weights, said in [
        ([1, 2], r"rows and sample_weight has 2|has 4 rows"),
        ([1, -1, 1, 1], r"sample_weight holds -1.0 in row 1; weights are at least 0"),
        ([0, 0, 0, 0], r"sample_weight holds nothing but 0"),
        ([1, np.nan, 1, 1], r"sample_weight holds nan in row 1"),
        ([[1], [1], [1], [1]], r"sample_weight has shape \(4, 1\); pass one number a sample"),
    ]:
        for call in (loss.calculate, loss.backward):
            with pytest.raises(ValueError, match=said) as caught:
                call(at, y_true, weights)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weight", [None, [0.3, 1.0, 2.5, 0.0, 0.7], {4: 1.0, 1: 2.0, 2: 3, 3: 0.5, 0: 1}])
@pytest.mark.parametrize("part", OF_CLASSES, ids=lambda part: part.__name__)
def test_classes_are_smoothed_and_weighted_as_the_formula_says(part, smoothing, weight):
    rng = np.random.default_rng(0)
    at = predictions(part, rng, N, C)
    w = np.ones(C) if weight is None else np.array([weight[c] for c in range(C)])
    log_p = at - np.log(np.exp(at).sum(axis=1, keepdims=True)) if part in ALL_FUSIONS else np.log(at)
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        loss = part(label_smoothing=smoothing, class_weight=weight)
        rows = ((1 - smoothing) * as_rows(y_true, C) + smoothing / C) * w
        expected = -(rows * log_p).sum(axis=1).mean()
        assert loss.calculate(at, y_true) == pytest.approx(expected, rel=1e-12), kind
        claimed = loss.backward(loss.output if part in ALL_FUSIONS else at, y_true)
        if part in ALL_FUSIONS:
            terms = np.abs(claimed).max()
            assert_gradient(
                lambda x, rows=rows: np.mean(sample_losses(part(), x, rows)), at, claimed, terms=terms, what=kind
            )
        else:
            assert_close(claimed, -rows / at / N, 1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weight", [None, [1.0, 4.0], {1: 0.5, 0: 2.0}])
@pytest.mark.parametrize("part", OF_ANSWERS, ids=lambda part: part.__name__)
def test_answers_are_smoothed_and_weighted_as_the_formula_says(part, smoothing, weight):
    rng = np.random.default_rng(0)
    at = predictions(part, rng, N, C)
    no, yes = (1, 1) if weight is None else (weight[0], weight[1])
    p = 1 / (1 + np.exp(-at)) if part in ALL_FUSIONS else at
    for kind, y_true in kinds_of_targets(part, rng, N, C):
        loss = part(label_smoothing=smoothing, class_weight=weight)
        y = (1 - smoothing) * y_true + smoothing / 2
        expected = -np.mean(yes * y * np.log(p) + no * (1 - y) * np.log(1 - p))
        assert loss.calculate(at, y_true) == pytest.approx(expected, rel=1e-12), kind
        claimed = loss.backward(loss.output if part in ALL_FUSIONS else at, y_true)
        by_p = (no * (1 - y) / (1 - p) - yes * y / p) / C / N
        expected = by_p * p * (1 - p) if part in ALL_FUSIONS else by_p
        assert_close(claimed, expected, 1e-12, np.abs(expected).max())


@pytest.mark.parametrize("case", FIGURES["crossentropy"], ids=lambda case: f"{case['kind']} {case['label_smoothing']}")
def test_classes_agree_with_pytorch(case):
    """PyTorch's own mean over labels divides by the sum of the weights: these figures are its sum over N."""
    loss = bp.SoftmaxCrossentropy(label_smoothing=case["label_smoothing"], class_weight=case["class_weight"])
    assert loss.forward(case["logits"], np.array(case["y_true"])) == pytest.approx(case["loss"], rel=1e-13)
    expected = np.array(case["dinputs"])
    assert_close(loss.backward(loss.output, np.array(case["y_true"])), expected, 1e-12, np.abs(expected).max())


@pytest.mark.parametrize("case", FIGURES["yes or no"], ids=lambda case: str(case["class_weight"]))
def test_answers_agree_with_pytorch(case):
    loss = bp.SigmoidCrossentropy(class_weight=case["class_weight"])
    assert loss.forward(case["logits"], case["y_true"]) == pytest.approx(case["loss"], rel=1e-13)
    assert_close(loss.backward(loss.output, case["y_true"]), np.array(case["dinputs"]), 1e-12, 0.01)


@pytest.mark.parametrize(("part", "step"), PAIRS, ids=lambda part: part.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_step_equals_the_pair_that_it_replaces(part, step, dtype):
    rng, tolerance = np.random.default_rng(0), {4: 1e-5, 8: 1e-12}[np.dtype(dtype).itemsize]
    logits, sample_weight = predictions(step, rng, N, C).astype(dtype), rng.random(N)
    options = {"label_smoothing": 0.2, "class_weight": [1, 3, 0.5, 2, 0.1] if part in OF_CLASSES else [1, 3]}
    for _, y_true in kinds_of_targets(part, rng, N, C):
        activation, loss, fused = step.layer(), part(**options), step(**options)
        output = activation.forward(logits)
        mean = fused.forward(logits, y_true, sample_weight)
        assert loss.calculate(output, y_true, sample_weight) == pytest.approx(mean, rel=tolerance)
        dinputs = activation.backward(loss.backward(output, y_true, sample_weight))
        fused_dinputs = fused.backward(fused.output, y_true, sample_weight)
        assert_close(fused_dinputs, dinputs, tolerance, np.abs(dinputs).max())
        assert type(step.of(loss)) is step
        assert step.of(loss).config() == loss.config()


@pytest.mark.parametrize("part", [*OF_CLASSES, *OF_ANSWERS], ids=lambda part: part.__name__)
def test_config_makes_the_loss_anew_to_the_last_bit(part):
    for seed in range(200):
        size = 5 if part in OF_CLASSES else 2
        weights = np.random.default_rng(seed).random(size).tolist()
        loss = part(label_smoothing=0.1, class_weight=weights)
        assert loss.config() == {"label_smoothing": 0.1, "class_weight": weights}
        assert part(**json.loads(json.dumps(loss.config()))).config() == loss.config()
        assert pickle.loads(pickle.dumps(loss)).config() == loss.config()
    assert part().config() == {}


def classifier(loss, last, seed=0):
    layers = [bp.Dense(4, 6, dtype="float64"), bp.Tanh(), bp.Dense(6, 3, dtype="float64"), *last]
    return bp.Network(layers, loss, random_state=seed)


@pytest.mark.parametrize("kind", ["labels", "soft"])
@pytest.mark.parametrize("fused", [False, True])
def test_fit_with_all_of_it_makes_the_steps_of_the_textbook_and_a_file_keeps_it(kind, fused, tmp_path):
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(50, 4)), rng.random(50)
    y = rng.integers(0, 3, 50) if kind == "labels" else rng.dirichlet(np.ones(3), 50)
    options = {"label_smoothing": 0.1, "class_weight": [0.1, 0.3, 2.7]}
    loss = bp.SoftmaxCrossentropy(**options) if fused else bp.CategoricalCrossentropy(**options)
    network, plain = (classifier(loss, [] if fused else [bp.Softmax()]) for _ in range(2))
    history = network.fit(
        X, y, optimizer=bp.SGD(0.5), epochs=3, batch_size=16, shuffle=False, sample_weight=weights, threads=2
    )
    losses = []
    for _ in range(3):
        total = 0.0
        for start in range(0, 50, 16):
            batch = slice(start, start + 16)
            output = plain.forward(X[batch])
            total += loss.calculate(output, y[batch], weights[batch]) * weights[batch].sum()
            plain.backward(y[batch], weights[batch])
            plain.parameters = plain.parameters - 0.5 * plain.gradients
        losses.append(total / weights.sum())
    assert_close(network.parameters, plain.parameters, 1e-11, 1.0)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-11)
    network.save(tmp_path / "model")
    loaded = bp.Network.load(tmp_path / "model")
    assert loaded.loss.config() == loss.config()
    assert loaded.evaluate(X, y) == network.evaluate(X, y)


def test_accuracy_is_counted_on_the_targets_themselves():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    odd = classifier(bp.CategoricalCrossentropy(label_smoothing=0.3, class_weight=[0.01, 1, 100]), [bp.Softmax()])
    plain = classifier(bp.CategoricalCrossentropy(), [bp.Softmax()])
    for y_true in (y, np.eye(3)[y], 0.4 * np.eye(3)[y] + 0.2):
        assert odd.evaluate(X, y_true)["accuracy"] == plain.evaluate(X, y)["accuracy"]
        assert odd.evaluate(X, y_true)["loss"] != plain.evaluate(X, y_true)["loss"]
    answers = rng.integers(0, 2, (60, 3))
    odd = classifier(bp.BinaryCrossentropy(label_smoothing=0.9, class_weight=[1, 50]), [bp.Sigmoid()])
    plain = classifier(bp.BinaryCrossentropy(), [bp.Sigmoid()])
    assert odd.evaluate(X, answers)["accuracy"] == plain.evaluate(X, answers)["accuracy"]


def test_a_class_of_more_weight_is_found_more_often():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = (X[:, 0] + rng.normal(size=400) > 1.5).astype(int)  # rare, and hidden by noise
    found = []
    for weight in (None, [1, 8]):
        loss = bp.CategoricalCrossentropy(class_weight=weight)
        network = bp.Network([bp.Dense(4, 2), bp.Softmax()], loss, random_state=0)
        network.fit(X, y, optimizer=bp.Adam(0.05), epochs=200)
        found.append(network.predict(X)[y == 1].mean())
    assert found[0] < 0.7 < 0.8 < found[1]


@pytest.mark.parametrize("part", [*OF_CLASSES, *OF_ANSWERS], ids=lambda part: part.__name__)
@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"label_smoothing": 1}, ValueError, r"label_smoothing is 1; it must be at least 0 and below 1$"),
        ({"label_smoothing": "a"}, TypeError, r"label_smoothing is 'a'; pass a number$"),
        ({"class_weight": [1, -1]}, ValueError, r"class_weight holds -1.0 in row 1"),
        ({"class_weight": [0, 0]}, ValueError, r"class_weight holds nothing but 0"),
        (
            {"class_weight": {1: 2.0, 3: 1.0}},
            ValueError,
            r"class_weight is \{1: 2.0, 3: 1.0\}; name every class from 0",
        ),
        ({"class_weight": "balanced"}, TypeError, r"class_weight"),
        ({"class_weight": 2.0}, (TypeError, ValueError), r"class_weight"),
        ({"class_weight": [[1, 2]]}, ValueError, r"class_weight has shape \(1, 2\)"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused_in_one_line(part, options, error, said):
    with pytest.raises(error, match=rf"^{said}") as caught:
        part(**options)
    assert "\n" not in str(caught.value)


def test_a_weight_for_each_class_is_needed():
    for loss, last in ((bp.CategoricalCrossentropy, [bp.Softmax()]), (bp.SoftmaxCrossentropy, [])):
        with pytest.raises(ValueError, match=r"^class_weight has 2 numbers; there are 3 classes$"):
            classifier(loss(class_weight=[1, 2]), last)
        with pytest.raises(ValueError, match=r"^class_weight has 2 numbers; there are 3 classes$"):
            loss(class_weight=[1, 2]).backward(np.full((2, 3), 1 / 3), [0, 1])
    for part in OF_ANSWERS:
        with pytest.raises(ValueError, match=r"^class_weight has 3 numbers; pass two, for no and for yes$"):
            part(class_weight=[1, 2, 3])


def test_what_a_sample_of_weight_0_says_is_not_heard_even_where_it_is_infinite():
    loss = bp.CategoricalCrossentropy()
    y_pred, labels, weights = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([1, 0]), [0, 1]
    assert loss.calculate(y_pred, labels, weights) == pytest.approx(np.log(2))
    step = bp.SoftmaxCrossentropy()
    assert step.forward([[800.0, 0.0], [0.0, 0.0]], labels, weights) == pytest.approx(np.log(2))
    assert step.backward(step.output, labels, weights).tolist() == [[0, 0], [-0.5, 0.5]]


def test_every_loss_that_classifies_takes_class_weights_and_smoothing_where_there_are_probabilities():
    classifying = [part for part in [*ALL_LOSSES, *ALL_FUSIONS] if part.classifies]
    assert bp.Hinge in classifying
    for part in classifying:
        assert "class_weight" in arguments_of(part.__init__)
        assert ("label_smoothing" in arguments_of(part.__init__)) == part.probabilistic


def test_hinge_with_weights_is_that_of_samples_with_these_weights():
    rng = np.random.default_rng(0)
    scores, y = rng.normal(size=(40, 1)), rng.integers(0, 2, 40)
    plain, weighted, weights = bp.Hinge(), bp.Hinge(class_weight={0: 0.5, 1: 3.0}), np.where(y == 1, 3.0, 0.5)
    mean = weights.mean()  # a class's weight leaves the mean over N; a sample's weight is divided by the sum
    assert weighted.calculate(scores, y) == pytest.approx(mean * plain.calculate(scores, y, weights), rel=1e-12)
    np.testing.assert_allclose(weighted.backward(scores, y), mean * plain.backward(scores, y, weights), rtol=1e-12)
    assert repr(weighted) == "Hinge(class_weight=[0.5, 3.0])"
    assert bp.Hinge(**weighted.config()).config() == weighted.config()
    with pytest.raises(ValueError, match=r"^class_weight has 3 numbers; pass two, for no and for yes$"):
        bp.Hinge(class_weight=[1, 2, 3])
