"""Every layer that PyTorch has too, against the figures that torch_layers.py took from it."""

import json

import numpy as np
import pytest

from backpass.layers.layer import LAYERS
from tests.layers.torch_layers import CASES, FILE
from tests.parts import ours

STORED = json.loads(FILE.read_text())["cases"]
ONLY_OURS = {"Linear", "Exponential", "Dropout"}  # no module, or random


def test_every_layer_has_figures_and_every_figure_is_of_a_case():
    assert set(STORED) == set(CASES)
    assert {case["layer"] for case in STORED.values()} | ONLY_OURS == {part.__name__ for part in ours(LAYERS.values())}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("name", STORED)
def test_layer_computes_what_pytorch_computes(name, dtype, tolerance):
    case = STORED[name]
    part = LAYERS[case["layer"]]
    layer = part(**case["options"], **({"dtype": dtype} if case["parameters"] else {}))
    for attribute, values in {**case["parameters"], **case["state_before"]}.items():
        setattr(layer, attribute, values)
    output = layer.forward(np.array(case["inputs"], dtype), case["training"])
    dinputs = layer.backward(np.array(case["dvalues"], dtype))
    got = {"output": output, "dinputs": dinputs}
    got |= {each: getattr(layer, each) for each in (*case["gradients"], *case["state_after"])}
    expected = {"output": case["output"], "dinputs": case["dinputs"], **case["gradients"], **case["state_after"]}
    for each, values in expected.items():
        wanted = np.array(values).reshape(got[each].shape)
        assert got[each].dtype == dtype, each
        np.testing.assert_allclose(got[each], wanted, rtol=tolerance, atol=tolerance / 10, err_msg=each)
