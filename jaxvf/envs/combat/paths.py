"""Ways round obstacles: where to head first, from any cell to any other.

StarCraft plans paths. On ground that is not one open field a straight walk would end at the first cliff, so the next
corner of a shortest path between cell centres is looked up, from a table made once per ground.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvf.envs.combat.terrain import BLOCKED, RAMP, SIDE, Ground

SAMPLES = 4  # points looked at per cell of a straight line
FAR = np.float32(1e6)


def headed(
    ground: Ground,
    x: Float[Array, "U B"],
    y: Float[Array, "U B"],
    goal_x: Float[Array, "U B"],
    goal_y: Float[Array, "U B"],
    straight: Bool[Array, "U b"],
) -> tuple[Array, Array]:
    """The point to walk to on the way to a goal: the goal where nothing is between, else the next corner.

    Args:
        ground: the terrain.
        x: where units are.
        y: where units are.
        goal_x: where they want to be.
        goal_y: where they want to be.
        straight: who ignores obstacles.
    """
    if ground.rectangle is not None:
        return goal_x, goal_y
    cells, number, corner = _table(ground)
    if (corner == np.arange(len(cells))).all():  # everything sees everything
        return goal_x, goal_y
    here, there = (jnp.asarray(number)[_cell(*point)] for point in ((x, y), (goal_x, goal_y)))
    known = (here >= 0) & (there >= 0)
    via = jnp.asarray(corner)[jnp.maximum(here, 0), jnp.maximum(there, 0)]
    direct = straight | ~known | (via == there)
    centre = jnp.asarray(cells, jnp.float32)[via] + 0.5
    return jnp.where(direct, goal_x, centre[..., 1]), jnp.where(direct, goal_y, centre[..., 0])


def _cell(x: Array, y: Array) -> Array:
    column, row = (jnp.clip(jnp.floor(axis).astype(jnp.int32), 0, SIDE - 1) for axis in (x, y))
    return row * SIDE + column


@functools.lru_cache
def _table(ground: Ground) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Walkable cells (row, column); the number of each of all cells, or -1; the next corner from each to each."""
    levels = ground.table
    cells = np.argwhere(levels != BLOCKED)
    number = np.full(SIDE * SIDE, -1, np.int32)
    number[cells[:, 0] * SIDE + cells[:, 1]] = np.arange(len(cells))
    length = np.hypot(*(cells[:, None] - cells[None]).transpose(2, 0, 1)).astype(np.float32)
    length = np.where(_sees(levels, cells), length, FAR)
    corner = np.broadcast_to(np.arange(len(cells), dtype=np.int16), length.shape).copy()
    for k in range(len(cells)):  # Floyd and Warshall's shortest paths
        through = length[:, k, None] + length[None, k]
        better = through < length - 1e-4
        length = np.where(better, through, length)
        corner = np.where(better, corner[:, k, None], corner)
    return cells, number, corner


def _sees(levels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Whether a walker gets straight from the centre of each cell to that of each other."""
    clear = np.ones((len(cells), len(cells)), bool)
    before = np.broadcast_to(levels[cells[:, 0], cells[:, 1]][:, None], clear.shape)
    for share in np.linspace(0, 1, SAMPLES * SIDE)[1:]:
        point = np.floor(cells[:, None] * (1 - share) + cells[None] * share + 0.5).astype(int)
        level = levels[point[..., 0], point[..., 1]]
        step = (level == before) | (level == RAMP) | (before == RAMP)
        clear &= step & (level != BLOCKED)
        before = level
    return clear & clear.T
