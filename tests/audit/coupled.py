"""A layer under another name that couples the samples of a batch: what is known of it is its formula, here."""

import backpass as bp
from backpass.layers.batch_norm import backward, forward  # noqa: F401  the formula is looked for in this module


class Coupled(bp.BatchNorm, listed=False):
    forward_kernel = bp.BatchNorm.forward_kernel
    backward_kernel = bp.BatchNorm.backward_kernel
