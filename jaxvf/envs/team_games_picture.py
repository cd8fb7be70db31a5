"""How one-step team games are drawn. States have NumPy leaves here."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jaxvf.envs.payoff_picture import letters
from jaxvf.envs.pictures import BLUE, GREEN, GREY, INK, ORANGE, PALE, WHITE, Circle, Key, Line, Scene, Shape, Text

CHAIN = (Key("disc", BLUE, "agent, with what it plays"), Key("line", GREEN, "neighbours that agree, and what it earns"))
SUM = (Key("disc", BLUE, "an agent's share of the sum"), Key("line", ORANGE, "target"), Key("line", INK, "sum"))
REACH = 4  # what is seen of the line of numbers, to either side; what is further stands at its end
HEIGHT = 4.0


def chain(worth: Float[np.ndarray, "A"], n_agents: int, actions: Int[np.ndarray, "N"] | None) -> Scene:
    """A row of agents; neighbours that play the same are linked.

    Args:
        worth: of agreeing on each action.
        n_agents: N.
        actions: what was played; None after the end.
    """
    shapes: list[Shape] = [Line(0.5, 1.0, n_agents - 0.5, 1.0, PALE, 0.05)]
    if actions is not None:
        for left, (mine, others) in enumerate(itertools.pairwise(actions.tolist())):
            if mine == others:
                shapes.append(Line(left + 0.5, 1.0, left + 1.5, 1.0, GREEN, 0.14))
                shapes.append(Text(left + 1.0, 1.3, f"{worth[mine]:.2g}", 0.24, GREEN))
    names = letters(len(worth))
    for agent in range(n_agents):
        shapes.append(Circle(agent + 0.5, 1.0, 0.34, BLUE))
        if actions is not None:
            shapes.append(Text(agent + 0.5, 1.0, names[int(actions[agent])], 0.36, WHITE))
        shapes.append(Text(agent + 0.5, 0.4, f"{agent}", 0.24, GREY))
    return Scene(n_agents, 2.0, tuple(shapes), legend=CHAIN)


def tracking(target: float, shares: Sequence[float] | None) -> Scene:
    """A line of numbers with the target, and the agents' shares laid end to end from 0 on.

    Args:
        target: what the sum must hit.
        shares: of each agent; None after the end.
    """
    shapes: list[Shape] = [Line(0, 1.0, 2 * REACH, 1.0, PALE, 0.05)]
    for tick in range(1 - REACH, REACH):
        shapes += [
            Line(tick + REACH, 0.9, tick + REACH, 1.1, GREY, 0.03),
            Text(tick + REACH, 0.6, f"{tick}", 0.24, GREY),
        ]
    at = _place(target)
    shapes.append(Line(at, 0.8, at, HEIGHT - 0.4, ORANGE, 0.06))
    if shares is not None:
        ends = [_place(end) for end in (0.0, *np.cumsum(shares))]
        heights = np.linspace(HEIGHT - 0.8, 1.5, len(shares))
        shapes.append(Line(ends[-1], 0.8, ends[-1], float(heights[-1]), INK, 0.06))
        for agent, (start, end, y) in enumerate(zip(ends[:-1], ends[1:], heights.tolist(), strict=True)):
            shapes += [
                Line(start, y, end, y, BLUE, 0.08),
                Circle(end, y, 0.2, BLUE),
                Text(end, y, f"{agent}", 0.22, WHITE),
            ]
    return Scene(2 * REACH, HEIGHT, tuple(shapes), legend=SUM)


def _place(value: float) -> float:
    return float(np.clip(value, -REACH, REACH)) + REACH
