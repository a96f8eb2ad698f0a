"""The compiled loop: epochs, steps, partitions, blocks. It knows addresses and sizes only, no layer and no dtype.

A step walks one batch. The batch is cut into *partitions*, each with a gradient buffer of its own, and a partition into
*blocks* of rows whose activations stay in the cache. For each block the table of calls is walked once: forward through
the layers, the loss, backward in reverse. The partitions' gradients are added up in their order; then come the calls
on all gradients, penalties and clipping, and at last the optimizer and the moving average of the weights, which go
through the parameters in *slices*.

Large weights are cut by their rows instead, for what one core has written is slow for another to read. The walk then
stops in front of their products, and goes on when all of these are made: it is a row of *stages*, with one block for
each partition.

How all this is cut depends on sizes only. Which thread does a piece is decided by who is free (`share_out`), so
one thread or two give the same bits, and a thread that is kept from its core by another process holds up nobody: the
others take what it has not begun (docs/decisions/0002).
"""

from __future__ import annotations

import math

from backpass.engine.kernels import atomics
from backpass.engine.kernels.calls import (
    RECORD_WORDS,
    call,
    copy_bytes,
    data_of,
    floats_at,
    integers_at,
    item,
    row_bytes_of,
    rows_of,
    together,
    zero_bytes,
)
from backpass.engine.kernels.compiler import (
    COUNT_LEARNING,
    COUNT_ROW,
    COUNT_STEP,
    COUNT_TRAINING,
    COUNTER_WORDS,
    FIRST_ARGUMENT,
    WORDS_PER_ARGUMENT,
    helper,
    raw_kernel,
)
from backpass.engine.shuffling import shuffle

# The plan: a row of int64, one word each.
(
    MODE,  # EVALUATE, GRADIENT or TRAIN
    STEP,  # next step, counted from 0 over all epochs
    STEPS_BEFORE,  # steps that the optimizer had made before this plan
    STEPS_TRAINED,  # steps that the network had been trained for: what random numbers depend on
    EPOCHS_TRAINED,  # and epochs: what the order of the samples depends on
    LAST_STEP,  # return to Python before this one
    STEPS_PER_EPOCH,
    SAMPLES,  # rows of X
    BATCH,  # rows of a step
    PARTITIONS,
    BLOCK,  # most rows of a block
    FIRST,  # first row of the present batch
    ROWS,  # its rows
    SEED,
    SHUFFLE,  # 1: a new order for each epoch
    ORDER,  # address of that order, or 0: rows are taken as they lie
    ORDER_STRIDE,  # bytes from there to the next epoch's, or 0: it has the same
    X,
    X_ROW_BYTES,
    Y,
    Y_ROW_BYTES,
    WEIGHTS,  # address of the sample weights (float64), or 0
    OUT,  # address of what the last layer returns for all rows, or 0
    OUT_ROW_BYTES,
    TABLE,  # address of worker 0's part of the table
    TABLE_BYTES,  # size of a worker's part
    CALLS,  # how many calls of the table to walk; records of products may follow
    STAGES,  # address of the stages
    STAGE_COUNT,  # more than one: there are products, and parts of the table belong to partitions instead of workers
    STAGE,  # which is the present one
    FROM,  # its first call, or of products the first record
    TO,  # the call behind its last, or how many records a piece has
    PATCHES,  # address of the words that change from block to block
    PATCH_COUNT,
    GRADIENTS,  # address of the first partition's gradients: the network's own
    MORE_GRADIENTS,  # of the second partition's and those behind it
    GRADIENT_BYTES,
    CLEARED,  # address of pairs, first byte and bytes: what of the gradients each partition has its own of
    CLEARED_COUNT,
    LOSSES,  # address of the partitions' losses (float64)
    EPOCH_LOSSES,  # address of the sum of loss x weight of each epoch
    ADDS,  # address of the records that add a partition's gradients to the network's
    ADD_COUNT,  # how many: as many as CLEARED_COUNT, or 0: slices do that
    FINISH,  # address of the records that finish a step: penalties, clipping, the optimizer ...
    FINISH_COUNT,
    FINISH_COUNTERS,  # address of the counters that they see
    SLICES,  # how many slices the parameters are moved in
    SLICE_RECORDS,  # address of the records that move the first of them; those of the others follow
    SLICE_COUNT,  # how many each has
    RATES,  # address of the learning rates of the steps up to LAST_STEP, or 0: it stays as it is
    RATES_FIRST,  # the step that the first of them is for
    LEARNING_RATE,  # address of the learning rate in the optimizer's settings
    STATUS,
    WORK,  # what is shared out now: WALK, MULTIPLY or MOVE
    PIECES,  # and into how many pieces
    ORDERS,  # address of what each worker is to do: a record of `do_piece`
    ORDER_OF_ALL,  # address of a record of `do_all`
    HELPERS,  # how many threads beside this one may be asked
    SOLO_UNTIL,  # do not ask them before the processor's clock says this
    STALLS,  # how often in a row one of them was waited for too long
    HAS_TARGETS,  # 1: `run_on` is given targets behind X
    HAS_OUTPUT,  # 1: and last an array for the output
    MOST_CYCLES,  # return to Python after so many of the processor's clock, or 0: at LAST_STEP only
    CYCLES,  # how many the last run took
    STALLED,  # how often a helper was waited for too long, in all
) = range(65)
# Words that threads share lie a cache line apart.
CLAIM, DONE, STOP = 80, 96, 112
PLAN_WORDS = 128

