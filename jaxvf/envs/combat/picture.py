"""How a battle is drawn: the ground, units with health and shields above them, and who shoots whom."""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.envs.combat.terrain import BLOCKED, HIGH, RAMP, Ground
from jaxvf.envs.combat.units import WORLD
from jaxvf.envs.pictures import BLUE, GREEN, GREY, INK, ORANGE, SKY, Circle, Line, Rectangle, Scene, Shape, Text, bar

CLIFF, SLOPE, WALL = "#E9DFC7", "#F3EDDD", "#D9D9D9"
BAR = 0.14
LABELS = {
    "marine": "Ma",
    "marauder": "Md",
    "medivac": "+",
    "stalker": "St",
    "zealot": "Ze",
    "colossus": "Co",
    "hydralisk": "Hy",
    "zergling": "Zg",
    "baneling": "Ba",
    "spine_crawler": "Sp",
}


class Troops(NamedTuple):
    """What is drawn of the units, allies first; all of [U]."""

    x: Float[np.ndarray, "U"]
    y: Float[np.ndarray, "U"]
    radius: Float[np.ndarray, "U"]
    health: Float[np.ndarray, "U"]  # fraction of full
    shield: Float[np.ndarray, "U"] | None  # fraction of full; below 0 for who has none
    names: tuple[str, ...]
    shoots_at: Int[np.ndarray, "U"]  # another unit, or -1


def battle(ground: Ground, n_allies: int, troops: Troops) -> Scene:
    """Allies blue, enemies orange; the dead are gone."""
    shapes = _terrain(ground)
    alive = troops.health > 0
    shapes += [_shot(troops, int(unit), alive) for unit in np.flatnonzero((troops.shoots_at >= 0) & alive)]
    for unit in np.flatnonzero(alive):
        shapes += _unit(troops, int(unit), BLUE if unit < n_allies else ORANGE)
    return Scene(WORLD, WORLD, tuple(shapes))


def _terrain(ground: Ground) -> list[Shape]:
    """Each row's runs of cells of one level, as one rectangle each."""
    colours = {BLOCKED: WALL, HIGH: CLIFF, RAMP: SLOPE}
    shapes: list[Shape] = []
    for y, row in enumerate(ground.levels):
        starts = [0, *(x for x in range(1, len(row)) if row[x] != row[x - 1]), len(row)]
        shapes += [
            Rectangle(left, y, right - left, 1, colours[row[left]])
            for left, right in itertools.pairwise(starts)
            if row[left] in colours
        ]
    return shapes


def _shot(troops: Troops, unit: int, alive: Bool[np.ndarray, "U"]) -> Line:
    target = troops.shoots_at[unit]
    x, y = (float(axis[unit]) for axis in (troops.x, troops.y))
    return Line(x, y, float(troops.x[target]), float(troops.y[target]), INK if alive[target] else GREY, 0.06)


def _unit(troops: Troops, unit: int, colour: str) -> list[Shape]:
    x, y, radius = (float(column[unit]) for column in (troops.x, troops.y, troops.radius))
    shapes: list[Shape] = [
        Circle(x, y, radius, colour),
        Text(x, y, LABELS[troops.names[unit]], radius * 0.8, "#FFFFFF"),
        *bar(x - radius, y + radius + 0.05, 2 * radius, BAR, float(troops.health[unit]), GREEN),
    ]
    if troops.shield is not None and troops.shield[unit] >= 0:
        shapes += bar(x - radius, y + radius + 0.05 + BAR, 2 * radius, BAR, float(troops.shield[unit]), SKY)
    return shapes
