"""The critic's update: clipped Huber regression on normalized returns."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jaxvf.algorithm import Metrics
from jaxvf.envs.protocol import where_done
from jaxvf.minibatches import epochs
from jaxvf.trust_region.actor_critic import Critic
from jaxvf.trust_region.advantages import masked_mean
from jaxvf.trust_region.batches import chunked, guarded_step, make_optimizer
from jaxvf.trust_region.settings import Settings
from jaxvf.trust_region.value_norm import ValueNorm

HUBER_WIDTH = 10.0  # Le & Ta 2025


class CriticState(NamedTuple):
    """What learning changes in a critic."""

    params: Any
    opt_state: Any
    norm: ValueNorm


class Regression(NamedTuple):
    """What a critic learns from."""

    inputs: Float[Array, "T _ M I"]
    carry: Float[Array, "T _ M H"]  # memory before every frame
    started: Bool[Array, "T _"]
    filled: Bool[Array, "T _"]
    old: Float[Array, "T B M"]  # values when the rollout was collected, in the critic's units
    returns: Float[Array, "T B M"]


def huber(error: Float[Array, "*b"], width: float = HUBER_WIDTH) -> Float[Array, "*b"]:
    """e²/2 up to `width`, beyond it a line of that slope."""
    size = jnp.abs(error)
    return jnp.where(size <= width, 0.5 * error**2, width * (size - 0.5 * width))


def value_loss(
    value: Float[Array, "*#b"],
    old: Float[Array, "*#b"],
    returns: Float[Array, "*#b"],
    clip: float | Float[Array, ""],
    counted: Bool[Array, "*#b"] | bool = True,
) -> Float[Array, ""]:
    """Mean of the larger of two errors: the value's own, and that of a value within `clip` of the old one."""
    near = old + jnp.clip(value - old, -clip, clip)
    return masked_mean(jnp.maximum(huber(returns - value), huber(returns - near)), jnp.asarray(counted))


def _in_units(config: Settings, norm: ValueNorm, returns: Float[Array, "*b"]) -> Float[Array, "*b"]:
    return norm.normalize(returns) if config.value_norm else returns


def critic_update(
    config: Settings,
    critic: Critic,
    state: CriticState,
    data: Regression,
    key: Key[Array, ""],
    rate: Float[Array, ""],
) -> tuple[CriticState, Metrics]:
    """Epochs of mini-batches; each moves the statistics of returns first (Le & Ta 2025)."""
    optimizer = make_optimizer(rate, config.max_grad_norm)

    def loss(params: Any, part: Regression, returns: Array) -> Float[Array, ""]:
        value, _ = critic.unroll(params, part.inputs, part.carry[0], part.started)
        # Critics of their own have each a loss of its own.
        error = value_loss(value, part.old, returns, config.value_clip, part.filled[..., None])
        return error * (value.shape[-1] if critic.stacked else 1)

    def step(state: CriticState, part: Regression) -> tuple[CriticState, Metrics]:
        any_step = part.filled.any()  # a mini-batch of final views alone teaches nothing
        norm = state.norm
        if config.value_norm:
            norm = where_done(any_step, norm.update(part.returns, part.filled[..., None]), norm)
        error, gradient = jax.value_and_grad(loss)(state.params, part, _in_units(config, norm, part.returns))
        move = functools.partial(guarded_step, optimizer)
        # Every agent's gradient has its own norm.
        move = jax.vmap(move, in_axes=(0, 0, 0, None)) if critic.stacked else move
        params, opt_state, skipped = move(gradient, state.params, state.opt_state, any_step)
        return CriticState(params, opt_state, norm), {"value_loss": error, "skipped": skipped.sum()}

    pieces = chunked(data, config.chunk_length if data.carry.shape[-1] else 1)
    return epochs(step, state, pieces, key, count=config.critic_epochs, minibatches=config.minibatches)
