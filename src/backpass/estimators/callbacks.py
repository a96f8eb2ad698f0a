"""Callbacks of an estimator: scikit-learn's protocol (`sklearn.callback`), and ours within it."""

from __future__ import annotations

import time
from typing import Any, Self

from sklearn.callback import CallbackSupportMixin

from backpass.optimizers.schedules import Schedule
from backpass.training import BETWEEN, says_stop


class Ours:
    """An object with `on_epoch_end(epoch, figures)` or `on_progress(done, epoch, epochs, loss)` in their protocol."""

    def __init__(self, callback: Any):
        self.callback, self.told = callback, 0.0

    def setup(self, estimator: Any, context: Any) -> None:
        self.told = 0.0

    def teardown(self, estimator: Any, context: Any) -> None:
        if hasattr(self.callback, "on_fit_end"):
            self.callback.on_fit_end()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        pass

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        if context.task_name != "epoch":
            return False
        answer = None
        if hasattr(self.callback, "on_epoch_end"):
            figures = {"loss": estimator.loss_}
            if estimator.early_stopping:
                figures["validation_score"] = estimator.validation_scores_[-1]
            answer = self.callback.on_epoch_end(estimator.n_iter_, figures)
        if hasattr(self.callback, "on_progress"):
            done = estimator.n_iter_ / context.parent.max_subtasks
            if done >= 1 or time.perf_counter() - self.told > BETWEEN:
                self.told = time.perf_counter()
                self.callback.on_progress(done, estimator.n_iter_, context.parent.max_subtasks, estimator.loss_)
        return says_stop(answer)


class ListenedTo(CallbackSupportMixin):
    """An estimator with `set_callbacks`."""

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Have these told of the fit and of each of its epochs; one that returns True ends it.

        Parameters
        ----------
        *callbacks : objects
            Of scikit-learn's protocol, such as `sklearn.callback.ProgressBar()`, or with `on_epoch_end(epoch, figures)`
            or `on_progress(done, epoch, epochs, loss)`, as `Network.fit` takes them.

        Raises TypeError for anything else. An lbfgs fit has no epochs: callbacks hear of its beginning and end.
        """
        taken = []
        for callback in callbacks:
            if isinstance(callback, Schedule):
                raise TypeError(f"callbacks holds {callback!r}; pass it as the learning_rate of the optimizer")
            ours = not isinstance(callback, type) and not hasattr(callback, "on_fit_task_end")
            ours = ours and (hasattr(callback, "on_epoch_end") or hasattr(callback, "on_progress"))
            taken.append(Ours(callback) if ours else callback)
        return super().set_callbacks(*taken)


class Listeners:
    """Those of one fit, told of it from `with` to its end, and of each epoch."""

    def __init__(self, model: Any, X: Any, y: Any, sample_weight: Any, epochs: int):
        self.here = bool(getattr(model, "_skl_callbacks", ()))
        self.context = model._init_callback_context(max_subtasks=epochs)
        # asked for only by callbacks that want it; a fitted copy holds what is in `coefs_` then
        self.given: dict[str, Any] = {
            "estimator": model,
            "X": X,
            "y": lambda: model._decoded(y),
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }

    def __enter__(self) -> Self:
        self.context.call_on_fit_task_begin(**self.given)
        return self

    def epoch_begins(self) -> None:
        if self.here:
            self.epoch = self.context.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.given, reconstruction_attributes=dict)

    def epoch_ends(self) -> bool:
        """Whether one of them wants no more."""
        return self.here and self.epoch.call_on_fit_task_end(**self.given, reconstruction_attributes=dict)

    def __exit__(self, kind: Any, *error: object) -> None:
        if kind is None:
            self.context.call_on_fit_task_end(**self.given, reconstruction_attributes=dict)
