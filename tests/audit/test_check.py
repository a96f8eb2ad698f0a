"""What the audit says of right parts, of broken ones, and of what is neither."""

import copy
import json
import random
from collections import Counter
from functools import cache

import numpy as np
import pytest

import backpass as bp
from backpass.audit import Finding, check
from backpass.audit.texts import FIXES, TEXTS
from tests.audit.mutants import MUTANTS
from tests.audit.plain_parts import Dense, ReLU
from tests.audit.right_parts import right_parts

INPUTS = np.random.default_rng(0).normal(size=(7, 5))
LABELS = np.arange(7) % 3


def audited(mutant):
    return report_on(mutant.name)


@cache  # three tests look at each
def report_on(name):
    (mutant,) = [mutant for mutant in MUTANTS if mutant.name == name]
    y_true = None if mutant.y_true is None else mutant.y_true.copy()
    return check(mutant.make(), mutant.inputs.copy(), y_true)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_part_is_caught_and_its_mistake_named(mutant):
    named = {finding.mistake for finding in audited(mutant).findings}
    assert named & set(mutant.mistakes), f"{named or 'nothing'} in the place of {mutant.mistakes}"


def test_nearly_all_broken_parts_get_the_name_that_fits_best():
    first = [mutant.mistakes[0] in {finding.mistake for finding in audited(mutant).findings} for mutant in MUTANTS]
    assert np.mean(first) >= 0.95


