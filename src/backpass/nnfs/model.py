"""The book's Model: layers in a row, a loss, an optimizer, an accuracy.

What it prints has the book's form: without `batch_size` that of chapter 18, a line each `print_every` epochs and the
validation once at the end; with `batch_size` that of chapters 19 to 22, lines for steps, and training and validation
after every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backpass.nnfs import model_file
from backpass.nnfs.activations import Activation_Softmax
from backpass.nnfs.layers import Layer_Input
from backpass.nnfs.losses import Activation_Softmax_Loss_CategoricalCrossentropy, Loss_CategoricalCrossentropy
from backpass.nnfs.steps import Steps


def batches(X: Any, batch_size: int | None) -> Iterator[slice]:
    """Slices of at most `batch_size` rows; one of everything for None."""
    size = len(X) if batch_size is None else batch_size
    for start in range(0, len(X), size):
        yield slice(start, start + size)


class Model:
    """A network of layers from this module.

    Attributes
    ----------
    layers, trainable_layers : list
        Each layer's `prev` and `next` are its neighbours; the first one's `prev` is `input_layer`, the last one's
        `next` the loss.
    output_layer_activation
        The last layer, whose `predictions` turns outputs into what the accuracy compares.

    >>> from backpass.nnfs import *
    >>> model = Model()
    >>> for layer in (Layer_Dense(2, 8), Activation_ReLU(), Layer_Dense(8, 3), Activation_Softmax()):
    ...     model.add(layer)
    >>> model.set(loss=Loss_CategoricalCrossentropy(), optimizer=Optimizer_Adam(), accuracy=Accuracy_Categorical())
    >>> model.finalize()
    >>> model.predict(np.zeros((5, 2))).shape
    (5, 3)
    """

    loss: Any = None
    optimizer: Any = None
    accuracy: Any = None

    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.softmax_classifier_output: Activation_Softmax_Loss_CategoricalCrossentropy | None = None

    def add(self, layer: Any) -> None:
        self.layers.append(layer)

    def set(self, *, loss: Any = None, optimizer: Any = None, accuracy: Any = None) -> None:
        """Set what is given and leave the rest."""
        if loss is not None:
            self.loss = loss
        if optimizer is not None:
            self.optimizer = optimizer
        if accuracy is not None:
            self.accuracy = accuracy

    def finalize(self) -> None:
        """Link the layers. ValueError if there is none."""
        if not self.layers:
            raise ValueError("the model has no layers; add some before finalize")
        self.input_layer = Layer_Input()
        neighbours = [self.input_layer, *self.layers, self.loss]
        for index, layer in enumerate(self.layers):
            layer.prev, layer.next = neighbours[index], neighbours[index + 2]
        self.output_layer_activation = self.layers[-1]
        self.trainable_layers = [layer for layer in self.layers if hasattr(layer, "weights")]
        if self.loss is not None:
            self.loss.remember_trainable_layers(self.trainable_layers)
        fused = isinstance(self.layers[-1], Activation_Softmax) and isinstance(self.loss, Loss_CategoricalCrossentropy)
        self.softmax_classifier_output = Activation_Softmax_Loss_CategoricalCrossentropy() if fused else None

    def train(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 1,
        batch_size: int | None = None,
        print_every: int = 1,
        validation_data: Sequence[Any] | None = None,
        engine: bool | None = None,
    ) -> None:
        """Train, and print how it goes.

        Parameters
        ----------
        X, y : ndarray
        epochs, batch_size, print_every : int
            As in the book.
        validation_data : (X, y), optional
        engine : bool, optional
            Whether steps that print nothing may be made by the engine, which is faster and rounds otherwise
            (`steps.py`). None: yes with a batch_size; no without, since programs of chapter 18 end with other
            figures for it.
        """
        self.accuracy.init(y)
        parts = list(batches(X, batch_size))
        allowed = batch_size is not None if engine is None else engine
        with Steps(self, Model, X, y, parts, epochs, allowed) as steps:
            if batch_size is None:
                self._train_whole(steps, print_every)
                if validation_data is not None:
                    self.evaluate(*validation_data)
                return
            for epoch in range(epochs):
                print(f"epoch: {epoch + 1}")
                self._new_pass()
                for step in sorted({*range(0, len(parts), print_every), len(parts) - 1}):
                    steps.up_to(epoch * len(parts) + step)
                    self._print(f"step: {step}", *steps.step())
                losses = self.loss.calculate_accumulated(include_regularization=True)
                self._print("training", self.accuracy.calculate_accumulated(), *losses)
                if validation_data is not None:
                    self.evaluate(*validation_data, batch_size=batch_size)

    def _train_whole(self, steps: Steps, print_every: int) -> None:
        self._new_pass()
        for epoch in range(print_every, steps.epochs + 1, print_every):
            steps.up_to(epoch - 1)
            self._print(f"epoch: {epoch}", *steps.step())
        if (
            steps.made < steps.epochs
        ):  # the last step goes through the layers, which then hold its outputs and gradients
            steps.up_to(steps.epochs - 1)
            steps.step()

    def _step(self, X: Any, y: Any) -> tuple[Any, Any, Any]:
        """One step of training; accuracy, loss of the data and of the regularisers before it."""
        figures = self._look_at(self.forward(X, training=True), y)
        self.backward(self.layers[-1].output, y)
        self.optimizer.pre_update_params()
        for layer in self.trainable_layers:
            self.optimizer.update_params(layer)
        self.optimizer.post_update_params()
        return figures

    def _look_at(self, output: Any, y: Any) -> tuple[Any, Any, Any]:
        """Accuracy, loss of the data and of the regularisers of an output, added to those of the pass."""
        data_loss, regularization_loss = self.loss.calculate(output, y, include_regularization=True)
        accuracy = self.accuracy.calculate(self.output_layer_activation.predictions(output), y)
        return accuracy, data_loss, regularization_loss

    def _new_pass(self) -> None:
        self.loss.new_pass()
        self.accuracy.new_pass()

    def _print(self, what: str, accuracy: Any, data_loss: Any, regularization_loss: Any) -> None:
        loss = data_loss + regularization_loss
        parts = f"data_loss: {data_loss:.3f}, reg_loss: {regularization_loss:.3f}"
        rate = self.optimizer.current_learning_rate
        print(f"{what}, acc: {accuracy:.3f}, loss: {loss:.3f} ({parts}), lr: {rate}")

    def evaluate(self, X_val: Any, y_val: Any, *, batch_size: int | None = None) -> None:
        """Print accuracy and loss of other data."""
        self._new_pass()
        for part in batches(X_val, batch_size):
            output = self.forward(X_val[part], training=False)
            self.loss.calculate(output, y_val[part])
            self.accuracy.calculate(self.output_layer_activation.predictions(output), y_val[part])
        accuracy, loss = self.accuracy.calculate_accumulated(), self.loss.calculate_accumulated()
        print(f"validation, acc: {accuracy:.3f}, loss: {loss:.3f}")

    def predict(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """What the last layer returns, (N, M)."""
        return np.vstack([self.forward(X[part], training=False) for part in batches(X, batch_size)])

    def forward(self, X: Any, training: bool) -> Any:
        self.input_layer.forward(X, training)
        for layer in self.layers:
            layer.forward(layer.prev.output, training)
        return self.layers[-1].output

    def backward(self, output: Any, y: Any) -> None:
        """Set the gradients of all layers, in reverse."""
        layers = self.layers
        if self.softmax_classifier_output is not None:
            self.softmax_classifier_output.backward(output, y)
            layers[-1].dinputs = self.softmax_classifier_output.dinputs
            layers = layers[:-1]
        else:
            self.loss.backward(output, y)
        for layer in reversed(layers):
            layer.backward(layer.next.dinputs)

    def get_parameters(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases of each trainable layer."""
        return [layer.get_parameters() for layer in self.trainable_layers]

    def set_parameters(self, parameters: Sequence[Sequence[np.ndarray]]) -> None:
        for layer, weights_and_biases in zip(self.trainable_layers, parameters, strict=False):
            layer.set_parameters(*weights_and_biases)

    def save_parameters(self, path: str | Path) -> None:
        """Write weights and biases as safetensors: no pickle."""
        model_file.save_parameters(path, self.get_parameters())

    def load_parameters(self, path: str | Path) -> None:
        """Take over what `save_parameters` wrote. ValueError for a pickle."""
        self.set_parameters(model_file.load_parameters(path))

    def save(self, path: str | Path) -> None:
        """Write the whole model as a backpass model file: no pickle. ValueError for a part that is not from here."""
        model_file.save(path, self)

    @staticmethod
    def load(path: str | Path) -> Model:
        """Read what `save` wrote. FileNotFoundError; ValueError for a pickle, or what else is no such file."""
        model = Model()
        model_file.load(path, model)
        return model
