"""How JaxMARL's environments are drawn: those with places as what is where, all others by what their agents see.

Classes are known by name (read in jaxmarl 0.2.0), so that nothing here imports JaxMARL. States have NumPy leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxvf.envs.combat import picture as battlefield
from jaxvf.envs.combat.terrain import EVERYWHERE
from jaxvf.envs.jaxmarl_rules import kinds_of
from jaxvf.envs.pictures import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    SKY,
    WHITE,
    Box,
    Circle,
    Key,
    Rectangle,
    Scene,
    Shape,
    Text,
    grid,
    numbered,
)

FIELD = 12.0  # half the side of the sheet of MPE, whose agents may run out of its square
SCALE = 4.0  # cells of the sheet for one unit of MPE's plane
AGAINST = ("adversary", "leadadversary", "eve")  # how MPE calls agents of the other side
MOST_COLUMNS = 40  # of a table of features
SHADES = {1: ("#BFDBEC", "#80B7D8", BLUE), -1: ("#F4D6BF", "#EAAE80", ORANGE)}  # of small, middle and large numbers
CELLS = {  # what Overcooked's cells hold: letter and colour
    "counter": ("", GREY),
    "onions": ("O", AMBER),
    "plates": ("P", SKY),
    "serve": ("S", GREEN),
    "pot": ("pot", INK),
    "button": ("B", ORANGE),
}
THINGS = {3: "onion", 5: "plate", 9: "dish"}  # in the first version's numbers, held or lying on a counter
FIRST_KITCHEN = {2: "counter", **dict.fromkeys(THINGS, "counter"), 4: "onions", 6: "plates", 7: "serve", 8: "pot"}
SECOND_KITCHEN = {1: "counter", 4: "serve", 5: "pot", 6: "button", 7: "button", 9: "plates"}
FIRST_PILE = 10  # of the second version's ingredients
COIN_GAME = 3  # cells a side


def scene_of(env: Any, state: Any, look: Callable[[], Float[np.ndarray, "N O"]]) -> Scene:
    """The picture of a state, as the nearest class that the environment derives from is drawn.

    Args:
        env: a JaxMARL environment.
        state: its state.
        look: gives what its agents see, [N, O], for environments of other classes.
    """
    for kind in kinds_of(env):
        if kind in DRAWN:
            return DRAWN[kind](env, state)
    return features(env.agents, look())


def features(agents: Sequence[str], obs: Float[np.ndarray, "N O"]) -> Scene:
    """What every agent sees, number by number: a table of cells each, blue above 0 and orange below."""
    columns = min(obs.shape[1], MOST_COLUMNS)
    rows = -(-obs.shape[1] // columns)
    block = rows + 1.5
    height = block * len(agents)
    shapes: list[Shape] = []
    for agent, name in enumerate(agents):
        top = height - agent * block - 1.0
        shapes += [Text(columns / 2, top + 0.4, name, 0.7), *grid(columns, rows, y=top - rows)]
    for agent, numbers in enumerate(obs):
        top = height - agent * block - 1.0
        for feature in np.flatnonzero(numbers):
            row, column = divmod(int(feature), columns)
            size = min(int(3 * abs(numbers[feature])), 2)  # thirds of 1
            shapes.append(Rectangle(column, top - row - 1, 1, 1, SHADES[int(np.sign(numbers[feature]))][size]))
    legend = (Key("bar", BLUE, "above 0"), Key("bar", ORANGE, "below 0"), Key("text", INK, "paler: nearer to 0"))
    return Scene(float(columns), height, tuple(shapes), legend=legend)


def particles(env: Any, state: Any) -> Scene:
    """MPE: agents and landmarks on a plane; a ring round the landmark that is a goal."""
    places, radius = np.asarray(state.p_pos) * SCALE, np.asarray(env.rad) * SCALE
    goals = set() if state.goal is None else set((np.ravel(state.goal) + env.num_agents).tolist())
    shapes: list[Shape] = [Rectangle(-SCALE, -SCALE, 2 * SCALE, 2 * SCALE, None, PALE)]
    for entity in range(env.num_agents, len(places)):
        x, y = places[entity].tolist()
        size = max(float(radius[entity]), 0.2)
        shapes.append(Circle(x, y, size, GREY, edge=GREEN if entity in goals else None, edge_width=0.12))
    against = [name.partition("_")[0] in AGAINST for name in env.agents]
    for agent in range(env.num_agents):
        x, y = places[agent].tolist()
        size = max(float(radius[agent]), 0.25)
        label = Text(x, y, f"{agent}", 0.9 * size, WHITE)
        shapes += [Circle(x, y, size, ORANGE if against[agent] else BLUE, edge=WHITE, edge_width=0.04), label]
    keys = [Key("disc", BLUE, "agent"), Key("disc", GREY, "landmark")]
    keys += [Key("disc", ORANGE, "agent of the other side")] if any(against) else []
    keys += [Key("disc", GREEN, "ring: the goal")] if goals else []
    left, low = np.minimum((places - radius[:, None]).min(axis=0), -SCALE).tolist()
    right, high = np.maximum((places + radius[:, None]).max(axis=0), SCALE).tolist()
    sheet = {"x": -FIELD, "y": -FIELD, "action": Box(left, low, right, high), "legend": tuple(keys)}
    return Scene(2 * FIELD, 2 * FIELD, tuple(shapes), **sheet)


def skirmish(env: Any, state: Any) -> Scene:
    """SMAX: the battlefield from above; lines show the last orders to shoot."""
    inner = getattr(state, "state", state)  # a scripted side's is one level down
    kind, n = np.asarray(inner.unit_types), env.num_allies
    number = np.asarray(inner.prev_attack_actions) - env.num_movement_actions
    aims = np.where(np.arange(len(kind)) < n, number + n, n - 1 - number)
    x, y = np.asarray(inner.unit_positions).T
    troops = battlefield.Troops(
        x,
        y,
        np.asarray(env.unit_type_radiuses)[kind],
        np.asarray(inner.unit_health / np.asarray(env.unit_type_health)[kind]),
        None,
        tuple(env.unit_type_names[each] for each in kind),
        np.where(number >= 0, aims, -1),
    )
    return battlefield.battle(EVERYWHERE, n, troops)


def kitchen(env: Any, state: Any) -> Scene:
    """Overcooked: counters, piles, pots, and cooks with what they hold; north is up."""
    margin = (state.maze_map.shape[0] - state.wall_map.shape[0]) // 2
    codes = np.asarray(state.maze_map)[margin:-margin, margin:-margin, 0]
    named = {number: CELLS[cell] for number, cell in FIRST_KITCHEN.items()}
    held = [THINGS.get(thing, "") for thing in np.asarray(state.agent_inv).tolist()]
    there = np.argwhere(np.isin(codes, [*THINGS])).tolist()
    things = [(column, row, THINGS[int(codes[row, column])]) for row, column in there]
    return _kitchen(codes, named, np.asarray(state.agent_pos), held, things)


def second_kitchen(env: Any, state: Any) -> Scene:
    """Overcooked's second version, likewise; ingredients are numbered, and a thing is only said to be there."""
    codes, lying = np.asarray(state.grid)[..., 0], np.asarray(state.grid)[..., 1]
    named = {number: CELLS[cell] for number, cell in SECOND_KITCHEN.items()}
    named |= {code: (f"I{code - FIRST_PILE}", AMBER) for code in range(FIRST_PILE, int(codes.max()) + 1)}
    held = ["holds" if thing else "" for thing in np.asarray(state.agents.inventory).tolist()]
    things = [(column, row, "thing") for row, column in np.argwhere(lying).tolist()]
    return _kitchen(codes, named, np.stack([state.agents.pos.x, state.agents.pos.y], axis=1), held, things)