ELSEWHERE = {  # where the array that is written over has two names, and where backward fails before it sets anything
    "in_place.StepForgetsTheCopy": "output",
    "in_place.SquaredErrorSubtractsInPlace": "inputs",
    "dense.WrongOrderRaises": "backward",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_gradient_that_is_wrong_is_the_one_that_is_named(mutant):
    places = {finding.where.rpartition(".")[2] for finding in audited(mutant).findings}
    assert ELSEWHERE.get(mutant.name, mutant.where) in places


def test_every_mistake_has_at_least_three_mutants_that_can_only_be_it():
    counts = Counter(mutant.mistakes[0] for mutant in MUTANTS if len(mutant.mistakes) == 1)
    assert min(counts[mistake] for mistake in TEXTS) >= 3
    assert len(MUTANTS) >= 60


@pytest.mark.parametrize("seed", range(4))
def test_no_right_part_has_a_finding(seed):
    found = {name: list(map(str, check(*part).findings)) for name, *part in right_parts(seed)}
    assert len(found) > 100
    assert not {name: findings for name, findings in found.items() if findings}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_right_part_has_a_finding_over_200_seeds():
    wrong = [
        (seed, name, str(finding))
        for seed in range(200)
        for name, *part in right_parts(seed)
        for finding in check(*part).findings
    ]
    assert not wrong


@pytest.mark.parametrize("mistake", TEXTS)
def test_a_finding_explains_itself_in_two_languages_and_with_a_line_of_numpy(mistake):
    finding = Finding(mistake, "relu1.dinputs", "so it is")
    assert finding.explanation["en"].count(".") >= 2
    assert finding.explanation["zh"].count("。") >= 2
    compile(finding.fix, "fix", "exec")
    assert FIXES.keys() == TEXTS.keys()


@pytest.mark.parametrize("attribute", ["dweights", "dbiases"])
def test_the_fix_is_that_of_the_gradient_which_is_wrong(attribute):
    class Broken(Dense):
        def backward(self, dvalues):
            super().backward(dvalues)
            setattr(self, attribute, getattr(self, attribute)[:, ::-1].T.copy())

    (finding,) = check(Broken(5, 4), INPUTS).findings
    assert finding.where == attribute
    assert finding.fix.startswith(f"{attribute} = ")


# --------------------------------------------------------------------------------------------------------- the numbers


def test_errors_are_those_of_float64_for_a_network_in_float32():
    layers = [bp.Dense(5, 6), bp.Tanh(), bp.Dense(6, 3), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)
    before = network.parameters.copy()
    report = check(network, INPUTS, LABELS)
    assert [entry.name for entry in report.entries][:2] == ["dinputs", "dense1.dweights"]
    assert max(entry.central_error for entry in report.entries) < 1e-6
    assert max(entry.complex_error for entry in report.entries) < 1e-12
    np.testing.assert_array_equal(network.parameters, before)


def test_a_difference_of_one_in_a_million_is_seen_and_less_is_not():
    def slightly(wrong):
        class Slightly(bp.Tanh, listed=False):
            def backward(self, dvalues):
                return super().backward(dvalues) * (1 + wrong * (np.arange(dvalues.size) == 3).reshape(dvalues.shape))

        return check(Slightly(), INPUTS)

    assert not slightly(3e-6).passed
    assert slightly(1e-9).passed


def test_entries_beside_a_kink_are_left_out_and_counted():
    inputs = INPUTS.copy()
    inputs[2, 3] = 1e-6
    report = check(ReLU(), inputs)
    assert report.passed
    assert report.entries[0].left_out == 1
    assert report.entries[0].checked == inputs.size - 1


def test_a_wrong_gradient_beside_a_kink_is_still_wrong():
    class PassesThere(ReLU):
        def backward(self, dvalues):
            super().backward(dvalues)
            self.dinputs[0, 0] = 3.0

    inputs = INPUTS.copy()
    inputs[0, 0] = -5e-6
    assert not check(PassesThere(), inputs).passed


@pytest.mark.parametrize("inputs", [np.zeros((7, 5)), np.where(INPUTS > 0, INPUTS, 0.0)], ids=["all", "half"])
def test_inputs_at_kinks_are_moved_a_little(inputs):
    report = check(bp.ReLU(), inputs)
    assert report.passed
    assert report.entries[0].left_out == 0
    assert "moved" in report.notes[0]


def test_where_the_numerical_methods_disagree_nobody_is_blamed():
    class Absolute:
        def forward(self, inputs):
            self.inputs = inputs
            self.output = np.abs(inputs)

        def backward(self, dvalues):
            self.dinputs = dvalues * np.sign(self.inputs)

    report = check(Absolute(), INPUTS)
    assert report.passed
    assert report.entries[0].complex_error is None
    assert any("complex step does not apply here" in note for note in report.notes)


def test_a_right_formula_in_float32_is_a_note():
    class InFloat32(Dense):
        def backward(self, dvalues):
            super().backward(dvalues)
            self.dweights = (self.inputs.astype(np.float32).T @ dvalues.astype(np.float32)) * np.float32(1)

    report = check(InFloat32(5, 4), 100 * INPUTS)
    assert report.passed
    assert any("float32" in note for note in report.notes)


def test_a_forward_in_float32_is_compared_less_closely_and_still_caught():
    class Halved(Dense):
        def forward(self, inputs):
            super().forward(inputs.astype(np.float32))
            self.output = self.output.astype(np.float32)

    class Wrong(Halved):
        def backward(self, dvalues):
            super().backward(dvalues)
            self.dbiases = -self.dbiases

    assert check(Halved(5, 4), INPUTS).passed
    assert [finding.mistake for finding in check(Wrong(5, 4), INPUTS).findings] == ["wrong-sign"]


def test_large_arrays_are_checked_at_entries_drawn_at_random():
    report = check(bp.Dense(80, 60, random_state=0), np.random.default_rng(1).normal(size=(7, 80)))
    by_name = {entry.name: entry for entry in report.entries}
    assert report.passed
    assert by_name["dweights"].checked < 80 * 60
    assert by_name["dbiases"].checked == 60


def test_steep_losses_of_small_probabilities_are_no_mistake():
    y_pred = np.array([[1e-3, 0.999], [1e-6, 1 - 1e-6], [0.4, 0.6], [1e-9, 1 - 1e-9]])
    report = check(bp.CategoricalCrossentropy(), y_pred, [0, 0, 1, 0])
    assert report.passed
    assert report.notes == []


def test_the_same_random_state_gives_the_same_report_and_leaves_no_trace():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    part = Dense(5, 4)
    reports = [check(part, INPUTS, random_state=3).to_dict() for _ in range(2)]
    assert reports[0] == reports[1]
    assert not hasattr(part, "dinputs")
    np.random.seed(5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_generators_are_left_as_they_were():
    class DrawsEverywhere:
        def forward(self, inputs):
            self.mask = np.random.random(inputs.shape) + GENERATOR.random(inputs.shape) + random.random()
            return inputs * self.mask

        def backward(self, dvalues):
            return dvalues * self.mask

    def drawn():
        return np.random.random(), GENERATOR.random(), random.random()

    np.random.seed(7)
    random.seed(7)
    before = copy.deepcopy(GENERATOR.bit_generator.state)
    expected = drawn()
    np.random.seed(7)
    random.seed(7)
    GENERATOR.bit_generator.state = before
    assert check(DrawsEverywhere(), INPUTS).passed
    assert drawn() == expected


def test_penalties_belong_to_the_gradient():
    assert check(bp.Dense(5, 4, weights_l2=0.1, biases_l1=0.2, random_state=0), INPUTS).passed

    class Forgets(bp.Dense, listed=False):
        def add_penalty_gradients(self):
            pass

    (finding,) = check(Forgets(5, 4, weights_l2=0.1, random_state=0), INPUTS).findings
    assert finding.mistake == "not-computed"
    assert "penalty" in finding.evidence


def test_pairs_of_functions_are_audited_by_the_names_of_their_arguments():
    def backward(output, dvalues):
        return dvalues * (1 - output**2)

    assert check((np.tanh, backward), INPUTS).passed
    assert check((np.tanh, lambda inputs, dvalues: dvalues * (1 - np.tanh(inputs) ** 2)), INPUTS).passed
    (finding,) = check((np.tanh, lambda inputs, dvalues: dvalues * (1 - inputs**2)), INPUTS).findings
    assert finding.mistake == "derivative-of-input-instead-of-output"
    assert "output**2" in finding.fix


def test_functions_with_parameters_return_their_gradients_first():
    from backpass.layers.dense import backward, forward

    parameters = {"weights": INPUTS[:5, :4].copy(), "biases": np.ones((1, 4))}
    report = check((forward, backward, parameters), INPUTS)
    assert report.passed
    assert len(report.entries) == 3


# ---------------------------------------------------------------------------------------------------------- the report


def broken_network():
    class Inverted(ReLU):
        def backward(self, dvalues):
            self.dinputs = np.where(self.inputs > 0, 0, dvalues)

    layers = [bp.Dense(5, 6), Inverted(), bp.Dense(6, 3), bp.Softmax()]
    return bp.Network(layers, bp.CategoricalCrossentropy(), random_state=0)


def test_in_a_network_the_part_is_named_whose_backward_is_wrong():
    (finding,) = check(broken_network(), INPUTS, LABELS).findings
    assert (finding.mistake, finding.where) == ("mask-inverted", "inverted1.dinputs")


def test_a_report_is_json_text_and_html():
    report = check(broken_network(), INPUTS, LABELS)
    held = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert held["passed"] is False
    assert held["findings"][0]["explanation"].keys() == {"en", "zh"}
    assert "mask-inverted in inverted1.dinputs" in str(report)
    assert "mask-inverted" in report._repr_html_()
    assert "<table>" in report._repr_html_()


@pytest.mark.parametrize(
    ("part", "inputs", "y_true", "words"),
    [
        (bp.CategoricalCrossentropy(), INPUTS, None, "pass y_true too"),
        (ReLU(), INPUTS, LABELS, "takes no y_true"),
        (ReLU, INPUTS, None, "pass an object"),
        (3, INPUTS, None, "no forward and backward"),
        (Dense(5, 4), INPUTS[:, :3], None, "does not take inputs of shape (7, 3)"),
        (ReLU(), np.full((2, 2), np.nan), None, "pass finite numbers"),
        ((np.log, lambda inputs, dvalues: dvalues / inputs), INPUTS, None, "gives nan; pass inputs where it is finite"),
        ((np.tanh,), INPUTS, None, "pass a pair"),
    ],
)
def test_what_cannot_be_audited_is_said_in_one_line(part, inputs, y_true, words):
    with pytest.raises((TypeError, ValueError)) as error:
        check(part, inputs, y_true)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


# --------------------------------------------------------------------------------------- what an adversary tried first


def mistakes_of(*arguments):
    return {finding.mistake for finding in check(*arguments).findings}


@pytest.mark.parametrize(
    "part",
    [
        (lambda x: np.maximum(x.astype("f4"), 0), lambda dout, x: dout * (x > 0)),
        (lambda x: np.tanh(3 * x.astype("f4")), lambda dout, x: dout * 3 * (1 - np.tanh(3 * x) ** 2)),
    ],
    ids=["relu", "tanh"],
)
def test_a_forward_in_float32_is_told_from_one_in_float64(part):
    report = check(part, INPUTS)
    assert report.passed
    assert any("float32" in note for note in report.notes)


@pytest.mark.parametrize("offset", [1e4, -1e5])
@pytest.mark.parametrize("part", [bp.Softmax(), bp.BatchNorm(5), bp.LayerNorm(5), bp.Tanh()], ids=str)
def test_inputs_far_from_zero_are_no_mistake(part, offset):
    assert check(part, offset + INPUTS).passed


def test_a_part_that_has_run_before_keeps_no_parameters_of_its_results():
    class Keeps(Dense):
        def forward(self, inputs):
            super().forward(inputs)
            self.z = self.output.copy()

        def backward(self, dvalues):
            self.dz = dvalues.copy()
            super().backward(self.dz)

    part = Keeps(5, 4)
    part.forward(INPUTS)
    part.backward(np.ones((7, 4)))
    report = check(part, INPUTS)
    assert report.passed
    assert [entry.name for entry in report.entries] == ["dinputs", "dweights", "dbiases"]


def test_parameters_are_found_in_lists_of_layers_and_in_dicts():
    class Two:
        def __init__(self):
            self.layers = [Dense(5, 4), ReLU(), Dense(4, 3)]

        def forward(self, inputs):
            for layer in self.layers:
                layer.forward(inputs)
                inputs = layer.output
            return inputs

        def backward(self, dvalues):
            for layer in reversed(self.layers):
                layer.backward(dvalues)
                dvalues = layer.dinputs
            self.layers[2].dbiases = -self.layers[2].dbiases
            return dvalues

    class InDicts:
        def __init__(self):
            self.params = {"W": INPUTS[:5, :4].copy()}
            self.grads = {}

        def forward(self, inputs):
            self.inputs = inputs
            return inputs @ self.params["W"]

        def backward(self, dvalues):
            self.grads["W"] = 2 * self.inputs.T @ dvalues
            return dvalues @ self.params["W"].T

    (finding,) = check(Two(), INPUTS).findings
    assert (finding.mistake, finding.where) == ("wrong-sign", "layers[2].dbiases")
    (finding,) = check(InDicts(), INPUTS).findings
    assert (finding.mistake, finding.where) == ("scaled-by-constant", "params.dW")


def test_what_forward_uses_and_nothing_derives_is_a_note():
    class Shifted:
        def __init__(self):
            self.offset = np.ones(5)

        def forward(self, inputs):
            return np.tanh(inputs + self.offset)

        def backward(self, dvalues):
            return dvalues * (1 - self.output**2)

    class Right(Shifted):
        def forward(self, inputs):
            self.output = super().forward(inputs)
            return self.output

    report = check(Right(), INPUTS)
    assert report.passed
    assert any(note.startswith("offset is used by forward") for note in report.notes)


def test_infinite_gradients_of_finite_losses_are_found():
    def forward(y_pred, y_true):
        return -np.log(np.clip(y_pred, 1e-7, 1)[np.arange(len(y_pred)), y_true])

    def backward(y_pred, y_true):
        return -np.eye(3)[y_true] / y_pred / len(y_pred)

    y_pred = np.array([[1.0, 0, 0], [0.2, 0.3, 0.5]])
    assert not check((forward, backward), y_pred, np.array([1, 2])).passed


def test_a_mask_from_dvalues_is_found_though_it_is_right_for_some():
    part = (lambda x: np.maximum(x, 0), lambda dout, x: dout * (dout > 0) * (x > 0))
    for seed in range(20):
        assert not check(part, np.random.default_rng(seed).normal(size=(1, 4)).__abs__(), random_state=seed).passed


@pytest.mark.parametrize("when", ["made", "first used"])
def test_weights_that_were_copied_earlier_are_found(when):
    class Copies(Dense):
        turned = None

        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.turned = self.weights.T.copy() if when == "made" else None

        def backward(self, dvalues):
            super().backward(dvalues)
            self.turned = self.weights.T.copy() if self.turned is None else self.turned
            self.dinputs = dvalues @ self.turned

    rng = np.random.default_rng(1)
    for samples in (7, 256):
        assert mistakes_of(Copies(5, 4), rng.normal(size=(samples, 5))) == {"stale-forward"}


def test_one_wrong_entry_of_a_hundred_thousand_is_found():
    class OneEntry(bp.Dense, listed=False):
        def backward(self, dvalues):
            super().backward(dvalues)
            self.dweights[783, 127] *= -1
            return self.dinputs

    report = check(OneEntry(784, 128, random_state=0), np.random.default_rng(0).normal(size=(5, 784)))
    assert not report.passed
    assert any("100352 entries" in note for note in report.notes)


def test_functions_with_a_cache_and_gradients_in_the_usual_order():
    def forward(x, w, b):
        return x @ w + b, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout, dout.sum(axis=0)

    parameters = {"w": INPUTS[:5, :4].copy(), "b": np.zeros(4)}
    report = check((forward, backward, parameters), INPUTS)
    assert report.passed
    assert len(report.entries) == 3


def test_a_loss_may_take_the_truth_first():
    class Keras:
        def forward(self, y_true, y_pred):
            return np.mean((y_true - y_pred) ** 2, axis=1)

        def backward(self, y_true, y_pred):
            self.dinputs = 2 * (y_pred - y_true) / y_pred.size

    assert check(Keras(), INPUTS, INPUTS[::-1]).passed


def test_a_function_whose_argument_is_unknown_is_refused_in_one_line():
    with pytest.raises(ValueError, match="takes magic, which the audit does not know"):
        check((lambda x, magic: x * magic, lambda dout, x: dout), INPUTS)


# ------------------------------------------------------------------------------------------- what a reviewer tried then


def test_what_cannot_be_checked_is_not_called_right():
    part = (lambda x: 2 * x if np.abs(x).max() <= 1 else np.full_like(x, np.nan), lambda dout, x: -7 * dout)
    report = check(part, np.ones((7, 5)))
    assert not report.passed
    assert "none of its entries can be checked" in report.findings[0].evidence


@pytest.mark.parametrize(("offset", "factor"), [(1e6, 1.001), (1e4, 1.00001)])
def test_the_complex_step_decides_where_differences_drown_in_rounding(offset, factor):
    report = check((lambda x: x + offset, lambda dout: factor * dout), INPUTS)
    assert not report.passed
    assert report.entries[0].complex_error == pytest.approx(factor - 1, rel=0.01)


def test_slots_and_weights_made_by_the_first_forward_are_looked_at():
    class Slots:
        __slots__ = ("dweights", "inputs", "weights")

        def __init__(self):
            self.weights = INPUTS[:5, :4].copy()

        def forward(self, inputs):
            self.inputs = inputs
            return inputs @ self.weights

        def backward(self, dvalues):
            self.dweights = -self.inputs.T @ dvalues
            return dvalues @ self.weights.T

    class Lazy(Dense):
        def __init__(self):
            pass

        def forward(self, inputs):
            if not hasattr(self, "weights"):
                self.weights, self.biases = np.ones((inputs.shape[1], 4)), np.zeros((1, 4))
            super().forward(inputs)

        def backward(self, dvalues):
            super().backward(dvalues)
            self.dweights = -self.dweights

    for part in (Slots(), Lazy()):
        assert [str(finding)[:26] for finding in check(part, INPUTS).findings] == ["wrong-sign in dweights: cl"]


def test_any_slope_is_right_at_the_kink_of_an_l1_penalty():
    class BookDense(Dense):
        weight_regularizer_l1 = weight_regularizer_l2 = bias_regularizer_l2 = 0
        bias_regularizer_l1 = 5e-4

        def backward(self, dvalues):
            super().backward(dvalues)
            slope = np.ones_like(self.biases)
            slope[self.biases < 0] = -1
            self.dbiases = self.dbiases + self.bias_regularizer_l1 * slope

    assert check(BookDense(5, 4), INPUTS).passed


def test_a_part_that_remembers_on_purpose_is_no_mistake():
    class Remembers:
        last = 0.0

        def forward(self, inputs):
            self.output = np.tanh(inputs + self.last)
            self.last = 0.1 * self.output
            return self.output

        def backward(self, dvalues):
            return dvalues * (1 - self.output**2)

    assert check(Remembers(), INPUTS).passed


def test_an_embedding_of_indices_is_audited_as_it_is():
    class Embedding:
        def __init__(self):
            self.weights = np.random.default_rng(0).normal(size=(6, 3))

        def forward(self, inputs):
            self.inputs = inputs
            return self.weights[inputs[:, 0]]

        def backward(self, dvalues):
            self.dweights = np.zeros_like(self.weights)
            np.add.at(self.dweights, self.inputs[:, 0], dvalues)

    class Once(Embedding):
        def backward(self, dvalues):
            self.dweights = np.zeros_like(self.weights)
            self.dweights[self.inputs[:, 0]] += dvalues  # of a category that is there twice, only the last counts

    indices = np.array([[0], [5], [2], [2], [3]])
    assert check(Embedding(), indices).passed
    assert not check(Once(), indices).passed


def test_the_books_cross_entropy_at_probability_zero_is_clipped_forward_only():
    class Book:
        def forward(self, y_pred, y_true):
            return -np.log(np.clip(y_pred, 1e-7, 1 - 1e-7)[range(len(y_pred)), y_true])

        def backward(self, y_pred, y_true):
            with np.errstate(all="ignore"):
                self.dinputs = -np.eye(3)[y_true] / y_pred / len(y_pred)

    assert mistakes_of(Book(), [[0.0, 0.5, 0.5], [0.2, 0.3, 0.5]], [0, 1]) == {"clipped-forward-only"}


def test_our_own_losses_leave_no_notes():
    assert check(bp.Hinge(), INPUTS, np.sign(INPUTS)).notes == []


@pytest.mark.parametrize("where", ["module", "closure", "class", "nested"])
def test_random_numbers_are_drawn_alike_wherever_their_generator_is(where):
    shared = np.random.default_rng(3)

    class Holder:
        def __init__(self):
            self.generator = np.random.default_rng(4)

    class Noisy:
        of_class = np.random.default_rng(5)

        def __init__(self):
            self.holder = Holder()

        def forward(self, inputs):
            drawn = {"module": GENERATOR, "closure": shared, "class": self.of_class, "nested": self.holder.generator}
            self.mask = drawn[where].random(inputs.shape) < 0.5
            return inputs * self.mask

        def backward(self, dvalues):
            return dvalues * self.mask

    assert check(Noisy(), INPUTS).passed


GENERATOR = np.random.default_rng(2)


def test_kinks_of_two_layers_at_one_point_are_no_mistake_of_a_network():
    found = {name: part for name, *part in right_parts(118) if name.startswith("Network([Dense(8, 8), BatchNorm")}
    report = check(*found.popitem()[1])
    assert report.passed
    assert "each part was held to what it is given" in report.notes[-1]
