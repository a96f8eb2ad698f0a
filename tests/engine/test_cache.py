"""The cache of compiled kernels: used, never trusted blindly, never in the way."""

import subprocess
import sys
import time

import numpy as np
import pytest

from backpass.engine.kernels import cache, compiler, kernel
from tests.engine.fresh import TRAIN, printed, python

SCALE = 3.0
ONE_KERNEL = """
import sys
import numpy as np
from backpass.layers.relu import ReLU
ReLU().forward([[-1.0, 2.0]])
print("numba" in sys.modules)
"""


def test_the_first_process_compiles_and_says_so_in_one_line_and_the_second_does_neither(tmp_path):
    first = python(ONE_KERNEL, BACKPASS_CACHE_DIR=tmp_path)
    assert (first.returncode, first.stdout.strip()) == (0, "True")
    assert len(first.stderr.splitlines()) == 1
    assert "compiling" in first.stderr
    second = python(ONE_KERNEL, BACKPASS_CACHE_DIR=tmp_path)
    assert (second.returncode, second.stdout.strip(), second.stderr) == (0, "False", "")


def test_numba_cache_dir_is_honoured(tmp_path):
    python(ONE_KERNEL, NUMBA_CACHE_DIR=tmp_path, BACKPASS_CACHE_DIR="")
    assert list((tmp_path / "backpass").glob("*relu.forward_kernel-float64-*.o"))


@pytest.mark.parametrize("damage", ["cut off", "empty", "one byte changed"])
def test_a_damaged_entry_is_thrown_away_and_made_anew(tmp_path, damage):
    python(ONE_KERNEL, BACKPASS_CACHE_DIR=tmp_path)
    (file,) = tmp_path.glob("*relu.forward_kernel*.o")
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(
        {
            "cut off": whole[:middle],
            "empty": b"",
            "one byte changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        }[damage]
    )
    again = python(ONE_KERNEL, BACKPASS_CACHE_DIR=tmp_path)
    assert (again.returncode, again.stdout.strip()) == (0, "True")
    assert python(ONE_KERNEL, BACKPASS_CACHE_DIR=tmp_path).stdout.strip() == "False"


def test_a_folder_that_cannot_be_written_costs_a_line_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("in the way")
    finished = python(ONE_KERNEL, BACKPASS_CACHE_DIR=tmp_path / "file" / "cache")
    assert finished.returncode == 0
    assert "cannot be written" in finished.stderr
    assert len(finished.stderr.splitlines()) == 2


def test_of_processes_that_start_at_once_one_compiles_and_the_others_wait_for_it(tmp_path):
    script = f"""
import subprocess, sys
script = {ONE_KERNEL!r}
running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
print(sorted(process.communicate()[0].strip() for process in running), [process.returncode for process in running])
"""
    # two kernels, the call and ReLU's: who compiles either has imported Numba
    told = printed(script, BACKPASS_CACHE_DIR=tmp_path)
    assert told in ("['False', 'False', 'True'] [0, 0, 0]", "['False', 'True', 'True'] [0, 0, 0]")
    assert python(ONE_KERNEL, BACKPASS_CACHE_DIR=tmp_path).stdout.strip() == "False"


def test_a_process_that_sleeps_while_it_compiles_does_not_hold_up_others(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    sleeper = f"""
import sys
from pathlib import Path
from backpass.engine.kernels import cache
with cache.in_turn(Path({str(tmp_path)!r}) / "entry.o"):
    print("locked", flush=True)
    sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", sleeper], text=True, **pipes) as process:
        assert process.stdout.readline() == "locked\n"
        before = time.monotonic()
        with cache.in_turn(tmp_path / "another.o"):
            pass
        with cache.in_turn(tmp_path / "entry.o"):
            assert time.monotonic() - before >= 0.1
            assert process.poll() is None
        process.stdin.close()


def test_an_edit_of_our_sources_makes_every_entry_stale(monkeypatch):
    made = compiler.ALL[0]
    before = cache.cache_file(made.function, made.name, np.dtype(np.float32))
    monkeypatch.setattr(cache, "stamp", lambda: b"other sources")
    assert cache.cache_file(made.function, made.name, np.dtype(np.float32)) != before


def test_any_depth_and_order_of_parts_that_are_compiled_compiles_nothing():
    script = (
        TRAIN
        + """
digest_of_a_fit()
layers = []
for _ in range(12):
    layers += [bp.Dense(5, 5), bp.Tanh(), bp.Dense(5, 5), bp.ReLU()]
network = bp.Network([bp.Dense(2, 5), *layers, bp.Dense(5, 4), bp.Softmax()], bp.CategoricalCrossentropy())
network.fit(np.ones((10, 2)), np.arange(10) % 4, optimizer="adam", epochs=3)
print("numba" in sys.modules)
"""
    )
    printed(script)  # whatever was not compiled before is now
    assert printed(script) == "False"


def scaled_by(factor):
    @kernel
    def scale_kernel(inputs, output):
        for n in range(inputs.shape[0]):
            for m in range(inputs.shape[1]):
                output[n, m] = inputs[n, m] * factor

    return scale_kernel


def test_kernels_of_one_name_that_see_different_numbers_are_different():
    output = np.zeros((1, 1))
    for factor in (2.0, 5.0):
        scaled_by(factor)(np.ones((1, 1)), output)
        assert output[0, 0] == factor


def test_a_kernel_that_makes_an_array_is_refused_in_one_line():
    @kernel
    def wasteful_kernel(inputs, output):
        copy = inputs.copy()
        output[0, 0] = copy[0, 0]

    with pytest.raises(TypeError, match=r"wasteful_kernel does not compile: it makes an array") as caught:
        wasteful_kernel(np.ones((1, 1)), np.ones((1, 1)))
    assert "\n" not in str(caught.value)


def test_a_kernel_refuses_arrays_that_are_not_contiguous():
    with pytest.raises(ValueError, match="contiguous"):
        scaled_by(2.0)(np.ones((4, 4))[:, ::2], np.ones((4, 2)))
