"""What an environment draws: a scene of plain shapes in world coordinates, which every renderer understands.

An environment that can be drawn has a method

    picture(state, params) -> Scene               or
    picture(state, params, actions) -> Scene

of one state, with NumPy leaves. `actions` is the joint action taken in that state, [N]; None in the last state of an
episode.
"""

import dataclasses
from typing import TypeAlias

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


@dataclasses.dataclass(frozen=True)
class Scene:
    """Shapes on a white sheet, drawn in order: later ones cover earlier ones. All scenes of an episode have one size.

    Attributes:
        width: of the sheet, whose lower left corner is (0, 0); x grows to the right.
        height: of the sheet; y grows upwards.
        shapes: what is on it. Shapes that stay the same all episode long come first: a replay stores them once.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]


@dataclasses.dataclass(frozen=True)
class Frame:
    """What is seen at one moment, and the line below it."""

    scene: Scene
    caption: str


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
