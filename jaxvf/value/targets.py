"""Regression targets of value learners: pure functions of sequences, the last step of which bootstraps fully."""

from typing import Any

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
    trace: float | Float[Array, ""] | Float[Array, "T *batch"],
    taken: Float[Array, "T *batch"] | None = None,
) -> Float[Array, "T *batch"]:
    """TD(λ) targets, computed backwards (Sutton & Barto 2018, eq. 12.18; Hu et al. 2026, eq. 29, 30).

        y_t = r_t + γ [(1 - λ) b_t + λ y_{t+1}],   b_t where the time limit cuts after t,   nothing where it ended

    With greedy values for b this is Peng & Williams' Q(λ) (1994); with a λ of each step that is 0 where the next
    stored action is not greedy, Watkins' (1989). With `taken` it is Q*(λ) (Harutyunyan et al. 2016, arXiv 1602.04951),
    which corrects for stored actions that are not greedy instead of cutting there:

        y_t = r_t + γ [b_t + λ (y_{t+1} - q_t)]

    Args:
        reward: team reward r_t.
        terminated: True where the environment ended at step t; its target is r_t alone.
        truncated: True where only the time limit ended it; its target bootstraps fully.
        bootstrap: b_t, the value of the observation reached by step t, before any reset.
        discount: γ.
        trace: λ, or one for every step; 0 gives one-step targets, 1 Monte Carlo.
        taken: q_t, the value of the action stored for the observation reached by step t.

    Returns:
        Targets without gradient. The last step of the arrays bootstraps fully unless it terminated.
    """
    frames = (reward, terminated, truncated, bootstrap)
    chex.assert_equal_shape([*frames, *(() if taken is None else (taken,))])
    by_step = jnp.ndim(trace) > 0
    if by_step:
        chex.assert_equal_shape([reward, trace])

    def step(following: Array, now: tuple[Any, ...]) -> tuple[Array, Array]:
        r, ended, cut, b, q, own = now
        weight = own if by_step else trace
        going_on = (1 - weight) * b + weight * following if q is None else b + weight * (following - q)
        target = r + discount * jnp.where(ended, 0.0, jnp.where(cut, b, going_on))
        return target, target

    last = bootstrap[-1] if taken is None else taken[-1]
    whole = reward.shape[0] <= UNROLL_WHOLE
    inputs = (*frames, taken, trace if by_step else None)
    _, targets = jax.lax.scan(step, last, inputs, reverse=True, unroll=True if whole else 1)
    return jax.lax.stop_gradient(targets)


def n_step_targets(
    reward: Float[Array, "T *batch"],
    terminated: Bool[Array, "T *batch"],
    truncated: Bool[Array, "T *batch"],
    bootstrap: Float[Array, "T *batch"],
    *,
    discount: float | Float[Array, ""],
    steps: int,
) -> Float[Array, "T *batch"]:
    """n-step targets (Sutton & Barto 2018, eq. 7.1): n rewards, or those to the episode's end, then a value.

        y_t = r_t + γ r_{t+1} + ... + γ^(m-1) r_{t+m-1} + γ^m b_{t+m-1}

    with m = n, or fewer where the episode or the arrays end first; no value where the environment ended it.

    Args:
        reward: team reward r_t.
        terminated: True where the environment ended at step t.
        truncated: True where only the time limit ended it.
        bootstrap: b_t, the value of the observation reached by step t, before any reset.
        discount: γ.
        steps: n; 1 gives one-step targets.

    Returns:
        Targets without gradient.
    """
    chex.assert_equal_shape([reward, terminated, truncated, bootstrap])
    count = min(steps, reward.shape[0]) - 1
    value = jnp.where(terminated, 0.0, bootstrap)
    last = jnp.arange(reward.shape[0]) == reward.shape[0] - 1
    ends = terminated | truncated | last.reshape(-1, *(1,) * (reward.ndim - 1))

    def longer(_: Any, target: Array) -> Array:
        return reward + discount * jnp.where(ends, value, jnp.roll(target, -1, axis=0))

    shortest = reward + discount * value
    targets = jax.lax.fori_loop(0, count, longer, shortest, unroll=True if 0 < count <= UNROLL_WHOLE else None)
    return jax.lax.stop_gradient(targets)
