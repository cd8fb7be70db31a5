"""The critic's update: clipped regression, by default Huber's, on returns that are normalized or not."""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jaxvf.algorithm import Metrics
from jaxvf.envs.protocol import where_done
from jaxvf.minibatches import epochs
from jaxvf.networks.members import over_groups, several
from jaxvf.trust_region.actor_critic import Critic
from jaxvf.trust_region.advantages import masked_mean
from jaxvf.trust_region.batches import agents_apart, chunked, guarded_step, make_optimizer, piece_length
from jaxvf.trust_region.settings import Settings
from jaxvf.trust_region.sizes import total
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

    def apart(self, agents: int) -> "Regression":
        """As if one critic without agents had N environments for each of theirs: what all share is repeated."""
        return agents_apart(self, ("started", "filled"), self.returns.shape[1], agents)


def huber(error: Float[Array, "*b"], width: float = HUBER_WIDTH) -> Float[Array, "*b"]:
    """e²/2 up to `width`, beyond it a line of that slope."""
    size = jnp.abs(error)
    return jnp.where(size <= width, 0.5 * error**2, width * (size - 0.5 * width))


def half_square(error: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """e²/2."""
    return 0.5 * error**2


ERRORS: Mapping[str, Callable[[Array], Array]] = MappingProxyType({"huber": huber, "squared": half_square})


def value_loss(
    value: Float[Array, "*#b"],
    old: Float[Array, "*#b"],
    returns: Float[Array, "*#b"],
    clip: float | Float[Array, ""],
    counted: Bool[Array, "*#b"] | bool = True,
    *,
    error: Callable[[Array], Array] = huber,
) -> Float[Array, ""]:
    """Mean of the larger of two errors: the value's own, and that of a value within `clip` of the old one."""
    near = old + jnp.clip(value - old, -clip, clip)
    return masked_mean(jnp.maximum(error(returns - value), error(returns - near)), jnp.asarray(counted))


def _clip_of(config: Settings, norm: ValueNorm) -> float | Float[Array, ""]:
    """How far a value may move, in the critic's units."""
    in_returns = config.value_norm and config.value_clip_units == "returns"
    return config.value_clip / norm.moments()[1] if in_returns else config.value_clip


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

    def loss(params: Any, part: Regression, returns: Array, clip: float | Array) -> Float[Array, ""]:
        value, _ = critic.unroll(params, part.inputs, part.carry[0], part.started)
        error = ERRORS[config.value_loss]
        mean = value_loss(value, part.old, returns, clip, part.filled[..., None], error=error)
        # Critics of their own have each a loss of its own.
        mean = mean * (value.shape[-1] if critic.stacked else 1)
        return mean if config.value_weight == 1 else mean * config.value_weight

    def step(state: CriticState, part: Regression) -> tuple[CriticState, Metrics]:
        any_step = part.filled.any()  # a mini-batch of final views alone teaches nothing
        norm = state.norm
        if config.value_norm:
            norm = where_done(any_step, norm.update(part.returns, part.filled[..., None]), norm)
        returns, clip = _in_units(config, norm, part.returns), _clip_of(config, norm)
        error, gradient = jax.value_and_grad(loss)(state.params, part, returns, clip)

        def move(gradient: Any, params: Any, opt_state: Any) -> Any:
            one = functools.partial(guarded_step, optimizer)
            # Every agent's gradient has its own norm.
            one = jax.vmap(one, in_axes=(0, 0, 0, None)) if critic.stacked else one
            return one(gradient, params, opt_state, any_step)

        params, opt_state, skipped = several(over_groups(move, gradient, state.params, state.opt_state))
        return CriticState(params, opt_state, norm), {"value_loss": error, "skipped": total(skipped)}

    pieces = chunked(data, piece_length(config, data.carry))
    return epochs(step, state, pieces, key, count=config.critic_epochs, minibatches=config.minibatches)
