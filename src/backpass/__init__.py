"""backpass: neural networks whose backward pass you can read, check and watch, trained by a compiled engine.

>>> import backpass as bp
>>> X, y = bp.datasets.spiral(samples=100, classes=3, random_state=0)
>>> network = bp.Network([bp.Dense(2, 64), bp.ReLU(), bp.Dense(64, 3), bp.Softmax()],
...                      bp.CategoricalCrossentropy(), random_state=0)
>>> history = network.fit(X, y, optimizer=bp.Adam(learning_rate=0.05), epochs=1000)
>>> network.evaluate(X, y)["accuracy"] > 0.9
True
"""

from typing import TYPE_CHECKING

import backpass.fusions as _fusions
import backpass.layers as _layers
import backpass.losses as _losses
import backpass.optimizers as _optimizers
from backpass import datasets
from backpass.network import Network
from backpass.training import History

if TYPE_CHECKING:  # for editors and type checkers; at run time a part is found by being a file in its folder
    from backpass.fusions.sigmoid_crossentropy import SigmoidCrossentropy as SigmoidCrossentropy
    from backpass.fusions.softmax_crossentropy import SoftmaxCrossentropy as SoftmaxCrossentropy
    from backpass.layers.dense import Dense as Dense
    from backpass.layers.layer import Layer as Layer
    from backpass.layers.linear import Linear as Linear
    from backpass.layers.relu import ReLU as ReLU
    from backpass.layers.sigmoid import Sigmoid as Sigmoid
    from backpass.layers.softmax import Softmax as Softmax
    from backpass.layers.tanh import Tanh as Tanh
    from backpass.losses.binary_crossentropy import BinaryCrossentropy as BinaryCrossentropy
    from backpass.losses.categorical_crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
    from backpass.losses.loss import Loss as Loss
    from backpass.losses.mean_squared_error import MeanSquaredError as MeanSquaredError
    from backpass.optimizers.adam import Adam as Adam
    from backpass.optimizers.optimizer import Optimizer as Optimizer
    from backpass.optimizers.sgd import SGD as SGD

__version__ = "0.1.0"

_parts = {
    name: value
    for package in (_layers, _losses, _fusions, _optimizers)
    for name, value in vars(package).items()
    if isinstance(value, type)
}
globals().update(_parts)
__all__ = ["History", "Network", "datasets", *_parts]
