"""How much of an experiment is run: `--scale small`, `medium` or `paper`."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from jaxvf.errors import InputError, unknown

SMALL = "small"  # the default: minutes on two CPU cores
OWN = "own setting"  # what runs are called that are not those of a scale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """One scale of an experiment; each experiment adds what it varies: games, learners, sizes.

    Attributes:
        minutes: what it takes on two idle CPU cores, compilation included.
        seeds: runs of every cell.
        env_steps: budget of a run, or budgets by the name of a cell; 0 where nothing is trained.
        name: "small", "medium" or "paper"; `choose` fills it in.
        changed: whether anything was given in place of the scale's own; `choose` fills it in.
    """

    minutes: float
    seeds: int
    env_steps: int | Mapping[str, int] = 0
    name: str = ""
    changed: bool = False

    @property
    def label(self) -> str:
        """What summaries and captions call it: a scale is named only for runs that are all its own."""
        return OWN if self.changed else self.name

    def steps_of(self, cell: str = "") -> int:
        """The budget of a run in a cell.

        Raises:
            InputError: for one that the scale does not run, and so has no budget of.
        """
        if not isinstance(self.env_steps, Mapping):
            return self.env_steps
        if cell not in self.env_steps:
            raise InputError(f"scale {self.name} has no env_steps for {cell!r}; give them, or choose another scale")
        return self.env_steps[cell]


S = TypeVar("S", bound=Scale)


def choose(scales: Mapping[str, S], name: str, **given: Any) -> S:
    """The scale of this name with what is `given` in place of its own; None leaves a field as it is.

    Its minutes grow with seeds, steps, and how many values there are of what it varies.

    Raises:
        InputError: for a scale that the experiment does not have, or steps where it trains nothing.
    """
    if name not in scales:
        raise unknown("scale", name, scales)
    own = scales[name]
    changes = {field: value for field, value in given.items() if value is not None}
    changed = any(value != getattr(own, field) for field, value in changes.items())
    factor = changes.get("seeds", own.seeds) / own.seeds
    for field, value in changes.items():
        usual = getattr(own, field)
        if isinstance(usual, tuple) and usual and isinstance(value, tuple):
            factor *= len(value) / len(usual)
    if "env_steps" in changes:
        if not own.env_steps:
            raise InputError("this experiment has no env_steps to set")
        longest = max(own.env_steps.values()) if isinstance(own.env_steps, Mapping) else own.env_steps
        factor *= changes["env_steps"] / longest
    return dataclasses.replace(own, **changes, name=name, changed=changed, minutes=own.minutes * factor)
