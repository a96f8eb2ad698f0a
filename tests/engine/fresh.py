"""Running a script in a new Python, and the network that the engine's tests train."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TRAIN = """
import hashlib, sys
import numpy as np
import backpass as bp

def digest_of_a_fit(threads=None, epochs=20):
    X, y = bp.datasets.spiral(200, 3, random_state=1)
    layers = [bp.Dense(2, 96), bp.ReLU(), bp.Dense(96, 32), bp.Tanh(), bp.Dense(32, 3), bp.Softmax()]
    network = bp.Network(layers, bp.CategoricalCrossentropy(), random_state=7)
    history = network.fit(X, y, optimizer=bp.Adam(0.01), epochs=epochs, batch_size=250, threads=threads)
    return hashlib.sha256(network.parameters.tobytes() + repr(history.loss).encode()).hexdigest()
"""


def python(script: str, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a new process; if it hangs, the time limit of the test ends it."""
    environment = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)


def printed(script: str, **options: object) -> str:
    """What a script prints; it must succeed."""
    finished = python(script, **options)  # type: ignore[arg-type]
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()
