"""Regression targets of value learners."""

import chex
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.networks.recurrent import UNROLL_WHOLE


def td_lambda_targets(
    reward: Float[Array, "T *batch"],
    terminated: Bool[Array, "T *batch"],
    truncated: Bool[Array, "T *batch"],
    bootstrap: Float[Array, "T *batch"],
    *,
    discount: float | Float[Array, ""],
    trace: float | Float[Array, ""],
) -> Float[Array, "T *batch"]:
    """TD(λ) targets, computed backwards (Sutton & Barto 2018, eq. 12.18; Hu et al. 2026, eq. 29, 30).

        y_t = r_t + γ [(1 - λ) b_t + λ y_{t+1}],   b_t where the time limit cuts after t,   nothing where it ended

    Args:
        reward: team reward r_t.
        terminated: True where the environment ended at step t; its target is r_t alone.
        truncated: True where only the time limit ended it; its target bootstraps fully.
        bootstrap: b_t, the value of the observation reached by step t, before any reset.
        discount: γ.
        trace: λ; 0 gives one-step targets, 1 Monte Carlo.

    Returns:
        Targets without gradient. The last step of the arrays bootstraps fully unless it terminated.
    """
    chex.assert_equal_shape([reward, terminated, truncated, bootstrap])

    def step(following: Array, now: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        r, ended, cut, b = now
        ahead = jnp.where(cut, b, (1 - trace) * b + trace * following)
        target = r + discount * jnp.where(ended, 0.0, ahead)
        return target, target

    frames = (reward, terminated, truncated, bootstrap)
    whole = reward.shape[0] <= UNROLL_WHOLE
    _, targets = jax.lax.scan(step, bootstrap[-1], frames, reverse=True, unroll=True if whole else 1)
    return jax.lax.stop_gradient(targets)
