"""The maps: who fights whom, where, and for how long: all 23 of SMAC, and the 15 settings of SMACv2.

Sources. Limits and numbers of units: `smac_maps.py` of oxwhirl/smac (d6aab33) and of oxwhirl/smacv2 (577ab5a), whose
`sc2_gen_*.yaml` give kinds and weights. Kinds, starting points and the point that enemies walk to:
`MapScript.galaxy` and `Objects` in each map's archive, `SMAC_Maps/NAME.SC2Map` there. Cells: `grounds`.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jaxvf.envs.combat import grounds, units
from jaxvf.envs.combat.terrain import SIDE, Ground
from jaxvf.errors import InputError, unknown

# (kind, number, x, y) each, with the point round which they start; JSON gives lists, which become tuples
Groups = Sequence[Sequence[Any]]

POINT, CLOSEST, HOLD = "point", "closest", "hold"  # where enemies without a target go


@dataclasses.dataclass(frozen=True)
class Map:
    """A battle. Units are numbered as listed, and so are agents.

    Attributes:
        name: as registered.
        allies: groups of the learning side, each (kind, number, x, y of the point round which they start).
        enemies: groups of the scripted side.
        limit: steps until the battle is cut.
        ground: walkable cells.
        order: what enemies without a target do: walk to `attack_point`, to the closest ally, or hold.
        attack_point: (x, y).
        race: name of a SMACv2 race where types and positions are drawn; then groups give numbers only.
    """

    name: str
    allies: Groups
    enemies: Groups
    limit: int
    ground: Ground
    order: str = POINT
    attack_point: Sequence[float] = (9.0, 16.0)
    race: str = ""

    def __post_init__(self):
        if self.order not in (POINT, CLOSEST, HOLD):
            raise unknown("order", self.order, (POINT, CLOSEST, HOLD))
        if self.race and self.race not in RACES:
            raise unknown("race", self.race, RACES)
        if not isinstance(self.ground, Ground):
            raise InputError(f"ground={self.ground!r} of map {self.name} is not a Ground, such as EVERYWHERE")
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 1:
            raise InputError(f"limit={self.limit!r} of map {self.name} is no number of steps from 1 on")
        if not _is_point(self.attack_point):
            raise InputError(f"attack_point={self.attack_point!r} of map {self.name} is not a pair (x, y) of numbers")
        if not all(0 <= axis <= SIDE for axis in self.attack_point):
            raise InputError(f"attack_point={self.attack_point!r} of map {self.name} is outside {SIDE} x {SIDE} cells")
        for side in ("allies", "enemies"):
            listed = getattr(self, side)
            if not isinstance(listed, Sequence) or not listed:
                raise InputError(f"{side}={listed!r} of map {self.name} hold no unit")
            object.__setattr__(self, side, tuple(_group(side, self.name, group) for group in listed))
        object.__setattr__(self, "attack_point", tuple(self.attack_point))

    @property
    def n_allies(self) -> int:
        """Agents, N."""
        return sum(count for _, count, _, _ in self.allies)

    @property
    def n_enemies(self) -> int:
        """Scripted units, E."""
        return sum(count for _, count, _, _ in self.enemies)

    @property
    def unit_kinds(self) -> tuple[str, ...]:
        """Kind of each unit, allies first; of a drawn map, the race's first kind."""
        return tuple(kind for kind, count, _, _ in (*self.allies, *self.enemies) for _ in range(count))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that can be present, in the order of the type bits."""
        return RACES[self.race] if self.race else tuple(kind for kind in TYPE_ORDER if kind in self.unit_kinds)


def _group(side: str, name: str, group: Sequence[Any]) -> tuple[str, int, float, float]:
    """A group as a map keeps it, once it names a kind, a whole number of units and a point."""
    if not isinstance(group, Sequence) or len(group) != 4:
        raise InputError(f"{side} of map {name}: {group!r} is not (kind, number, x, y)")
    kind, count, x, y = group
    if kind not in units.KINDS:
        raise unknown(f"kind of {side}", kind, units.KINDS)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"{side} of map {name}: {count!r} of {kind} is no number of units from 1 on")
    if not _is_point((x, y)):
        raise InputError(f"{side} of map {name}: ({x!r}, {y!r}) of {kind} is not a point (x, y) of numbers")
    return kind, count, float(x), float(y)


def _is_point(pair: Any) -> bool:
    try:
        return len(pair) == 2 and all(math.isfinite(axis) for axis in pair)
    except TypeError:
        return False


# Order of the type bits in features; of the three kinds of a race the last is the exception (weight 0.1).
TYPE_ORDER = (
    "colossus",
    "stalker",
    "zealot",
    "marauder",
    "marine",
    "medivac",
    "baneling",
    "zergling",
    "hydralisk",
    "spine_crawler",
)
RACES = MappingProxyType(
    {
        "protoss": ("stalker", "zealot", "colossus"),
        "terran": ("marine", "marauder", "medivac"),
        "zerg": ("zergling", "hydralisk", "baneling"),
    }
)

LEFT, RIGHT = (9.0, 16.0), (23.0, 16.0)


def _facing(
    name: str, limit: int, allies: dict[str, int], enemies: dict[str, int], ground: Ground = grounds.ARENA
) -> Map:
    """A map on which the sides start left and right."""
    return Map(
        name,
        tuple((kind, count, *LEFT) for kind, count in allies.items()),
        tuple((kind, count, *RIGHT) for kind, count in enemies.items()),
        limit,
        ground,
    )


def _marines(name: str, limit: int, allies: int, enemies: int) -> Map:
    return _facing(name, limit, {"marine": allies}, {"marine": enemies})


def _drawn(race: str, allies: int, enemies: int) -> Map:
    """A SMACv2 map: kinds and places are drawn at every reset."""
    first = RACES[race][0]
    return Map(
        f"{race}_{allies}_vs_{enemies}",
        ((first, allies, *LEFT),),
        ((first, enemies, *RIGHT),),
        200,
        grounds.EVERYWHERE,
        CLOSEST,
        race=race,
    )


_ALL = (
    _marines("3m", 60, 3, 3),
    _marines("8m", 120, 8, 8),
    _marines("25m", 150, 25, 25),
    _marines("5m_vs_6m", 70, 5, 6),
    _marines("8m_vs_9m", 120, 8, 9),
    _marines("10m_vs_11m", 150, 10, 11),
    _marines("27m_vs_30m", 180, 27, 30),
    _facing("2s3z", 120, {"stalker": 2, "zealot": 3}, {"stalker": 2, "zealot": 3}),
    _facing("3s5z", 150, {"stalker": 3, "zealot": 5}, {"stalker": 3, "zealot": 5}),
    _facing("3s5z_vs_3s6z", 170, {"stalker": 3, "zealot": 5}, {"stalker": 3, "zealot": 6}),
    _facing("3s_vs_3z", 150, {"stalker": 3}, {"zealot": 3}, grounds.EVERYWHERE),
    _facing("3s_vs_4z", 200, {"stalker": 3}, {"zealot": 4}, grounds.EVERYWHERE),
    _facing("3s_vs_5z", 250, {"stalker": 3}, {"zealot": 5}, grounds.EVERYWHERE),
    _facing(
        "1c3s5z",
        180,
        {"colossus": 1, "stalker": 3, "zealot": 5},
        {"colossus": 1, "stalker": 3, "zealot": 5},
    ),
    _facing("MMM", 150, {"marauder": 2, "marine": 7, "medivac": 1}, {"marauder": 2, "marine": 7, "medivac": 1}),
    _facing("MMM2", 180, {"marauder": 2, "marine": 7, "medivac": 1}, {"marauder": 3, "marine": 8, "medivac": 1}),
    Map(
        "6h_vs_8z",
        (("hydralisk", 6, 14.6, 9.49),),
        (("zealot", 8, 14.41, 16.76),),
        150,
        grounds.HYDRA_PIT,
        attack_point=(14.6, 9.49),
    ),
    Map(
        "corridor",
        (("zealot", 6, 19.04, 19.12),),
        (("zergling", 24, 27.91, 28.24),),
        400,
        grounds.CORRIDOR,
        attack_point=(4.47, 4.33),
    ),
    Map("2c_vs_64zg", (("colossus", 2, 16.0, 16.0),), (("zergling", 64, 16.0, 9.0),), 400, grounds.PLATEAU, CLOSEST),
    Map(
        "bane_vs_bane",
        (("baneling", 4, 16.0, 8.0), ("zergling", 20, 16.0, 11.0)),
        (("baneling", 4, 16.0, 24.0), ("zergling", 20, 16.0, 21.0)),
        200,
        grounds.PIT,
        attack_point=(16.0, 8.0),
    ),
    Map(
        "2m_vs_1z",
        (("marine", 1, 13.0, 12.0), ("marine", 1, 19.0, 12.0)),
        (("zealot", 1, 16.0, 19.0),),
        150,
        grounds.PIT,
        attack_point=(16.0, 12.0),  # in StarCraft any point between the marines' two
    ),
    Map(
        "so_many_baneling",
        (("zealot", 7, 11.469, 12.0234),),
        (("baneling", 32, 27.91, 28.24),),
        100,
        grounds.BANELING_VALLEY,
        attack_point=(4.47, 4.33),
    ),
    Map(
        "2s_vs_1sc",
        (("stalker", 1, 11.12, 10.34), ("stalker", 1, 16.98, 10.37)),
        (("spine_crawler", 1, 13.92, 20.04),),
        300,
        grounds.CRAWLER_PIT,
        HOLD,
    ),
    *(
        _drawn(race, *sizes)
        for race in ("protoss", "terran", "zerg")
        for sizes in ((5, 5), (10, 10), (10, 11), (20, 20), (20, 23))
    ),
)
MAPS = MappingProxyType({each.name: each for each in _ALL})


def map_of(name: str | Map, maps: Mapping[str, Map] = MAPS) -> Map:
    """The map of a name; a map passes through.

    Args:
        name: a key of `maps`.
        maps: by name.

    Raises:
        InputError: for a name that is not a map's, with the nearest one that is.
    """
    if isinstance(name, Map):
        return name
    if not isinstance(name, str) or name not in maps:
        raise unknown("map", name, maps)
    return maps[name]
