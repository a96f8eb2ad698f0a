"""The class names of "Neural Networks from Scratch in Python" (Kinsley, Kukieła), for programs written on them.

`from backpass.nnfs import *` stands in for the class definitions at the top of a program; docs/nnfs.md says what was
tried, and where the book is wrong. The files follow the book: layers, activations, losses, optimizers, accuracies, the
Model. What is new in a later chapter is optional, so that the early forms go on working.

>>> init()
>>> X, y = spiral_data(samples=100, classes=3)
>>> dense1 = Layer_Dense(2, 3)
>>> dense1.forward(X)
>>> dense1.output[:2]
array([[ 0.0000000e+00,  0.0000000e+00,  0.0000000e+00],
       [-1.0475188e-04,  1.1395361e-04, -4.7983500e-05]], dtype=float32)
"""

from backpass.nnfs.accuracies import Accuracy, Accuracy_Categorical, Accuracy_Regression
from backpass.nnfs.activations import Activation_Linear, Activation_ReLU, Activation_Sigmoid, Activation_Softmax
from backpass.nnfs.datasets import sine_data, spiral_data, vertical_data
from backpass.nnfs.layers import Layer_Dense, Layer_Dropout, Layer_Input
from backpass.nnfs.losses import (
    Activation_Softmax_Loss_CategoricalCrossentropy,
    Loss,
    Loss_BinaryCrossentropy,
    Loss_CategoricalCrossentropy,
    Loss_MeanAbsoluteError,
    Loss_MeanSquaredError,
)
from backpass.nnfs.model import Model
from backpass.nnfs.optimizers import Optimizer_Adagrad, Optimizer_Adam, Optimizer_RMSprop, Optimizer_SGD
from backpass.nnfs.start import init

__all__ = [
    "Accuracy",
    "Accuracy_Categorical",
    "Accuracy_Regression",
    "Activation_Linear",
    "Activation_ReLU",
    "Activation_Sigmoid",
    "Activation_Softmax",
    "Activation_Softmax_Loss_CategoricalCrossentropy",
    "Layer_Dense",
    "Layer_Dropout",
    "Layer_Input",
    "Loss",
    "Loss_BinaryCrossentropy",
    "Loss_CategoricalCrossentropy",
    "Loss_MeanAbsoluteError",
    "Loss_MeanSquaredError",
    "Model",
    "Optimizer_Adagrad",
    "Optimizer_Adam",
    "Optimizer_RMSprop",
    "Optimizer_SGD",
    "init",
    "sine_data",
    "spiral_data",
    "vertical_data",
]
