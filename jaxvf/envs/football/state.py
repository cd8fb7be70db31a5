"""The state of football, and what a step of it draws."""

from typing import NamedTuple

from jaxtyping import Array, Bool, Float, Int


class FootballState(NamedTuple):
    """A situation; agents come before opponents, whose first is the keeper. Batched states have B first."""

    position: Float[Array, "P 2"]
    velocity: Float[Array, "P 2"]
    facing: Float[Array, "P 2"]
    ball: Float[Array, "3"]
    ball_velocity: Float[Array, "3"]
    owner: Int[Array, ""]  # who has the ball, or -1
    last_team: Int[Array, ""]  # whose it was last: 0 the agents', 1 the opponents', -1 nobody's yet
    direction: Int[Array, "N"]  # keys that are held down
    sprint: Bool[Array, "N"]
    dribble: Bool[Array, "N"]
    locked: Float[Array, "P"]  # seconds until who kicked can take the ball again
    down: Float[Array, "N"]  # seconds on the ground after a slide
    checkpoints: Int[Array, "N"]  # collected so far
    t: Int[Array, ""]


class Noise(NamedTuple):
    """What a step draws."""

    kick: Float[Array, "2 B"]  # standard normals: angle, rise
    luck: Float[Array, "T 2 B"]  # uniform, every 20 ms: save, tackle
