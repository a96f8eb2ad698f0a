"""`backpass warm-up`: afterwards nothing is compiled any more."""

import subprocess
import sys

import pytest

FIT = """
import backpass as bp
X, y = bp.datasets.spiral(40, 3, random_state=0)
network = bp.Network([bp.Dense(2, 8), bp.ReLU(), bp.Dense(8, 3), bp.Softmax()], bp.CategoricalCrossentropy())
network.fit(X, y, epochs=2, batch_size=16)
network.predict(X), network.gradient(X, y), network.evaluate(X, y)
"""


@pytest.mark.long
def test_after_a_warm_up_nothing_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setenv("BACKPASS_CACHE_DIR", str(tmp_path))
    subprocess.run([sys.executable, "-c", "from backpass.cli import main; main()", "warm-up"], check=True)
    finished = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, check=True)
    assert finished.stderr == ""
