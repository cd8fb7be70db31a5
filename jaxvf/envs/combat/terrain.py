"""Ground: which cells can be walked on, and what a step across a cliff does."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvf.envs.combat.units import WORLD
from jaxvf.errors import InputError

SIDE = int(WORLD)
LEVELS = BLOCKED, LOW, HIGH, RAMP = 0, 1, 2, 3
Places = Float[Array | np.ndarray, "*b"]
EDGE = 1e-3  # how far inside the last walkable cell a unit is stopped
# Cells that SMAC can tell its agents about: north, south, east, west, north-east, south-west, south-east, north-west of
# a unit's own, which comes last.
AROUND = np.array([(0, 4), (0, -4), (4, 0), (-4, 0), (2, 2), (-2, -2), (2, -2), (-2, 2), (0, 0)], np.float32)
# Heights of blocked, low and high cells and ramps in SMAC's map archives, in cells; StarCraft tells them as bytes from
# -16 to 16, which SMAC divides by 255.
HEIGHTS = (np.array([1.0, 8.0, 10.0, 9.0], np.float32) + 16) / 32


@dataclasses.dataclass(frozen=True)
class Ground:
    """The level of each of 32 x 32 cells, rows of y upwards, as a hashable table.

    Attributes:
        levels: `levels[row][column]`: BLOCKED, LOW, HIGH or RAMP. Walkers change level by a ramp alone.
    """

    levels: Sequence[Sequence[int]]

    def __post_init__(self):
        try:
            levels = tuple(tuple(int(cell) for cell in row) for row in self.levels)
        except (TypeError, ValueError):
            levels = ()
        if len(levels) != SIDE or any(len(row) != SIDE or not set(row) <= set(LEVELS) for row in levels):
            raise InputError(f"levels of a ground must be {SIDE} rows of {SIDE} cells, each from 0 to {RAMP}")
        object.__setattr__(self, "levels", levels)

    @property
    def table(self) -> np.ndarray:
        """[32, 32] of levels."""
        return np.array(self.levels, np.int8)

    @property
    def rectangle(self) -> tuple[int, int, int, int] | None:
        """(first column, last column + 1, first row, last row + 1) where the walkable cells are one flat rectangle."""
        table = self.table
        rows, columns = np.flatnonzero((table > 0).any(axis=1)), np.flatnonzero((table > 0).any(axis=0))
        box = (int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1)
        inside = table[box[2] : box[3], box[0] : box[1]]
        return box if (inside == LOW).all() else None


def rows_of(*spans: tuple[int, int, int, int], high: tuple = (), ramps: tuple = ()) -> Ground:
    """Ground from spans (first row, last row, first column, last column), all inclusive; later ones on top."""
    table = np.full((SIDE, SIDE), BLOCKED, int)
    for level, group in ((LOW, spans), (HIGH, high), (RAMP, ramps)):
        for bottom, top, left, right in group:
            table[bottom : top + 1, left : right + 1] = level
    return Ground(tuple(map(tuple, table.tolist())))


EVERYWHERE = rows_of((0, 31, 0, 31))


def level_at(ground: Ground, x: Places, y: Places) -> Array:
    """Level of the cell that holds a point; BLOCKED outside of the map."""
    column, row = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    inside = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
    flat = jnp.asarray(ground.table.reshape(-1))
    cell = jnp.clip(row, 0, SIDE - 1) * SIDE + jnp.clip(column, 0, SIDE - 1)
    return jnp.where(inside, flat.at[cell].get(mode="promise_in_bounds"), BLOCKED)


def is_walkable(ground: Ground, x: Places, y: Places) -> Bool[Array | np.ndarray, "*b"]:
    """Whether a unit may be told to go there, as the move mask sees it: cliffs do not count."""
    if (box := ground.rectangle) is not None:
        return (x >= box[0]) & (x < box[1]) & (y >= box[2]) & (y < box[3])
    return level_at(ground, x, y) != BLOCKED


def open_around(ground: Ground, x: Places, y: Places) -> Float[Array, "*b 8"]:
    """SMAC's pathing grid: 1 where a cell near a point can be walked on, or is off the map."""
    column, row = _around(x, y, AROUND[:-1])
    return jnp.where(_is_off(column, row), 1.0, is_walkable(ground, column, row) * 1.0)


def heights_around(ground: Ground, x: Places, y: Places) -> Float[Array, "*b 9"]:
    """SMAC's terrain height: of the cells near a point and its own, 1 off the map."""
    column, row = _around(x, y, AROUND)
    return jnp.where(_is_off(column, row), 1.0, jnp.asarray(HEIGHTS)[level_at(ground, column, row)])


def _around(x: Places, y: Places, cells: np.ndarray) -> tuple[Array, Array]:
    return jnp.floor(x)[..., None] + cells[:, 0], jnp.floor(y)[..., None] + cells[:, 1]


def _is_off(x: Array, y: Array) -> Array:
    return (x < 0) | (x >= SIDE) | (y < 0) | (y >= SIDE)


def all_walkable(ground: Ground, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether every point is on the map and on ground that is not blocked; in NumPy, for points known beforehand."""
    if not (min(x.min(), y.min()) >= 0 and max(x.max(), y.max()) < WORLD):  # so that NaN is off the map
        return False
    return bool((ground.table[y.astype(int), x.astype(int)] != BLOCKED).all())


class Walker(NamedTuple):
    """What the ground means to each unit."""

    flies: Bool[Array, "U b"]
    climbs: Bool[Array, "U b"]  # steps over cliffs


def moved(ground: Ground, walker: Walker, start: tuple[Array, Array], goal: tuple[Array, Array]) -> tuple[Array, Array]:
    """Where units get on the way from `start` to `goal`: they slide along what blocks them, axis by axis.

    On one flat rectangle that is a clamp. Flyers are only kept inside the map.
    """
    if (box := ground.rectangle) is not None:
        low_x, high_x, low_y, high_y = box
        sides = zip(goal, (low_x, low_y), (high_x, high_y), strict=True)
        x, y = (
            jnp.clip(axis, jnp.where(walker.flies, 0.0, low), jnp.where(walker.flies, WORLD, high) - EDGE)
            for axis, low, high in sides
        )
        return x, y
    inside = (jnp.clip(goal[0], 0.0, WORLD - EDGE), jnp.clip(goal[1], 0.0, WORLD - EDGE))
    here = level_at(ground, *start)

    def passable(there: Array) -> Array:
        # Who stands on blocked ground, pushed there by a user's numbers, may leave it.
        level = (there == here) | (there == RAMP) | (here == RAMP) | (here == BLOCKED) | walker.climbs
        return walker.flies | ((there != BLOCKED) & level)

    x = jnp.where(passable(level_at(ground, inside[0], start[1])), inside[0], start[0])
    here = level_at(ground, x, start[1])
    return x, jnp.where(passable(level_at(ground, x, inside[1])), inside[1], start[1])
