"""What an environment draws: a scene of plain shapes in world coordinates, which every renderer understands.

An environment that can be drawn has a method

    picture(state, params) -> Scene               or
    picture(state, params, actions) -> Scene

of one state, with NumPy leaves. `actions` is the joint action taken in that state, [N]; None in the last state of an
episode. It may also say how its agents and actions are called, in the first state of an episode:

    names(state) -> Names

"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

# Okabe & Ito 2008, safe for colour blindness.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
INK, GREY, PALE, WHITE = "#222222", "#9A9A9A", "#E4E4E4", "#FFFFFF"


@dataclasses.dataclass(frozen=True)
class Circle:
    """A disc around (x, y); `edge` is the colour of its outline, inside."""

    x: float
    y: float
    radius: float
    colour: str = BLUE
    edge: str | None = None
    edge_width: float = 0.06


@dataclasses.dataclass(frozen=True)
class Rectangle:
    """A box whose lower left corner is (x, y); without `colour` only its outline shows."""

    x: float
    y: float
    width: float
    height: float
    colour: str | None = GREY
    edge: str | None = None
    edge_width: float = 0.06


@dataclasses.dataclass(frozen=True)
class Line:
    """A straight line between two points, `width` wide."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str = INK
    width: float = 0.05


@dataclasses.dataclass(frozen=True)
class Text:
    """A line of text centred on (x, y), `size` high."""

    x: float
    y: float
    text: str
    size: float = 0.4
    colour: str = INK


Shape: TypeAlias = Circle | Rectangle | Line | Text
MARKS = ("disc", "bar", "line", "cross", "frame", "text")  # what a key of a legend is drawn as


class Key(NamedTuple):
    """An entry of a legend."""

    mark: str  # one of MARKS
    colour: str
    text: str


class Box(NamedTuple):
    """A part of the sheet."""

    left: float
    low: float
    right: float
    high: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """Shapes on a white sheet, drawn in order: later ones cover earlier ones. All scenes of an episode have one size.

    Attributes:
        width: of the sheet; x grows to the right.
        height: of the sheet; y grows upwards.
        shapes: what is on it. Shapes that stay the same all episode long come first: a replay stores them once.
        x: left side of the sheet.
        y: lower side of the sheet.
        action: the part of the sheet where something happens, to which `cropped` fits the view; None for all of it.
        legend: what marks and colours mean.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    x: float = 0.0
    y: float = 0.0
    action: Box | None = None
    legend: tuple[Key, ...] = ()


class Names(NamedTuple):
    """How the agents and their actions are called."""

    agents: tuple[str, ...]  # [N]
    actions: tuple[tuple[str, ...], ...]  # [N][A]

    @staticmethod
    def alike(n_agents: int, actions: Sequence[str]) -> "Names":
        """Of agents that are numbered and have the same actions."""
        return Names(tuple(map(str, range(n_agents))), (tuple(actions),) * n_agents)


class Choice(NamedTuple):
    """What the agents chose in a state, and how they valued what was available."""

    chosen: tuple[int, ...]  # [N]
    values: tuple[tuple[float | None, ...], ...]  # [N][A], None where unavailable; empty where nobody knows


@dataclasses.dataclass(frozen=True)
class Frame:
    """What is seen at one moment, the line below it, and what stands beside it.

    Attributes:
        scene: the picture.
        caption: the line below.
        choice: what the agents chose; None where they do not choose among numbered actions.
        names: of the agents and actions of `choice`.
        measure: what the values of `choice` are.
    """

    scene: Scene
    caption: str
    choice: Choice | None = None
    names: Names | None = None
    measure: str = ""


MARGIN = 1.5  # world units around the action
LEAST_SIDE = 8.0  # of what is seen
MOST_OBLONG = 2.2  # a longer view gets higher, a higher one broader


def cropped(scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes of an episode with the view fitted to where its action is, the same in all of them.

    What the legend says of colours that only boxes outside the view have is left out.
    """
    sheet, boxes = scenes[0], [scene.action for scene in scenes if scene.action is not None]
    if len(boxes) < len(scenes):
        return list(scenes)
    left, low = min(box.left for box in boxes), min(box.low for box in boxes)
    right, high = max(box.right for box in boxes), max(box.high for box in boxes)
    width, height = right - left + 2 * MARGIN, high - low + 2 * MARGIN
    width, height = max(width, LEAST_SIDE, height / MOST_OBLONG), max(height, LEAST_SIDE, width / MOST_OBLONG)
    x, width = _within((left + right) / 2, width, sheet.x, sheet.width)
    y, height = _within((low + high) / 2, height, sheet.y, sheet.height)
    view = Box(x, y, x + width, y + height)
    drawn = {colour for scene in scenes for colour in box_colours(scene, view)}
    hidden = {colour for scene in scenes for colour in box_colours(scene, None)} - drawn
    legend = tuple(key for key in sheet.legend if key.mark != "bar" or key.colour not in hidden)
    return [dataclasses.replace(scene, x=x, y=y, width=width, height=height, legend=legend) for scene in scenes]


def box_colours(scene: Scene, view: Box | None) -> set[str | None]:
    """Colours of the boxes of a scene, of those alone that reach into the view if there is one."""
    return {
        shape.colour
        for shape in scene.shapes
        if isinstance(shape, Rectangle)
        and (view is None or (view.left < shape.x + shape.width and shape.x < view.right))
        and (view is None or (view.low < shape.y + shape.height and shape.y < view.high))
    }


def _within(middle: float, length: float, start: float, whole: float) -> tuple[float, float]:
    """Start and length of a stretch around a middle, moved and cut so that it lies on the sheet."""
    length = min(length, whole)
    return min(max(middle - length / 2, start), start + whole - length), length


def cross(x: float, y: float, half: float, colour: str, width: float = 0.08) -> list[Shape]:
    """Two crossing lines around (x, y)."""
    return [
        Line(x - half, y - half, x + half, y + half, colour, width),
        Line(x - half, y + half, x + half, y - half, colour, width),
    ]


def grid(columns: int, rows: int, *, x: float = 0.0, y: float = 0.0) -> list[Shape]:
    """The lines of a grid of unit cells with its lower left corner at (x, y)."""
    upright = [Line(x + i, y, x + i, y + rows, PALE, 0.03) for i in range(columns + 1)]
    level = [Line(x, y + j, x + columns, y + j, PALE, 0.03) for j in range(rows + 1)]
    return [*upright, *level]


def bar(x: float, y: float, width: float, height: float, fraction: float, colour: str = GREEN) -> list[Shape]:
    """A gauge with its lower left corner at (x, y), filled from the left: health, a shield, a cooldown."""
    filled = width * min(max(float(fraction), 0.0), 1.0)
    whole: list[Shape] = [Rectangle(x, y, width, height, PALE)]
    return [*whole, Rectangle(x, y, filled, height, colour)] if filled else whole


def numbered(index: int, x: float, y: float) -> list[Shape]:
    """An agent as a disc of a unit cell, with its number."""
    return [Circle(x, y, 0.34, BLUE), Text(x, y, f"{index}", 0.38, WHITE)]
