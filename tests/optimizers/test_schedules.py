"""Schedules: the figures of PyTorch's, the book's formula, their ends, and what they refuse."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import backpass as bp
from backpass.optimizers.optimizer import OPTIMIZERS
from tests.networks import problem
from tests.optimizers.torch_figures import PLATEAU, PLATEAUS, SCHEDULES

FIGURES = json.loads(Path(__file__).with_name("torch_figures.json").read_text())
EVERY = [
    bp.InverseDecay(0.5, 0.1),
    bp.StepDecay(0.5, 0.3, 4),
    bp.ExponentialDecay(0.5, 0.9),
    bp.Cosine(0.5),
    bp.Cosine(0.5, 0.1, 7),
    bp.OneCycle(0.5),
    bp.OneCycle(0.5, 7, 0.4, 0.1, 0.0),
    bp.Warmup(0.5, 5),
    bp.Warmup(bp.Warmup(bp.Cosine(0.5), 3, 0.1), 2, 0.01),
    bp.ReduceOnPlateau(0.5),
    bp.Warmup(bp.ReduceOnPlateau(0.5, patience=0), 4),
]
each_schedule = pytest.mark.parametrize("schedule", EVERY, ids=repr)
steps = np.arange


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_those_of_pytorch(name):
    kind, given = SCHEDULES[name]
    expected = FIGURES["schedules"][name]
    rates = getattr(bp, kind)(**given).rates(steps(len(expected)), total=1)
    np.testing.assert_allclose(rates, expected, rtol=1e-10)


def test_warm_up_before_a_cosine_is_pytorchs_linear_rise_before_its_cosine():
    expected = FIGURES["schedules"]["warm-up, then cosine"]
    schedule = bp.Warmup(bp.Cosine(0.5), steps=5, start=0.1)
    np.testing.assert_allclose(schedule.rates(steps(16), total=15), expected, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("case", range(len(PLATEAUS)))
def test_rates_on_a_plateau_are_those_of_pytorch(case):
    schedule, found = bp.ReduceOnPlateau(0.5, **PLATEAUS[case]), []
    for epoch, loss in enumerate(PLATEAU, start=1):
        schedule.on_epoch_end(epoch, {"loss": loss})
        found += schedule.rates(np.array([epoch]), total=100).tolist()
    np.testing.assert_allclose(found, FIGURES["plateaus"][case], rtol=1e-12)
    assert len(set(found)) > 2


def test_inverse_decay_is_the_books_formula():
    """Neural Networks from Scratch, chapter 10: learning_rate * (1. / (1. + decay * iterations))"""
    by_hand = [1.0 * (1.0 / (1.0 + 1e-3 * step)) for step in range(10_001)]
    rates = bp.InverseDecay(1.0, decay=1e-3).rates(steps(10_001), total=10_001)
    np.testing.assert_allclose(rates, by_hand, rtol=1e-15)
    assert rates[10_000] == pytest.approx(1 / 11)


def test_cycle_begins_at_first_is_highest_once_and_ends_at_last():
    rates = bp.OneCycle(1.0, rise=0.3).rates(steps(100), total=100)
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.argmax() == 29
    assert rates[29] == 1
    assert rates[99] == pytest.approx(1e-4)
    assert (np.diff(rates[:30]) > 0).all()
    assert (np.diff(rates[29:]) < 0).all()


@pytest.mark.parametrize(
    "schedule", [bp.Cosine(0.5, 0.1, 7), bp.OneCycle(0.5, 7), bp.Warmup(bp.Cosine(0.5, 0.1, 4), 3)]
)
def test_a_schedule_of_7_steps_keeps_its_last_rate_whatever_the_length_of_the_fit(schedule):
    for total in (1, 7, 1000):
        rates = schedule.rates(steps(1000), total)
        assert (rates[7:] == rates[7]).all()
        assert rates[7] == pytest.approx(0.5e-4 if isinstance(schedule, bp.OneCycle) else 0.1)


@pytest.mark.parametrize("schedule", [bp.Cosine(0.5, 0.1), bp.OneCycle(0.5), bp.Warmup(bp.Cosine(0.5, 0.1), 3)])
def test_a_schedule_without_steps_is_stretched_to_the_fit_and_keeps_its_last_rate(schedule):
    for total in (10, 77):
        rates = schedule.rates(steps(200), total)
        assert (rates[total:] == rates[total]).all()
        assert rates[total] == pytest.approx(0.5e-4 if isinstance(schedule, bp.OneCycle) else 0.1)
        assert rates[total - 3] > 1.01 * rates[total]


@each_schedule
@pytest.mark.parametrize("total", [1, 2, 5, 100])
@pytest.mark.filterwarnings("error")
def test_rates_are_finite_pure_and_the_same_in_pieces(schedule, total):
    rates = schedule.rates(steps(50), total)
    assert rates.dtype == np.float64
    assert rates.shape == (50,)
    assert np.isfinite(rates).all()
    assert (rates >= 0).all()
    assert (rates <= 0.5).all()
    assert np.array_equal(schedule.rates(steps(50), total), rates)
    pieces = [schedule.rates(np.array(part), total) for part in np.split(steps(50), [1, 7, 30])]
    assert np.array_equal(np.concatenate(pieces), rates)
    assert schedule.rates(np.zeros(0, np.int64), total).shape == (0,)


@each_schedule
def test_config_and_repr_make_the_schedule_anew(schedule):
    assert type(schedule)(**schedule.config()) == schedule
    assert eval(repr(schedule), vars(bp)) == schedule
    assert set(schedule.config()) <= set(vars(schedule))


def test_schedules_are_no_optimizers():
    assert not [name for name, part in OPTIMIZERS.items() if issubclass(part, bp.Schedule)]


# ------------------------------------------------------------------------------------------------ the plateau


def after(schedule, *epochs):
    for epoch, figures in enumerate(epochs, start=1):
        schedule.on_epoch_end(epoch, figures)
    return schedule.rates(np.array([5]), total=10)[0]


def test_validation_loss_is_watched_where_there_is_one():
    falling = [{"loss": 1.0, "validation_loss": 1 / epoch} for epoch in range(1, 6)]
    rising = [{"loss": 1 / epoch, "validation_loss": 1.0} for epoch in range(1, 6)]
    assert after(bp.ReduceOnPlateau(1.0, patience=1), *falling) == 1
    assert after(bp.ReduceOnPlateau(1.0, patience=1), *rising) == pytest.approx(0.01)
    assert after(bp.ReduceOnPlateau(1.0, patience=1, watch="loss"), *rising) == 1


def test_more_accuracy_is_better():
    rising = [{"loss": 1.0, "validation_accuracy": epoch / 10} for epoch in range(1, 6)]
    assert after(bp.ReduceOnPlateau(1.0, patience=0, watch="validation_accuracy"), *rising) == 1
    assert after(bp.ReduceOnPlateau(1.0, patience=0, watch="validation_accuracy"), *rising[::-1]) == pytest.approx(1e-4)
    r2 = [{"validation_r2": value} for value in (-3.0, -1.0, -0.2, 0.0, 0.5)]  # a threshold of a negative best
    assert after(bp.ReduceOnPlateau(1.0, patience=0, watch="validation_r2"), *r2) == 1


def test_nan_is_no_improvement_and_no_best():
    schedule = bp.ReduceOnPlateau(1.0, patience=1)
    assert after(schedule, {"loss": np.nan}, {"loss": 2.0}, {"loss": np.nan}) == 1
    assert (schedule.best, schedule.waiting) == (2.0, 1)


def test_rate_never_falls_below_the_lowest():
    schedule = bp.ReduceOnPlateau(1.0, patience=0, lowest=0.05)
    assert after(schedule, *[{"loss": 1.0}] * 9) == 0.05


def test_a_figure_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ValueError, match="watch is 'validation_r2'; the figures of an epoch are loss, validation_loss"):
        after(bp.ReduceOnPlateau(1.0, watch="validation_r2"), {"loss": 1.0, "validation_loss": 1.0})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("wrapped", [lambda schedule: schedule, lambda schedule: bp.Warmup(schedule, 2)])
def test_a_copy_goes_on_where_the_original_stood_and_on_its_own(copied, wrapped):
    original = wrapped(bp.ReduceOnPlateau(1.0, patience=1, factor=0.5))
    after(original, {"loss": 1.0}, {"loss": 1.0})
    twin = copied(original)
    assert after(twin, {"loss": 1.0}) == 0.5
    assert after(original) == 1.0
    assert after(original, {"loss": 1.0}) == 0.5


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.InverseDecay(0, 0.1), ValueError, "start is 0; it must be above 0"),
        (lambda: bp.InverseDecay(0.1, -1), ValueError, "decay is -1; it must be at least 0"),
        (lambda: bp.StepDecay("a", 0.1, 3), TypeError, "start is 'a'; pass a number"),
        (lambda: bp.StepDecay(0.1, 1.0, 3), ValueError, "factor is 1.0; it must be above 0 and below 1"),
        (lambda: bp.StepDecay(0.1, 0.5, 0), ValueError, "every is 0; it must be at least 1"),
        (lambda: bp.ExponentialDecay(0.1, 0), ValueError, "factor is 0; it must be above 0 and below 1"),
        (lambda: bp.Cosine(0.1, -1e-3), ValueError, "end is -0.001; it must be at least 0"),
        (lambda: bp.Cosine(0.1, steps=0.5), TypeError, "steps is 0.5; pass a whole number"),
        (lambda: bp.Warmup(0.1, 0), ValueError, "steps is 0; it must be at least 1"),
        (lambda: bp.Warmup(-0.1, 5), ValueError, "then is -0.1; it must be above 0"),
        (lambda: bp.Warmup("cosine", 5), TypeError, "then is 'cosine'; pass a number"),
        (lambda: bp.Warmup(0.1, 5, start=-1), ValueError, "start is -1; it must be at least 0"),
        (lambda: bp.OneCycle(np.nan), ValueError, "highest is nan; it must be above 0"),
        (lambda: bp.OneCycle(0.1, rise=0), ValueError, "rise is 0; it must be above 0 and below 1"),
        (lambda: bp.OneCycle(0.1, first=0), ValueError, "first is 0; it must be above 0"),
        (lambda: bp.OneCycle(0.1, last=-1), ValueError, "last is -1; it must be at least 0"),
        (lambda: bp.ReduceOnPlateau(0.1, factor=2), ValueError, "factor is 2; it must be above 0 and below 1"),
        (lambda: bp.ReduceOnPlateau(0.1, patience=-1), ValueError, "patience is -1; pass a whole number of at least 0"),
        (lambda: bp.ReduceOnPlateau(0.1, threshold=-1), ValueError, "threshold is -1; it must be at least 0"),
        (lambda: bp.ReduceOnPlateau(0.1, lowest=None), TypeError, "lowest is None; pass a number"),
        (lambda: bp.ReduceOnPlateau(0.1, watch=1), TypeError, "watch is 1; pass the name of a figure"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line_that_names_them(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


class Own(bp.Schedule):
    def __init__(self, rates):
        self.given = rates

    def rates(self, steps, total):
        return self.given(steps)

    def __repr__(self):
        return "Own()"


@pytest.mark.parametrize(
    "rates",
    [
        lambda steps: np.where(steps < 1000, 1, 0),
        lambda steps: np.ones(len(steps), np.float32),
        lambda steps: np.broadcast_to(1.0, len(steps)),
        lambda steps: [1] * len(steps),
    ],
    ids=["int", "float32", "broadcast", "list"],
)
def test_rates_of_any_kind_of_number_are_read_as_numbers(rates):
    networks = [problem("softmax", 40) for _ in range(2)]
    for (network, X, y), rate in zip(networks, (Own(rates), 1.0), strict=True):
        network.fit(X, y, optimizer=bp.SGD(rate), epochs=3)
    assert np.array_equal(networks[0][0].parameters, networks[1][0].parameters)


@pytest.mark.parametrize(
    "rates",
    [
        lambda steps: -0.1 + 0.0 * steps,
        lambda steps: np.full(len(steps), np.nan),
        lambda steps: np.ones(len(steps) + 1),
    ],
    ids=["below 0", "nan", "too many"],
)
def test_rates_that_are_none_are_refused_in_one_line(rates):
    network, X, y = problem("softmax", 40)
    optimizer = bp.SGD(0.1)
    optimizer.schedule = Own(rates)
    with pytest.raises(ValueError, match=r"^Own\(\) has to give 1 rates of at least 0; it gives [^\n]*$"):
        network.fit(X, y, optimizer=optimizer, epochs=1)


def test_a_plateau_begins_anew_with_another_network_and_belongs_to_one_optimizer():
    optimizer = bp.Adam(bp.Warmup(bp.ReduceOnPlateau(0.02, patience=0, threshold=0.9), steps=2))
    rates = []
    for _ in range(2):
        network, X, y = problem("softmax", 40)
        network.fit(X, y, optimizer=optimizer, epochs=6)
        rates.append(optimizer.schedule.then.present)
    assert rates[0] == rates[1] < 0.02
    copied = copy.copy(optimizer)
    assert copied.schedule is not optimizer.schedule
    assert copied.schedule.then.present == rates[0]


def test_a_plateau_does_not_compare_two_figures_with_each_other():
    schedule = bp.ReduceOnPlateau(1.0, factor=0.5, patience=1)
    schedule.on_epoch_end(1, {"loss": 0.1})
    for epoch, loss in enumerate((1.0, 0.9, 0.8, 0.7), start=2):
        schedule.on_epoch_end(epoch, {"loss": 0.1, "validation_loss": loss})
    assert schedule.present == 1.0
    assert schedule.best == 0.7


def test_a_figure_that_there_will_not_be_is_refused_before_training():
    network, X, y = problem("softmax", 40)
    before = network.parameters.copy()
    optimizer = bp.SGD(bp.ReduceOnPlateau(0.1, watch="validation_accuracy"))
    with pytest.raises(ValueError, match=r"^watch is 'validation_accuracy'; the figures of an epoch will be loss$"):
        network.fit(X, y, optimizer=optimizer, epochs=1)
    assert np.array_equal(network.parameters, before)
    network.fit(X, y, optimizer=optimizer, epochs=1, validation_data=(X, y))


def test_callbacks_that_nobody_would_call_are_refused():
    network, X, y = problem("softmax", 40)
    schedule = bp.ReduceOnPlateau(0.1)
    with pytest.raises(TypeError, match=r"^callbacks holds ReduceOnPlateau\(.*; pass it as the learning_rate"):
        network.fit(X, y, epochs=1, callbacks=[schedule])
    with pytest.raises(TypeError, match=r"^callbacks holds <built-in function print>; pass objects with on_epoch_end"):
        network.fit(X, y, epochs=1, callbacks=[print])
