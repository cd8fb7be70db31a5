"""Sequential updates: agents move one after another on one batch, each weighted by the ratios of those before it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key

from jaxvf.algorithm import Metrics
from jaxvf.networks.members import Group, by_group
from jaxvf.trust_region.actor_critic import Actors
from jaxvf.trust_region.actor_update import (
    ActorState,
    clip_loss,
    clip_update,
    counted,
    natural_update,
    of_step,
    pieces_of,
    promised_gain,
    whole_policy,
)
from jaxvf.trust_region.batches import Samples, guarded_step, make_optimizer
from jaxvf.trust_region.diagnostics import Facts, log_clipped, turn_facts
from jaxvf.trust_region.distributions import divergence
from jaxvf.trust_region.natural_gradient import shared_radii
from jaxvf.trust_region.objectives import preceding_weight
from jaxvf.trust_region.seats import Seat, at_seat, by_size, seated, unseated
from jaxvf.trust_region.settings import Settings
from jaxvf.trust_region.sizes import padded

# (agent, log of the preceding ratio product) -> the advantage that the agent's turn uses in place of its samples'
Reestimate = Callable[[Int[Array, ""], Float[Array, "T B"]], Float[Array, "T B"]]


def update_order(config: Settings, key: Key[Array, ""], scores: Float[Array, "N"]) -> Int[Array, "N"]:
    """The agents in the order in which they move: order[m] has position m.

    "semi_greedy" alternates the highest remaining score with a random remaining agent (Wang et al. 2023).
    """
    agents = scores.shape[0]
    if config.order == "fixed":
        return jnp.arange(agents)
    if config.order == "random":
        return jax.random.permutation(key, agents)

    def choose(left: Array, turn: tuple[Array, Array]) -> tuple[Array, Array]:
        position, key = turn
        luck = jax.random.uniform(key, (agents,))
        agent = jnp.argmax(jnp.where(left, jnp.where(position % 2 == 0, scores, luck), -jnp.inf))
        return left & (jnp.arange(agents) != agent), agent

    return jax.lax.scan(choose, jnp.ones(agents, bool), (jnp.arange(agents), jax.random.split(key, agents)))[1]


def clip_at(config: Settings, position: Int[Array, ""] | int, agents: int) -> float | Float[Array, ""]:
    """ε at a position m = 0 ... n-1: constant, or ε (1/2 + (m + 1)/(2n)) (Wang et al. 2023)."""
    if config.clip_schedule == "constant":
        return config.clip
    return config.clip * (0.5 + (position + 1) / (2 * agents))


def update_in_turn(
    config: Settings,
    actors: Actors,
    state: ActorState,
    samples: Samples,
    reestimate: Reestimate | None,
    order: Int[Array, "N"],
    key: Key[Array, ""],
    rate: Float[Array, ""],
) -> tuple[ActorState, Facts]:
    """Every agent's whole update, one after another (Kuba et al. 2022); independent parameters, of one size or several.

    Carries the *logarithm* of the unclipped ratio product; it is clipped only where it is used, and stays fixed during
    an agent's whole turn.

    Returns:
        The actors, and facts [N] by position.
    """
    agents = order.shape[0]

    def move(
        seat: Seat, row: Array, own: Samples, key: Key[Array, ""], log_weight: Array, clip: Any, radius: Any
    ) -> tuple[Array, Array, Array]:
        before, own = seat.read(row), own.narrowed(seat.group)
        if config.step == "natural":
            after, facts = natural_update(config, actors, before, own, config.kl_radius if radius is None else radius)
        else:
            after, facts = clip_update(config, actors, before, own, key, rate, clip)
        log_ratio, more = measured(config, actors, before, after, own, log_weight, clip)
        numbers, as_facts = ravel_pytree(facts | more)
        unpack.append(as_facts)
        return padded(ravel_pytree(after)[0], len(row)), log_ratio, numbers

    def turn(log_weight: Array, now: tuple[Any, ...]) -> tuple[Array, tuple[Array, Array]]:
        row, own, agent, position, key, radius = now
        clip = clip_at(config, position, agents)
        own = own._replace(weight=preceding_weight(log_weight, config.weight_low, config.weight_high))
        if reestimate is not None:
            own = own._replace(advantage=reestimate(agent, log_weight))
        after, log_ratio, numbers = at_seat(move, seats, agent, row, own, key, log_weight, clip, radius)
        return log_weight + log_ratio, (after, numbers)

    unpack: list[Any] = []

    # Agents are laid out in the order of their turns, and back, once: writing each into its place would be a scatter.
    # Each is one row of numbers, because a loop reads and writes every array of its own in a kernel of its own.
    mine, seats = seated(state)
    radii = divided_budget(config, actors, state, samples, order) if config.budget == "shared" else None
    turns = mine[order], samples.by_agent(order), order, jnp.arange(agents), jax.random.split(key, agents), radii
    _, (after, numbers) = jax.lax.scan(turn, jnp.zeros_like(samples.log_prob[..., 0]), turns)
    state, facts = unseated(after[jnp.argsort(order)], seats, state), jax.vmap(unpack[-1])(numbers)
    return state, facts if radii is None else facts | {"radius": radii}


def divided_budget(
    config: Settings, actors: Actors, state: ActorState, samples: Samples, order: Int[Array, "N"]
) -> Float[Array, "N"]:
    """Every agent's δ out of N · kl_radius (`shared_radii`), by what each would gain if it moved first.

    Args:
        config: the settings.
        actors: the policies.
        state: of all agents.
        samples: of all agents.
        order: of the turns, which is that of the result.
    """

    def gains_of(part: ActorState, group: Group) -> Float[Array, "n 1"]:
        own = samples.by_agent(jnp.array(group.agents)).narrowed(group)
        gains = jax.vmap(lambda params, samples: promised_gain(config, actors, params, samples))(part.params, own)
        return gains[:, None]

    gains = by_group(gains_of, by_size(state))[order, 0]
    return shared_radii(gains, config.kl_radius * gains.shape[0])


def measured(
    config: Settings,
    actors: Actors,
    before: ActorState,
    after: ActorState,
    own: Samples,
    log_weight: Float[Array, "T B"],
    clip: float | Float[Array, ""],
) -> tuple[Float[Array, "T B"], Facts]:
    """The logarithm of an agent's ratio on the whole batch after its turn, and what the turn did."""
    old, new = (whole_policy(actors, state.params, own) for state in (before, after))
    log_ratio = new.log_prob(own.actions) - own.log_prob
    moved, bounds = log_clipped(config, log_ratio, log_weight), (config.weight_low, config.weight_high)
    return log_ratio, turn_facts(
        log_weight, moved, divergence(old, new), own.advantage, own.alive, bounds=bounds, clip=clip
    )


