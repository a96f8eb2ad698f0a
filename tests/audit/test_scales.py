"""Every broken part and every right one at scales from 1e-12 to 1e12 of its inputs, targets and outputs."""

import itertools
from collections import Counter

import mpmath
import numpy as np
import pytest

from tests.audit.mutants import MUTANTS
from tests.audit.right_parts import right_parts
from tests.audit.scales import KINDS, SCALES, scaled, verdict

SMALL, LARGE = (1e-12, 1e-9, 1e-6, 1e-3), (1e3, 1e6, 1e9, 1e12)
NEAR_ZERO = "tanh and sigmoid are straight lines there, and limits are not reached: wrong and right are one number"
FLAT = "saturated: wrong and right are both 0, or beside what is not they are"
CONSTANT_DENSE = "the output of the first forward is that of every other"
BESIDE = "what the mistake adds vanishes beside the rest"

EQUAL = {  # kind, scales, part: where a mistake is none, and why
    ("inputs", SMALL): {
        "activations.CompiledTanhAtInputs": NEAR_ZERO,
        "activations.tanh_functions_at_inputs": NEAR_ZERO,
        "activations.TanhForgetsTheSquare": NEAR_ZERO,
        "activations.SigmoidClipsItsInputs": NEAR_ZERO,
        "activations.CompiledTanhClipsItsInputs": NEAR_ZERO,
        "activations.ReLUStopsAt2": NEAR_ZERO,
        "activations.hard_tanh_functions_pass_all": NEAR_ZERO,
        "in_place.CompiledTanhMultipliesDvalues": NEAR_ZERO,
        "losses.HingeAlwaysPulls": NEAR_ZERO,
        "losses.CompiledHingeAlwaysPulls": NEAR_ZERO,
        "networks.tanh_clips_its_inputs": NEAR_ZERO,
        "norms.VarianceIsAConstant": "the variance vanishes beside epsilon",
        "protocol.CompiledSigmoidCachesItsDerivative": CONSTANT_DENSE,
        "protocol.StepRemembersItsFirstOutput": CONSTANT_DENSE,
    },
    ("inputs", LARGE): {
        "activations.SigmoidWithoutDvalues": FLAT,
        "activations.CompiledTanhWithoutDvalues": FLAT,
        "activations.CompiledSigmoidMinus": FLAT,
        "activations.TanhMinus": FLAT,
        "activations.SoftmaxLikeSigmoid": FLAT,
        "activations.CompiledSoftmaxLikeSigmoid": FLAT,
        "activations.SoftmaxJacobianTurned": FLAT,
        "chance.CompiledSigmoidByTheClock": FLAT,
        "networks.tanh_without_dvalues": FLAT,
        "networks.tanh_caches_its_derivative": FLAT,
        "networks.dropout_draws_again": FLAT,
        "protocol.CompiledSigmoidCachesItsDerivative": FLAT,
        "two_mistakes.SoftmaxDiagonalTurned": FLAT,
    },
    ("targets", LARGE): {"steps.SigmoidStepAtLogits": BESIDE},
    ("outputs", SMALL + LARGE): {
        "in_place.ReLUForgetsTheCopy": "what it writes over is the copy that the wrapper makes",
        "in_place.CompiledTanhMultipliesDvalues": "what it writes over is the copy that the wrapper makes",
    },
    ("outputs", LARGE): {
        "chance.SigmoidAddsNoise": BESIDE,
        "networks.penalty_loses_the_2": BESIDE,
    },
}
CLIPS = "it clips at 1e-7 forward only, as the book does: it is wrong there"
NOT_RIGHT = {
    ("inputs", SMALL + LARGE): {
        "plain CategoricalCrossentropy, labels": CLIPS,
        "plain CategoricalCrossentropy, one-hot": CLIPS,
        "plain BinaryCrossentropy": CLIPS,
        "plain SoftmaxCrossentropy, labels": CLIPS,
        "plain SoftmaxCrossentropy, one-hot": CLIPS,
    },
    ("targets", SMALL + LARGE): {
        "plain CategoricalCrossentropy, one-hot": "its backward is right for rows that add up to 1 alone",
    },
}


def excepted(table, kind, scale, name):
    return any(kind == of and scale in scales and name in names for (of, scales), names in table.items())


def wrong_verdicts(kind, scale, mutants, parts):
    """Mutants that passed and right parts that were accused, and how often each verdict was given."""
    wrong, counts = [], Counter()
    for each in mutants:
        for case in scaled(each.make(), each.inputs, each.y_true, kind, scale):
            said, why = verdict(case)
            counts["broken", said] += 1
            if said == "passed" and not excepted(EQUAL, kind, scale, each.name):
                wrong.append((kind, scale, each.name, said, why))
    for name, *part in parts:
        for case in scaled(*part, kind, scale):
            said, why = verdict(case)
            counts["right", said] += 1
            if said == "accused" and not excepted(NOT_RIGHT, kind, scale, name):
                wrong.append((kind, scale, name, said, why))
    return wrong, counts


@pytest.mark.parametrize(
    ("kind", "scale"), [("inputs", 1e-12), ("inputs", 1e12), ("outputs", 1e-12), ("targets", 1e12)]
)
def test_a_sample_of_broken_parts_never_passes_and_right_ones_are_not_accused(kind, scale):
    some = [part for part in right_parts(0) if not part[0].startswith("Network")]
    wrong, _ = wrong_verdicts(kind, scale, MUTANTS[::12], some[::8])
    assert wrong == []


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("kind", "scale"), itertools.product(KINDS, SCALES))
def test_no_broken_part_passes_and_no_right_one_is_accused(kind, scale):
    for seed in range(2):
        wrong, counts = wrong_verdicts(kind, scale, MUTANTS if seed == 0 else [], right_parts(seed))
        print(kind, scale, dict(counts))
        assert wrong == []


def test_tanh_and_sigmoid_are_what_the_exceptions_say():
    """By 60 digits: near 0 the wrong derivatives are the right ones; far away all are below what float64 can hold."""
    with mpmath.workdps(60):
        x = mpmath.mpf(1e-12)
        right = 1 - mpmath.tanh(x) ** 2
        for wrong in (1 - x**2, 1 - mpmath.tanh(x), mpmath.mpf(1)):
            assert abs(wrong / right - 1) < 2e-12
        for far in (mpmath.mpf(1e9), mpmath.mpf(1e12)):
            assert 1 - mpmath.tanh(far) ** 2 < np.finfo(np.float64).smallest_subnormal
            assert mpmath.exp(-far) < np.finfo(np.float64).smallest_subnormal  # 1 - sigmoid, and softmax's smaller ones
        variance, epsilon = x**2, mpmath.mpf(1e-5)
        assert variance / epsilon < np.finfo(np.float64).eps
