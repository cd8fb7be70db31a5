"""How a match is drawn: the attacked half, players, and the ball, larger the higher it is. y is turned round."""

import numpy as np
from jaxtyping import Float

from jaxvf.envs.football.numbers import GOAL_HALF_WIDTH, HALF_LENGTH, HALF_WIDTH
from jaxvf.envs.pictures import (
    AMBER,
    BLUE,
    INK,
    ORANGE,
    WHITE,
    Box,
    Circle,
    Key,
    Line,
    Rectangle,
    Scene,
    Shape,
    Text,
)

GRASS, CHALK = "#DCEBD8", "#FFFFFF"
MARGIN = 3.0  # metres around the pitch
PLAYER, BALL = 1.0, 0.45  # radii as drawn, not to scale
CHALK_WIDTH = 0.25
GOAL_AREA, PENALTY_AREA, SPOT, CIRCLE = (5.5, 9.16), (16.5, 20.16), 11.0, 9.15  # depth and half width; metres
LEGEND = (
    Key("disc", BLUE, "learned"), Key("disc", ORANGE, "scripted"), Key("disc", AMBER, "keeper"),
    Key("disc", INK, "ball"),
)  # fmt: skip


def pitch(
    position: Float[np.ndarray, "P 2"],
    facing: Float[np.ndarray, "P 2"],
    n_agents: int,
    ball: Float[np.ndarray, "3"],
    owner: int,
) -> Scene:
    """Agents blue, opponents orange, the keeper amber, with a line to where each looks."""
    shapes = _pitch()
    for player, (x, y) in enumerate(position.tolist()):
        colour = BLUE if player < n_agents else AMBER if player == n_agents else ORANGE
        label = f"{player}" if player < n_agents else "K" if player == n_agents else f"{player - n_agents}"
        right, down = facing[player].tolist()
        shapes += [
            Line(x, -y, x + 1.5 * right, -y - 1.5 * down, colour, 0.3),
            Circle(x, -y, PLAYER, colour, edge=INK if player == owner else WHITE, edge_width=0.25),
            Text(x, -y, label, 1.1, WHITE),
        ]
    shapes.append(Circle(float(ball[0]), -float(ball[1]), BALL * (1 + 0.3 * float(ball[2])), INK, WHITE, 0.1))
    people = np.concatenate([position[: n_agents + 1], ball[None, :2], [[HALF_LENGTH, GOAL_HALF_WIDTH]]])
    x, y = people[:, 0], -people[:, 1]
    action = Box(float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    width, height = 2 * (HALF_LENGTH + MARGIN), 2 * (HALF_WIDTH + MARGIN)
    return Scene(width, height, tuple(shapes), -width / 2, -height / 2, action=action, legend=LEGEND)


def _pitch() -> list[Shape]:
    shapes: list[Shape] = [
        Rectangle(
            -HALF_LENGTH - MARGIN, -HALF_WIDTH - MARGIN, 2 * (HALF_LENGTH + MARGIN), 2 * (HALF_WIDTH + MARGIN), GRASS
        ),
        _chalk(-HALF_LENGTH, -HALF_WIDTH, 2 * HALF_LENGTH, 2 * HALF_WIDTH),
        Line(0, -HALF_WIDTH, 0, HALF_WIDTH, CHALK, CHALK_WIDTH),
        Circle(0, 0, CIRCLE, GRASS, edge=CHALK, edge_width=CHALK_WIDTH),
        Line(0, -CIRCLE, 0, CIRCLE, CHALK, CHALK_WIDTH),
    ]
    for side in (-1, 1):
        for depth, half_width in (PENALTY_AREA, GOAL_AREA):
            left = HALF_LENGTH - depth if side > 0 else -HALF_LENGTH
            shapes.append(_chalk(left, -half_width, depth, 2 * half_width))
        shapes.append(Circle(side * (HALF_LENGTH - SPOT), 0, 0.3, CHALK))
        line = side * HALF_LENGTH
        shapes.append(Line(line, -GOAL_HALF_WIDTH, line, GOAL_HALF_WIDTH, INK, 0.6))
    return shapes


def _chalk(x: float, y: float, width: float, height: float) -> Rectangle:
    return Rectangle(x, y, width, height, None, edge=CHALK, edge_width=CHALK_WIDTH)