def update_shared_in_turn(
    config: Settings,
    actors: Actors,
    state: ActorState,
    samples: Samples,
    order: Int[Array, "N"],
    rate: Float[Array, ""],
) -> tuple[ActorState, Facts]:
    """Sequential updates of one network for all agents (as the code of Le & Ta 2025 does).

    In every epoch the weight starts at 1; each agent in the order takes one gradient step on its own samples, then its
    ratio under the present weights joins the product.

    Returns:
        The actor, and facts [N] by position, of the last epoch.
    """
    optimizer, agents = make_optimizer(rate, config.max_grad_norm), order.shape[0]

    def loss(params, part: Samples, clip) -> tuple[Float[Array, ""], Metrics]:
        policy = actors.policy(params, part.obs, part.carry[0], part.started, part.avail)
        return clip_loss(config, policy, part, clip)

    def turn(carried: tuple[ActorState, Array], now: tuple[Array, Array]) -> tuple[tuple[ActorState, Array], Facts]:
        (before, log_weight), (agent, position) = carried, now
        clip = clip_at(config, position, agents)
        weight = preceding_weight(log_weight, config.weight_low, config.weight_high)
        own = samples.agent(agent)._replace(weight=weight)
        part = of_step(config, pieces_of(config, own))
        gradient, facts = jax.grad(loss, has_aux=True)(before.params, part, clip)
        params, opt_state, skipped = guarded_step(optimizer, gradient, before.params, before.opt_state, own.alive.any())
        after = ActorState(params, opt_state)
        log_ratio, more = measured(config, actors, before, after, own, log_weight, clip)
        still = {"trials": jnp.float32(0), "accepted": jnp.float32(0)}
        return (after, log_weight + log_ratio), counted(facts, skipped) | still | more

    def epoch(state: ActorState, _: None) -> tuple[ActorState, Facts]:
        start = state, jnp.zeros_like(samples.log_prob[..., 0])
        (state, _weight), facts = jax.lax.scan(turn, start, (order, jnp.arange(agents)))
        return state, facts

    after: Any = jax.lax.scan(epoch, state, None, length=config.actor_epochs)
    state, facts = after
    return state, {name: values.sum(0) if name == "skipped" else values[-1] for name, values in facts.items()}
