"""A plan: a network and its data become buffers, and a table of calls that the compiled loop walks.

A table is made once for a network, a batch size and a kind of work; afterwards a step, a gradient or a prediction is
one call of compiled code with one address. No array is made inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from backpass.engine import loop
from backpass.engine.chain import Chain
from backpass.engine.kernels import Vector, elementwise, flat, kernel
from backpass.engine.kernels.calls import RECORD_WORDS
from backpass.engine.kernels.compiler import COUNTER_WORDS, FIRST_ARGUMENT, NATIVE, WORDS_PER_ARGUMENT, Kernel
from backpass.engine.large_weights import Call, LargeWeights, add_rows_kernel
from backpass.engine.memory import Place, empty
from backpass.layers.view import View

LINE = 64  # parameters, of which slices have a multiple: no two threads write into one cache line
BACKWARD = ("gradient", "train")


@kernel
def refuse_infinite_kernel(inputs):  # type: ignore[no-untyped-def]
    """IndexError if a number of them is not finite: then, and only then, its product with 0 is not 0."""
    numbers = flat(inputs)
    zero = inputs.dtype.type(0)
    total = zero
    for i in range(numbers.size):
        total += numbers[i] * zero
    if total != zero:
        raise IndexError("not finite")


@elementwise
@kernel
def add_kernel(gradients, more: Vector):  # type: ignore[no-untyped-def]
    """gradients += more, the gradients of another partition"""
    for i in range(gradients.size):
        gradients[i] += more[i]  # type: ignore[index]


class Plan:
    """Buffers and table for a chain, for batches of at most `rows` rows.

    Parameters
    ----------
    kind : "predict", "evaluate", "gradient" or "train"
        "predict" needs no loss; the table of the last two goes back through the layers behind it. All but "train" are
        run by `run_on`, and refuse samples that are not finite.
    workers : int
        Threads that may work at it at once, this one included; no more than there are partitions: for slices alone
        none is started, since where BLAS has threads of its own (1024-2048-2048-1000) it would be in their way.
    gather : bool
        Whether rows are taken in an order of their own.
    """

    def __init__(self, chain: Chain, rows: int, kind: str, *, workers: int = 1, gather: bool = False):
        self.chain = chain
        self.rows = rows
        backward = kind in BACKWARD
        self.words = empty(loop.PLAN_WORDS, np.int64)
        self.words[:] = 0
        self.address = self.words.ctypes.data
        self.keep: list[np.ndarray] = []  # buffers that only their addresses point at
        self.own: list[tuple[Any, str, np.ndarray]] = []  # what parts brought along: valid while it is still theirs
        self.patches: list[tuple[int, int, int]] = []  # of any one worker: they are the same for all
        whole = backward and chain.couples_samples
        large = chain.large(rows) if backward and not whole else []
        partitions, block = 1 if whole else chain.partitions(rows, large), rows if whole else chain.block(rows)
        self.workers = workers = min(workers, partitions)
        self.losses = self.buffer(partitions + 1, np.float64)
        self.epoch_losses = np.zeros(1, np.float64)
        self.data: tuple[Any, ...] = ()
        self.partitions = partitions
        self.large = LargeWeights(chain, large if partitions > 1 else [], partitions)
        block = -(-rows // partitions) if self.large.layers else block
        tables = [self.table(block, kind, gather) for _ in range(partitions if self.large.layers else workers)]
        table = self.buffer((len(tables), len(tables[0])), np.int64)
        table[:] = tables
        stages = self.buffer((len(self.stages), loop.STAGE_WORDS), np.int64)
        stages[:] = self.stages
        patches = self.buffer((len(self.patches), loop.PATCH_WORDS), np.int64)
        patches[:] = self.patches
        self.set(
            partitions=partitions,
            block=block,
            table=table.ctypes.data,
            table_bytes=table.nbytes // len(tables),
            calls=self.calls,
            stages=stages.ctypes.data,
            stage_count=len(stages),
            patches=patches.ctypes.data,
            patch_count=len(patches),
            losses=self.losses.ctypes.data,
            epoch_losses=self.epoch_losses.ctypes.data,
            mode=loop.GRADIENT if backward else loop.EVALUATE,
        )
        orders = self.buffer((self.workers + 1, loop.ORDER_WORDS), np.int64)
        orders[:, loop.ORDER_KERNEL], orders[:, loop.ORDER_PLAN] = loop.do_piece.address(), self.address
        orders[:, loop.ORDER_WORKER] = range(self.workers + 1)
        orders[-1, loop.ORDER_KERNEL] = loop.do_all.address()
        self.set(orders=orders.ctypes.data, order_of_all=orders[-1].ctypes.data)
        self.set(has_targets=int(kind != "predict"), has_output=int(not backward))
        if backward:
            self.prepare_gradients()
        if kind == "train" or self.workers > 1:
            self.run = NATIVE(loop.run.address())
        if kind != "train":
            self.run_on = NATIVE(loop.run_on.address())

    def buffer(self, shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
        self.keep.append(empty(shape, dtype))
        return self.keep[-1]

    def set(self, **fields: int) -> None:
        """Fill words of the plan by name."""
        for name, value in fields.items():
            self.words[getattr(loop, name.upper())] = value

    def prepare_gradients(self) -> None:
        """Gradients of each partition, of all parameters but large weights."""
        gradients, itemsize = self.chain.gradients, self.chain.dtype.itemsize
        assert gradients is not None
        more = self.buffer((max(1, self.partitions - 1), gradients.size), self.chain.dtype)
        self.partial = [more[partition] for partition in range(self.partitions - 1)]
        own = self.large.rest()
        cleared = self.buffer((len(own), 2), np.int64)
        for pair, part in zip(cleared, own, strict=True):
            pair[:] = itemsize * part.start, itemsize * (part.stop - part.start)
        adds = [(add_kernel, {"gradients": gradients[part], "more": more[0][part]}) for part in own]
        self.set(
            gradients=gradients.ctypes.data,
            more_gradients=more.ctypes.data,
            gradient_bytes=gradients.nbytes,
            cleared=cleared.ctypes.data,
            cleared_count=len(own),
            adds=self.records_alone(adds),
            add_count=len(own),
        )

    def records_alone(self, calls: Sequence[tuple[Kernel, dict[str, np.ndarray]]]) -> int:
        """Records outside the table, one behind the other; the address of the first."""
        words = self.buffer((len(calls), RECORD_WORDS), np.int64)
        for index, (made, arrays) in enumerate(calls):
            words[index] = self.record(made, {name: Place.of(array) for name, array in arrays.items()}, None, 0)
            self.keep.extend(arrays.values())
        return words.ctypes.data

    def finish_with(self, calls: Sequence[tuple[Kernel, dict[str, np.ndarray]]]) -> None:
        """What is done with all gradients, in this order. The last ones that are elementwise are done in slices."""
        whole = list(calls)
        alike: list[tuple[Kernel, dict[str, np.ndarray]]] = []
        while whole and whole[-1][0].elementwise:
            alike.insert(0, whole.pop())
        assert self.chain.parameters is not None
        sliced = not whole and not self.large.layers  # then the partitions' gradients are added up slice by slice, too
        if sliced:
            gradients = self.chain.gradients
            alike = [*((add_kernel, {"gradients": gradients, "more": more}) for more in self.partial), *alike]
        self.set(add_count=0 if sliced else int(self.words[loop.CLEARED_COUNT]))
        size, slices = self.chain.parameters.size, self.chain.slices if alike else 1
        ends = [LINE * (size * piece // slices // LINE) for piece in range(slices)] + [size]
        pieces = []
        for first, end in pairwise(ends):
            for made, arrays in alike:
                cut = {name: arrays[name][first:end] for name in made.vectors}
                pieces.append((made, arrays | cut))
        self.set(finish=self.records_alone(whole), finish_count=len(whole))
        self.set(slices=slices, slice_records=self.records_alone(pieces), slice_count=len(alike))

    def record(self, made: Kernel, places: dict[str, Place], owner: Any, position: int) -> list[int]:
        """The words of one call. `position`: where in the worker's part it will stand, for the patches."""
        words = [0] * RECORD_WORDS
        words[0] = made.address(self.chain.dtype)
        for index, name in enumerate(made.arguments):
            place = places.get(name)
            if place is None:
                array = made.own_argument(owner, name, self.chain.dtype)
                self.keep.append(array)
                if not isinstance(getattr(type(owner), name, None), View):  # those change with `Layer.attach` only
                    self.own.append((owner, name, array))
                place = Place.of(array)
            at = FIRST_ARGUMENT + index * WORDS_PER_ARGUMENT
            words[at : at + WORDS_PER_ARGUMENT] = [place.address, place.rows, place.columns]
            if place.follows is not None:
                self.patches.append((position + at, place.follows, place.address))
        return words

    def table(self, block: int, kind: str, gather: bool) -> list[int]:
        """One worker's part, or one partition's: its header, the records of all calls in their order, of products."""
        chain, dtype = self.chain, self.chain.dtype
        loss = chain.loss
        self.patches = []
        self.stages: list[list[int]] = []
        widths, offsets = list(chain.widths), chain.offsets
        counters = self.buffer(COUNTER_WORDS, np.int64)
        scales, sample_losses = self.buffer(block, np.float64), self.buffer(block, np.float64)
        own_out = self.buffer((block, widths[-1]), dtype)
        own_x = self.buffer((block if gather else 0, widths[0]), dtype)
        target_width = 0 if loss is None else 1 if chain.labels else loss.target_width(widths[-1])
        own_y = self.buffer((block if gather else 0, target_width), np.float64)
        header = [array.ctypes.data for array in (own_x, own_y, own_out, counters, scales, sample_losses)]
        words = header + [0] * (loop.WORKER_WORDS - len(header))
        shared = {"counters": Place.of(counters)}
        products: list[Call] = []

        def add(made: Kernel, owner: Any, **places: Place) -> None:
            words.extend(self.record(made, shared | places, owner, len(words)))

        def calls() -> int:
            return (len(words) - loop.WORKER_WORDS) // RECORD_WORDS

        def walked() -> int:
            return max((end for work, _, end in self.stages if work == loop.WALK), default=0)

        def walk_so_far() -> None:
            self.stages.append([loop.WALK, walked(), calls()])

        def multiply_first(pieces: list[list[Call]]) -> None:
            """Make these products before the next call."""
            walk_so_far()
            self.stages.append([loop.MULTIPLY, len(products), len(pieces[0])])
            products.extend(call for piece in pieces for call in piece)

        # Forward. A fused loss takes the logits and writes the probabilities, so that these are the plan's output.
        fused = loss is not None and "output" in loss.forward_kernel.arguments
        flowing = [Place(0, 0, widths[0], loop.INPUT)]
        saved = []
        if kind != "train":  # what is trained on was looked at before
            add(refuse_infinite_kernel, None, inputs=flowing[0])
        for index, layer in enumerate(chain.layers):
            last = index == len(chain.layers) - 1 and not fused
            buffer = Place.of(self.buffer((0 if last else block, widths[index + 1]), dtype))
            flowing.append(Place(0, 0, widths[index + 1], loop.OUTPUT) if last else buffer)
            saved.append(Place.of(self.buffer((block, layer.saved_width(widths[index])), dtype)))
            places = {"inputs": flowing[index], "output": flowing[-1], "saved": saved[index]}
            if index in self.large.layers:
                more = [self.buffer((block, widths[index + 1]), dtype) for _ in range(self.partitions - 1)]
                sums = [flowing[-1], *map(Place.of, more)]
                multiply_first(self.large.forward(index, flowing[index], sums))
                for part in sums[1:]:
                    add(add_rows_kernel, None, inputs=part, output=sums[0])
                places["weights"] = Place(0, 0, widths[index + 1])
            add(layer.forward_kernel, layer, **places)

        if loss is not None:
            predictions = flowing[-1]
            output = Place(0, 0, widths[-1], loop.OUTPUT)
            target = Place(0, 0, target_width, loop.TARGET)
            targets = {"labels" if chain.labels else "y_true": target}
            losses = {"scales": Place.of(scales), "sample_losses": Place.of(sample_losses)}
            forward = loss.labels_forward_kernel if chain.labels else loss.forward_kernel
            add(forward, loss, inputs=predictions, y_pred=predictions, output=output, **targets, **losses)

        if kind not in BACKWARD:  # what they are asked for
            add(refuse_infinite_kernel, None, inputs=Place(0, 0, widths[-1], loop.OUTPUT))
        if kind in BACKWARD:
            # Two buffers take turns: what a layer gets from the right, and what it hands to the left.
            turns = [self.buffer((block, max(widths)), dtype) for _ in range(2)]
            dvalues = Place(turns[0].ctypes.data, 0, widths[-1])
            back = loss.labels_backward_kernel if chain.labels else loss.backward_kernel
            add(back, loss, dvalues=output if fused else predictions, dinputs=dvalues, **targets, **losses)
            for index in reversed(range(len(chain.layers))):
                layer, offset = chain.layers[index], offsets[index]
                dinputs = Place(turns[(len(chain.layers) - index) % 2].ctypes.data, 0, widths[index] if index else 0)
                places = {"inputs": flowing[index], "output": flowing[index + 1], "saved": saved[index]}
                places |= {"dvalues": dvalues, "dinputs": dinputs}
                for name, shape in layer.parameter_shapes().items():
                    places[f"d{name}"] = Place(offset * dtype.itemsize, shape[0], shape[-1], loop.GRADIENT_OF)
                    offset += math.prod(shape)
                if index in self.large.layers:
                    nothing = {"dweights": Place(0, 0, widths[index + 1]), "dinputs": Place(0, 0, 0)}
                    add(layer.backward_kernel, layer, **(places | nothing))
                    multiply_first(self.large.backward(index, places))
                else:
                    add(layer.backward_kernel, layer, **places)
                dvalues = dinputs

        self.calls = calls()
        if walked() < self.calls:
            walk_so_far()
        for stage in self.stages:
            stage[1] += self.calls if stage[0] == loop.MULTIPLY else 0  # records of products follow the calls
        for made, places in products:
            add(made, None, **places)
        return words

    def point_at(self, X: np.ndarray, y: np.ndarray | None = None, out: np.ndarray | None = None) -> None:
        """Set the data of the next run: X (N, D), targets, and where the last layer's output goes."""
        self.data = (X, y, out)  # kept alive while the plan runs
        self.set(samples=len(X), rows=len(X), x=X.ctypes.data, x_row_bytes=X.strides[0])
        if y is not None:
            self.set(y=y.ctypes.data, y_row_bytes=y.strides[0])
        self.set(out=0 if out is None else out.ctypes.data, out_row_bytes=0 if out is None else out.strides[0])
