"""backpass: neural networks whose backward pass you can read, check and watch, trained by a compiled engine.

>>> import backpass as bp
>>> X, y = bp.datasets.spiral(samples=100, classes=3, random_state=0)
>>> network = bp.Network([bp.Dense(2, 64), bp.ReLU(), bp.Dense(64, 3), bp.Softmax()],
...                      bp.CategoricalCrossentropy(), random_state=0)
>>> history = network.fit(X, y, optimizer=bp.Adam(learning_rate=0.05), epochs=1000)
>>> network.evaluate(X, y)["accuracy"] > 0.9
True
"""

from typing import TYPE_CHECKING, Any

import backpass.fusions as _fusions
import backpass.layers as _layers
import backpass.losses as _losses
import backpass.optimizers as _optimizers
from backpass import datasets
from backpass.network import Network
from backpass.training import History

if TYPE_CHECKING:  # for editors and type checkers; at run time a part is found by being a file in its folder
    from backpass.estimators import MLPClassifier as MLPClassifier
    from backpass.estimators import MLPRegressor as MLPRegressor
    from backpass.fusions.dense_relu import DenseReLU as DenseReLU
    from backpass.fusions.dense_sigmoid import DenseSigmoid as DenseSigmoid
    from backpass.fusions.dense_tanh import DenseTanh as DenseTanh
    from backpass.fusions.exponential_gamma import ExponentialGamma as ExponentialGamma
    from backpass.fusions.exponential_poisson import ExponentialPoisson as ExponentialPoisson
    from backpass.fusions.linear_squared_error import LinearSquaredError as LinearSquaredError
    from backpass.fusions.sigmoid_crossentropy import SigmoidCrossentropy as SigmoidCrossentropy
    from backpass.fusions.softmax_crossentropy import SoftmaxCrossentropy as SoftmaxCrossentropy
    from backpass.layers.batch_norm import BatchNorm as BatchNorm
    from backpass.layers.dense import Dense as Dense
    from backpass.layers.dropout import Dropout as Dropout
    from backpass.layers.elu import ELU as ELU
    from backpass.layers.embedding import Embedding as Embedding
    from backpass.layers.exponential import Exponential as Exponential
    from backpass.layers.gelu import GELU as GELU
    from backpass.layers.layer import Layer as Layer
    from backpass.layers.layer_norm import LayerNorm as LayerNorm
    from backpass.layers.leaky_relu import LeakyReLU as LeakyReLU
    from backpass.layers.linear import Linear as Linear
    from backpass.layers.mish import Mish as Mish
    from backpass.layers.relu import ReLU as ReLU
    from backpass.layers.selu import SELU as SELU
    from backpass.layers.sigmoid import Sigmoid as Sigmoid
    from backpass.layers.silu import SiLU as SiLU
    from backpass.layers.softmax import Softmax as Softmax
    from backpass.layers.softplus import Softplus as Softplus
    from backpass.layers.tanh import Tanh as Tanh
    from backpass.losses.binary_crossentropy import BinaryCrossentropy as BinaryCrossentropy
    from backpass.losses.categorical_crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
    from backpass.losses.gamma import Gamma as Gamma
    from backpass.losses.hinge import Hinge as Hinge
    from backpass.losses.huber import Huber as Huber
    from backpass.losses.log_cosh import LogCosh as LogCosh
    from backpass.losses.loss import Loss as Loss
    from backpass.losses.mean_absolute_error import MeanAbsoluteError as MeanAbsoluteError
    from backpass.losses.mean_squared_error import MeanSquaredError as MeanSquaredError
    from backpass.losses.pinball import Pinball as Pinball
    from backpass.losses.poisson import Poisson as Poisson
    from backpass.optimizers.adagrad import Adagrad as Adagrad
    from backpass.optimizers.adam import Adam as Adam
    from backpass.optimizers.adamw import AdamW as AdamW
    from backpass.optimizers.lbfgs import LBFGS as LBFGS
    from backpass.optimizers.lion import Lion as Lion
    from backpass.optimizers.nadam import NAdam as NAdam
    from backpass.optimizers.optimizer import Optimizer as Optimizer
    from backpass.optimizers.radam import RAdam as RAdam
    from backpass.optimizers.reduce_on_plateau import ReduceOnPlateau as ReduceOnPlateau
    from backpass.optimizers.rmsprop import RMSprop as RMSprop
    from backpass.optimizers.schedules import Cosine as Cosine
    from backpass.optimizers.schedules import ExponentialDecay as ExponentialDecay
    from backpass.optimizers.schedules import InverseDecay as InverseDecay
    from backpass.optimizers.schedules import OneCycle as OneCycle
    from backpass.optimizers.schedules import Schedule as Schedule
    from backpass.optimizers.schedules import StepDecay as StepDecay
    from backpass.optimizers.schedules import Warmup as Warmup
    from backpass.optimizers.sgd import SGD as SGD

__version__ = "0.1.0"

_parts = {
    name: value
    for package in (_layers, _losses, _fusions, _optimizers)
    for name, value in vars(package).items()
    if isinstance(value, type)
}
globals().update(_parts)
_estimators = ("MLPClassifier", "MLPRegressor")  # loaded when asked for: scikit-learn takes ten times as long to import
__all__ = ["History", "Network", "datasets", *_parts, *_estimators]


def __getattr__(name: str) -> Any:
    if name in _estimators:
        from backpass import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'backpass' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
