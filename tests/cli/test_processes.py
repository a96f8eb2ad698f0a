"""The command as a process of its own: Ctrl-C, exit codes, a terminal, a core install."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from backpass import Network
from tests.cli.runs import record_of

COMMAND = (sys.executable, "-c", "from backpass.cli import main; main()")


def started(folder, *arguments):
    """A training that has begun."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*COMMAND, "train", *arguments, "--out", "run"], cwd=folder, text=True, **pipes)
    give_up = time.monotonic() + 60
    while not list(folder.glob(".*unfinished*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.02)
    time.sleep(1)
    return process


def test_ctrl_c_keeps_what_was_learnt(tmp_path):
    process = started(tmp_path, "digits", "--epochs", "10000000")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 0, err
    figures = record_of(tmp_path / "run")["figures"]
    assert f"Ctrl-C: stopped after epoch {figures['epochs']} of 10000000; what was learnt is kept" in out
    assert figures["epochs"] >= 1
    assert (tmp_path / "run/history.csv").read_text().count("\n") == figures["epochs"] + 1
    assert Network.load(tmp_path / "run/model.safetensors").widths[-1] == 10
    assert "\x1b" not in out + err
    assert "\r" not in out + err


def test_ctrl_c_within_the_first_epoch_keeps_what_was_learnt(tmp_path):
    process = started(tmp_path, "digits", "--hidden", "3000,3000", "--batch-size", "1")  # an epoch takes many seconds
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "Ctrl-C: stopped within epoch 1 of" in out
    assert (tmp_path / "run/history.csv").read_text() == "epoch,loss\n"
    figures = record_of(tmp_path / "run")["figures"]
    assert figures["epochs"] == figures["kept_epoch"] == 0
    assert Network.load(tmp_path / "run/model.safetensors").layers[0].biases.any(), "they were 0 at first"
    for command in (["show", "run"], ["evaluate", "run", "digits"]):
        shown = subprocess.run([*COMMAND, *command], cwd=tmp_path, capture_output=True, text=True)
        assert shown.returncode == 0, shown.stderr


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    process = started(tmp_path, "digits", "--hidden", "4000,4000", "--batch-size", "1000")  # a step takes seconds
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None, "the step goes on"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 1
    assert err.endswith("backpass: interrupted; nothing is kept\n")
    assert out.count("\n") == 1, "what was inferred"
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_shows_a_progress_bar(tmp_path):
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "train", "digits", "--epochs", "50", "--out", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(mine, 65536)
        except OSError:  # the other end is closed
            break
    os.close(mine)
    assert process.wait() == 0
    assert b"epoch 50/50" in shown
    assert b"100 %" in shown


WITHOUT = """
import sys
class Without:
    def find_spec(self, name, *others):
        if name == {missing!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Without())
from backpass.cli import main
main()
"""


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing):
    code = WITHOUT.format(missing=missing)
    result = subprocess.run([sys.executable, "-c", code, "show", "run"], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == f'backpass: the command line needs {missing}: pip install "backpass[cli]"\n'


def test_predicting_loads_pandas_and_no_other_heavy_library(command, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{'uvw'[i % 3]},{i / 7}\n" for i in range(40)))
    command("train", "t.csv", "--target", "y", "--epochs", "2", "--out", "run")
    code = (
        "import sys; sys.argv = ['backpass', 'predict', 'run', 't.csv', '-o', 'p.csv']\nimport backpass.cli\n"
        "try: backpass.cli.main()\nexcept SystemExit: pass\n"
        "print({'sklearn', 'skrub', 'skops', 'scipy.stats', 'matplotlib'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.endswith("set()\n"), result.stdout + result.stderr


def test_a_reader_that_leaves_early_is_no_error(command, tmp_path):
    command("train", "spiral", "--epochs", "2", "--out", "run")
    process = subprocess.Popen(
        [*COMMAND, "predict", "run", "spiral"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()
