"""A network: layers in order, a loss at the end, and the chain rule that joins them.

`forward` and `backward` are the textbook walk, layer by layer through the parts' own methods; everything that has to be
fast (`fit`, `predict`, `gradient`, `evaluate`) goes through the engine, which computes the same.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from backpass import checks, figures, training
from backpass.engine.chain import Chain
from backpass.engine.loop import STEPS_TRAINED, WEIGHTS
from backpass.engine.memory import empty
from backpass.engine.plan import Plan
from backpass.engine.pool import PlanPool
from backpass.engine.threads import available_cores, run_on
from backpass.files import model
from backpass.fusions.fusion import FUSIONS, Fusion, fused
from backpass.layers.layer import Layer
from backpass.layers.own import OWNERS, OwnLayer, as_layer, own_part
from backpass.layers.penalty import penalty, penalty_gradient
from backpass.layers.view import View
from backpass.losses.loss import Loss
from backpass.losses.own import as_loss

WORTH_HELPERS = 100_000_000  # multiplications of a prediction: some milliseconds, where starting threads takes a tenth


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
    trained : (int, int)
        Epochs and steps that the network has been trained for. The order of the samples and the random numbers of a
        step depend on them, so that two fits that follow each other take what one long fit would have taken.

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
    threads: int | None = None  # most threads of a large prediction or gradient; None: as many as BLAS has
    _checked: int
    _takes_all: bool

    def __init__(self, layers: Sequence[Layer], loss: Loss, random_state: Any = None):
        if not isinstance(layers, Iterable):
            raise TypeError(f"layers is {layers!r}; pass a list of layers such as [Dense(2, 3), Softmax()]")
        self.layers = tuple(as_layer(layer) for layer in layers)  # fixed: what was made of them is kept
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(
                    f"layers holds {layer!r}; pass layers such as Dense(2, 3) and ReLU(), or objects with forward and "
                    "backward"
                )
            if sum(own_part(layer) is own_part(other) for other in self.layers) > 1:
                raise ValueError(f"layers holds {layer!r} twice; make two of them")
        self.loss = as_loss(loss)
        if not isinstance(self.loss, Loss):
            raise TypeError(f"loss is {loss!r}; pass a loss such as CategoricalCrossentropy()")
        self.widths = self._widths(self.layers)
        dtypes = {layer.dtype for layer in self.layers if layer.dtype is not None}
        if len(dtypes) > 1:
            raise ValueError(f"layers have dtypes {', '.join(sorted(map(str, dtypes)))}; give all of them the same")
        if not dtypes:  # nothing but layers of somebody's own
            dtypes = {np.result_type(np.float32, *(layer.parameters for layer in self.layers if layer.parameters.size))}
        self.dtype: np.dtype[Any] = dtypes.pop()
        self.loss.check_last_layer(self.layers[-1], self.widths[-1])
        self._generator = checks.generator(random_state)
        self._seed: int | None = None
        self.trained = 0, 0
        for index, layer in enumerate(self.layers):
            following = next((other for other in self.layers[index + 1 :] if other.suits is not None), None)
            layer.prepare(following, None if random_state is None else self._generator)
        self._adopt()

    @staticmethod
    def _widths(layers: Sequence[Layer]) -> list[int]:
        """Columns of what goes into each layer, and of what comes out of the last."""
        first = next((layer.likely_width for layer in layers if layer.likely_width is not None), None)
        if first is None:
            raise ValueError(
                "none of the layers says how many columns it takes; begin with a Dense, or give yours an n_inputs"
            )
        widths = [first]
        for index, layer in enumerate(layers):
            if index and type(layer).check_inputs is not Layer.check_inputs:
                raise ValueError(f"layer {index}, {layer!r}, has to be the first: it takes samples, not outputs")
            if layer.input_width not in (None, widths[-1]):
                before = layers[max(j for j in range(index) if layers[j].likely_width is not None)]
                raise ValueError(f"layer {index}, {layer!r}, does not take the {widths[-1]} outputs of {before!r}")
            widths.append(layer.output_width(widths[-1]))
        return widths

    # ------------------------------------------------------------------------------------------ the chain rule

    def forward(self, X: Any, training: bool = True, step: int = 1) -> np.ndarray:
        """Output of the last layer for X (N, D), layer after layer; each keeps what its `backward` needs.

        `training` matters to Dropout and BatchNorm; `step` chooses the random numbers of the former.
        """
        self._check_layers()
        output = self.samples(X)
        for layer in self.layers:
            output = layer.walk(output, training, step)
        return output

    def mean_loss(self, y_true: Any, sample_weight: Any = None) -> float:
        """Mean loss of the last `forward`, without penalties."""
        return self.loss._mean(self.sample_losses(y_true), sample_weight)

    def sample_losses(self, y_true: Any) -> np.ndarray:
        """Loss of each sample (N,) of the last `forward`."""
        last = self._last()
        if (fusion := self._fusion()) is not None and last.inputs is not None:
            return fusion.sample_losses(last.inputs, y_true)
        if isinstance(self.loss, Fusion):
            return self.loss.sample_losses(last.output, y_true)
        return self.loss.forward(last.output, y_true)

    def penalty(self) -> float:
        """What the layers' L1 and L2 penalties add to the loss."""
        return sum(
            float(penalty(getattr(layer, name).astype(np.float64), *factors))
            for layer in self.layers
            for name, factors in layer.penalties.items()
        )

    def backward(self, y_true: Any, sample_weight: Any = None) -> np.ndarray:
        """Gradient of the mean loss by the X of the last `forward`, (N, D); sets every layer's gradients on the way.

        Raises ValueError before any `forward`, or if `y_true` does not fit it.
        """
        self._check_layers()
        *before, last = self.layers
        self._last()
        if (fusion := self._fusion()) is not None:  # it takes the place of the last layer's and the loss's
            dvalues = fusion.backward(last.output, y_true, sample_weight)
        else:
            dvalues = last.walk_back(self.loss.backward(self._predictions(last.output), y_true, sample_weight))
        for layer in reversed(before):
            dvalues = layer.walk_back(dvalues)
        return dvalues

    def _last(self) -> Layer:
        if self.layers[-1].output is None:
            raise ValueError("Network.backward needs what Network.forward stores: call forward first")
        return self.layers[-1]

    def _fusion(self) -> Fusion | None:
        """The one step for the last layer and the loss, if there is a rule."""
        fusion = FUSIONS.get((type(self.layers[-1]), type(self.loss)))
        return None if fusion is None else fusion.of(self.loss)

    def _predictions(self, output: np.ndarray) -> np.ndarray:
        """What a loss's `backward` takes: probabilities, say, where the loss itself holds the last activation."""
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
        """Classes (N,) int64; 0 and 1 (N, M) for M yes-or-no outputs; values (N, M) of a regression; (N,) if M is 1.

        Raises ValueError and TypeError for an X that does not fit, and ValueError, which is a FloatingPointError too,
        for numbers so large, or weights such, that an output is not finite; so do `predict_proba`, `evaluate` and
        `gradient`.
        """
        output = self._output(X)
        if not self.loss.classifies:
            return output[:, 0] if output.shape[1] == 1 else output
        if self.loss.takes_labels:
            return output.argmax(axis=1)
        decisions = (output > self.loss.threshold).astype(np.int64)
        return decisions[:, 0] if output.shape[1] == 1 else decisions

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (N, C); (N, M) where each output is a yes or no. ValueError for a regression."""
        if not self.loss.classifies:
            raise ValueError(f"predict_proba is for classification; this network is trained by {self.loss!r}")
        if not self.loss.probabilistic:
            raise ValueError(f"{self.loss!r} gives no probabilities; use predict, or train with a cross-entropy")
        return self._output(X)

    def gradient(self, X: Any, y: Any, sample_weight: Any = None, step: int = 1) -> tuple[float, np.ndarray]:
        """Mean loss with penalties, and its gradient by all parameters (P,) as in `parameters`.

        `step` chooses the random numbers of Dropout; running statistics stay as they are.
        """
        if sample_weight is None and self._plain(X) and self._plain_labels(y, X):
            loss, gradient = self._with_penalties(*self._ask("gradient", (X, y), None, step))
        else:
            X = self.samples(X)
            weights = None if sample_weight is None else checks.weights(sample_weight, "sample_weight", X, "X")
            loss, gradient = self.gradient_of(X, self.targets(y, X), weights, step)
        if not math.isfinite(loss) or checks.first_not_finite(gradient) is not None:
            raise self._not_finite(X, f"the loss is {loss:g} and its gradient not finite")
        return loss, gradient

    def gradient_of(
        self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None, step: int = 1
    ) -> tuple[float, np.ndarray]:
        """`gradient` of arrays that were checked; it may not be finite."""
        if not self.compiled:
            network = self._beside()
            network.forward(X, step=step)
            loss = network.mean_loss(targets, weights)
            network.backward(targets, weights)
            return loss + self.penalty(), self.gradients.copy()
        return self._with_penalties(*self._ask("gradient", (X, self.effective(targets)), weights, step))

    def _with_penalties(self, loss: float, gradient: np.ndarray) -> tuple[float, np.ndarray]:
        for layer in self.layers:
            if layer.penalties:
                break
        else:
            self._gradients[:] = gradient
            return loss, gradient
        start = 0
        for layer in self.layers:  # on the copy: other threads may ask for gradients too
            for name, shape in layer.parameter_shapes().items():
                size = math.prod(shape)
                if name in layer.penalties:
                    parameter = getattr(layer, name).ravel()
                    gradient[start : start + size] += penalty_gradient(parameter, *layer.penalties[name])
                start += size
        self.gradients = gradient
        return loss + self.penalty(), gradient

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """{"loss": ..., "accuracy": ...} of a classification, {"loss": ..., "r2": ...} of a regression."""
        X = self.samples(X)
        targets = self.targets(y, X)
        loss, output = self._loss_and_output(X, targets)
        if math.isnan(loss):
            raise self._not_finite(X, f"the loss is {loss}")
        if not self.loss.classifies:
            return {"loss": loss, "r2": figures.r2(output, targets)}
        if not self.loss.takes_labels:
            threshold = self.loss.threshold
            return {"loss": loss, "accuracy": figures.accuracy(output > threshold, targets > threshold)}
        labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
        return {"loss": loss, "accuracy": figures.accuracy(output.argmax(axis=1), labels)}

    def figure_names(self, validated: bool) -> list[str]:
        """What `on_epoch_end` is told of an epoch."""
        second = "accuracy" if self.loss.classifies else "r2"
        return ["loss", *(["validation_loss", f"validation_{second}"] if validated else [])]

    def _loss_and_output(self, X: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        if not self.compiled:
            network, output = self._walked(X)
            return network.mean_loss(targets), output
        output = np.empty((len(X), self.widths[-1]), self.dtype)
        return self._ask("evaluate", (X, self.effective(targets), output))[0], output

    def _walked(self, X: np.ndarray) -> tuple[Network, np.ndarray]:
        """A copy of the network after the textbook walk of a prediction, and the predictions."""
        if (broken := self._broken()) is not None:
            raise broken
        network = self._beside()
        output = network._predictions(network.forward(X, training=False))
        if checks.first_not_finite(output) is not None:
            raise self._not_finite(X)
        return network, output

    def _not_finite(self, X: np.ndarray, what: str = "") -> Exception:
        """Why finite samples led to numbers that are not: weights that are not, or a row that is too large."""
        if (broken := self._broken()) is not None:
            return broken
        network, row = self._beside(), int(np.abs(X).max(axis=1).argmax())
        with np.errstate(all="ignore"):
            place = checks.first_not_finite(network.forward(X, training=False))
            if place is not None:
                output, row = X[place[0] : place[0] + 1], place[0]
                for index, layer in enumerate(network.layers):
                    output = layer.walk(output, False, 1)
                    if (place := checks.first_not_finite(output)) is not None:
                        what = f"layer {index}, {layer!r}, gives {output[place]}"
                        break
        if not what:
            return IndexError("a kernel read outside one of its arrays")
        column = int(np.abs(X[row]).argmax())
        return checks.NotFinite(
            f"row {row} of X, whose largest number is {X[row, column]:g} in column {column}, overflows {self.dtype}: "
            f"{what}; scale X as it was for training"
        )

    def _broken(self) -> checks.NotFinite | None:
        """What is to be said of parameters and running statistics that are not finite."""
        for index, layer in enumerate(self.layers):
            for name in (*layer.parameter_shapes(), *layer.state_names):
                array = getattr(own_part(layer), name)
                if (place := checks.first_not_finite(array)) is not None:
                    where = f"{name}[{', '.join(map(str, place))}] of layer {index}, {layer!r}, is {array[place]}"
                    return checks.NotFinite(f"{where}; a network whose numbers are not finite has to be trained anew")
        return None

    def _beside(self) -> Network:
        """The same parameters and gradients under copies of the layers: what is asked between a `forward` and its
        `backward` spoils neither."""
        self._check_layers()
        network = Network.__new__(Network)
        copies = tuple(copy.copy(layer) if layer.compiled else copy.deepcopy(layer) for layer in self.layers)
        network.__dict__.update(self.__dict__, layers=copies)
        start = 0
        for layer in network.layers:
            end = start + layer.parameters.size
            layer.attach(self.parameters[start:end], self.gradients[start:end])
            start = end
        return network

    def _output(self, X: Any) -> np.ndarray:
        if not self._plain(X):
            X = self.samples(X)
            if not self.compiled:
                return self._walked(X)[1]
        output = np.empty((len(X), self.widths[-1]), self.dtype)
        self._ask("predict", (X, output))
        return output

    def _plain(self, X: Any) -> bool:
        """Whether the engine may be handed X as it is: it looks itself whether it is contiguous and finite."""
        return (
            X.__class__ is ndarray
            and X.dtype is self.dtype
            and X.ndim == 2
            and X.shape[1] == self.widths[0]
            and len(X) > 0
            and self._takes_all
        )

    def _plain_labels(self, y: Any, X: np.ndarray) -> bool:
        """Whether the loss's kernels may be handed these labels as they are: they look themselves at their range."""
        fits = y.__class__ is ndarray and y.dtype is checks.INT64 and y.ndim == 1 and len(y) == len(X)
        return fits and self.loss.labels_as_they_are and y.flags.c_contiguous and y.flags.aligned

    def _ask(
        self, kind: str, arrays: tuple[np.ndarray, ...], weights: np.ndarray | None = None, step: int = 1
    ) -> tuple[float, np.ndarray]:
        """What a plan of this kind says of X and, as far as it wants them, targets and an array for the output.

        The mean loss, and the gradient if that is asked for. A small network is run in less time than arrays are
        checked, so what is wrong is found out by the engine, and said here.
        """
        if Layer.attachments != self._checked:
            checked = Layer.attachments
            self._check_layers()
            self._checked = checked
        key = kind, len(arrays[0]), arrays[1].ndim
        plan = self._plans.take(key) or self._plan(kind, len(arrays[0]), arrays[1].ndim == 1)
        if kind == "gradient":
            plan.words[STEPS_TRAINED] = step - 1
            plan.words[WEIGHTS] = 0 if weights is None else weights.ctypes.data
        alone = plan.workers == 1
        if plan.run_on(plan.address, id(arrays)) if alone else run_on(plan, id(arrays), self.threads):
            X = self.samples(arrays[0])  # raises where a number is not finite
            if kind != "predict":
                self.targets(arrays[1], X)
            if X is arrays[0]:
                raise self._not_finite(X)
            return self._ask(kind, (X, *arrays[1:]), weights, step)  # it was not contiguous
        asked = plan.epoch_losses
        loss = 0.0 if kind == "predict" else asked.item()
        if kind == "gradient":
            asked = plan.chain.gradients.copy()  # type: ignore[union-attr]
        self._plans.give(key, plan)
        return loss, asked

    def chain(self, *, labels: bool = False, loss: bool = True) -> Chain:
        """The layers and the loss as the engine runs them: a last activation that the loss takes over is left to it."""
        layers, last_loss = list(self.layers), self.loss
        if loss and (fusion := self._fusion()) is not None:
            layers.pop()
            last_loss = fusion
        if not loss and isinstance(last_loss, Fusion):
            layers.append(last_loss.layer())
        layers = fused(layers)
        widths = self._widths(layers)
        return Chain(layers, widths, self.dtype, last_loss if loss else None, labels, self.parameters, self.gradients)

    def _plan(self, kind: str, rows: int, labels: bool) -> Plan:
        if kind != "gradient" and (broken := self._broken()) is not None:  # else infinite weights of a Tanh go unseen
            raise broken
        chain = self.chain(labels=labels, loss=kind != "predict")
        own = replace(chain, gradients=empty(self.gradients.size, self.dtype))  # threads may ask at once
        much = rows * chain.multiplications >= WORTH_HELPERS
        return Plan(own, rows, kind, workers=available_cores() if much else 1)

    # ------------------------------------------------------------------------------- what enters, and what is kept

    def samples(self, X: Any, name: str = "X") -> np.ndarray:
        """X as the engine takes it, checked: finite, (N, D) with at least one row."""
        X = checks.samples(checks.matrix(X, name, dtype=self.dtype, columns=self.widths[0]), name)
        X = checks.finite(X, name)
        self.layers[0].check_inputs(X, name)
        return X

    def targets(self, y: Any, X: np.ndarray, name: str = "y", X_name: str = "X") -> np.ndarray:
        """Labels (N,) int64 or targets (N, M), checked against the loss and X."""
        targets = self.loss.targets(y, self.widths[-1], self.dtype, name)
        checks.same_length(X, X_name, targets, name)
        return targets

    def effective(self, targets: np.ndarray) -> np.ndarray:
        """Targets as the loss's kernels see them: smoothed or weighted, where it does that."""
        return self.loss.effective(targets, self.widths[-1], self.dtype)

    @property
    def seed(self) -> int:
        """What the order of the samples in `fit` depends on, drawn when it is first needed."""
        if self._seed is None:
            self._seed = checks.draw_seed(self._generator)
        return self._seed

    @property
    def compiled(self) -> bool:
        """Whether the engine can run it: every part has kernels. Else it trains by the textbook walk."""
        return self.loss.compiled and all(layer.compiled for layer in self.layers)

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
        size = sum(math.prod(shape) for layer in self.layers for shape in layer.parameter_shapes().values())
        self._gradients = empty(size, self.dtype)
        self.gradients[:] = 0
        self.settle(empty(size, self.dtype))

    def settle(self, buffer: np.ndarray) -> None:
        """Hold the parameters in this buffer (P,) from now on, which begins on a cache line."""
        self._parameters = buffer
        start = 0
        for layer in self.layers:
            if layer.parameter_shapes():
                end = start + layer.parameters.size
                buffer[start:end] = layer.parameters
                layer.attach(buffer[start:end], self.gradients[start:end])
                start = end
        self._plans = PlanPool()
        self._checked = -1  # where Layer.attachments stood when the layers were last seen to be this network's
        self._takes_all = self.compiled and type(self.layers[0]).check_inputs is Layer.check_inputs

    def _check_layers(self) -> None:
        for layer in self.layers:
            elsewhere = layer.parameters.size and layer.parameters.base is not self.parameters.base
            if elsewhere or (isinstance(layer, OwnLayer) and OWNERS.get(id(layer.part)) is not layer):
                raise ValueError(f"{layer!r} was put into another network; give each network layers of its own")

    def __getstate__(self) -> dict[str, Any]:
        made_anew = ("_parameters", "_gradients", "_plans", "_checked", "_takes_all")
        return {name: value for name, value in self.__dict__.items() if name not in made_anew}

    def __copy__(self) -> Network:
        return copy.deepcopy(self)  # a shallow copy would take the layers away from this network

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._adopt()

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return f"Network([{layers}], {self.loss!r})"
