"""What a launcher knows of the workers it started."""

from collections.abc import Callable, Sequence
from typing import Protocol

from jaxvf.errors import InputError
from jaxvf.sweeps.launch.worker import Worker


class Crew(Protocol):
    """Workers that were started.

    Attributes:
        log: where what they say is found.
    """

    log: str

    @property
    def outlives(self) -> str | None:
        """How to end them, where they go on without the process that started them; None where they do not."""
        ...

    def alive(self) -> int:
        """How many are at work, or wait for their turn."""
        ...

    def stop(self) -> None:
        """Ask them to save and stop."""
        ...

    def last_words(self) -> str:
        """The last line that a worker said; empty where it said none."""
        ...

    def close(self) -> None:
        """Wait for workers that find nothing to do any more, and let go of them."""
        ...


Start = Callable[[Sequence[Worker]], Crew]


def missing(package: str, how: str, extra: str) -> InputError:
    """The one line for a package that only launchers need."""
    return InputError(f"--launch {how} needs {package}: pip install 'jaxvf[{extra}]'")
