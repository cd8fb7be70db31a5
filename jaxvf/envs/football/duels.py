"""Who gets the ball within 20 ms: saves, free balls, tackles. Arrays are batch-last; agents come before opponents."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.football.ball import length
from jaxvf.envs.football.numbers import GOAL_HEIGHT, TICK, FootballParams

NOBODY = -1


class Reach(NamedTuple):
    """What each player can do in this step; the keeper is player `n_agents`."""

    n_agents: int
    slides: Bool[Array, "P B"]
    able: Bool[Array, "P B"]  # neither on the ground nor locked out after a kick
    hazard: Float[Array, "B"]  # factor of an agent's risk of a tackle


def owner_after(
    position: Float[Array, "2 P B"],
    velocity: Float[Array, "2 P B"],
    ball: Float[Array, "3 B"],
    ball_velocity: Float[Array, "3 B"],
    owner: Int[Array, "B"],
    reach: Reach,
    luck: Float[Array, "2 B"],
    params: FootballParams,
) -> Int[Array, "B"]:
    """Who has the ball then; -1 while it is free.

    Args:
        position: of everybody.
        velocity: of everybody.
        ball: its place and height.
        ball_velocity: of the ball.
        owner: who had it.
        reach: what everybody can do.
        luck: uniform draws in [0, 1): of the save, of the tackle.
        params: the numbers.
    """
    away = length(position - ball[:2, None])  # [P, B]
    free = owner == NOBODY
    saves = free & (away[reach.n_agents] < params.keeper_reach) & (ball[2] < GOAL_HEIGHT)
    saves &= luck[0] < params.save_chance
    taker = _taker(away, length(velocity - ball_velocity[:2, None]), ball[2], reach, params)
    owner = jnp.where(free, jnp.where(saves, reach.n_agents, taker), owner)
    return jnp.where(free, owner, _after_tackles(position, owner, reach, luck[1], params))


def _taker(
    away: Float[Array, "P B"],
    relative_speed: Float[Array, "P B"],
    height: Float[Array, "B"],
    reach: Reach,
    params: FootballParams,
) -> Int[Array, "B"]:
    """Who takes a free ball: the nearest of all who can."""
    agent = np.arange(away.shape[0])[:, None] < reach.n_agents
    within = away < jnp.where(reach.slides, params.slide_radius, params.capture_radius)
    slow = relative_speed < jnp.where(agent, params.capture_speed, params.opponent_capture_speed)
    can = within & slow & reach.able & (height < params.capture_height)
    return jnp.where(can.any(axis=0), jnp.where(can, away, jnp.inf).argmin(axis=0), NOBODY).astype(jnp.int32)


def _after_tackles(
    position: Float[Array, "2 P B"],
    owner: Int[Array, "B"],
    reach: Reach,
    luck: Float[Array, "B"],
    params: FootballParams,
) -> Int[Array, "B"]:
    """Who has a carried ball: each tackler of the other team wins it at a hazard; a keeper within reach always does."""
    index = np.arange(position.shape[1])[:, None]
    carrier = jnp.where(index == owner, position, 0.0).sum(axis=1)
    away = length(position - carrier[:, None])
    agent = index < reach.n_agents
    theirs = owner < reach.n_agents  # the carrier is an agent
    tackles = (away < jnp.where(reach.slides, params.slide_radius, params.tackle_radius)) & reach.able
    tackles &= (agent != theirs) & (index != reach.n_agents)
    rate = params.tackle_hazard * jnp.where(theirs, reach.hazard, 1.0) * tackles.sum(axis=0)
    won = luck < 1 - jnp.exp(-rate * TICK)
    tackler = jnp.where(tackles, away, jnp.inf).argmin(axis=0)
    after = jnp.where(won, tackler, owner)
    smothered = theirs & (away[reach.n_agents] < params.keeper_reach)
    return jnp.where(smothered, reach.n_agents, after).astype(jnp.int32)
