"""A network: layers in order, a loss at the end, and the chain rule that joins them.

`forward` and `backward` are the textbook walk, layer by layer through the parts' own methods; everything that has to be
fast (`fit`, `predict`, `gradient`, `evaluate`) goes through the engine, which computes the same.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backpass import checks, figures, training
from backpass.engine.chain import Chain
from backpass.engine.plan import Plan, PlanPool, empty
from backpass.files import model
from backpass.fusions.fusion import FUSIONS, Fusion
from backpass.layers.layer import Layer
from backpass.layers.view import View
from backpass.losses.loss import Loss


class Network:
    """Layers in order, and the loss that they are trained by.

    Parameters
    ----------
    layers : sequence of Layer
        Sizes have to meet. A layer belongs to the network that it was last put into; an older one says so when used.
    loss : Loss
        Has to fit the last layer: CategoricalCrossentropy after Softmax, BinaryCrossentropy after Sigmoid,
        SoftmaxCrossentropy or SigmoidCrossentropy on logits, MeanSquaredError after anything.
    random_state : int, RandomState, Generator, optional
        Draws the weights of the layers that were given no random_state of their own and still are as they were drawn,
        then the order of the samples in `fit`.

    Attributes
    ----------
    parameters, gradients : ndarray (P,)
        All weights and biases in one buffer, and the gradients of the last step. The layers' are views of them;
        assigning copies the values in.

    Raises
    ------
    ValueError, TypeError
        Layers whose sizes do not meet, a layer twice, dtypes that differ, a loss that does not fit.

    >>> from backpass import Dense, ReLU, Softmax, CategoricalCrossentropy
    >>> network = Network([Dense(2, 8), ReLU(), Dense(8, 3), Softmax()], CategoricalCrossentropy(), random_state=0)
    >>> network.predict([[0.5, -1.0]]).shape
    (1,)
    """

    parameters, gradients = View(), View()

    def __init__(self, layers: Sequence[Layer], loss: Loss, random_state: Any = None):
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers is {layers!r}; pass a list of layers such as [Dense(2, 3), Softmax()]")
        self.layers = list(layers)
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"layers holds {layer!r}; pass layers such as Dense(2, 3) and ReLU()")
            if sum(layer is other for other in self.layers) > 1:
                raise ValueError(f"layers holds {layer!r} twice; make two of them")
        if not isinstance(loss, Loss):
            raise TypeError(f"loss is {loss!r}; pass a loss such as CategoricalCrossentropy()")
        self.loss = loss
        self.widths = self._widths()
        dtypes = {layer.dtype for layer in self.layers if layer.dtype is not None}
        if len(dtypes) > 1:
            raise ValueError(f"layers have dtypes {', '.join(sorted(map(str, dtypes)))}; give all of them the same")
        self.dtype: np.dtype[Any] = dtypes.pop()
        loss.check_last_layer(self.layers[-1], self.widths[-1])
        self._generator = checks.generator(random_state)
        for layer, following in zip(self.layers, [*self.layers[1:], None], strict=True):
            layer.prepare(following, None if random_state is None else self._generator)
        self._adopt()

    def _widths(self) -> list[int]:
        """Columns of what goes into each layer, and of what comes out of the last."""
        first = next((layer.input_width for layer in self.layers if layer.input_width is not None), None)
        if first is None:
            raise ValueError("layers holds no layer with weights; begin with a Dense")
        widths = [first]
        for index, layer in enumerate(self.layers):
            if layer.input_width not in (None, widths[-1]):
                before = self.layers[max(j for j in range(index) if self.layers[j].input_width is not None)]
                raise ValueError(f"layer {index}, {layer!r}, does not take the {widths[-1]} outputs of {before!r}")
            widths.append(layer.output_width(widths[-1]))
        return widths

    # ------------------------------------------------------------------------------------------ the chain rule

    def forward(self, X: Any) -> np.ndarray:
        """Output of the last layer for X (N, D), layer after layer; each keeps what its `backward` needs."""
        self._check_layers()
        output = self.samples(X)
        for layer in self.layers:
            output = layer.forward(output)
        return output

    def backward(self, y_true: Any) -> np.ndarray:
        """Gradient of the mean loss by the X of the last `forward`, (N, D); sets every layer's gradients on the way.

        Raises ValueError before any `forward`, or if `y_true` does not fit it.
        """
        self._check_layers()
        *before, last = self.layers
        if last.output is None:
            raise ValueError("Network.backward needs what Network.forward stores: call forward first")
        fusion = FUSIONS.get((type(last), type(self.loss)))
        if fusion is not None:  # the combined step takes the place of the last layer's and the loss's
            dvalues = fusion().backward(last.output, y_true)
        else:
            dvalues = last.backward(self.loss.backward(self._predictions(last.output), y_true))
        for layer in reversed(before):
            dvalues = layer.backward(dvalues)
        return dvalues

    def _predictions(self, output: np.ndarray) -> np.ndarray:
        """What a loss's `backward` takes: probabilities, where the loss itself holds the last activation."""
        return self.loss.layer().forward(output) if isinstance(self.loss, Fusion) else output

    # ---------------------------------------------------------------------------------------------- the engine

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: Any = "adam",
        epochs: int,
        batch_size: int | None = None,
        validation_data: Sequence[Any] | None = None,
        shuffle: bool = True,
        sample_weight: Any = None,
        callbacks: Iterable[Any] = (),
        verbose: bool = False,
        threads: int | None = None,
    ) -> training.History:
        """Train on X (N, D) and y.

        Parameters
        ----------
        X : array-like (N, D)
        y : array-like
            Labels (N,) from 0, or targets (N, M); for one output (N,) will do.
        optimizer : Optimizer or str
            Goes on where it stopped if it trained this network before. A str, such as "adam", starts anew.
        epochs : int
        batch_size : int, optional
            Samples a step. None: all of them.
        validation_data : (X, y), optional
            Evaluated after every epoch.
        shuffle : bool
            Whether every epoch takes the samples in an order of its own.
        sample_weight : array-like (N,), optional
            The loss of a batch is the weighted mean.
        callbacks : iterable of objects
            With `on_epoch_end(epoch, figures)`, called after every epoch (from 1) with a dict of its figures; training
            ends when one returns True. With `on_progress(done, epoch, epochs, loss)`, woken by the clock, about 10
            times a second; it cannot change the result.
        verbose : bool
            Progress on stderr.
        threads : int, optional
            Most threads to use. None: as many as there are cores and work. One thread or two give the same bits; nets
            so wide that BLAS's own threads are used give the same bits for the same number.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            For what cannot be trained on, before anything is changed.
        FloatingPointError
            As soon as the loss is not finite, naming the step.
        """
        self._check_layers()
        return training.fit(
            self,
            X,
            y,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            validation_data=validation_data,
            shuffle=shuffle,
            sample_weight=sample_weight,
            callbacks=callbacks,
            verbose=verbose,
            threads=threads,
        )

    def predict(self, X: Any) -> np.ndarray:
        """Classes (N,) int64; 0 and 1 (N, M) for M yes-or-no outputs; values (N, M) of a regression; (N,) if M is 1."""
        output = self._output(self.samples(X))
        if not self.loss.classifies:
            return output[:, 0] if output.shape[1] == 1 else output
        if self.loss.labels_forward_kernel is not None:
            return output.argmax(axis=1)
        decisions = (output > 0.5).astype(np.int64)
        return decisions[:, 0] if output.shape[1] == 1 else decisions

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (N, C); (N, M) where each output is a yes or no. ValueError for a regression."""
        if not self.loss.classifies:
            raise ValueError(f"predict_proba is for classification; this network is trained by {self.loss!r}")
        return self._output(self.samples(X))

    def gradient(self, X: Any, y: Any) -> tuple[float, np.ndarray]:
        """Mean loss, and its gradient by all parameters (P,) as in `parameters`."""
        X = self.samples(X)
        targets = self.targets(y, X)
        with self._plan("gradient", len(X), labels=targets.ndim == 1) as plan:
            plan.point_at(X, targets)
            loss, gradient = plan(), plan.chain.gradients.copy()  # type: ignore[union-attr]
        self.gradients = gradient
        return loss, gradient

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """{"loss": ..., "accuracy": ...} of a classification, {"loss": ..., "r2": ...} of a regression."""
        X = self.samples(X)
        targets = self.targets(y, X)
        output = np.empty((len(X), self.widths[-1]), self.dtype)
        with self._plan("evaluate", len(X), labels=targets.ndim == 1) as plan:
            plan.point_at(X, targets, output)
            loss = plan()
        if not self.loss.classifies:
            return {"loss": loss, "r2": figures.r2(output, targets)}
        if self.loss.labels_forward_kernel is None:
            return {"loss": loss, "accuracy": figures.accuracy(output > 0.5, targets > 0.5)}
        labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
        return {"loss": loss, "accuracy": figures.accuracy(output.argmax(axis=1), labels)}

    def _output(self, X: np.ndarray) -> np.ndarray:
        output = np.empty((len(X), self.widths[-1]), self.dtype)
        with self._plan("predict", len(X)) as plan:
            plan.point_at(X, None, output)
            plan()
        return output

    def chain(self, *, labels: bool = False, loss: bool = True) -> Chain:
        """The layers and the loss as the engine runs them: a last activation that the loss takes over is left to it."""
        for part in self.layers:
            if not hasattr(part, "forward_kernel") or not hasattr(part, "backward_kernel"):
                raise TypeError(
                    f"{part!r} has no forward_kernel and backward_kernel (docs/own_part.md): it cannot be run"
                )
        layers, last_loss = list(self.layers), self.loss
        if loss and (fusion := FUSIONS.get((type(layers[-1]), type(last_loss)))) is not None:
            layers.pop()
            last_loss = fusion()
        if not loss and isinstance(last_loss, Fusion):
            layers.append(last_loss.layer())
        widths = self.widths[: len(layers) + 1] + [self.widths[-1]] * (len(layers) - len(self.layers))
        return Chain(layers, widths, self.dtype, last_loss if loss else None, labels, self.parameters, self.gradients)

    def _plan(self, kind: str, rows: int, labels: bool = False) -> AbstractContextManager[Plan]:
        def make() -> Plan:
            chain = self.chain(labels=labels, loss=kind != "predict")
            own = replace(chain, gradients=empty(self.gradients.size, self.dtype))  # threads may ask at once
            return Plan(own, rows, backward=kind == "gradient")

        self._check_layers()
        return self._plans.borrow((kind, rows, labels), make)

    # ------------------------------------------------------------------------------- what enters, and what is kept

    def samples(self, X: Any, name: str = "X") -> np.ndarray:
        """X as the engine takes it, checked: finite, (N, D) with at least one row."""
        X = checks.samples(checks.matrix(X, name, dtype=self.dtype, columns=self.widths[0]), name)
        return checks.finite(X, name)

    def targets(self, y: Any, X: np.ndarray, name: str = "y", X_name: str = "X") -> np.ndarray:
        """Labels (N,) int64 or targets (N, M), checked against the loss and X."""
        targets = self.loss.targets(y, self.widths[-1], self.dtype, name)
        checks.same_length(X, X_name, targets, name)
        return targets

    def draw_seed(self) -> int:
        draw: Any = getattr(self._generator, "integers", None) or self._generator.randint  # type: ignore[union-attr]
        return int(draw(0, 2**31 - 1))

    def save(self, path: str | Path) -> None:
        """Write weights and configuration as safetensors: no pickle, all or nothing. OSError if that fails."""
        self._check_layers()
        model.save(path, self.layers, self.loss)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read what `save` wrote. FileNotFoundError, ValueError for what is no such file."""
        return cls(*model.load(path))

    def _adopt(self) -> None:
        """Put all parameters into one flat buffer; the layers' become views of it."""
        mine = [layer for layer in self.layers if layer.parameter_shapes()]
        sizes = [sum(math.prod(shape) for shape in layer.parameter_shapes().values()) for layer in mine]
        self._parameters, self._gradients = empty(sum(sizes), self.dtype), empty(sum(sizes), self.dtype)
        self.gradients[:] = 0
        start = 0
        for layer, size in zip(mine, sizes, strict=True):
            self.parameters[start : start + size] = layer.parameters
            layer.attach(self.parameters[start : start + size], self.gradients[start : start + size])
            start += size
        self._plans = PlanPool()

    def _check_layers(self) -> None:
        for layer in self.layers:
            if layer.parameters.size and layer.parameters.base is not self.parameters.base:
                raise ValueError(f"{layer!r} was put into another network; give each network layers of its own")

    def __getstate__(self) -> dict[str, Any]:
        made_anew = ("_parameters", "_gradients", "_plans")
        return {name: value for name, value in self.__dict__.items() if name not in made_anew}

    def __copy__(self) -> Network:
        return copy.deepcopy(self)  # a shallow copy would take the layers away from this network

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._adopt()

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return f"Network([{layers}], {self.loss!r})"
