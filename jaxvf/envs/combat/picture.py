"""How a battle is drawn: the ground, units with health and shields, who shoots whom, and where units died."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.envs.combat.terrain import BLOCKED, HIGH, RAMP, Ground
from jaxvf.envs.combat.units import AIR, ID, KINDS, PROTOSS, WORLD
from jaxvf.envs.pictures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SKY,
    WHITE,
    Box,
    Circle,
    Key,
    Line,
    Names,
    Rectangle,
    Scene,
    Shape,
    Text,
    bar,
    cross,
)

CLIFF, SLOPE, WALL = "#E9DFC7", "#F3EDDD", "#D9D9D9"
FALLEN = {BLUE: "#9CC4DF", ORANGE: "#EDBB97"}  # paler, as the dead are behind the living
BAR = 0.14
MOVE_NAMES = ("no-op", "stop", "north", "south", "east", "west")  # under SMAC's rules
LABELS = {
    "marine": "Ma",
    "marauder": "Md",
    "medivac": "Mv",
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


def troops(
    n: int,
    kind: Int[np.ndarray, "U"],
    state: Any,
    *,
    radius: Float[np.ndarray, "U"],
    health: Float[np.ndarray, "U"],
    shield: Float[np.ndarray, "U"],
    ordered: Int[np.ndarray, "N"] | None,
    chosen: Int[np.ndarray, "E"],
) -> Troops:
    """What is drawn of a battle with SMAC's actions.

    Args:
        n: allies, N.
        kind: numbers of kinds.
        state: with `x`, `y`, `health` and `shield` of every unit.
        radius: of every unit.
        health: what is full.
        shield: what is full; 0 for who has none.
        ordered: number of each ally's target, a mate's for who heals; below 0 without one; None after the end.
        chosen: the ally that each enemy is after, or the unit that it heals; below 0 without one.
    """
    number = np.full(n, -1) if ordered is None else ordered
    target = np.where((number >= 0) & ~AIR[kind[:n]], number + n, number)
    return Troops(
        np.asarray(state.x),
        np.asarray(state.y),
        radius,
        np.asarray(state.health / health),
        np.where(PROTOSS[kind], state.shield / np.maximum(shield, 1.0), -1.0),
        tuple(KINDS[each] for each in kind),
        np.concatenate([target, chosen]),
    )


def battle(ground: Ground, n_allies: int, troops: Troops) -> Scene:
    """Allies blue, enemies orange, the large behind the small; a cross where one died."""
    shapes, labels = _terrain(ground), unit_labels(troops.names, n_allies)
    alive, colours = troops.health > 0, [BLUE if unit < n_allies else ORANGE for unit in range(len(labels))]
    for unit in np.flatnonzero(~alive):
        shapes += cross(float(troops.x[unit]), float(troops.y[unit]), 0.25, FALLEN[colours[unit]])
    living = sorted(np.flatnonzero(alive), key=lambda unit: -troops.radius[unit])
    shapes += [_shot(troops, int(unit), alive) for unit in np.flatnonzero((troops.shoots_at >= 0) & alive)]
    for unit in living:
        shapes += _unit(troops, int(unit), labels[unit], colours[unit])
    for unit in living:
        shapes += _bars(troops, int(unit))
    return Scene(WORLD, WORLD, tuple(shapes), action=_action(troops, alive), legend=_legend(ground, troops))


def unit_labels(kinds: Sequence[str], n_allies: int) -> list[str]:
    """What is written on each unit: its kind, and its number among its side, from 0 on."""
    return [f"{LABELS[kind]}{unit if unit < n_allies else unit - n_allies}" for unit, kind in enumerate(kinds)]


def unit_names(kinds: Sequence[str], n_allies: int, moves: Sequence[str], n_actions: int) -> Names:
    """Names of allies and of their actions.

    Args:
        kinds: of all units, allies first.
        n_allies: N.
        moves: the actions before the targets.
        n_actions: A; a kind with fewer targets has "-" for the rest.
    """
    labels, most = unit_labels(kinds, n_allies), n_actions - len(moves)
    mates, enemies = labels[:n_allies], labels[n_allies:]

    def targets(kind: str) -> list[str]:
        verb, whom = ("heal", mates) if AIR[ID[kind]] else ("attack", enemies)
        named = [f"{verb} {label}" for label in whom][:most]
        return named + ["-"] * (most - len(named))

    return Names(tuple(mates), tuple((*moves, *targets(kind)) for kind in kinds[:n_allies]))


def _action(troops: Troops, alive: Bool[np.ndarray, "U"]) -> Box:
    """Where the living are, with the bars above them; where all fell, if nobody lives."""
    here = alive if alive.any() else np.ones_like(alive)
    x, y, radius = troops.x[here], troops.y[here], troops.radius[here]
    top = (y + radius).max() + 2 * BAR
    return Box(float((x - radius).min()), float((y - radius).min()), float((x + radius).max()), float(top))


def _legend(ground: Ground, troops: Troops) -> tuple[Key, ...]:
    keys = [Key("disc", BLUE, "learned"), Key("disc", ORANGE, "scripted"), Key("bar", GREEN, "health")]
    if troops.shield is not None and (troops.shield >= 0).any():
        keys.append(Key("bar", SKY, "shield"))
    keys += [Key("line", INK, "attacks or heals"), Key("cross", GREY, "died here")]
    levels = {int(level) for row in ground.levels for level in row}
    marks = {BLOCKED: ("blocked", WALL), HIGH: ("high ground", CLIFF), RAMP: ("ramp", SLOPE)}
    keys += [Key("bar", colour, text) for level, (text, colour) in marks.items() if level in levels]
    kinds = dict.fromkeys(troops.names)
    return (*keys, *(Key("text", INK, f"{LABELS[kind]} {kind.replace('_', ' ')}") for kind in kinds))


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


def _unit(troops: Troops, unit: int, label: str, colour: str) -> list[Shape]:
    x, y, radius = (float(column[unit]) for column in (troops.x, troops.y, troops.radius))
    size = radius * (0.8 if len(label) < 4 else 0.65)
    return [Circle(x, y, radius, colour, edge=WHITE, edge_width=0.04), Text(x, y, label, size, WHITE)]


def _bars(troops: Troops, unit: int) -> list[Shape]:
    x, y, radius = (float(column[unit]) for column in (troops.x, troops.y, troops.radius))
    shapes = bar(x - radius, y + radius + 0.05, 2 * radius, BAR, float(troops.health[unit]), GREEN)
    if troops.shield is not None and troops.shield[unit] >= 0:
        shapes += bar(x - radius, y + radius + 0.05 + BAR, 2 * radius, BAR, float(troops.shield[unit]), SKY)
    return shapes
