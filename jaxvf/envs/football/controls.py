"""The keys that agents hold down, what their legs do then, and which actions mean something. Arrays are batch-last."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.football.numbers import (
    DRIBBLE,
    LONG_PASS,
    N_ACTIONS,
    RELEASE_DIRECTION,
    RELEASE_DRIBBLE,
    RELEASE_SPRINT,
    SHOT,
    SLIDE,
    SPRINT,
    STEP,
    FootballParams,
)

N_DIRECTIONS = 8
RIGHT = 5  # the direction straight to the opponents' goal; one more turns 45 degrees to the right


class Held(NamedTuple):
    """What each agent holds down, until it is released."""

    direction: Int[Array, "N B"]  # 1 to 8, or 0
    sprint: Bool[Array, "N B"]
    dribble: Bool[Array, "N B"]


def pressed(held: Held, actions: Int[Array, "N B"]) -> Held:
    """What is held after the actions; most of them change nothing."""
    turns = (actions >= 1) & (actions <= N_DIRECTIONS)
    direction = jnp.where(turns, actions, jnp.where(actions == RELEASE_DIRECTION, 0, held.direction))
    return Held(
        direction.astype(jnp.int32),
        ((actions == SPRINT) | held.sprint) & (actions != RELEASE_SPRINT),
        ((actions == DRIBBLE) | held.dribble) & (actions != RELEASE_DRIBBLE),
    )


def way_of(direction: Int[Array, "*n"]) -> Float[Array, "2 *n"]:
    """Unit vector of a direction key; zero without one."""
    angle = (direction - RIGHT) * (np.pi / 4)
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)]) * (direction > 0)


class Legs(NamedTuple):
    """What the agents do."""

    velocity: Float[Array, "2 N B"]
    forced: Bool[Array, "N B"]  # at once
    slides: Bool[Array, "N B"]
    hazard: Float[Array, "B"]  # factor of the carrier's risk


def legs(
    held: Held,
    carries: Bool[Array, "N B"],
    slides: Bool[Array, "N B"],
    lies: Bool[Array, "N B"],
    facing: Float[Array, "2 N B"],
    params: FootballParams,
) -> Legs:
    """Where agents run: as their keys say, unless they slide or lie on the ground."""
    sprinting = jnp.where(carries, params.carrier_speed, params.sprint_speed)
    speed = jnp.where(held.sprint, sprinting, params.walk_speed)
    speed = jnp.where(held.dribble & carries, params.dribble_speed, speed)
    velocity = jnp.where(slides, facing * params.slide_reach / STEP, way_of(held.direction) * speed)
    risk = jnp.where(held.dribble, params.dribble_hazard, jnp.where(held.sprint, params.sprint_hazard, 1.0))
    return Legs(
        velocity=jnp.where(lies, 0.0, velocity),
        forced=slides | lies,
        slides=slides,
        hazard=jnp.where(carries.any(axis=0), jnp.where(carries, risk, 0.0).sum(axis=0), 1.0),
    )


def available(
    held: Held, carries: Bool[Array, "N B"], lies: Bool[Array, "N B"], *, may_slide: bool
) -> Bool[Array, "N B A"]:
    """Actions that would do something: kicks with the ball, slides without it, releases of what is held."""
    action = np.arange(N_ACTIONS)
    useless = ~carries[..., None] & (action >= LONG_PASS) & (action <= SHOT)
    useless |= (carries | lies | (not may_slide))[..., None] & (action == SLIDE)
    released = {RELEASE_DIRECTION: held.direction > 0, RELEASE_SPRINT: held.sprint, RELEASE_DRIBBLE: held.dribble}
    for release, holds in released.items():
        useless |= ~holds[..., None] & (action == release)
    return ~useless
