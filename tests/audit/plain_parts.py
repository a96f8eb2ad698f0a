"""Right layers and losses in plain NumPy, as the notebook and the book's protocol write them.

The mutants are these with one method overridden; `right_parts.py` holds the auditor to finding nothing in them.
"""

import numpy as np


def sigmoid(inputs):
    return 1 / (1 + np.exp(-inputs))


def softmax(inputs):
    exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
    return exp_values / np.sum(exp_values, axis=1, keepdims=True)


class Dense:
    def __init__(self, n_inputs, n_neurons):
        rng = np.random.default_rng(0)
        self.weights = rng.normal(size=(n_inputs, n_neurons))
        self.biases = rng.normal(size=(1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class Affine:
    """The same in another style: it returns, its biases are a row (M,), and the names are its own."""

    parameter_names = ("W", "b")

    def __init__(self, n_inputs, n_neurons):
        rng = np.random.default_rng(0)
        self.W, self.b = rng.normal(size=(n_inputs, n_neurons)), rng.normal(size=n_neurons)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class LeakyReLU:
    slope = 0.1

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.where(inputs > 0, inputs, self.slope * inputs)

    def backward(self, dvalues):
        self.dinputs = np.where(self.inputs > 0, dvalues, self.slope * dvalues)


class Sigmoid:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = sigmoid(inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output) * self.output


class Tanh:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.tanh(inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues * (1 - self.output**2)


class Linear:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()


class Softmax:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = softmax(inputs)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (single_output, single_dvalues) in enumerate(zip(self.output, dvalues, strict=True)):
            single_output = single_output.reshape(-1, 1)
            jacobian_matrix = np.diagflat(single_output) - np.dot(single_output, single_output.T)
            self.dinputs[index] = np.dot(jacobian_matrix, single_dvalues)


class Dropout:
    def __init__(self, rate):
        self.keep = 1 - rate

    def forward(self, inputs, training=True):
        self.binary_mask = np.ones(inputs.shape)
        if training:
            self.binary_mask = np.random.binomial(1, self.keep, size=inputs.shape) / self.keep
        self.output = inputs * self.binary_mask

    def backward(self, dvalues):
        self.dinputs = dvalues * self.binary_mask


class BatchNorm:
    parameter_names = ("gamma", "beta")
    axis = 0

    def __init__(self, n_neurons):
        rng = np.random.default_rng(0)
        self.gamma, self.beta = 1 + 0.3 * rng.normal(size=(1, n_neurons)), rng.normal(size=(1, n_neurons))
        self.running_mean, self.running_variance = np.zeros((1, n_neurons)), np.ones((1, n_neurons))

    def forward(self, inputs, training=True):
        if training:
            mean, variance = inputs.mean(axis=0, keepdims=True), inputs.var(axis=0, keepdims=True)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_variance = 0.9 * self.running_variance + 0.1 * variance
        else:
            mean, variance = self.running_mean, self.running_variance
        self.inputs, self.deviation = inputs, np.sqrt(variance + 1e-5)
        self.normal = (inputs - mean) / self.deviation
        self.output = self.gamma * self.normal + self.beta

    def backward(self, dvalues):
        self.dgamma = np.sum(dvalues * self.normal, axis=0, keepdims=True)
        self.dbeta = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = self.through_statistics(dvalues * self.gamma)

    def through_statistics(self, dnormal):
        mean = np.mean(dnormal, axis=self.axis, keepdims=True)
        inner = np.mean(dnormal * self.normal, axis=self.axis, keepdims=True)
        return (dnormal - mean - self.normal * inner) / self.deviation


class LayerNorm(BatchNorm):
    axis = 1

    def forward(self, inputs):
        self.inputs, self.deviation = inputs, np.sqrt(inputs.var(axis=1, keepdims=True) + 1e-5)
        self.normal = (inputs - inputs.mean(axis=1, keepdims=True)) / self.deviation
        self.output = self.gamma * self.normal + self.beta


class CategoricalCrossentropy:
    def forward(self, y_pred, y_true):
        y_pred_clipped = np.clip(y_pred, 1e-7, 1 - 1e-7)
        if len(y_true.shape) == 1:
            correct_confidences = y_pred_clipped[range(len(y_pred)), y_true]
        else:
            correct_confidences = np.sum(y_pred_clipped * y_true, axis=1)
        return -np.log(correct_confidences)

    def backward(self, dvalues, y_true):
        if len(y_true.shape) == 1:
            y_true = np.eye(len(dvalues[0]))[y_true]
        self.dinputs = -y_true / dvalues
        self.dinputs = self.dinputs / len(dvalues)


class BinaryCrossentropy:
    def forward(self, y_pred, y_true):
        clipped = np.clip(y_pred, 1e-7, 1 - 1e-7)
        return np.mean(-(y_true * np.log(clipped) + (1 - y_true) * np.log(1 - clipped)), axis=-1)

    def backward(self, dvalues, y_true):
        samples, outputs = dvalues.shape
        clipped = np.clip(dvalues, 1e-7, 1 - 1e-7)
        self.dinputs = ((1 - y_true) / (1 - clipped) - y_true / clipped) / outputs / samples


class MeanSquaredError:
    def forward(self, y_pred, y_true):
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def backward(self, dvalues, y_true):
        samples, outputs = dvalues.shape
        self.dinputs = -2 * (y_true - dvalues) / outputs / samples


class MeanAbsoluteError:
    def forward(self, y_pred, y_true):
        return np.mean(np.abs(y_true - y_pred), axis=-1)

    def backward(self, dvalues, y_true):
        samples, outputs = dvalues.shape
        self.dinputs = -np.sign(y_true - dvalues) / outputs / samples


class Hinge:
    """y_true (N, M) is -1 or +1."""

    def forward(self, y_pred, y_true):
        return np.mean(np.maximum(0, 1 - y_true * y_pred), axis=1)

    def backward(self, dvalues, y_true):
        self.dinputs = np.where(y_true * dvalues < 1, -y_true, 0) / dvalues.size


class SoftmaxCrossentropy:
    """The notebook's combined step: labels or one-hot rows."""

    def forward(self, inputs, y_true):
        self.output = softmax(inputs)
        return np.mean(CategoricalCrossentropy().forward(self.output, y_true))

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        if len(y_true.shape) == 2:
            y_true = np.argmax(y_true, axis=1)
        self.dinputs = dvalues.copy()
        self.dinputs[range(samples), y_true] -= 1
        self.dinputs = self.dinputs / samples


class SigmoidCrossentropy:
    def forward(self, inputs, y_true):
        self.output = sigmoid(inputs)
        return np.mean(np.maximum(inputs, 0) - inputs * y_true + np.log1p(np.exp(-np.abs(inputs))))

    def backward(self, dvalues, y_true):
        samples, outputs = dvalues.shape
        self.dinputs = (dvalues - y_true) / outputs / samples


class TwoLayers:
    """A network in one class, as in many a blog: two layers, ReLU between them, softmax and cross-entropy behind."""

    def __init__(self, n_inputs, n_hidden, n_classes):
        rng = np.random.default_rng(0)
        self.weights1, self.biases1 = rng.normal(size=(n_inputs, n_hidden)), rng.normal(size=(1, n_hidden))
        self.weights2, self.biases2 = rng.normal(size=(n_hidden, n_classes)), rng.normal(size=(1, n_classes))

    def forward(self, inputs, y_true):
        self.inputs = inputs
        self.z1 = inputs @ self.weights1 + self.biases1
        self.a1 = np.maximum(0, self.z1)
        self.output = softmax(self.a1 @ self.weights2 + self.biases2)
        return -np.mean(np.log(self.output[range(len(inputs)), y_true]))

    def backward(self, output, y_true):
        dz2 = self.through_loss(output, y_true)
        self.dweights2 = self.a1.T @ dz2
        self.dbiases2 = np.sum(dz2, axis=0, keepdims=True)
        dz1 = self.through_relu(dz2 @ self.weights2.T)
        self.dweights1 = self.inputs.T @ dz1
        self.dbiases1 = np.sum(dz1, axis=0, keepdims=True)
        self.dinputs = dz1 @ self.weights1.T

    def through_loss(self, output, y_true):
        dz2 = output.copy()
        dz2[range(len(output)), y_true] -= 1
        return dz2 / len(output)

    def through_relu(self, da1):
        return da1 * (self.z1 > 0)
