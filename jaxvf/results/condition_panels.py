"""Which conditions of a sweep share a panel: learners beside each other, a panel for each setting."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxvf.results import answers
from jaxvf.results.figure_style import INK, SMALL, WIDTH, blank
from jaxvf.results.selection import grouped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Condition = Mapping[str, Any]


class Panel(NamedTuple):
    """One panel: its title, empty where it is the only one, and its lines by label, as places among conditions."""

    title: str
    lines: dict[str, int]


def panels_of(conditions: Sequence[Condition], *, environments_apart: bool = False) -> list[Panel]:
    """Conditions shared out among panels, so that bands of different settings do not lie on each other.

    A panel holds the learners that share all settings; of a single learner, the settings that share the environment;
    where that would leave a panel for every line, all conditions.

    Args:
        conditions: of the sweep.
        environments_apart: a panel for each environment at least: their values are not on one axis.
    """
    found = [_split(conditions, lambda name: name != "algorithm"), _split(conditions, lambda name: name == "env")]
    for panels in found:
        if 1 < len(panels) < len(conditions):
            return panels
    if environments_apart and len(found[1]) > 1:
        return found[1]
    return [Panel("", dict(zip(answers.labels(conditions), range(len(conditions)), strict=True)))]


def grid(count: int, height: float) -> tuple["Figure", list["Axes"]]:
    """A figure with so many panels, two or three in a row; a single one is `height` inches high."""
    across = 1 if count == 1 else 2 if count in (2, 4) else 3
    down = math.ceil(count / across)
    figure = blank(WIDTH, height if count == 1 else 0.9 + (2.5 if across == 2 else 2.0) * down)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, list(axes[:count])


def entitle(axes: "Axes", title: str) -> None:
    """Write the title of one of several panels."""
    if title:
        axes.set_title(title, loc="left", fontsize=SMALL, color=INK)


def _split(conditions: Sequence[Condition], shared: Callable[[str], bool]) -> list[Panel]:
    """A panel for each part of the conditions in which they agree."""
    parts = [{name: value for name, value in one.items() if shared(name)} for one in conditions]
    rests = [{name: value for name, value in one.items() if not shared(name)} for one in conditions]
    groups, kinds = grouped(parts), grouped(rests)
    titles, names = (answers.labels([one for one, _ in found]) for found in (groups, kinds))
    label_of = {place: name for name, (_, places) in zip(names, kinds, strict=True) for place in places}
    return [
        Panel(title, {label_of[place]: place for place in places})
        for title, (_, places) in zip(titles, groups, strict=True)
    ]
