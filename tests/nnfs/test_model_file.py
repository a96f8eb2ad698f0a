"""save and load of a Model: nothing is a pickle, nothing is lost."""

import pickle

import numpy as np
import pytest

import backpass as bp
from backpass import nnfs
from tests.nnfs.programs import model_of

X = np.random.RandomState(0).standard_normal((40, 2)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(np.uint8)
OPTIMIZERS = [
    lambda: nnfs.Optimizer_SGD(0.1, decay=1e-2, momentum=0.9),
    lambda: nnfs.Optimizer_Adagrad(0.1),
    lambda: nnfs.Optimizer_RMSprop(0.01, rho=0.99),
    lambda: nnfs.Optimizer_Adam(0.01, decay=1e-3),
]


def classifier(optimizer=OPTIMIZERS[3], *between):
    nnfs.init()
    return model_of(
        nnfs,
        nnfs.Layer_Dense(2, 8, weight_regularizer_l2=5e-4, bias_regularizer_l1=1e-4),
        nnfs.Activation_ReLU(),
        *between,
        nnfs.Layer_Dense(8, 2),
        nnfs.Activation_Softmax(),
        loss=nnfs.Loss_CategoricalCrossentropy(),
        optimizer=optimizer(),
        accuracy=nnfs.Accuracy_Categorical(),
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_loaded_model_goes_on_as_the_saved_one_does(optimizer, tmp_path, capsys):
    model = classifier(optimizer, nnfs.Layer_Dropout(0.1))
    model.train(X, Y, epochs=3, batch_size=16)
    model.save(tmp_path / "model")
    printed = []
    for each in (model, nnfs.Model.load(tmp_path / "model")):
        capsys.readouterr()
        np.random.seed(1)
        each.train(X, Y, epochs=2, batch_size=16, validation_data=(X, Y))
        printed.append((capsys.readouterr().out, each.predict(X).tolist()))
    assert printed[0] == printed[1]


@pytest.mark.parametrize(
    ("last", "loss", "accuracy", "y"),
    [
        (nnfs.Activation_Sigmoid, nnfs.Loss_BinaryCrossentropy, lambda: nnfs.Accuracy_Categorical(binary=True), Y),
        (nnfs.Activation_Linear, nnfs.Loss_MeanSquaredError, nnfs.Accuracy_Regression, X[:, 0]),
        (nnfs.Activation_Linear, nnfs.Loss_MeanAbsoluteError, nnfs.Accuracy_Regression, X[:, 0]),
    ],
)
def test_every_loss_and_accuracy_comes_back(last, loss, accuracy, y, tmp_path, capsys):
    y = y.reshape(-1, 1)
    parts = {"loss": loss(), "optimizer": nnfs.Optimizer_Adam(), "accuracy": accuracy()}
    model = model_of(nnfs, nnfs.Layer_Dense(2, 1), last(), **parts)
    model.train(X, y, epochs=2)
    model.save(tmp_path / "model")
    capsys.readouterr()
    model.evaluate(X, y)
    before = capsys.readouterr().out
    nnfs.Model.load(tmp_path / "model").evaluate(X, y)
    assert capsys.readouterr().out == before


def test_loading_draws_no_random_number(tmp_path):
    classifier().save(tmp_path / "model")
    np.random.seed(5)
    nnfs.Model.load(tmp_path / "model")
    assert np.random.rand() == np.random.RandomState(5).rand()


def test_a_network_reads_the_models_file(tmp_path):
    model = classifier()
    model.save(tmp_path / "model.safetensors")
    network = bp.Network.load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(network.predict_proba(X), model.predict(X), rtol=1e-5)


def test_parameters_go_from_model_to_model(tmp_path):
    model, other, third = classifier(), classifier(), classifier()
    for layer in other.trainable_layers + third.trainable_layers:
        layer.weights = layer.weights + 1
    model.save_parameters(tmp_path / "parameters")
    other.load_parameters(tmp_path / "parameters")
    third.set_parameters(model.get_parameters())
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    np.testing.assert_array_equal(third.predict(X), model.predict(X))


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was read",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("load", [nnfs.Model.load, lambda path: classifier().load_parameters(path)])
def test_a_pickle_is_refused_unread_with_a_line_that_says_why(load, protocol, tmp_path):
    path = tmp_path / "fashion_mnist.model"
    path.write_bytes(pickle.dumps(Trap(), protocol))
    with pytest.raises(ValueError, match=r"is a pickle, which can run any code .* set_parameters") as refusal:
        load(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no backpass model"), (b"\x08" + bytes(7) + b"{}      ", "no backpass model of version")],
)
def test_what_is_no_model_file_is_refused(content, said, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        nnfs.Model.load(tmp_path / "file")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        nnfs.Model.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="is a folder"):
        nnfs.Model.load(tmp_path)


def test_a_networks_file_is_refused_as_a_model(tmp_path):
    network = bp.Network([bp.Dense(2, 2), bp.Softmax()], bp.CategoricalCrossentropy(), random_state=0)
    network.save(tmp_path / "network")
    with pytest.raises(ValueError, match=r"does not hold a model of backpass\.nnfs"):
        nnfs.Model.load(tmp_path / "network")


def test_parameters_are_no_model_and_a_model_gives_its_parameters(tmp_path):
    model = classifier()
    model.save_parameters(tmp_path / "parameters")
    with pytest.raises(ValueError, match=r"does not hold a model of backpass\.nnfs"):
        nnfs.Model.load(tmp_path / "parameters")
    model.save(tmp_path / "model")
    other = classifier()
    other.load_parameters(tmp_path / "model")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_a_part_of_ones_own_is_not_saved_and_the_line_names_it(tmp_path):
    class Activation_Mine(nnfs.Activation_ReLU):
        pass

    with pytest.raises(ValueError, match="Activation_Mine cannot be saved"):
        classifier(OPTIMIZERS[0], Activation_Mine()).save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_numbers_of_numpy_and_biases_that_load_would_refuse(tmp_path):
    model = nnfs.Model()
    model.add(nnfs.Layer_Dense(2, 3, weight_regularizer_l2=np.float32(0.5)))
    model.set(loss=nnfs.Loss_MeanSquaredError(), optimizer=nnfs.Optimizer_Adam(np.float32(0.25)))
    model.finalize()
    model.save(tmp_path / "model")
    loaded = nnfs.Model.load(tmp_path / "model")
    assert loaded.optimizer.learning_rate == 0.25
    assert loaded.layers[0].weight_regularizer_l2 == 0.5
    model.layers[0].biases = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"^biases have shape \(3,\); a layer of 3 neurons is saved with \(1, 3\)$"):
        model.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
