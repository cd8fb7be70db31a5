"""Signals are answered at once, in whatever phase; a second one ends the process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jaxvf
from jaxvf import signals

# Busy where Python's own handlers do not run: the main thread is inside one long call, which lets go of the interpreter
# as XLA does.
BUSY = """
import hashlib
from jaxvf.signals import stop_on_signal
with stop_on_signal(grace={grace}) as stop:
    stop.when = lambda: "after this segment (about 40 s)"
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""


def busy(grace: float | None = None) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(jaxvf.__file__).parents[1])}
    script = BUSY.format(grace=grace)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: subprocess.Popen) -> str:
    """What a process that is about to end still says; one that does not end is killed, and the test fails."""
    try:
        return process.communicate(timeout=20)[1]
    finally:
        process.kill()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_answered_and_the_second_ends_the_process(first):
    with busy() as process:
        assert process.stderr is not None
        begun = time.monotonic()
        process.send_signal(first)
        assert process.stderr.readline() == "jaxvf: stopping after this segment (about 40 s); again to stop at once\n"
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert "what was saved before is intact" in ended(process)
        assert process.returncode == signals.INTERRUPTED
        assert time.monotonic() - begun < 2  # nothing like the minutes of the call


def test_a_grace_ends_the_process_after_sigterm_but_not_after_ctrl_c():
    with busy(grace=0.5) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == signals.INTERRUPTED
        assert process.stderr is not None and "the grace of 0.5 s is over" in process.stderr.read()
    with busy(grace=0.1) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.kill()


def test_handlers_are_put_back_and_requests_are_not_inherited():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    said: list[str] = []
    with signals.stop_on_signal(said.append) as stop:
        assert not stop.asked
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    with signals.stop_on_signal(said.append) as stop:
        assert not stop.asked
    assert said == ["jaxvf: stopping as soon as possible; again to stop at once"]


def test_an_interruption_that_something_swallowed_reaches_the_block_within():
    with signals.interrupt_on_signal():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        deadline = time.monotonic() + 5
        while not signals._received and time.monotonic() < deadline:
            time.sleep(0.01)
        with signals.stop_on_signal() as stop:
            assert stop.asked
