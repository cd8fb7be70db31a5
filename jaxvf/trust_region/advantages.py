"""Generalized advantage estimation, with termination and truncation apart, and how advantages are normalized."""

import chex
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

TRUNCATIONS = ("bootstrap", "zero", "terminate")
NORMALIZATIONS = ("per_agent", "joint", "minibatch", "none")
EPSILON = 1e-5  # added to the standard deviation (Le & Ta 2025)


def td_errors(
    reward: Float[Array, "T *#b"],
    value: Float[Array, "T *#b"],
    next_value: Float[Array, "T *#b"],
    terminated: Bool[Array, "T *#b"],
    *,
    discount: float | Float[Array, ""],
) -> Float[Array, "T *#b"]:
    """δ_t = r_t + γ V(s_{t+1}) - V(s_t); nothing is bootstrapped where the environment's rules ended the episode.

    Args:
        reward: r_t.
        value: V(s_t).
        next_value: V of the state that step t led to, before any reset.
        terminated: whether the environment ended at step t.
        discount: γ.
    """
    return reward + discount * jnp.where(terminated, 0.0, next_value) - value


def generalized_advantages(
    td: Float[Array, "T *b"],
    terminated: Bool[Array, "T *b"],
    truncated: Bool[Array, "T *b"],
    *,
    discount: float | Float[Array, ""],
    trace: float | Float[Array, "..."],
    truncation: str = "bootstrap",
) -> Float[Array, "T *b"]:
    """A_t = δ_t + γ λ_{t+1} A_{t+1} within an episode, computed backwards (Schulman et al. 2016).

    Args:
        td: δ_t, bootstrapped at truncated steps (`td_errors`).
        terminated: whether the environment ended at step t.
        truncated: whether only the time limit ended it.
        discount: γ.
        trace: λ; one number, or one for each step, where row t weighs the errors of step t in earlier advantages
            (the off-policy trace of Wang et al. 2023).
        truncation: "bootstrap" keeps δ_t of a cut-off step, as does "terminate", whose δ_t values nothing after it;
            "zero" gives it no advantage, as the code of Le & Ta 2025 does.

    Returns:
        Advantages, shape of `td`.
    """
    chex.assert_equal_shape([td, terminated, truncated])
    decay = discount * jnp.broadcast_to(jnp.asarray(trace, td.dtype), td.shape)
    # Row t holds the factor of A_{t+1} in A_t; after the last row there is nothing.
    decay = jnp.where(terminated | truncated, 0.0, jnp.roll(decay, -1, axis=0))
    if truncation == "zero":
        td = jnp.where(truncated, 0.0, td)

    def step(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        error, factor = now
        advantage = error + factor * later
        return advantage, advantage

    return jax.lax.scan(step, jnp.zeros_like(td[0]), (td, decay), reverse=True)[1]


def normalize(
    advantage: Float[Array, "T B *n"], alive: Bool[Array, "T _ *n"], rule: str = "per_agent"
) -> Float[Array, "T B *n"]:
    """(A - mean) / (std + 1e-5) over the samples of living agents (Le & Ta 2025).

    Args:
        advantage: A of every step and environment, of one agent or of all along a last axis.
        alive: whose samples count; may have size 1 along B.
        rule: "per_agent": every agent's own mean and standard deviation; "joint": one over all agents' samples (theirs
            for agent-specific states); "minibatch": the same, before a gradient step normalizes its own once more,
            which undoes what was done here (`actor_update.of_step`); "none": as they are.
    """
    if rule == "none":
        return advantage
    axes = (0, 1) if rule == "per_agent" else tuple(range(advantage.ndim))
    mean = masked_mean(advantage, alive, axes)
    variance = masked_mean((advantage - mean) ** 2, alive, axes)
    return (advantage - mean) / (jnp.sqrt(variance) + EPSILON)


def masked_mean(
    values: Shaped[Array, "..."], mask: Bool[Array, "..."], axis: tuple[int, ...] | None = None
) -> Float[Array, "..."]:
    """The mean of `values` where `mask` holds; 0 where it holds nowhere. Axes are kept, unless all are reduced."""
    mask = jnp.broadcast_to(mask, values.shape)
    keep = axis is not None
    count = jnp.sum(mask, axis=axis, keepdims=keep)
    return jnp.sum(jnp.where(mask, values, 0.0), axis=axis, keepdims=keep) / jnp.maximum(count, 1)