EVALUATE, GRADIENT, TRAIN = range(3)
FINE, NOT_FINITE, FAILED = range(3)
WALK, MULTIPLY, MOVE = range(3)  # partitions, rows of weights, slices

# An order, a cache line: address of the kernel that carries it out, of the plan, the worker, the piece.
(ORDER_KERNEL, ORDER_PLAN, ORDER_WORKER, ORDER_PIECE) = range(4)
ORDER_WORDS = 8
# A worker's part of the table: this header, then its records.
(OWN_X, OWN_Y, OWN_OUT, COUNTERS, SCALES, SAMPLE_LOSSES) = range(6)
WORKER_WORDS = 8
# A patch: word of the worker's part, what its address follows, and how far behind.
PATCH_WORDS = 3
INPUT, TARGET, OUTPUT, GRADIENT_OF = range(4)

STAGE_WORDS = 3  # WALK or MULTIPLY, FROM, TO

PIECE_BITS = 16
PIECE_MASK = (1 << PIECE_BITS) - 1
SPINS = 2000  # about 50 us of waiting before a thread gives its core away
# The processor's clock counts about 2.5 a nanosecond: 50 us, 0.2 ms, 4 ms, 40 ms.
SPIN_CYCLES, STALL_CYCLES, SOLO_CYCLES, AGAIN_CYCLES = 125_000, 500_000, 10_000_000, 100_000_000
MOST_STALLS = 6  # that double the time of working alone


@helper
def bring_rows(plan, own, first, rows):  # type: ignore[no-untyped-def]
    """Copy the rows of a block together, if they do not lie together."""
    order = integers_at(plan[ORDER] + 8 * first, rows)
    for row in range(rows):
        copy_bytes(own[OWN_X] + row * plan[X_ROW_BYTES], plan[X] + order[row] * plan[X_ROW_BYTES], plan[X_ROW_BYTES])
        copy_bytes(own[OWN_Y] + row * plan[Y_ROW_BYTES], plan[Y] + order[row] * plan[Y_ROW_BYTES], plan[Y_ROW_BYTES])


@helper
def weight_of(plan, row):  # type: ignore[no-untyped-def]
    index = integers_at(plan[ORDER], plan[SAMPLES])[row] if plan[ORDER] != 0 else row
    return floats_at(plan[WEIGHTS], plan[SAMPLES])[index]


