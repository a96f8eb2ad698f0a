"""Wrong input gets one line that names the argument and what is wrong, before anything is changed; odd but right
input simply works."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import backpass as bp
from tests.networks import problem

N, D, C = 12, 5, 4  # of the networks below


def refuses(error, said, function):
    with pytest.raises(error, match=said) as caught:
        function()
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def with_entry(array, place, value):
    array = np.array(array, np.result_type(array, type(value)) if isinstance(value, float) else object)
    array[place] = value
    return array


X_GOOD = np.random.default_rng(0).normal(size=(N, D))
WRONG_X = {
    "NaN": (with_entry(X_GOOD, (7, 2), np.nan), ValueError, "{} holds nan in row 7, column 2"),
    "infinity": (with_entry(X_GOOD, (3, 4), -np.inf), ValueError, "{} holds -inf in row 3, column 4"),
    "both infinities": (
        with_entry(with_entry(X_GOOD, (3, 4), np.inf), (5, 0), -np.inf),
        ValueError,
        "{} holds inf in row 3, column 4",
    ),
    "None": (with_entry(X_GOOD, (1, 0), None), ValueError, "{} holds nan in row 1, column 0"),
    "too few features": (X_GOOD[:, :3], ValueError, "{} has 3 columns; 5 are expected"),
    "too many features": (np.hstack([X_GOOD, X_GOOD]), ValueError, "{} has 10 columns; 5 are expected"),
    "no features": (X_GOOD[:, :0], ValueError, r"{} has shape \(12, 0\)"),
    "1-D": (X_GOOD[0], ValueError, r"{} has shape \(5,\); pass a matrix .*reshape\(1, -1\)"),
    "3-D": (X_GOOD[:, :, None], ValueError, r"{} has shape \(12, 5, 1\)"),
    "a number": (3.5, ValueError, r"{} has shape \(\)"),
    "no rows": (X_GOOD[:0], ValueError, "{} has no rows"),
    "ragged": ([[1, 2, 3, 4, 5], [1, 2]], ValueError, "{} has rows of different lengths"),
    "strings": (X_GOOD.astype(str), TypeError, "{} holds strings such as"),
    "strings of numbers": (with_entry(X_GOOD, (2, 2), "1.5"), TypeError, "{} holds '1.5' where a number belongs"),
    "bytes": (X_GOOD.astype("S"), TypeError, "{} holds strings such as"),
    "a category": (with_entry(X_GOOD, (2, 2), "red"), TypeError, "{} holds 'red' where a number belongs"),
    "complex": (X_GOOD + 0j, TypeError, "{} holds complex numbers"),
    "one complex number": (with_entry(X_GOOD, (2, 2), 1j), TypeError, "{} holds 1j where a number belongs"),
    "one of NumPy's complex numbers": (
        with_entry(X_GOOD, (2, 2), np.complex64(1j)),
        TypeError,
        "{} holds .*1j.* where a number belongs",
    ),
    "an array": (with_entry(X_GOOD, (2, 2), np.eye(2)), TypeError, "{} holds array.* where a number belongs"),
    "dates": (np.full((N, D), np.datetime64("2020-01-01")), TypeError, "{} has dtype datetime64"),
    "a number beyond all floats": (
        with_entry(X_GOOD, (2, 2), 10**400),
        ValueError,
        "{} holds a whole number .*too large",
    ),
    "None alone": (None, ValueError, r"{} has shape \(\)"),
    "sparse": (scipy.sparse.csr_matrix(X_GOOD), TypeError, r"{} is a sparse matrix; pass {}.toarray\(\)"),
    "pandas with strings": (pd.DataFrame(X_GOOD).assign(a="b").iloc[:, 1:], TypeError, "{} holds 'b'"),
    "pandas with NA": (
        pd.DataFrame(X_GOOD).astype("Float64").mask(lambda frame: frame == frame.iloc[1, 1]),
        (TypeError, ValueError),
        "{} holds (<NA>|nan)",
    ),
}
LABELS = np.arange(N) % C
WRONG_LABELS = {
    "below 0": (with_entry(LABELS, 3, -1.0), ValueError, "{} holds label -1.0 in row 3; labels are 0 to 3"),
    "beyond the classes": (
        LABELS + (np.arange(N) == 5) * 9,
        ValueError,
        "{} holds label 10 in row 5; labels are 0 to 3",
    ),
    "half": (with_entry(LABELS, 2, 1.5), ValueError, "{} holds 1.5 in row 2; labels are whole numbers"),
    "NaN": (with_entry(LABELS, 2, np.nan), ValueError, "{} holds nan in row 2"),
    "infinity": (with_entry(LABELS, 2, np.inf), ValueError, "{} holds inf in row 2"),
    "strings": (LABELS.astype(str), TypeError, "{} holds strings such as '0'"),
    "complex": (LABELS + 0j, TypeError, "{} holds complex numbers"),
    "too few": (LABELS[:-2], ValueError, "12 rows and {} has 10"),
    "too many": (np.tile(LABELS, 2), ValueError, "12 rows and {} has 24"),
    "none": (LABELS[:0], ValueError, "12 rows and {} has 0"),
    "a column": (LABELS[:, None], ValueError, r"{} has shape \(12, 1\); labels \(N,\) or {} \(N, 4\)"),
    "rows of another width": (np.eye(5)[LABELS], ValueError, r"{} has shape \(12, 5\)"),
    "3-D": (np.eye(4)[LABELS][None], ValueError, r"{} has shape \(1, 12, 4\)"),
    "negative shares": (with_entry(np.eye(4)[LABELS], (6, 1), -0.5), ValueError, "{} holds -0.5 in row 6"),
    "NaN in one-hot": (with_entry(np.eye(4)[LABELS], (6, 1), np.nan), ValueError, "{} holds nan in row 6, column 1"),
}
# The parts hand NaN and infinity on, so that they can be looked at; most of them take any number of features.
PASSED_ON = {"NaN", "infinity", "both infinities", "None", "pandas with NA", "too few features", "too many features"}
each_x = pytest.mark.parametrize("kind", WRONG_X)
each_y = pytest.mark.parametrize("kind", WRONG_LABELS)


def refuses_unchanged(error, said, network, function, optimizer=None):
    """The error, and not a bit of the network, its random numbers or the optimizer moved."""
    before, state = network.parameters.tobytes(), str(network._generator.get_state())
    with pytest.raises(error, match=said) as caught:
        function()
    assert "\n" not in str(caught.value)
    assert network.parameters.tobytes() == before
    assert str(network._generator.get_state()) == state
    assert optimizer is None or optimizer.iterations == 0


@each_x
def test_wrong_x_is_refused_by_everything_that_takes_one(kind):
    wrong, error, said = WRONG_X[kind]
    network, X, y = problem("softmax", N)
    optimizer = bp.Adam()
    for name, function in {
        "X": lambda: network.fit(wrong, y, optimizer=optimizer, epochs=1),
        "X ": lambda: network.predict(wrong),
        "X  ": lambda: network.predict_proba(wrong),
        "X   ": lambda: network.evaluate(wrong, y),
        "X    ": lambda: network.gradient(wrong, y),
        "X     ": lambda: network.forward(wrong),
        r"validation_data\[0\]": lambda: network.fit(X, y, optimizer=optimizer, epochs=1, validation_data=(wrong, y)),
    }.items():
        refuses_unchanged(error, said.replace("{}", name.strip()), network, function, optimizer)


@each_y
def test_wrong_labels_are_refused_by_everything_that_takes_them(kind):
    wrong, error, said = WRONG_LABELS[kind]
    network, X, y = problem("softmax", N)
    optimizer = bp.Adam()
    for name, function in {
        "y": lambda: network.fit(X, wrong, optimizer=optimizer, epochs=1),
        "y ": lambda: network.evaluate(X, wrong),
        "y  ": lambda: network.gradient(X, wrong),
        r"validation_data\[1\]": lambda: network.fit(X, y, optimizer=optimizer, epochs=1, validation_data=(X, wrong)),
    }.items():
        refuses_unchanged(error, said.replace("{}", name.strip()), network, function, optimizer)
    network.forward(X)
    gradients = network.gradients.copy()
    refuses(error, said.replace("{}", "y_true"), lambda: network.backward(wrong))
    assert np.array_equal(network.gradients, gradients)


@each_y
@pytest.mark.parametrize("part", [bp.CategoricalCrossentropy, bp.SoftmaxCrossentropy])
def test_wrong_labels_are_refused_by_the_losses(part, kind):
    wrong, error, said = WRONG_LABELS[kind]
    predictions = np.full((N, C), 0.25)
    loss = part()
    for function in (loss.forward, loss.calculate, loss.backward):
        refuses(error, said.replace("{}", "y_true"), lambda function=function: function(predictions, wrong))
    assert loss.dinputs is None


@pytest.mark.parametrize("kind", sorted(WRONG_X.keys() - PASSED_ON))
@pytest.mark.parametrize("part", [bp.Dense, bp.ReLU, bp.Softmax, bp.CategoricalCrossentropy, bp.SoftmaxCrossentropy])
def test_what_is_no_matrix_of_numbers_is_refused_by_the_parts(part, kind):
    wrong, error, said = WRONG_X[kind]
    if issubclass(part, bp.Layer):
        layer = part(D, 3) if part is bp.Dense else part()
        refuses(error, said.replace("{}", "inputs"), lambda: layer.forward(wrong))
        assert layer.output is None
    else:
        refuses(error, said.replace("{}", "dvalues"), lambda: part().backward(wrong, np.zeros(N, np.int64)))


@pytest.mark.parametrize("labels", [np.zeros(N, np.int64), pd.Series(np.zeros(N, np.int64)), [0] * N])
@pytest.mark.parametrize("part", [bp.CategoricalCrossentropy, bp.SoftmaxCrossentropy])
def test_predictions_of_any_dtype_and_layout_give_the_plain_gradient(part, labels):
    plain = np.random.default_rng(0).integers(1, 9, (N, C)).astype(np.float64)
    expected = part().backward(plain, np.zeros(N, np.int64))
    for _, odd in odd_forms(plain, whole=True):
        np.testing.assert_allclose(part().backward(odd, labels), expected, rtol=1e-6)
    for wrong, said in [
        (plain[0], r"shape \(4,\)"),
        (plain[:, :, None], r"shape \(12, 4, 1\)"),
        (plain[:0], "no rows"),
    ]:
        refuses(ValueError, said, lambda wrong=wrong: part().backward(wrong, np.zeros(len(wrong), np.int64)))


BINARY = np.arange(N) % 2
WRONG_TARGETS = {
    "yes or no": [
        (with_entry(BINARY, 4, 2.0), ValueError, "y holds 2.0 in row 4; binary targets are between 0 and 1"),
        (with_entry(BINARY, 4, -1.0), ValueError, "y holds -1.0 in row 4"),
        (with_entry(BINARY, 4, np.nan), ValueError, "y holds nan in row 4"),
        (np.tile(BINARY, (2, 1)).T, ValueError, r"y has shape \(12, 2\); \(N, 1\) is expected"),
        (BINARY.astype(bool).astype(str), TypeError, "y holds strings such as 'False'"),
    ],
    "regression": [
        (np.ones((N, 3)), ValueError, r"y has shape \(12, 3\); \(N, 4\) is expected"),
        (np.ones(N), ValueError, r"y has shape \(12,\)"),
        (with_entry(np.ones((N, 4)), (1, 3), np.inf), ValueError, "y holds inf in row 1, column 3"),
        (np.ones((N, 4)) * 1j, TypeError, "y holds complex numbers"),
        (np.ones((N - 1, 4)), ValueError, "X has 12 rows and y has 11"),
    ],
}


@pytest.mark.parametrize("name", WRONG_TARGETS)
@pytest.mark.parametrize("index", range(5))
def test_wrong_targets_of_other_losses_are_refused(name, index):
    wrong, error, said = WRONG_TARGETS[name][index]
    network, X, _ = problem(name, N)
    for function in (network.gradient, network.evaluate):
        refuses_unchanged(error, said, network, lambda function=function: function(X, wrong))
    refuses_unchanged(error, said, network, lambda: network.fit(X, wrong, optimizer="sgd", epochs=1))


WRONG_OPTIONS = {
    "epochs": [
        (0, ValueError),
        (-3, ValueError),
        (1.5, TypeError),
        ("3", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
    "batch_size": [(0, ValueError), (-1, ValueError), (2.0, TypeError), ("all", TypeError)],
    "threads": [(0, ValueError), (1.0, TypeError)],
    "optimizer": [("adamm", ValueError), (bp.Adam, TypeError), (None, TypeError), (0.01, TypeError)],
    "validation_data": [(X_GOOD, TypeError), ((X_GOOD,), TypeError), (5, TypeError)],
    "sample_weight": [
        (np.ones(3), ValueError),
        (np.ones((N, 1)), ValueError),
        (1.0, ValueError),
        (-np.ones(N), ValueError),
        (np.zeros(N), ValueError),
        (with_entry(np.ones(N), 2, np.nan), ValueError),
        (np.array(["a"] * N), TypeError),
        (np.ones(N) * 1j, TypeError),
    ],
}


@pytest.mark.parametrize(
    ("option", "value", "error"), [(name, *case) for name, cases in WRONG_OPTIONS.items() for case in cases]
)
def test_wrong_options_of_fit_are_named_before_anything_is_changed(option, value, error):
    network, X, y = problem("softmax", N)
    optimizer = bp.Adam()
    options = {"optimizer": optimizer, "epochs": 1, option: value}
    refuses_unchanged(error, option, network, lambda: network.fit(X, y, **options), optimizer)


# ---------------------------------------------------------------------------------------- networks that cannot be made


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (
            lambda: bp.Network([bp.Dense(2, 8), bp.ReLU(), bp.Dense(7, 3)], bp.MeanSquaredError()),
            ValueError,
            r"Dense\(7, 3\), does not take the 8 outputs of Dense\(2, 8\)",
        ),
        (lambda: bp.Network([], bp.MeanSquaredError()), ValueError, "layers"),
        (lambda: bp.Network([bp.ReLU()], bp.MeanSquaredError()), ValueError, "layers"),
        (lambda: bp.Network([bp.Dense(2, 3), "relu"], bp.MeanSquaredError()), TypeError, "layers holds 'relu'"),
        (lambda: bp.Network([bp.Dense], bp.MeanSquaredError()), TypeError, "layers holds"),
        (lambda: bp.Network([bp.Dense(2, 3)], "mse"), TypeError, "loss is 'mse'"),
        (lambda: bp.Network([bp.Dense(2, 3)], bp.MeanSquaredError), TypeError, "loss is"),
        (lambda: bp.Network([bp.Dense(2, 3)], bp.MeanSquaredError(), -1), ValueError, "random_state is -1"),
        (
            lambda: bp.Network([bp.Dense(2, 3), bp.Dense(3, 1, dtype="float64")], bp.MeanSquaredError()),
            ValueError,
            "float32, float64",
        ),
        (lambda: (lambda d: bp.Network([d, d], bp.MeanSquaredError()))(bp.Dense(2, 2)), ValueError, "twice"),
    ],
)
def test_networks_that_cannot_work_are_refused(make, error, said):
    refuses(error, said, make)


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        (bp.ReLU, bp.CategoricalCrossentropy),
        (bp.Linear, bp.CategoricalCrossentropy),
        (bp.Sigmoid, bp.CategoricalCrossentropy),  # nothing makes its outputs compete
        (bp.Softmax, bp.SoftmaxCrossentropy),
        (bp.Sigmoid, bp.SoftmaxCrossentropy),
        (bp.Softmax, bp.BinaryCrossentropy),
        (bp.Tanh, bp.BinaryCrossentropy),
        (bp.Sigmoid, bp.SigmoidCrossentropy),
        (bp.Softmax, bp.SigmoidCrossentropy),
    ],
)
def test_loss_that_does_not_fit_the_last_layer_is_refused_naming_both(last, loss):
    dense = bp.Dense(2, 3)
    before = dense.parameters.copy()
    refuses(
        ValueError, f"{loss.__name__}.*{last.__name__}", lambda: bp.Network([dense, last()], loss(), random_state=0)
    )
    assert np.array_equal(dense.parameters, before)


@pytest.mark.parametrize("loss", [bp.CategoricalCrossentropy, bp.SoftmaxCrossentropy])
def test_one_output_has_no_classes(loss):
    layers = [bp.Dense(2, 1), bp.Softmax()] if loss is bp.CategoricalCrossentropy else [bp.Dense(2, 1)]
    refuses(ValueError, "at least 2 classes", lambda: bp.Network(layers, loss()))


def test_layer_of_two_networks_is_refused_where_the_first_would_train_what_is_no_longer_its_own():
    dense = bp.Dense(2, 3)
    first = bp.Network([dense, bp.Softmax()], bp.CategoricalCrossentropy())

    def share():  # either the second network refuses the layer, or the first one notices that it was taken away
        bp.Network([dense, bp.Softmax()], bp.CategoricalCrossentropy())
        first.fit(np.ones((3, 2)), [0, 1, 2], optimizer="sgd", epochs=1)

    refuses(ValueError, r"Dense\(2, 3\) .*another network", share)


def test_backward_before_forward_is_refused():
    network, _, y = problem("softmax", N)
    refuses(ValueError, "call forward first", lambda: network.backward(y))


# --------------------------------------------------------------------------------------------- what simply works


def odd_forms(plain, *, whole):
    """The same numbers, otherwise: `plain` holds small whole numbers if `whole`."""
    yield "not contiguous", np.repeat(np.repeat(plain, 2, axis=0), 3, axis=-1)[::2, ::3]
    yield "reversed", plain[::-1].copy()[::-1]
    yield "Fortran order", np.asfortranarray(plain)
    read_only = plain.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    yield "big-endian", plain.astype(">f8")
    yield "float32, big-endian", plain.astype(">f4")
    unaligned = np.zeros(plain.nbytes + 1, np.uint8)[1:].view(plain.dtype).reshape(plain.shape)
    unaligned[:] = plain
    yield "unaligned", unaligned
    yield "list", plain.tolist()
    yield "pandas", pd.DataFrame(plain)
    yield "pandas of objects", pd.DataFrame(plain).astype(object)
    yield "long double", plain.astype(np.longdouble)
    yield "masked", np.ma.masked_array(plain)
    if whole:
        yield "integer", plain.astype(np.int32)
        yield "unsigned, big-endian", plain.astype(">u2")
        yield "float16", plain.astype(np.float16)
        yield "pandas, nullable", pd.DataFrame(plain.astype(int)).astype("Int64")
        yield "pandas, mixed", pd.DataFrame(plain).astype({0: int, 1: np.float32})


def test_every_form_of_x_gives_the_bits_of_the_plain_array(tmp_path):
    network, _, y = problem("softmax", N)
    X = np.random.default_rng(0).integers(0, 9, (N, D)).astype(np.float64)
    np.save(tmp_path / "X.npy", X)
    forms = [*odd_forms(X, whole=True), ("memory-mapped", np.load(tmp_path / "X.npy", mmap_mode="r"))]
    parameters = network.parameters.copy()

    def results(X):
        network.parameters[:] = parameters
        network.trained = 0, 0
        loss, gradient = network.gradient(X, y)
        network.fit(X, y, optimizer=bp.SGD(0.1), epochs=2, batch_size=5, validation_data=(X, y))
        return (
            loss,
            gradient.tobytes(),
            network.parameters.tobytes(),
            network.predict_proba(X).tobytes(),
            network.forward(X).tobytes(),
        )

    expected = results(X)
    for name, form in forms:
        assert results(form) == expected, name


def test_boolean_x_is_zeros_and_ones():
    network, X, _ = problem("softmax", N)
    assert np.array_equal(network.predict_proba(X > 0), network.predict_proba((X > 0).astype(np.float64)))


def test_every_form_of_labels_gives_the_bits_of_the_plain_array():
    network, X, y = problem("softmax", N)
    expected = network.gradient(X, y)
    forms = [y.tolist(), y.astype(">i4"), y.astype(np.uint8), y.astype(float), np.repeat(y, 2)[::2], pd.Series(y)]
    forms += [pd.Series(y).astype("Int64"), pd.Series(y, dtype="category"), np.ma.masked_array(y), y.astype(object)]
    for form in forms:
        loss, gradient = network.gradient(X, form)
        assert loss == expected[0]
        assert np.array_equal(gradient, expected[1])
    two, X, y = problem("one Dense", N)
    assert np.array_equal(two.gradient(X, y == 1)[1], two.gradient(X, (y == 1).astype(int))[1])


def test_every_form_of_rows_of_targets_gives_the_bits_of_the_plain_array():
    network, X, _ = problem("regression", N)
    y = np.random.default_rng(0).integers(0, 9, (N, 4)).astype(np.float64)
    expected = network.gradient(X, y)[1]
    for name, form in odd_forms(y, whole=True):
        assert np.array_equal(network.gradient(X, form)[1], expected), name


def test_inputs_are_never_written_to():
    network, X, y = problem("softmax", N)
    weights = np.ones(N)
    kept = X.copy(), y.copy()
    network.fit(X, y, optimizer="adam", epochs=3, batch_size=5, sample_weight=weights)
    assert np.array_equal(X, kept[0])
    assert np.array_equal(y, kept[1])
    assert (weights == 1).all()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"samples": 0}, ValueError, "samples is 0"),
        ({"classes": -1}, ValueError, "classes is -1"),
        ({"samples": 2.5}, TypeError, "samples is 2.5"),
        ({"random_state": "a"}, TypeError, "random_state is 'a'"),
        ({"dtype": "int32"}, TypeError, "dtype is 'int32'"),
    ],
)
def test_spiral_refuses_wrong_arguments(arguments, error, said):
    refuses(error, said, lambda: bp.datasets.spiral(**arguments))
