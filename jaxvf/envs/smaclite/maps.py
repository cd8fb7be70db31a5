"""SMAClite's twelve maps: who fights whom, on which ground, where everyone starts, and who is listed first.

Source: `smaclite/env/maps/smaclite_maps/*.json` and `map.py` of uoe-agents/smaclite (0d6abbe), and its terrains. Limits
are SMAC's.
"""

import math
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxvf.envs.combat import terrain, units
from jaxvf.envs.combat.maps import Map

GAP = 0.05  # between the edges of neighbours at the start

STRIP = terrain.rows_of((8, 23, 0, 31))
FIELD = terrain.rows_of((3, 28, 3, 28), (0, 0, 0, 31), (31, 31, 0, 31), (0, 31, 0, 0), (0, 31, 31, 31))
RAVINE = terrain.rows_of(
    (6, 6, 3, 28), (7, 7, 2, 29), (8, 8, 1, 30), (9, 11, 0, 31), (12, 12, 0, 3), (12, 12, 28, 31), (13, 16, 0, 31),
    (17, 17, 1, 30), (18, 18, 2, 29), (19, 19, 3, 28),
)  # fmt: skip
OCTAGON = terrain.rows_of(
    (5, 5, 10, 21), (6, 6, 9, 22), (7, 7, 8, 23), (8, 8, 7, 24), (9, 9, 6, 25), (10, 21, 5, 26), (22, 22, 6, 25),
    (23, 23, 7, 24), (24, 24, 8, 23), (25, 25, 9, 22), (26, 26, 10, 21),
)  # fmt: skip
CORRIDOR = terrain.rows_of(
    (1, 1, 2, 13), (2, 2, 1, 13), (3, 10, 1, 12), (11, 11, 1, 13), (12, 12, 2, 14), (13, 13, 11, 25), (14, 14, 12, 26),
    (15, 15, 13, 27), (16, 16, 13, 28), (17, 17, 12, 29), (18, 21, 11, 30), (22, 22, 12, 30), (23, 23, 13, 30),
    (24, 24, 14, 30), (25, 25, 15, 30), (26, 26, 16, 30), (27, 27, 17, 30), (28, 28, 18, 30), (29, 29, 19, 30),
    (30, 30, 20, 29),
)  # fmt: skip
PENTAGON = terrain.rows_of(
    (7, 7, 8, 19), (8, 19, 7, 20), (20, 20, 8, 19), (21, 21, 9, 18), (22, 22, 10, 17), (23, 23, 11, 16),
    (24, 24, 12, 15),
)  # fmt: skip

# Whose enemies come first in the list of units: they then learn in a tick what allies aimed at in the one before.
ENEMIES_FIRST = ("2s_vs_1sc", "bane_vs_bane", "corridor")


def _facing(
    name: str, limit: int, allies: dict[str, int], enemies: dict[str, int], ground: terrain.Ground = STRIP
) -> Map:
    """A map on which the sides start left and right."""
    groups = (tuple((kind, count, x, 16.0) for kind, count in side.items()) for side, x in ((allies, 9), (enemies, 23)))
    return Map(name, *groups, limit=limit, ground=ground)


