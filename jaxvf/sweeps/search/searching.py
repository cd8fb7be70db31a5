"""What a search is: a sweep, and the method by which its runs are chosen."""

import dataclasses
from typing import Any, NamedTuple

from jaxvf.errors import unknown
from jaxvf.serialize import to_json
from jaxvf.sweeps.progress import PROGRESS


class Options(NamedTuple):
    """How to run a search, without what it computes; each as in `Sweep.run`."""

    chunk: int | None = None
    yes: bool = False
    progress: str = "auto"
    cache: bool = True
    grace: float | None = None

    def check(self) -> None:
        """Raise unless they are valid."""
        if self.progress not in PROGRESS:
            raise unknown("progress", self.progress, PROGRESS)


@dataclasses.dataclass(frozen=True)
class Search:
    """A search as `run.json` describes it.

    Attributes:
        sweep: the `Sweep` that it searches.
        method: `Halving`, `Population`, `Optuna` or `Rounds`.
    """

    sweep: Any
    method: Any

    def config(self) -> Any:
        """The description, as plain JSON."""
        return to_json(self)