def _kitchen(
    codes: Int[np.ndarray, "rows columns"],
    named: Mapping[int, tuple[str, str]],
    cooks: Int[np.ndarray, "N 2"],
    held: Sequence[str],
    things: Sequence[tuple[int, int, str]],
) -> Scene:
    """A kitchen of cells with letter and colour by number, cooks at (x, y), and things that lie at (x, y)."""
    rows, columns = codes.shape
    shapes: list[Shape] = grid(columns, rows)
    for row, column in np.argwhere(np.isin(codes, [*named])).tolist():
        label, colour = named[int(codes[row, column])]
        shapes.append(Rectangle(column, rows - 1 - row, 1, 1, colour, edge=WHITE))
        shapes += [Text(column + 0.5, rows - 0.5 - row, label, 0.4, WHITE)] if label else []
    shapes += [Text(x + 0.5, rows - 0.8 - y, thing, 0.24, WHITE) for x, y, thing in things]
    for cook, (x, y) in enumerate(cooks.tolist()):
        shapes += numbered(cook, x + 0.5, rows - 0.5 - y)
        shapes += [Text(x + 0.5, rows - 0.9 - y, held[cook], 0.22)] if held[cook] else []
    used = {named[int(code)] for code in np.unique(codes) if int(code) in named}
    keys = [Key("disc", BLUE, "cook")]
    keys += [Key("bar", colour, cell) for cell, (label, colour) in CELLS.items() if (label, colour) in used]
    keys += [Key("bar", AMBER, "ingredients")] if any(label.startswith("I") for label, _ in used) else []
    return Scene(columns, rows, tuple(shapes), legend=tuple(keys))


def coins(env: Any, state: Any) -> Scene:
    """Coin game: two players and a coin of either's colour, each in a corner of its own of the cell where it is."""
    shapes: list[Shape] = grid(COIN_GAME, COIN_GAME)
    for place, colour, across, up, radius in (
        (state.red_pos, ORANGE, 0.3, 0.7, 0.22),
        (state.blue_pos, BLUE, 0.7, 0.3, 0.22),
        (state.red_coin_pos, ORANGE, 0.7, 0.7, 0.1),
        (state.blue_coin_pos, BLUE, 0.3, 0.3, 0.1),
    ):
        row, column = np.asarray(place).tolist()
        shapes.append(Circle(column + across, row + up, radius, colour))
    keys = [Key("disc", colour, f"agent {agent}, and small its coin") for agent, colour in enumerate((ORANGE, BLUE))]
    return Scene(COIN_GAME, COIN_GAME, tuple(shapes), legend=tuple(keys))


DRAWN: dict[str, Callable[[Any, Any], Scene]] = {
    "SimpleMPE": particles,
    "SMAX": skirmish,
    "EnemySMAX": skirmish,
    "Overcooked": kitchen,
    "OvercookedV2": second_kitchen,
    "CoinGame": coins,
}