_TERRANS = {"medivac": 1, "marine": 7, "marauder": 2}
_PROTOSS = {"stalker": 3, "zealot": 5}
_ALL = (
    _facing("2s3z", 120, {"stalker": 2, "zealot": 3}, {"stalker": 2, "zealot": 3}),
    _facing("3s5z", 150, _PROTOSS, _PROTOSS),
    _facing("3s5z_vs_3s6z", 170, _PROTOSS, {"stalker": 3, "zealot": 6}),
    _facing("3s_vs_5z", 250, {"stalker": 3}, {"zealot": 5}, FIELD),
    _facing("10m_vs_11m", 150, {"marine": 10}, {"marine": 11}),
    _facing("27m_vs_30m", 180, {"marine": 27}, {"marine": 30}),
    _facing("MMM", 150, _TERRANS, _TERRANS),
    _facing("MMM2", 180, _TERRANS, {"medivac": 1, "marine": 8, "marauder": 3}),
    Map(
        "2s_vs_1sc",
        (("stalker", 1, 11.12, 10.34), ("stalker", 1, 16.98, 10.37)),
        (("spine_crawler", 1, 13.92, 20.04),),
        300,
        PENTAGON,
        attack_point=(13.92, 20.04),
    ),
    Map(
        "bane_vs_bane",
        (("zergling", 20, 16.0, 11.0), ("baneling", 4, 16.0, 8.0)),
        (("baneling", 4, 16.0, 24.0), ("zergling", 20, 16.0, 21.0)),
        200,
        OCTAGON,
        attack_point=(16.0, 8.0),
    ),
    Map(
        "corridor",
        (("zealot", 6, 19.04, 19.12),),
        (("zergling", 24, 27.91, 28.24),),
        400,
        CORRIDOR,
        attack_point=(4.47, 4.33),
    ),
    Map(
        "2c_vs_64zg",
        (("colossus", 2, 16.0, 16.0),),
        (("zergling", 64, 16.0, 9.0),),
        400,
        RAVINE,
        attack_point=(16.0, 16.0),
    ),
)
SMACLITE_MAPS = MappingProxyType({each.name: each for each in _ALL})


def lists_enemies_first(battle: Map) -> bool:
    """Whether SMAClite lists the enemies of this map first; of a map that is not its own it lists the allies."""
    return battle.name in ENEMIES_FIRST and SMACLITE_MAPS[battle.name] == battle


def kinds_of(battle: Map) -> np.ndarray:
    """Number of each unit's kind, [U], allies first."""
    return np.array([units.ID[kind] for kind in battle.unit_kinds])


def starting_places(battle: Map, radius: Any) -> tuple[Any, Any]:
    """Coordinates x and y of every unit, [U] each: a side's groups at one point stand there as one block.

    In float32 they are SMAClite's on its maps, to the last bit.

    Args:
        battle: the map.
        radius: of each kind, an array of NumPy or of JAX, as the coordinates then are.
    """
    kinds, sides = kinds_of(battle), ((battle.allies, 1.0), (battle.enemies, -1.0))
    starts = [(sign, x, y) for groups, sign in sides for _, count, x, y in groups for _ in range(count)]
    order, across, along = [], [], []
    for start in dict.fromkeys(starts):
        members = [unit for unit, own in enumerate(starts) if own == start]
        sign, x, y = start
        (block_x, gap_x), (block_y, gap_y) = _block(radius[kinds[members]])
        order += members
        across.append(sign * block_x + (x + sign * gap_x))
        along.append(sign * block_y + (y + sign * gap_y))
    arrays, back = radius.__array_namespace__(), np.argsort(order)  # numpy or jax.numpy
    return arrays.concatenate(across)[back], arrays.concatenate(along)[back]


def _block(radius: Any) -> tuple[tuple[Any, np.ndarray], tuple[Any, np.ndarray]]:
    """Places round the origin, [units]: a square of rows, filled one after the other.

    A row is as high as its largest unit. The height counts the gaps, and those of empty rows, but the width does not.

    Args:
        radius: of each unit.

    Returns:
        Coordinates x without the gaps and what those add, then y likewise.
    """
    arrays, count = radius.__array_namespace__(), len(radius)
    side = math.ceil(math.sqrt(count))
    row, column = np.divmod(np.arange(count), side)
    table = arrays.concatenate([radius, arrays.zeros(side * side - count, radius.dtype)]).reshape(side, side)
    half = table.max(axis=1)  # of each row's height
    x = arrays.cumsum(2 * table, axis=1) - table - table.sum(axis=1).max()
    y = arrays.cumsum(2 * half) - half - half.sum()
    return (x[row, column], GAP * column), (y[row], GAP * (row - (side - 1) / 2))
