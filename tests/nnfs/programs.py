"""Short programs in the manner of the book's, each a function of a namespace that has its class names.

They run with the book's own classes (store_figures.py keeps what they print then) and with those of backpass.nnfs.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

EPOCHS = 10


def train_spiral(book: Any, optimizer: Any, dropout: bool = False, **regularizers: float) -> None:
    X, y = book.spiral_data(samples=60, classes=3)
    dense1, relu = book.Layer_Dense(2, 32, **regularizers), book.Activation_ReLU()
    dropped = [book.Layer_Dropout(0.1)] if dropout else []
    dense2, step = book.Layer_Dense(32, 3), book.Activation_Softmax_Loss_CategoricalCrossentropy()
    for epoch in range(EPOCHS):
        flowing = X
        for layer in (dense1, relu, *dropped, dense2):
            layer.forward(flowing)
            flowing = layer.output
        data_loss = step.forward(flowing, y)
        regularization_loss = step.loss.regularization_loss(dense1) + step.loss.regularization_loss(dense2)
        accuracy = np.mean(np.argmax(step.output, axis=1) == y)
        rate = optimizer.current_learning_rate
        print(f"{epoch}: acc {accuracy:.3f}, loss {data_loss:.3f}, reg {regularization_loss:.3f}, lr {rate}")
        step.backward(step.output, y)
        dvalues = step.dinputs
        for layer in (dense2, *dropped, relu, dense1):
            layer.backward(dvalues)
            dvalues = layer.dinputs
        optimizer.pre_update_params()
        optimizer.update_params(dense1)
        optimizer.update_params(dense2)
        optimizer.post_update_params()


def train_one_output(book: Any, X: Any, y: Any, last: Any, loss: Any, optimizer: Any, **regularizers: float) -> None:
    dense1, relu, dense2 = book.Layer_Dense(X.shape[1], 32), book.Activation_ReLU(), book.Layer_Dense(32, 32)
    relu2, dense3 = book.Activation_ReLU(), book.Layer_Dense(32, 1, **regularizers)
    chain = (dense1, relu, dense2, relu2, dense3, last)
    for epoch in range(EPOCHS):
        flowing = X
        for layer in chain:
            layer.forward(flowing)
            flowing = layer.output
        data_loss = loss.calculate(flowing, y)
        print(f"{epoch}: loss {data_loss:.4f}, reg {loss.regularization_loss(dense3):.4f}, mean {flowing.mean():.4f}")
        loss.backward(flowing, y)
        dvalues = loss.dinputs
        for layer in reversed(chain):
            layer.backward(dvalues)
            dvalues = layer.dinputs
        optimizer.pre_update_params()
        for dense in (dense1, dense2, dense3):
            optimizer.update_params(dense)
        optimizer.post_update_params()


def sgd(book: Any) -> None:
    train_spiral(book, book.Optimizer_SGD())


def sgd_decay_momentum(book: Any) -> None:
    train_spiral(book, book.Optimizer_SGD(decay=1e-3, momentum=0.9))


def adagrad(book: Any) -> None:
    train_spiral(book, book.Optimizer_Adagrad(decay=1e-4))


def rmsprop(book: Any) -> None:
    train_spiral(book, book.Optimizer_RMSprop(learning_rate=0.02, decay=1e-5, rho=0.999))


def adam(book: Any) -> None:
    train_spiral(book, book.Optimizer_Adam(learning_rate=0.05, decay=5e-7))


def adam_l2(book: Any) -> None:
    optimizer = book.Optimizer_Adam(learning_rate=0.05, decay=1e-3)
    train_spiral(book, optimizer, weight_regularizer_l2=5e-2, bias_regularizer_l2=5e-2)


def adam_l1(book: Any) -> None:
    optimizer = book.Optimizer_Adam(learning_rate=0.05)
    train_spiral(book, optimizer, weight_regularizer_l1=1e-2, bias_regularizer_l1=1e-2)


def dropout(book: Any) -> None:
    optimizer = book.Optimizer_Adam(learning_rate=0.05, decay=5e-5)
    train_spiral(book, optimizer, dropout=True, weight_regularizer_l2=5e-4)


def binary(book: Any) -> None:
    X, y = book.spiral_data(samples=60, classes=2)
    last, loss, optimizer = book.Activation_Sigmoid(), book.Loss_BinaryCrossentropy(), book.Optimizer_Adam(0.05)
    train_one_output(book, X, y.reshape(-1, 1), last, loss, optimizer, weight_regularizer_l2=5e-3)


def regression(book: Any) -> None:
    X, y = book.sine_data(200)
    last, loss = book.Activation_Linear(), book.Loss_MeanSquaredError()
    train_one_output(book, X, y, last, loss, book.Optimizer_Adam(learning_rate=0.01, decay=1e-3))


def vertical(book: Any) -> None:
    """Chapter 6: weights changed in place at random, no training."""
    X, y = book.vertical_data(samples=50, classes=3)
    dense1, relu, dense2 = book.Layer_Dense(2, 3), book.Activation_ReLU(), book.Layer_Dense(3, 3)
    softmax, loss = book.Activation_Softmax(), book.Loss_CategoricalCrossentropy()
    for iteration in range(EPOCHS):
        dense1.weights += 0.05 * np.random.randn(2, 3)
        dense2.biases += 0.05 * np.random.randn(1, 3)
        dense1.forward(X)
        relu.forward(dense1.output)
        dense2.forward(relu.output)
        softmax.forward(dense2.output)
        print(f"{iteration}: loss {loss.calculate(softmax.output, y):.5f}")


def model_of(book: Any, *layers: Any, **parts: Any) -> Any:
    model = book.Model()
    for layer in layers:
        model.add(layer)
    model.set(**parts)
    model.finalize()
    return model


def model_classes(book: Any) -> None:
    """Chapter 18: with dropout and a validation at the end."""
    X, y = book.spiral_data(samples=60, classes=3)
    held_out = book.spiral_data(samples=20, classes=3)
    model = model_of(
        book,
        book.Layer_Dense(2, 32, weight_regularizer_l2=5e-3, bias_regularizer_l2=5e-3),
        book.Activation_ReLU(),
        book.Layer_Dropout(0.1),
        book.Layer_Dense(32, 3),
        book.Activation_Softmax(),
        loss=book.Loss_CategoricalCrossentropy(),
        optimizer=book.Optimizer_Adam(learning_rate=0.05, decay=5e-5),
        accuracy=book.Accuracy_Categorical(),
    )
    model.train(X, y, validation_data=held_out, epochs=EPOCHS, print_every=1)


def model_binary(book: Any) -> None:
    X, y = book.spiral_data(samples=60, classes=2)
    model = model_of(
        book,
        book.Layer_Dense(2, 16),
        book.Activation_ReLU(),
        book.Layer_Dense(16, 1),
        book.Activation_Sigmoid(),
        loss=book.Loss_BinaryCrossentropy(),
        optimizer=book.Optimizer_Adam(learning_rate=0.05),
        accuracy=book.Accuracy_Categorical(binary=True),
    )
    model.train(X, y.reshape(-1, 1), epochs=EPOCHS, print_every=2)


def model_regression(book: Any) -> None:
    X, y = book.sine_data(200)
    model = model_of(
        book,
        book.Layer_Dense(1, 16),
        book.Activation_ReLU(),
        book.Layer_Dense(16, 1),
        book.Activation_Linear(),
        loss=book.Loss_MeanSquaredError(),
        optimizer=book.Optimizer_Adam(learning_rate=0.005, decay=1e-3),
        accuracy=book.Accuracy_Regression(),
    )
    model.train(X, y, epochs=EPOCHS, print_every=1)


def model_batches(book: Any) -> None:
    """Chapters 19 and 20: batches, of which the last is smaller; validation after each epoch; evaluate, predict."""
    X, y = book.vertical_data(samples=70, classes=3)
    order = np.arange(len(X))
    np.random.shuffle(order)
    X, y = X[order], y[order]
    model = model_of(
        book,
        book.Layer_Dense(2, 24),
        book.Activation_ReLU(),
        book.Layer_Dense(24, 24),
        book.Activation_ReLU(),
        book.Layer_Dense(24, 3),
        book.Activation_Softmax(),
        loss=book.Loss_CategoricalCrossentropy(),
        optimizer=book.Optimizer_Adam(learning_rate=0.01, decay=1e-3),
        accuracy=book.Accuracy_Categorical(),
    )
    model.train(X[:150], y[:150], validation_data=(X[150:], y[150:]), epochs=EPOCHS, batch_size=32, print_every=3)
    model.evaluate(X, y, batch_size=64)
    print(model.output_layer_activation.predictions(model.predict(X[:5], batch_size=2)))


# Which chapter's classes a program is for: what is new in a chapter changes the forms of the ones before.
CHAPTERS: dict[str, tuple[Any, ...]] = {
    "ch16": (sgd, sgd_decay_momentum, adagrad, rmsprop, adam, adam_l2, adam_l1, dropout, binary, vertical),
    "ch17": (regression,),
    "ch18": (model_classes, model_binary, model_regression),
    "ch20": (model_batches,),
}


def namespace(values: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**values)
