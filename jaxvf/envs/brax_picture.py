"""How a brax body is drawn: its limbs from the side, each in the colour of the agent that moves it."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxvf.envs.pictures import AMBER, BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, Circle, Key, Line, Scene, Shape, Text

COLOURS = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY)  # of agents; more of them begin anew
SPHERE, CAPSULE = 2, 3  # MuJoCo's numbers of shapes
ASIDE, UP = 0.45, 0.25  # what a metre into the picture moves to the right, and up
HALF, HEIGHT, GROUND = 3.0, 3.2, 0.9  # of the sheet, in metres; its middle moves with the body


class Limbs(NamedTuple):
    """What is drawn of a body: L capsules, and balls as capsules of no length."""

    link: Int[np.ndarray, "L"]  # that each moves with
    middle: Float[np.ndarray, "L 3"]  # in the link's frame
    half: Float[np.ndarray, "L 3"]  # from the middle to one end, likewise
    radius: Float[np.ndarray, "L"]
    agent: Int[np.ndarray, "L"]  # whose actuator moves the link; -1 for nobody's


def limbs_of(model: Any, actuators: int) -> Limbs:
    """The limbs of a MuJoCo model.

    Args:
        model: with MuJoCo's `geom_*` arrays, `jnt_bodyid` and `actuator_trnid`; body b is brax's link b - 1.
        actuators: of each agent.
    """
    kind = np.asarray(model.geom_type)
    drawn = np.flatnonzero(np.isin(kind, (SPHERE, CAPSULE)) & (np.asarray(model.geom_bodyid) > 0))
    body, size = np.asarray(model.geom_bodyid)[drawn], np.asarray(model.geom_size)[drawn]
    agent = np.full(int(np.asarray(model.geom_bodyid).max()) + 1, -1)
    moved = np.asarray(model.jnt_bodyid)[np.asarray(model.actuator_trnid)[:, 0]]
    agent[moved[::-1]] = (np.arange(len(moved)) // actuators)[::-1]  # of several joints of a body the first
    length = np.where(kind[drawn] == CAPSULE, size[:, 1], 0.0)
    half = rotated(np.asarray(model.geom_quat)[drawn], np.stack([0 * length, 0 * length, length], axis=1))
    return Limbs(body - 1, np.asarray(model.geom_pos)[drawn], half, size[:, 0], agent[body])


def side_view(limbs: Limbs, place: Float[np.ndarray, "links 3"], turn: Float[np.ndarray, "links 4"]) -> Scene:
    """The body, what is farther away first, over a ruler in metres; depth goes up and to the right.

    Args:
        limbs: of the body.
        place: of each link.
        turn: of each link, a quaternion with its real part first.
    """
    middle = place[limbs.link] + rotated(turn[limbs.link], limbs.middle)
    half = rotated(turn[limbs.link], limbs.half)
    centre = float(place[0, 0])
    shapes: list[Shape] = [Line(-HALF, 0.0, HALF, 0.0, INK, 0.02)]
    for metre in range(int(np.ceil(centre - HALF + 0.2)), int(np.floor(centre + HALF - 0.2)) + 1):
        shapes.append(Line(metre - centre, -0.08, metre - centre, 0.0, INK, 0.02))
        shapes.append(Text(metre - centre, -0.25, f"{metre} m", 0.2, GREY))
    for limb in np.argsort(-middle[:, 1]):
        colour = GREY if limbs.agent[limb] < 0 else COLOURS[limbs.agent[limb] % len(COLOURS)]
        ends = [_seen(middle[limb] + sign * half[limb], centre) for sign in (-1, 1)]
        radius = float(limbs.radius[limb])
        shapes += [Line(*ends[0], *ends[1], colour, 2 * radius), *(Circle(*end, radius, colour) for end in ends)]
    agents = range(int(limbs.agent.max()) + 1)
    keys = tuple(Key("disc", COLOURS[agent % len(COLOURS)], f"agent {agent}") for agent in agents)
    low = -GROUND
    return Scene(2 * HALF, HEIGHT, tuple(shapes), x=-HALF, y=low, legend=(*keys, Key("disc", GREY, "nobody's")))


def rotated(turn: Float[np.ndarray, "L 4"], vector: Float[np.ndarray, "L 3"]) -> Float[np.ndarray, "L 3"]:
    """Vectors turned by unit quaternions."""
    real, axis = turn[:, :1], turn[:, 1:]
    twice = 2 * np.cross(axis, vector)
    return vector + real * twice + np.cross(axis, twice)


def _seen(point: Float[np.ndarray, "3"], centre: float) -> tuple[float, float]:
    return float(point[0] - centre + ASIDE * point[1]), float(point[2] + UP * point[1])
