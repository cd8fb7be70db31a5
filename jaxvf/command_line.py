"""How a sweep is begun: by which command line, or from Python. It is kept in run.json."""

import contextlib
import contextvars
import shlex
from collections.abc import Iterator, Sequence

FROM_PYTHON = "from Python"

_present: contextvars.ContextVar[str] = contextvars.ContextVar("command_line", default=FROM_PYTHON)


@contextlib.contextmanager
def of(program: str, arguments: Sequence[str]) -> Iterator[None]:
    """What is begun inside is begun by this command line."""
    token = _present.set(shlex.join([program, *arguments]))
    try:
        yield
    finally:
        _present.reset(token)


def present() -> str:
    """The command line that is being executed, as a shell reads it, or "from Python"."""
    return _present.get()
