"""What everybody decides as a step begins: the carrier's kick, and where all run. Arrays are batch-last."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.football import controls, kicks, opponents
from jaxvf.envs.football.ball import length
from jaxvf.envs.football.controls import Held
from jaxvf.envs.football.duels import NOBODY, Reach
from jaxvf.envs.football.motion import Motion, Orders
from jaxvf.envs.football.numbers import LONG_PASS, SHOT, SLIDE, STEP, FootballParams
from jaxvf.envs.football.state import FootballState


def kicked(
    noise: Float[Array, "2 B"],
    state: FootballState,
    held: Held,
    actions: Int[Array, "N B"],
    params: FootballParams,
) -> tuple[Motion, Bool[Array, "N B"]]:
    """The situation after a kick of the carrier, and who it was.

    Args:
        noise: standard normals: of the kick's angle, of a shot's rise.
        state: as the step begins.
        held: keys, the step's own included.
        actions: of the agents.
        params: the numbers.
    """
    n = len(actions)
    now = Motion(*(getattr(state, name) for name in Motion._fields))
    carries = np.arange(n)[:, None] == now.owner
    places, velocities = now.position[:, :n], now.velocity[:, :n]
    way = controls.way_of(held.direction)
    way = jnp.where(held.direction > 0, way, now.facing[:, :n])
    own = jnp.where(carries, places, 0.0).sum(axis=1)
    kicker = kicks.Kicker(
        ball=now.ball[:2],
        velocity=jnp.where(carries, velocities, 0.0).sum(axis=1),
        input=jnp.where(carries, way, 0.0).sum(axis=1),
        is_agent=carries.astype(jnp.float32),
        pressure=length(now.position[:, n:] - own[:, None]).min(axis=0),
    )
    action = jnp.where(carries, actions, 0).sum(axis=0)
    target = kicks.pass_target(kicker, places, velocities, params)
    ball_velocity = kicks.launched(kicker, action, target, noise, params)
    kicks_now = (action >= LONG_PASS) & (action <= SHOT)
    kicked = now._replace(
        ball_velocity=jnp.where(kicks_now, ball_velocity, now.ball_velocity),
        owner=jnp.where(kicks_now, NOBODY, now.owner),
    )
    return kicked, carries & kicks_now


def orders(
    state: FootballState,
    now: Motion,
    held: Held,
    actions: Int[Array, "N B"],
    kickers: Bool[Array, "N B"],
    chasers: Bool[np.ndarray, "E"],
    params: FootballParams,
    *,
    may_slide: bool,
) -> tuple[Orders, Float[Array, "N B"]]:
    """What everybody wants, and how long agents will lie on the ground after this step.

    Args:
        state: as the step begins.
        now: after a kick.
        held: keys, the step's own included.
        actions: of the agents.
        kickers: who kicked in this step.
        chasers: opponents who only run after the ball.
        params: the numbers.
        may_slide: whether action 16 does anything.
    """
    n, n_opponents, batch = len(actions), len(chasers), now.owner.shape
    carries = np.arange(n)[:, None] == now.owner
    lies = state.down > 0
    slides = (actions == SLIDE) & ~carries & ~lies if may_slide else jnp.zeros_like(lies)
    legs = controls.legs(held, carries, slides, lies, now.facing[:, :n], params)

    ball = opponents.Ball(now.ball[:2], now.ball_velocity[:2], carries, now.owner == NOBODY)
    agents = opponents.People(now.position[:, :n], now.velocity[:, :n])
    others = opponents.People(now.position[:, n:], now.velocity[:, n:])
    wanted = opponents.wanted_velocities(ball, agents, others, chasers, params)
    has_ball = np.arange(n, n + n_opponents)[:, None] == now.owner
    wanted = jnp.where(has_ball, opponents.own_ball_velocity(n_opponents), wanted)

    theirs = jnp.zeros((n_opponents, *batch), bool)
    keeps = np.arange(n + n_opponents)[:, None] == n
    orders = Orders(
        velocity=jnp.concatenate([legs.velocity, wanted], axis=1),
        acceleration=jnp.where(keeps, params.keeper_acceleration, params.acceleration),
        forced=jnp.concatenate([legs.forced, theirs]),
        slows=jnp.concatenate([held.dribble, theirs]),
        reach=Reach(n, jnp.concatenate([slides, theirs]), jnp.concatenate([~lies, ~theirs]), legs.hazard),
        locked=jnp.where(jnp.concatenate([kickers, theirs]), params.lock_out, state.locked),
    )
    return orders, jnp.where(slides, params.slide_time, jnp.maximum(state.down - STEP, 0.0))
