"""The model file: the same bits come back, and what is no model is refused in one line."""

import json
import os

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import backpass as bp
from backpass.files.model import write_whole
from tests.networks import ARCHITECTURES, problem


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_was_saved_comes_back_with_the_same_bits(name, dtype, tmp_path):
    network, X, y = problem(name, 20, dtype)
    network.fit(X, y, optimizer="adam", epochs=2)
    network.save(tmp_path / "model.safetensors")
    loaded = bp.Network.load(tmp_path / "model.safetensors")
    assert loaded.dtype == dtype
    assert repr(loaded) == repr(network)
    assert loaded.parameters.tobytes() == network.parameters.tobytes()
    assert loaded.predict(X).tobytes() == network.predict(X).tobytes()
    assert loaded.gradient(X, y)[1].tobytes() == network.gradient(X, y)[1].tobytes()
    loaded.fit(X, y, optimizer="adam", epochs=1)


def test_initializer_is_kept_and_does_not_touch_loaded_weights(tmp_path):
    network = bp.Network([bp.Dense(3, 4, initializer="zeros"), bp.ReLU(), bp.Dense(4, 2)], bp.MeanSquaredError())
    network.save(str(tmp_path / "m"))
    loaded = bp.Network.load(str(tmp_path / "m"))
    assert loaded.layers[0].initializer == "zeros"
    assert np.array_equal(loaded.parameters, network.parameters)


def test_file_is_safetensors_with_the_configuration_as_json(tmp_path):
    network, _, _ = problem("softmax", 5)
    network.save(tmp_path / "m")
    with safe_open(tmp_path / "m", "np") as file:
        assert set(file.keys()) == {"dense1.weights", "dense1.biases", "dense2.weights", "dense2.biases"}
        assert np.array_equal(file.get_tensor("dense2.weights"), network.layers[2].weights)
        metadata = file.metadata()
    assert metadata["format"] == "backpass"
    config = json.loads(metadata["config"])
    assert [layer["class"] for layer in config["layers"]] == ["Dense", "ReLU", "Dense", "Softmax"]
    assert config["loss"]["class"] == "CategoricalCrossentropy"
    assert config["dtype"] == "float64"


def test_saving_replaces_the_file_at_once_and_leaves_nothing_beside_it(tmp_path):
    first, _, _ = problem("softmax", 5)
    second, _, _ = problem("regression", 5)
    first.save(tmp_path / "m")
    second.save(tmp_path / "m")
    assert os.listdir(tmp_path) == ["m"]
    assert repr(bp.Network.load(tmp_path / "m")) == repr(second)


def test_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    network, _, _ = problem("softmax", 5)
    network.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()

    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="m cannot be written: No space left on device"):
        problem("regression", 5)[0].save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


def test_saving_into_a_folder_that_does_not_exist_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere/m cannot be written: No such file or directory"):
        problem("softmax", 5)[0].save(tmp_path / "nowhere" / "m")


def content_of(tmp_path):
    problem("softmax", 5)[0].save(tmp_path / "good")
    return (tmp_path / "good").read_bytes()


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 50, 0.5, 0.99])
def test_cut_off_file_is_refused(tmp_path, kept):
    content = content_of(tmp_path)
    (tmp_path / "m").write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(ValueError, match="m is no backpass model, or is cut off") as caught:
        bp.Network.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    import pickle

    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="m is no backpass model"):
        bp.Network.load("m")
    assert not (tmp_path / "exploded").exists()


def config_of(**changes):
    config = {
        "dtype": "float32",
        "layers": [{"class": "Dense", "n_inputs": 2, "n_neurons": 3, "initializer": None}],
        "loss": {"class": "MeanSquaredError"},
    }
    return json.dumps(config | changes)


TENSORS = {"dense1.weights": np.ones((2, 3), "f4"), "dense1.biases": np.ones((1, 3), "f4")}


@pytest.mark.parametrize(
    ("tensors", "metadata", "said"),
    [
        (TENSORS, None, "did not write"),
        (TENSORS, {"format": "pt"}, "did not write"),
        (TENSORS, {"format": "backpass", "version": "2", "config": config_of()}, "format version 2"),
        (TENSORS, {"format": "backpass", "version": "1"}, "config"),
        (TENSORS, {"format": "backpass", "version": "1", "config": "{"}, "does not hold"),
        (TENSORS, {"format": "backpass", "version": "1", "config": "[]"}, "does not hold"),
        (TENSORS, {"format": "backpass", "version": "1", "config": "3"}, "does not hold"),
        (TENSORS, {"format": "backpass", "version": "1", "config": config_of(layers=[])}, "layers"),
        (TENSORS, {"format": "backpass", "version": "1", "config": config_of(layers=[3])}, "does not hold"),
        (TENSORS, {"format": "backpass", "version": "1", "config": config_of(dtype="int8")}, "int8"),
        (TENSORS, {"format": "backpass", "version": "1", "config": config_of(loss={"class": "Guess"})}, "no Guess"),
        (TENSORS, {"format": "backpass", "version": "1", "config": config_of(loss={"class": "Fusion"})}, "Fusion"),
        ({}, {"format": "backpass", "version": "1", "config": config_of()}, r"dense1\.weights"),
        (
            {**TENSORS, "dense1.weights": np.ones((3, 2), "f4")},
            {"format": "backpass", "version": "1", "config": config_of()},
            r"weights has shape \(3, 2\)",
        ),
    ],
)
def test_other_safetensors_files_are_refused_in_one_line(tmp_path, tensors, metadata, said):
    save_file(tensors, tmp_path / "m", metadata)
    with pytest.raises(ValueError, match=said) as caught:
        bp.Network.load(tmp_path / "m")
    assert "\n" not in str(caught.value)


def test_missing_file_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="m does not exist"):
        bp.Network.load(tmp_path / "m")


def test_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        bp.Network.load(tmp_path)


def test_a_pipe_is_written_into_and_stays_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", b"content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_link_stays_a_link_and_a_mode_stays(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far/file").write_bytes(b"old")
    (tmp_path / "far/file").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "far/file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far/file").read_bytes() == b"new"
    assert (tmp_path / "far/file").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "far") == ["file"]


@pytest.mark.parametrize("folder", ["/", "."])
def test_a_folder_is_not_written_to(folder):
    with pytest.raises(IsADirectoryError, match=f"^{folder} is a folder; name a file$".replace(".", r"\.")):
        write_whole(folder, b"content")


def test_a_layer_of_ones_own_that_does_not_say_how_it_was_made_is_refused(tmp_path):
    class Sharper(bp.ELU):
        def __init__(self, power=2.0):
            super().__init__()
            self.power = power

        config = bp.Layer.config

    network = bp.Network([bp.Dense(2, 2), Sharper(3.0)], bp.MeanSquaredError())
    with pytest.raises(TypeError, match=r"^Sharper\(\) cannot be saved: define config\(\), a dict of power$"):
        network.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_network_without_parameters_is_saved_too(tmp_path):
    class Doubled(bp.Linear):
        input_width = 2

    network = bp.Network([Doubled()], bp.MeanSquaredError())
    network.save(tmp_path / "model")
    assert bp.Network.load(tmp_path / "model").predict(np.ones((1, 2))).tolist() == [[1, 1]]
