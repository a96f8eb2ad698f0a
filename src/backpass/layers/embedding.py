"""Embedding: a category becomes a row of numbers that training chooses.

Forward                                     inputs (N, D) -> output (N, M)
    Of the D columns, some hold whole numbers that name a category. Column k of these has a table of its own,
    table_k (categories, dimensions), and
    output[n]     = [the other columns of inputs[n], table_1[inputs[n, column_1]], table_2[inputs[n, column_2]] ...]

Backward                                    dvalues = dL/d output, (N, M)
    dtable_k[c]   = sum of dvalues[n, its part] over the samples n of category c
    dinputs       = dvalues for the other columns, 0 for those of categories

The tables lie one behind the other in `weights` (1, sum of categories * dimensions).
"""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from backpass import checks
from backpass.engine.kernels import kernel
from backpass.initializers import normal
from backpass.layers.layer import Layer
from backpass.layers.view import View


def forward(inputs, weights, places):
    pieces = [inputs[:, [column for column in range(inputs.shape[1]) if column not in places]]]
    start = 0
    for column, (categories, dimensions) in places.items():
        table = weights[0, start : start + categories * dimensions].reshape(categories, dimensions)
        pieces.append(table[inputs[:, column].real.astype(int)])
        start += table.size
    return np.concatenate(pieces, axis=1)


def backward(inputs, weights, dvalues, places):
    dweights, dinputs = np.zeros_like(weights), np.zeros_like(inputs)
    others = [column for column in range(inputs.shape[1]) if column not in places]
    dinputs[:, others] = dvalues[:, : len(others)]
    start, first = 0, len(others)
    for column, (categories, dimensions) in places.items():
        dtable = dweights[0, start : start + categories * dimensions].reshape(categories, dimensions)
        np.add.at(dtable, inputs[:, column].real.astype(int), dvalues[:, first : first + dimensions])
        start, first = start + dtable.size, first + dimensions
    return dweights, dinputs


# settings: how many columns pass, which; then column, categories, dimensions of each table
@kernel
def forward_kernel(inputs, weights, output, settings):
    passing = int(settings[0])
    for n in range(inputs.shape[0]):
        for m in range(passing):
            output[n, m] = inputs[n, int(settings[1 + m])]
        start, first = 0, passing
        for at in range(1 + passing, settings.size, 3):
            categories, dimensions = int(settings[at + 1]), int(settings[at + 2])
            category = int(inputs[n, int(settings[at])])
            if category < 0 or category >= categories:
                raise IndexError("category beyond the table")
            for m in range(dimensions):
                output[n, first + m] = weights[0, start + category * dimensions + m]
            start, first = start + categories * dimensions, first + dimensions


@kernel
def backward_kernel(inputs, dvalues, dweights, dinputs, settings):
    passing = int(settings[0])
    for n in range(inputs.shape[0]):
        start, first = 0, passing
        for at in range(1 + passing, settings.size, 3):
            categories, dimensions = int(settings[at + 1]), int(settings[at + 2])
            category = int(inputs[n, int(settings[at])])
            if category < 0 or category >= categories:  # somebody has changed the inputs since `forward`
                raise IndexError("category beyond the table")
            for m in range(dimensions):
                dweights[0, start + category * dimensions + m] += dvalues[n, first + m]
            start, first = start + categories * dimensions, first + dimensions
    if dinputs.shape[1] > 0:
        dinputs[:] = inputs.dtype.type(0)
        for n in range(inputs.shape[0]):
            for m in range(passing):
                dinputs[n, int(settings[1 + m])] = dvalues[n, m]


def column_of(key: Any, n_inputs: int) -> int:
    """The column that a key of `categories` means; JSON knows only strings."""
    column = int(key) if isinstance(key, str) and key.isdecimal() else checks.scalar(key)
    if isinstance(column, bool) or not isinstance(column, int | np.integer) or not 0 <= column < n_inputs:
        raise ValueError(f"categories names column {key!r}; columns are 0 to {n_inputs - 1}")
    return int(column)