@helper
def begin_block(plan, table, gradients, first, rows, total_weight):  # type: ignore[no-untyped-def]
    """Make this part of the table ready for rows [first, first + rows) of the order."""
    own = integers_at(table, WORKER_WORDS)
    if plan[ORDER] != 0:
        bring_rows(plan, own, first, rows)
        inputs, target = own[OWN_X], own[OWN_Y]
    else:
        inputs, target = plan[X] + first * plan[X_ROW_BYTES], plan[Y] + first * plan[Y_ROW_BYTES]
    output = plan[OUT] + first * plan[OUT_ROW_BYTES] if plan[OUT] != 0 else own[OWN_OUT]

    words = integers_at(table, plan[TABLE_BYTES] // 8)
    for record in range(WORKER_WORDS, words.size, RECORD_WORDS):
        words[record + 1] = rows
    patches = integers_at(plan[PATCHES], PATCH_WORDS * plan[PATCH_COUNT])
    for patch in range(0, patches.size, PATCH_WORDS):
        follows = patches[patch + 1]
        base = gradients if follows == GRADIENT_OF else inputs
        base = target if follows == TARGET else base
        base = output if follows == OUTPUT else base
        words[patches[patch]] = base + patches[patch + 2]

    counters = integers_at(own[COUNTERS], COUNTER_WORDS)
    counters[COUNT_STEP] = plan[STEPS_TRAINED] + plan[STEP] + 1
    counters[COUNT_TRAINING] = 1 if plan[MODE] != EVALUATE else 0
    counters[COUNT_ROW] = first - plan[FIRST]
    counters[COUNT_LEARNING] = 1 if plan[MODE] == TRAIN else 0
    scales = floats_at(own[SCALES], rows)
    for row in range(rows):
        scales[row] = (weight_of(plan, first + row) if plan[WEIGHTS] != 0 else 1.0) / total_weight


@helper
def call_all(plan, table, first, end):  # type: ignore[no-untyped-def]
    for index in range(first, end):
        note(plan, call(table + 8 * (WORKER_WORDS + index * RECORD_WORDS)))


@helper
def loss_of_block(plan, table, rows):  # type: ignore[no-untyped-def]
    """Its share of the batch's loss."""
    own = integers_at(table, WORKER_WORDS)
    loss = 0.0
    if plan[Y] != 0:
        scales, sample_losses = floats_at(own[SCALES], rows), floats_at(own[SAMPLE_LOSSES], rows)
        for row in range(rows):
            # a sample of weight 0 is as good as absent, even where its loss is infinite
            loss += scales[row] * sample_losses[row] if scales[row] != 0 else 0.0
    return loss


@helper
def walk_partition(plan, worker, partition):  # type: ignore[no-untyped-def]
    """Loss and gradients of one partition of the present batch, block by block; where there are stages, one of them."""
    losses = floats_at(plan[LOSSES], plan[PARTITIONS] + 1)
    total_weight = losses[plan[PARTITIONS]]
    gradients = plan[GRADIENTS]
    if partition > 0:
        gradients = plan[MORE_GRADIENTS] + (partition - 1) * plan[GRADIENT_BYTES]
    begins, ends = plan[STAGE] == 0, plan[TO] == plan[CALLS]
    if begins:
        losses[partition] = 0.0
        if plan[MODE] != EVALUATE:
            cleared = integers_at(plan[CLEARED], 2 * plan[CLEARED_COUNT])
            for part in range(0, cleared.size, 2):
                zero_bytes(gradients + cleared[part], cleared[part + 1])
    first = plan[ROWS] * partition // plan[PARTITIONS]
    rows = plan[ROWS] * (partition + 1) // plan[PARTITIONS] - first
    blocks, owner = (rows + plan[BLOCK] - 1) // plan[BLOCK], worker
    if plan[STAGE_COUNT] > 1:
        blocks, owner = 1, partition  # one without rows, too: products have to see it
    table = plan[TABLE] + owner * plan[TABLE_BYTES]
    for block in range(blocks):
        begin, end = rows * block // blocks, rows * (block + 1) // blocks
        if begins:
            begin_block(plan, table, gradients, plan[FIRST] + first + begin, end - begin, total_weight)
        if end > begin:
            call_all(plan, table, plan[FROM], plan[TO])
        if ends:
            losses[partition] += loss_of_block(plan, table, end - begin)


@helper
def multiply_piece(plan, piece):  # type: ignore[no-untyped-def]
    """The products of some rows of large weights with what all partitions have for them."""
    for partition in range(plan[PARTITIONS]):
        first = plan[FROM] + piece * plan[TO]
        call_all(plan, plan[TABLE] + partition * plan[TABLE_BYTES], first, first + plan[TO])


@helper
def note(plan, failed):  # type: ignore[no-untyped-def]
    """Take down what a call has said."""
    if failed != 0:
        plan[STATUS] = FAILED


@helper
def move_slice(plan, piece):  # type: ignore[no-untyped-def]
    """The optimizer's calls on one slice of the parameters."""
    first = plan[SLICE_RECORDS] + piece * plan[SLICE_COUNT] * 8 * RECORD_WORDS
    for index in range(plan[SLICE_COUNT]):
        note(plan, call(first + index * 8 * RECORD_WORDS))


@raw_kernel
def do_piece(address: int, unused: int) -> None:
    """What the order at this address says.

    This and `do_all` are kernels of their own: inside of every loop that asks for them they took 1.5 s more to compile.
    """
    order = integers_at(address, ORDER_WORDS)
    plan = integers_at(order[ORDER_PLAN], PLAN_WORDS)
    if plan[WORK] == WALK:
        walk_partition(plan, order[ORDER_WORKER], order[ORDER_PIECE])
    elif plan[WORK] == MULTIPLY:
        multiply_piece(plan, order[ORDER_PIECE])
    else:
        move_slice(plan, order[ORDER_PIECE])


@helper
def give_order(plan, worker, piece):  # type: ignore[no-untyped-def]
    address = plan[ORDERS] + 8 * ORDER_WORDS * worker
    integers_at(address, ORDER_WORDS)[ORDER_PIECE] = piece
    note(plan, call(address))


@helper
def end_of(word):  # type: ignore[no-untyped-def]
    return (word >> PIECE_BITS) & PIECE_MASK


@helper
def share_out(plan, address):  # type: ignore[no-untyped-def]
    """Let helpers claim pieces, take what is left, wait for the last.

    The claim word is (turn, end, begin) of the pieces that nobody has claimed: where these are equal there is nothing
    to claim, whatever the plan says. This thread claims from the front and helpers from the end, so that step by step
    a core mostly gets the rows, gradients and parameters that it has had before.
    """
    claim, done = address + 8 * CLAIM, address + 8 * DONE
    atomics.store(done, 0)
    turn = (atomics.load(claim) >> (2 * PIECE_BITS)) + 1
    atomics.store(claim, (turn << (2 * PIECE_BITS)) | (plan[PIECES] << PIECE_BITS))
    own, begun = 0, atomics.cycles()
    while True:
        word = atomics.load(claim)
        begin = word & PIECE_MASK
        if begin >= end_of(word):
            break
        if atomics.exchange_if(claim, word, word + 1):
            give_order(plan, 0, begin)
            own += 1
    ready = atomics.cycles()
    waited = 0
    while atomics.load(done) + own < plan[PIECES]:
        if waited < SPIN_CYCLES:
            atomics.pause()
        else:  # maybe this very core is what the helper waits for
            atomics.sleep(1)
        waited = atomics.cycles() - ready
    if waited > 2 * (ready - begun) + STALL_CYCLES:
        # Its core was taken away: work alone for so long that waiting costs a ninth at most, and twice as long for
        # each time that it happened just before.
        just_before = begun - plan[SOLO_UNTIL] < AGAIN_CYCLES
        plan[STALLS] = min(plan[STALLS] + 1, MOST_STALLS) if just_before else 0
        plan[STALLED] += 1
        plan[SOLO_UNTIL] = ready + waited + (max(SOLO_CYCLES, 8 * waited) << plan[STALLS])


@raw_kernel
def do_all(address: int, unused: int) -> None:
    """All pieces of the work, with helpers where they are allowed and worth asking."""
    address = integers_at(address, ORDER_WORDS)[ORDER_PLAN]
    plan = integers_at(address, PLAN_WORDS)
    if plan[HELPERS] == 0 or plan[PIECES] == 1 or atomics.cycles() < plan[SOLO_UNTIL]:
        for piece in range(plan[PIECES]):
            give_order(plan, 0, piece)
    else:
        share_out(plan, address)


@helper
def all_of(plan, work, pieces):  # type: ignore[no-untyped-def]
    plan[WORK], plan[PIECES] = work, pieces
    note(plan, call(plan[ORDER_OF_ALL]))


@helper
def walk_batch(plan):  # type: ignore[no-untyped-def]
    """Loss and gradients of the present batch. The gradients of all partitions end up in the first's."""
    partitions = plan[PARTITIONS]
    losses = floats_at(plan[LOSSES], partitions + 1)
    total_weight = float(plan[ROWS])
    if plan[WEIGHTS] != 0:
        total_weight = 0.0
        for row in range(plan[FIRST], plan[FIRST] + plan[ROWS]):
            total_weight += weight_of(plan, row)
    losses[partitions] = total_weight if total_weight > 0 else 1.0
    stages = integers_at(plan[STAGES], STAGE_WORDS * plan[STAGE_COUNT])
    for stage in range(plan[STAGE_COUNT]):
        first = STAGE_WORDS * stage
        plan[STAGE], plan[FROM], plan[TO] = stage, stages[first + 1], stages[first + 2]
        all_of(plan, stages[first], partitions)
    loss = 0.0
    for partition in range(partitions):
        loss += losses[partition]
    cleared = integers_at(plan[CLEARED], 2 * plan[ADD_COUNT])
    for partition in range(1, partitions):
        for part in range(plan[ADD_COUNT]):
            add = plan[ADDS] + part * 8 * RECORD_WORDS
            more = plan[MORE_GRADIENTS] + (partition - 1) * plan[GRADIENT_BYTES] + cleared[2 * part]
            integers_at(add, RECORD_WORDS)[FIRST_ARGUMENT + WORDS_PER_ARGUMENT] = more
            call(add)
    return loss


@helper
def finish_step(plan):  # type: ignore[no-untyped-def]
    """What is done once the gradients are there: on all of them first, then what may be done slice by slice."""
    integers_at(plan[FINISH_COUNTERS], COUNTER_WORDS)[COUNT_STEP] = plan[STEPS_BEFORE] + plan[STEP] + 1
    if plan[RATES] != 0:
        ahead = plan[STEP] - plan[RATES_FIRST]
        floats_at(plan[LEARNING_RATE], 1)[0] = floats_at(plan[RATES], ahead + 1)[ahead]
    for index in range(plan[FINISH_COUNT]):
        note(plan, call(plan[FINISH] + index * 8 * RECORD_WORDS))
    all_of(plan, MOVE, plan[SLICES])


@helper
def train(plan):  # type: ignore[no-untyped-def]
    """Steps up to LAST_STEP, or until the clock says that it is time for a look at Python, whatever a step takes."""
    begun = atomics.cycles()
    plan[CYCLES] = 0
    while plan[STEP] < plan[LAST_STEP] and (plan[MOST_CYCLES] == 0 or plan[CYCLES] < plan[MOST_CYCLES]):
        epoch = plan[STEP] // plan[STEPS_PER_EPOCH]
        position = plan[STEP] - epoch * plan[STEPS_PER_EPOCH]
        if plan[SHUFFLE] != 0 and position == 0:
            shuffle(integers_at(plan[ORDER], plan[SAMPLES]), plan[SEED], plan[EPOCHS_TRAINED] + epoch)
        if position == 0 and epoch > 0:
            plan[ORDER] += plan[ORDER_STRIDE]
        plan[FIRST] = position * plan[BATCH]
        plan[ROWS] = min(plan[BATCH], plan[SAMPLES] - plan[FIRST])
        loss = walk_batch(plan)
        if not math.isfinite(loss):
            plan[STATUS] = NOT_FINITE
        if plan[STATUS] != FINE:
            return
        weight = floats_at(plan[LOSSES], plan[PARTITIONS] + 1)[plan[PARTITIONS]]
        floats_at(plan[EPOCH_LOSSES], epoch + 1)[epoch] += loss * weight
        finish_step(plan)
        if plan[STATUS] != FINE:
            return
        plan[STEP] += 1
        plan[CYCLES] = atomics.cycles() - begun


@helper
def help_out(plan, address, worker):  # type: ignore[no-untyped-def]
    """Claim pieces until told to stop."""
    claim, done, stop = address + 8 * CLAIM, address + 8 * DONE, address + 8 * STOP
    idle = 0
    while atomics.load(stop) == 0:
        word = atomics.load(claim)
        end = end_of(word)
        if end <= word & PIECE_MASK:
            idle += 1
            if idle < SPINS:
                atomics.pause()
            else:
                # Of longer naps a virtual core wakes up too late: table, 230 us a step, took 410. Where no help is
                # asked for, waking up so often took a sixth of the cores from two fits in two threads.
                asked_for = plan[HELPERS] > 0 and atomics.cycles() >= plan[SOLO_UNTIL]
                atomics.sleep(50 if asked_for else 500)
        elif atomics.exchange_if(claim, word, word - (1 << PIECE_BITS)):
            give_order(plan, worker, end - 1)
            atomics.add(done, 1)
            idle = 0


@raw_kernel
def run_on(address: int, arrays: int) -> None:
    """Run the plan at this address, not for training, on NumPy arrays: the `id` of a tuple of X, targets, output.

    Everything that Python would have to look up, array by array, costs more than a small network.
    """
    plan = integers_at(address, PLAN_WORDS)
    samples = item(arrays, 0)
    if not together(samples):
        raise ValueError("not contiguous")
    plan[SAMPLES] = rows_of(samples)
    plan[ROWS] = plan[SAMPLES]
    plan[X], plan[X_ROW_BYTES] = data_of(samples), row_bytes_of(samples)
    if plan[HAS_TARGETS] == 1:
        plan[Y], plan[Y_ROW_BYTES] = data_of(item(arrays, 1)), row_bytes_of(item(arrays, 1))
    if plan[HAS_OUTPUT] == 1:
        output = item(arrays, 1 + plan[HAS_TARGETS])
        plan[OUT], plan[OUT_ROW_BYTES] = data_of(output), row_bytes_of(output)
    plan[STATUS] = FINE
    mode = atomics.flush_denormals()
    floats_at(plan[EPOCH_LOSSES], 1)[0] = walk_batch(plan)
    atomics.restore_mode(mode)
    if plan[STATUS] != FINE:
        raise IndexError("outside an array, or not finite")


@raw_kernel
def run(address: int, worker: int) -> None:
    """Run the plan of a training at this address: worker 0 makes the steps, the others help it."""
    plan = integers_at(address, PLAN_WORDS)
    mode = atomics.flush_denormals()
    if worker > 0:
        help_out(plan, address, worker)
    else:
        train(plan)
    atomics.restore_mode(mode)
