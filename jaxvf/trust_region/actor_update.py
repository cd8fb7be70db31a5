"""One agent's update on its own samples: epochs of the clipped surrogate, or one natural-gradient step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from jaxvf.algorithm import Metrics
from jaxvf.minibatches import epochs
from jaxvf.trust_region.actor_critic import ActorParams, Actors
from jaxvf.trust_region.advantages import masked_mean
from jaxvf.trust_region.batches import Samples, chunked, guarded_step, make_optimizer
from jaxvf.trust_region.distributions import Distribution, divergence
from jaxvf.trust_region.natural_gradient import trust_region_step
from jaxvf.trust_region.objectives import clipped_surrogate, entropy_bonus, surrogate
from jaxvf.trust_region.settings import Settings


class ActorState(NamedTuple):
    """Parameters and optimizer of one actor, or of all along a leading axis N."""

    params: ActorParams
    opt_state: Any


def learning_rate(config: Settings, rate: float | Float[Array, ""], env_steps: Array) -> Float[Array, ""]:
    """The step size after this many environment steps."""
    left = 1.0 - env_steps / jnp.maximum(config.learning_rate_anneal, 1.0)
    return jnp.where(config.learning_rate_anneal > 0, jnp.maximum(left, 0.0), 1.0) * rate


def whole_policy(actors: Actors, params: ActorParams, samples: Samples) -> Distribution:
    """The policy of one agent at all of its samples, unrolled from the memory at the rollout's first frame."""
    return actors.policy(params, samples.obs, samples.carry[0], samples.started, samples.avail)


def pieces_of(config: Settings, actors: Actors, samples: Samples) -> Samples:
    """The samples cut into the sequences that gradients run through: single steps for a network without memory."""
    remembers = samples.carry.shape[-1] > 0
    return chunked(samples, config.chunk_length if remembers else 1)


def clip_loss(
    config: Settings, policy: Distribution, samples: Samples, clip: float | Float[Array, ""]
) -> tuple[Float[Array, ""], Metrics]:
    """-(surrogate + β entropy) of one agent (Schulman et al. 2017; with a weight Kuba et al. 2022)."""
    log_ratio = policy.log_prob(samples.actions) - samples.log_prob
    gain = clipped_surrogate(
        log_ratio, samples.advantage, samples.weight, samples.alive, clip=clip, place=config.weight_place
    )
    entropy = policy.entropy()
    bonus = entropy_bonus(entropy, samples.alive, log_ratio.size, reduction=config.entropy_reduction)
    facts = {"actor_loss": -gain, "entropy": masked_mean(entropy, samples.alive)}
    return -(gain + config.entropy_weight * bonus), facts


def counted(facts: Metrics, skipped: Float[Array, "*n"]) -> Metrics:
    """Facts of a step, and whether it was left out; what made it so must not spoil the means."""
    finite = {name: jnp.where(jnp.isfinite(value), value, 0.0) for name, value in facts.items()}
    return {**finite, "skipped": skipped}


def clip_update(
    config: Settings,
    actors: Actors,
    state: ActorState,
    samples: Samples,
    key: Key[Array, ""],
    rate: Float[Array, ""],
    clip: float | Float[Array, ""],
) -> tuple[ActorState, Metrics]:
    """Epochs of mini-batches of the clipped surrogate."""
    optimizer = make_optimizer(rate, config.max_grad_norm)

    def loss(params: ActorParams, part: Samples) -> tuple[Float[Array, ""], Metrics]:
        policy = actors.policy(params, part.obs, part.carry[0], part.started, part.avail)
        return clip_loss(config, policy, part, clip)

    def step(state: ActorState, part: Samples) -> tuple[ActorState, Metrics]:
        gradient, facts = jax.grad(loss, has_aux=True)(state.params, part)
        params, opt_state, skipped = guarded_step(optimizer, gradient, state.params, state.opt_state, part.alive.any())
        return ActorState(params, opt_state), counted(facts, skipped)

    pieces = pieces_of(config, actors, samples)
    state, facts = epochs(step, state, pieces, key, count=config.actor_epochs, minibatches=config.minibatches)
    return state, {**facts, "trials": jnp.float32(0), "accepted": jnp.float32(0)}


def natural_update(config: Settings, actors: Actors, state: ActorState, samples: Samples) -> tuple[ActorState, Metrics]:
    """One natural-gradient step on the whole batch (Kuba et al. 2022); none for a dead agent."""
    flat, restore = ravel_pytree(state.params)
    old = jax.lax.stop_gradient(whole_policy(actors, state.params, samples))

    def gain(flat: Array) -> Float[Array, ""]:
        log_ratio = whole_policy(actors, restore(flat), samples).log_prob(samples.actions) - samples.log_prob
        return surrogate(log_ratio, samples.advantage, samples.weight, samples.alive)

    def mean_kl(flat: Array) -> Float[Array, ""]:
        # Dead samples count too, as in the code of Le & Ta 2025: it is 0 where death leaves one action.
        return masked_mean(divergence(old, whole_policy(actors, restore(flat), samples), config.kl), samples.filled)

    done = trust_region_step(gain, mean_kl, flat, config.kl_radius, backtrack=config.backtrack)
    facts = {
        "actor_loss": -done.gain,
        "entropy": masked_mean(old.entropy(), samples.alive),
        "skipped": 1.0 - jnp.isfinite(jax.grad(gain)(flat)).all(),
        "trials": done.trials.astype(jnp.float32),
        "accepted": done.accepted.astype(jnp.float32),
    }
    after = jnp.where(samples.alive.any(), done.params, flat)
    return ActorState(restore(after), state.opt_state), facts
