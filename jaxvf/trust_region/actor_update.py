"""One agent's update on its own samples: epochs of the clipped surrogate, or one natural-gradient step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from jaxvf.algorithm import Metrics
from jaxvf.minibatches import epochs
from jaxvf.trust_region.actor_critic import ActorParams, Actors
from jaxvf.trust_region.advantages import masked_mean, normalize
from jaxvf.trust_region.batches import Samples, chunked, guarded_step, make_optimizer, piece_length
from jaxvf.trust_region.distributions import Distribution, divergence
from jaxvf.trust_region.natural_gradient import quadratic_gain, trust_region_step
from jaxvf.trust_region.objectives import clipped_surrogate, entropy_bonus, surrogate
from jaxvf.trust_region.settings import Settings


class ActorState(NamedTuple):
    """Parameters and optimizer of one actor, or of all along a leading axis N, by group where sizes differ."""

    params: Any
    opt_state: Any


def learning_rate(config: Settings, rate: float | Float[Array, ""], env_steps: Array) -> Float[Array, ""]:
    """The step size after this many environment steps."""
    left = 1.0 - env_steps / jnp.maximum(config.learning_rate_anneal, 1.0)
    return jnp.where(config.learning_rate_anneal > 0, jnp.maximum(left, 0.0), 1.0) * rate


def whole_policy(actors: Actors, params: ActorParams, samples: Samples) -> Distribution:
    """The policy of one agent at all of its samples, unrolled from the memory at the rollout's first frame."""
    return actors.policy(params, samples.obs, samples.carry[0], samples.started, samples.avail)


def pieces_of(config: Settings, samples: Samples) -> Samples:
    """The samples cut into what mini-batches are drawn from: sequences that gradients run through, or more."""
    return chunked(samples, piece_length(config, samples.carry))


def of_step(config: Settings, part: Samples, *, shared: bool = False) -> Samples:
    """The samples of a gradient step, with advantages normalized over them where that is asked for (JaxMARL).

    Args:
        config: the settings.
        part: the mini-batch, of one agent or of all.
        shared: whether the step is one of all agents together, whose samples are one batch.
    """
    if config.normalization != "minibatch":
        return part
    return part._replace(advantage=normalize(part.advantage, part.alive, "joint" if shared else "per_agent"))


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
        gradient, facts = jax.grad(loss, has_aux=True)(state.params, of_step(config, part))
        params, opt_state, skipped = guarded_step(optimizer, gradient, state.params, state.opt_state, part.alive.any())
        return ActorState(params, opt_state), counted(facts, skipped)

    pieces = pieces_of(config, samples)
    state, facts = epochs(step, state, pieces, key, count=config.actor_epochs, minibatches=config.minibatches)
    return state, {**facts, "trials": jnp.float32(0), "accepted": jnp.float32(0)}


class TrustRegionProblem(NamedTuple):
    """What a natural-gradient step of one agent is about, as functions of its flat parameters."""

    flat: Float[Array, "P"]
    restore: Callable[[Float[Array, "P"]], ActorParams]
    gain: Callable[[Float[Array, "P"]], Float[Array, ""]]  # to maximize
    mean_kl: Callable[[Float[Array, "P"]], Float[Array, ""]]  # from the policy that collected
    old: Distribution


def trust_region_problem(config: Settings, actors: Actors, params: ActorParams, samples: Samples) -> TrustRegionProblem:
    """The surrogate of an agent and its mean divergence on the whole batch (Kuba et al. 2022)."""
    flat, restore = ravel_pytree(params)
    old = jax.lax.stop_gradient(whole_policy(actors, params, samples))

    def gain(flat: Array) -> Float[Array, ""]:
        log_ratio = whole_policy(actors, restore(flat), samples).log_prob(samples.actions) - samples.log_prob
        return surrogate(log_ratio, samples.advantage, samples.weight, samples.alive)

    def mean_kl(flat: Array) -> Float[Array, ""]:
        # Dead samples count too, as in the code of Le & Ta 2025: it is 0 where death leaves one action.
        return masked_mean(divergence(old, whole_policy(actors, restore(flat), samples), config.kl), samples.filled)

    return TrustRegionProblem(flat, restore, gain, mean_kl, old)


def promised_gain(config: Settings, actors: Actors, params: ActorParams, samples: Samples) -> Float[Array, ""]:
    """What one agent expects of a divergence, a = gᵀF⁻¹g, while no other has moved (`quadratic_gain`)."""
    weight = jnp.ones_like(samples.log_prob)
    problem = trust_region_problem(config, actors, params, samples._replace(weight=weight))
    return quadratic_gain(problem.gain, problem.mean_kl, problem.flat)


def natural_update(
    config: Settings,
    actors: Actors,
    state: ActorState,
    samples: Samples,
    radius: float | Float[Array, ""],
) -> tuple[ActorState, Metrics]:
    """One natural-gradient step of at most `radius` on the whole batch (Kuba et al. 2022); none for a dead agent."""
    flat, restore, gain, mean_kl, old = trust_region_problem(config, actors, state.params, samples)
    done = trust_region_step(gain, mean_kl, flat, radius, backtrack=config.backtrack)
    facts = {
        "actor_loss": -done.gain,
        "entropy": masked_mean(old.entropy(), samples.alive),
        "skipped": 1.0 - jnp.isfinite(jax.grad(gain)(flat)).all(),
        "trials": done.trials.astype(jnp.float32),
        "accepted": done.accepted.astype(jnp.float32),
    }
    after = jnp.where(samples.alive.any(), done.params, flat)
    return ActorState(restore(after), state.opt_state), facts