class Embedding(Layer):
    """Tables for columns of categories; the first layer of a network.

    Parameters
    ----------
    n_inputs : int
        D, all columns, those of categories among them.
    categories : dict of int to int
        How many categories each of these columns has: {3: 12} for column 3 holding 0 to 11.
    dimensions : int or dict of int to int, optional
        Numbers a category becomes, for all columns or for each. None: 1.6 * categories ** 0.56, rounded, at most 50
        (fastai's rule of thumb).
    random_state : int, RandomState, Generator, optional
        Where the tables are drawn from: normal numbers of standard deviation 1 / sqrt(dimensions).
    dtype : float32 or float64

    Attributes
    ----------
    weights, dweights : ndarray (1, P)
        All tables, one behind the other. `table(column)` is one of them.

    Raises
    ------
    ValueError, TypeError
        Columns that do not exist, sizes below 1; in `forward` and `Network.fit`, a category that is no whole number
        from 0 to categories - 1.

    Source: Guo and Berkhahn, "Entity embeddings of categorical variables", 2016.

    >>> embedding = Embedding(3, {1: 4}, dimensions=2, dtype="float64")
    >>> embedding.table(1)[:] = [[0, 0], [1, 10], [2, 20], [3, 30]]
    >>> embedding.forward([[0.5, 3, 0.6], [0.7, 1, 0.8]])
    array([[ 0.5,  0.6,  3. , 30. ],
           [ 0.7,  0.8,  1. , 10. ]])
    """

    forward_kernel = forward_kernel
    backward_kernel = backward_kernel
    weights, dweights = View(), View()

    def __init__(
        self,
        n_inputs: int,
        categories: Mapping[int, int],
        dimensions: int | Mapping[int, int] | None = None,
        *,
        random_state: Any = None,
        dtype: Any = np.float32,
    ):
        self.n_inputs = checks.positive_integer(n_inputs, "n_inputs")
        if not isinstance(categories, Mapping) or not categories:
            raise TypeError(f"categories is {categories!r}; pass a dict such as {{0: 7}}: column 0 has 7 categories")
        self.places: dict[int, tuple[int, int]] = {}
        columns = {key: column_of(key, self.n_inputs) for key in categories}
        if len(set(columns.values())) < len(columns):
            raise ValueError(f"categories names a column twice: {', '.join(map(repr, categories))}")
        if isinstance(dimensions, Mapping) and (others := set(dimensions) - set(categories)):
            raise ValueError(f"dimensions names {min(others, key=str)!r}, for which categories has no number")
        for key, count in categories.items():
            column = columns[key]
            count = checks.positive_integer(count, f"categories[{column}]")
            wanted = dimensions.get(key) if isinstance(dimensions, Mapping) else dimensions
            wanted = min(50, round(1.6 * count**0.56)) if wanted is None else wanted
            self.places[column] = count, checks.positive_integer(wanted, f"dimensions[{column}]")
        passing = [column for column in range(self.n_inputs) if column not in self.places]
        tables = [number for column, sizes in self.places.items() for number in (column, *sizes)]
        self.settings = np.array([len(passing), *passing, *tables], np.float64)
        self.random_state = random_state
        self.allocate(dtype)
        exact = 2 ** (np.finfo(self.dtype).nmant + 1)  # whole numbers from here on are not told apart
        if max(count for count, _ in self.places.values()) > exact:
            raise ValueError(f"{self.dtype} holds whole numbers up to {exact}; more categories need dtype='float64'")
        self.draw(checks.generator(random_state))

    def draw(self, generator: Any) -> None:
        for column, (categories, dimensions) in self.places.items():
            self.table(column)[:] = normal(generator, categories, dimensions) / np.sqrt(dimensions)
        self._drawn = zlib.crc32(self.weights)  # type: ignore[arg-type]

    def prepare(self, following: Layer | None, generator: Any) -> None:
        if generator is not None and self.random_state is None and self._drawn == zlib.crc32(self.weights):  # type: ignore[arg-type]
            self.draw(generator)

    def table(self, column: int) -> np.ndarray:
        """Numbers (categories, dimensions) of one column's categories, a view."""
        start = 0
        for other, (categories, dimensions) in self.places.items():
            if other == column:
                return self.weights[0, start : start + categories * dimensions].reshape(categories, dimensions)
            start += categories * dimensions
        raise ValueError(f"column {column} has no table; {', '.join(map(str, self.places))} have")

    def check_inputs(self, inputs: np.ndarray, name: str) -> None:
        for column, (categories, _) in self.places.items():
            values = inputs[:, column]
            wrong = ~((values >= 0) & (values < categories) & (values == np.floor(values)))
            if wrong.any():
                row = int(wrong.argmax())
                raise ValueError(
                    f"{name} holds {values[row]:g} in row {row}, column {column}; "
                    f"its categories are whole numbers from 0 to {categories - 1}"
                )

    def forward(self, inputs: Any, training: bool = True, step: int | None = None) -> np.ndarray:
        inputs = checks.samples(checks.matrix(inputs, "inputs", dtype=self.dtype, columns=self.n_inputs), "inputs")
        self.check_inputs(inputs, "inputs")
        return super().forward(inputs, training, step)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weights": (1, sum(categories * dimensions for categories, dimensions in self.places.values()))}

    def output_width(self, input_width: int) -> int:
        return self.n_inputs - len(self.places) + sum(dimensions for _, dimensions in self.places.values())

    @property
    def input_width(self) -> int:
        return self.n_inputs

    def config(self) -> dict[str, Any]:
        return {
            "n_inputs": self.n_inputs,
            "categories": {column: categories for column, (categories, _) in self.places.items()},
            "dimensions": {column: dimensions for column, (_, dimensions) in self.places.items()},
        }
