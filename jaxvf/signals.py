"""Ctrl-C and SIGTERM: answered at once, even while XLA compiles or runs.

Python's own handlers run in the main thread and only between two of its instructions, so that a signal is not noticed
before a long call into XLA returns. Here a thread waits for the byte that the interpreter writes for every signal.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from jaxvf.errors import InputError

INTERRUPTED = 130  # exit code
_END = b"\0"  # no signal has this number


class Interrupted(KeyboardInterrupt):
    """A sweep stopped between two pieces of its work because it was asked to; everything up to there is saved."""


def check_grace(grace: Any) -> None:
    """Raise InputError unless it is None or a number of seconds."""
    if grace is not None and not (isinstance(grace, int | float) and 0 < grace < float("inf")):
        raise InputError(f"grace={grace!r} is no number of seconds above 0")


class StopRequest:
    """Set by the first signal; a second one ends the process.

    Attributes:
        asked: whether to stop.
        when: says until when what happens now goes on, e.g. "after this segment (about 40 s)".
        say: shows the user a line.
        grace: seconds from a SIGTERM to the end of the process, whatever it does then; None for as long as it takes.
    """

    def __init__(self, say: Callable[[str], None] | None = None, grace: float | None = None) -> None:
        self.asked = False
        self.when: Callable[[], str] = lambda: "as soon as possible"
        self.say = say or _say
        self.grace = grace


_received: list[int] = []  # signals since the outermost block began: blocks within blocks count together
_blocks: list[StopRequest] = []


@contextlib.contextmanager
def stop_on_signal(say: Callable[[str], None] | None = None, grace: float | None = None) -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM inside the block into a request that the block may poll.

    Args:
        say: shows the user a line; by default on standard error.
        grace: see `StopRequest`.
    """
    request = StopRequest(say, grace)

    def ask(number: int, frame: FrameType | None) -> None:
        request.asked = True

    with _answered(request, ask):
        yield request


@contextlib.contextmanager
def interrupt_on_signal() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block at the first SIGINT or SIGTERM, and say so at once; a second one ends it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _answered(StopRequest(), interrupt):
        yield


def stop_asked() -> bool:
    """Whether a signal has come to the blocks that this process is in, so that another one would end it."""
    return bool(_received) or any(request.asked for request in _blocks)


@contextlib.contextmanager
def _answered(request: StopRequest, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Both signals go to `handler`, in the main thread when it gets there, and to a thread that answers at once."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    if not _blocks:
        _received.clear()
    request.asked = bool(_received)  # in a block around this one, where something swallowed the interruption
    read, write = os.pipe()
    os.set_blocking(write, False)
    watcher = threading.Thread(target=_watch, args=(read, request), name="signals", daemon=True)
    watcher.start()
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        _blocks.append(request)
        for number in numbers:
            signal.signal(number, handler)
        yield
    finally:
        _blocks.remove(request)
        for number, before in previous.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(woken)
        os.write(write, _END)
        watcher.join()
        os.close(read)
        os.close(write)


def _watch(read: int, request: StopRequest) -> None:
    """Answer signals until the block ends."""
    deadline = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([read], [], [], left)[0]:
            _leave(request, f"the grace of {request.grace:g} s is over")
        byte = os.read(read, 1)
        if byte == _END:
            return
        if byte[0] not in (signal.SIGINT, signal.SIGTERM):  # another handler's
            continue
        _received.append(byte[0])
        if len(_received) > 1:
            _leave(request, "stopped at once")
        request.asked = True
        if byte[0] == signal.SIGTERM and request.grace is not None:
            deadline = time.monotonic() + request.grace
        with contextlib.suppress(Exception):  # nobody reads it any more: the next signal must still be heard
            request.say(f"jaxvf: stopping {request.when()}; again to stop at once")


def _leave(request: StopRequest, why: str) -> None:
    """End the process here and now. Files are written whole or not at all, and the kernel lets locks go."""
    with contextlib.suppress(Exception):
        request.say(f"jaxvf: {why}; what was saved before is intact")
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # the cursor, which a progress bar hides
        sys.stderr.flush()
    os._exit(INTERRUPTED)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
