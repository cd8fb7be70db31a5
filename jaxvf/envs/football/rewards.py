"""What the team and each agent are paid, and checkpoints on the way to the goal. Arrays are batch-last."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.football.motion import Ends
from jaxvf.envs.football.numbers import X_UNIT, Y_UNIT, FootballParams

CDS, SCORING, CHECKPOINTS = "cds", "scoring", "scoring+checkpoints"
REWARDS = (CDS, SCORING, CHECKPOINTS)
N_CHECKPOINTS = 10
FIRST, LAST = 0.99, 0.19  # distances of the first and of the last checkpoint from the goal, in units of an observation


def collected(before: Int[Array, "N B"], ball: Float[Array, "3 B"], carries: Bool[Array, "N B"]) -> Int[Array, "N B"]:
    """Checkpoints of each agent: as many as the ball, at its feet, has come near enough to the goal for."""
    x, y = ball[0] / X_UNIT - 1.0, ball[1] / Y_UNIT
    distance = jnp.sqrt(x * x + y * y)
    passed = jnp.floor((FIRST - distance) / (FIRST - LAST) * (N_CHECKPOINTS - 1) + 1)
    passed = jnp.clip(passed, 0, N_CHECKPOINTS).astype(jnp.int32)
    return jnp.where(carries, jnp.maximum(before, passed), before)


def team_reward(kind: str, ends: Ends, done: Bool[Array, "B"], params: FootballParams) -> Float[Array, "B"]:
    """Without checkpoints: of a goal, and of any other end (cds) or of an own goal."""
    failed = done & ~ends.goal if kind == CDS else ends.conceded
    return jnp.where(ends.goal, params.goal_reward, jnp.where(failed, params.failure_reward, 0.0))


def checkpoint_rewards(
    before: Int[Array, "N B"], after: Int[Array, "N B"], goal: Bool[Array, "B"], params: FootballParams
) -> Float[Array, "N B"]:
    """What each agent is paid for the checkpoints of a step; at a goal, for all that are left."""
    return params.checkpoint_reward * (jnp.where(goal, N_CHECKPOINTS, after) - before)
