"""Joint updates: all agents move at once in every mini-batch (IPPO, MAPPO, CoPPO)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jaxvf.minibatches import epochs
from jaxvf.networks.members import Grouped, by_group, over_groups, several
from jaxvf.trust_region.actor_critic import Actors
from jaxvf.trust_region.actor_update import ActorState, clip_loss, counted, of_step, pieces_of
from jaxvf.trust_region.batches import Samples, guarded_step, make_optimizer
from jaxvf.trust_region.diagnostics import Facts, log_clipped, turn_facts
from jaxvf.trust_region.distributions import Distribution, divergence
from jaxvf.trust_region.objectives import preceding_weight
from jaxvf.trust_region.settings import Settings
from jaxvf.trust_region.sizes import total


def update_jointly(
    config: Settings,
    actors: Actors,
    state: ActorState,
    samples: Samples,
    key: Key[Array, ""],
    rate: Float[Array, ""],
) -> tuple[ActorState, Facts]:
    """Epochs of mini-batches in which every agent takes a step, weighted by the present ratios of all others.

    CoPPO (Wu et al. 2021) clips that weight to [0.9, 1.1]; in MAPPO and IPPO it is 1.

    Returns:
        The actors, and facts [N] by agent; their weights are those of an update in the order of agents. Of one shared
        network `skipped` is one number, and where its agents are drawn apart, so are losses and entropies.
    """
    optimizer = make_optimizer(rate, config.max_grad_norm)

    def step(state: ActorState, part: Samples) -> tuple[ActorState, Facts]:
        part = of_step(config, part, shared=actors.shared)
        gradient, facts = jax.grad(functools.partial(joint_loss, config, actors), has_aux=True)(state.params, part)
        move = functools.partial(guarded_step, optimizer)
        move = move if actors.shared else jax.vmap(move)  # every agent's gradient has its own norm
        living = _living(part.alive, gradient, shared=actors.shared)
        moved = over_groups(move, gradient, state.params, state.opt_state, living)
        params, opt_state, skipped = several(moved)
        if isinstance(skipped, Grouped):
            skipped = total(skipped) if actors.shared else by_group(lambda own, _: own[:, None], skipped)[:, 0]
        return ActorState(params, opt_state), counted(facts, skipped)

    pieces = pieces_of(config, samples.apart() if config.minibatch_agents == "apart" else samples)
    after, facts = epochs(step, state, pieces, key, count=config.actor_epochs, minibatches=config.minibatches)
    agents = samples.log_prob.shape[-1]
    still = {"trials": jnp.zeros(agents), "accepted": jnp.zeros(agents)}
    return after, facts | still | _measured(config, actors, state, after, samples)


def joint_loss(config: Settings, actors: Actors, params: Any, part: Samples) -> tuple[Float[Array, ""], Facts]:
    """The loss of all agents on a mini-batch, and facts [N] by agent, each of the agent's own samples."""
    policies, _ = actors.policies(params, part.obs, part.carry[0], part.started, part.avail)
    log_ratio = jax.lax.stop_gradient(policies.log_prob(part.actions) - part.log_prob)
    others = log_ratio.sum(axis=-1, keepdims=True) - log_ratio
    part = part._replace(weight=preceding_weight(others, config.weight_low, config.weight_high))
    if config.minibatch_agents == "apart":  # an agent's row is a mixture of all: it has no numbers of its own
        return clip_loss(config, policies, part, config.clip)
    losses, facts = per_agent(lambda policy, own: clip_loss(config, policy, own, config.clip), policies, part)
    if actors.shared:  # all agents' samples are one batch
        return clip_loss(config, policies, part, config.clip)[0], facts
    return losses.sum(), facts


def _living(alive: Bool[Array, "T _ N"], gradient: Any, *, shared: bool) -> Any:
    """Whether anybody lived whose network this is, with the structure of a gradient's networks: by group, by agent."""

    def any_of(alive: Bool[Array, "T _ n"]) -> Array:
        return alive.any() if shared else alive.any(axis=(0, 1))

    if not isinstance(gradient, Grouped):
        return any_of(alive)
    return Grouped(tuple(any_of(alive[..., list(group.agents)]) for group in gradient.groups), gradient.groups)


def _measured(config: Settings, actors: Actors, before: ActorState, after: ActorState, samples: Samples) -> Facts:
    old, new = (
        actors.policies(state.params, samples.obs, samples.carry[0], samples.started, samples.avail)[0]
        for state in (before, after)
    )
    log_ratio = new.log_prob(samples.actions) - samples.log_prob
    log_weight = jnp.cumsum(log_ratio, axis=-1) - log_ratio
    moved = log_clipped(config, log_ratio, log_ratio.sum(axis=-1, keepdims=True) - log_ratio)
    bounds = config.weight_low, config.weight_high

    def one(log_weight: Array, moved: Array, kl: Array, advantage: Array, alive: Array) -> Facts:
        return turn_facts(log_weight, moved, kl, advantage, alive, bounds=bounds, clip=config.clip)

    kl = divergence(old, new)
    return jax.vmap(one, in_axes=-1)(log_weight, moved, kl, samples.advantage, samples.alive)


def per_agent(function, policies: Distribution, samples: Samples):
    """`function(policy, samples)` of every agent, whose axis N comes after T and B; results along a leading N."""
    axes = jax.tree.map(lambda _: 2, samples)._replace(started=None, filled=None)
    return jax.vmap(function, in_axes=(2, axes))(policies, samples)
