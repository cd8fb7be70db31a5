"""The samples that actors learn from, and the mini-batches that they and critics learn in."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxvf.algorithm import Rollout
from jaxvf.networks.members import Group, entries
from jaxvf.trust_region.settings import Settings

Batch = TypeVar("Batch", bound=Any)


class Extras(NamedTuple):
    """What an actor records of a frame beside its action."""

    log_prob: Float[Array, "*t B N"]  # of the drawn action
    carry: Float[Array, "*t _ N H"]  # what every actor remembered before the frame
    baseline: Float[Array, "*t _"] | None = None  # expected reward of the acting policies, where it is known exactly


class Samples(NamedTuple):
    """What an actor learns from: of one agent, or of all with an axis N after B."""

    obs: Float[Array, "T _ *n O"]
    avail: Bool[Array, "T _ *n A"]
    alive: Bool[Array, "T _ *n"]  # and the step was taken
    carry: Float[Array, "T _ *n H"]
    actions: Array
    log_prob: Float[Array, "T B *n"]
    advantage: Float[Array, "T B *n"]
    weight: Any  # [T, B, *n], of the other agents; None until an agent's turn begins
    started: Bool[Array, "T _"]
    filled: Bool[Array, "T _"]

    @staticmethod
    def of(rollout: Rollout, advantage: Float[Array, "T B N"]) -> "Samples":
        """The steps of a rollout; in a final view nobody acts."""
        assert rollout.alive is not None and rollout.started is not None
        steps, extras = rollout.steps, rollout.extras
        obs, avail, alive, actions, started, log_prob, carry = (
            leaf[:steps]
            for leaf in (
                rollout.obs, rollout.avail, rollout.alive, rollout.actions, rollout.started, extras.log_prob,
                extras.carry,
            )
        )  # fmt: skip
        alive = alive & rollout.filled[..., None]
        return Samples(obs, avail, alive, carry, actions, log_prob, advantage, None, started, rollout.filled)

    def agent(self, agent: Int[Array, ""]) -> "Samples":
        """The samples of one agent."""
        return self._each(lambda leaf: jnp.take(leaf, agent, axis=2))

    def by_agent(self, order: Int[Array, "N"]) -> "Samples":
        """The samples of every agent along a leading axis N, in this order; what all share is repeated."""
        each = self._each(lambda leaf: jnp.take(jnp.moveaxis(leaf, 2, 0), order, axis=0))
        shared = (jnp.broadcast_to(leaf, (len(order), *leaf.shape)) for leaf in (self.started, self.filled))
        return each._replace(**dict(zip(("started", "filled"), shared, strict=True)))

    def narrowed(self, group: Group) -> "Samples":
        """Without what only larger agents than those of the group have."""
        own = None if group.outputs is None else ((0, group.outputs),)
        actions = entries(self.actions, own) if self.actions.ndim > self.log_prob.ndim else self.actions
        return self._replace(obs=entries(self.obs, group.inputs), avail=entries(self.avail, own), actions=actions)

    def apart(self) -> "Samples":
        """The samples of all agents as those of one, who has N environments for each of theirs."""
        _, width, agents = self.log_prob.shape
        return agents_apart(self, ("started", "filled"), width, agents)

    def _each(self, function: Callable[[Array], Array]) -> "Samples":
        mine = jax.tree.map(function, self._replace(started=(), filled=()))
        return mine._replace(started=self.started, filled=self.filled)


def agents_apart(samples: Batch, without_agents: tuple[str, ...], width: int, agents: int) -> Batch:
    """Leaves [T, B or 1, N or 1, ...] as [T, N · B, 1, ...], agents in the place of environments.

    Args:
        samples: a named tuple of such leaves.
        without_agents: its fields [T, B or 1], which become [T, N · B].
        width: B.
        agents: N.
    """

    def moved(leaf: Array) -> Array:
        leaf = jnp.broadcast_to(leaf, (len(leaf), width, agents, *leaf.shape[3:]))
        return jnp.moveaxis(leaf, 2, 1).reshape(len(leaf), agents * width, 1, *leaf.shape[3:])

    flags = {name: moved(getattr(samples, name)[..., None])[..., 0] for name in without_agents}
    return jax.tree.map(moved, samples._replace(**dict.fromkeys(without_agents)))._replace(**flags)


def piece_length(config: Settings, carry: Float[Array, "T _ *n H"]) -> int:
    """Steps of what mini-batches are drawn from, for a network that remembers `carry`; without memory H is 0."""
    if config.minibatch_pieces == "environments":
        return len(carry)
    return config.chunk_length if carry.shape[-1] else 1


def chunked(samples: Any, length: int) -> Any:
    """Leaves [T, B or 1, ...] as pieces [length, T/length · B or 1, ...] of consecutive steps."""
    width = max(leaf.shape[1] for leaf in jax.tree.leaves(samples))

    def cut(leaf: Array) -> Array:
        steps, _, *rest = leaf.shape
        if steps > length:  # pieces of different times are no longer alike, even where environments are
            leaf = jnp.broadcast_to(leaf, (steps, width, *rest))
        pieces = jnp.moveaxis(leaf.reshape(steps // length, length, *leaf.shape[1:]), 1, 0)
        return pieces.reshape(length, pieces.shape[1] * pieces.shape[2], *rest)

    return jax.tree.map(cut, samples)


def guarded_step(
    optimizer: optax.GradientTransformation,
    gradient: Any,
    params: Any,
    opt_state: Any,
    alive_any: bool | Bool[Array, ""] = True,
) -> tuple[Any, Any, Float[Array, ""]]:
    """One step of the optimizer, unless the gradient is not finite or nobody was alive: then nothing changes.

    The product of many ratios may overflow; a step that is left out for it is counted, never hidden: 1 is returned.
    Without a living sample there is no step to take, and Adam's momentum must not take one; that is not counted.
    """
    finite = jnp.isfinite(optax.tree.norm(gradient))
    taken = finite & alive_any
    updates, moved = optimizer.update(gradient, opt_state, params)
    after = optax.apply_updates(params, updates), moved
    kept = jax.tree.map(lambda new, old: jnp.where(taken, new, old), after, (params, opt_state))
    return *kept, jnp.float32(alive_any & ~finite)


def make_optimizer(
    learning_rate: float | Float[Array, ""], max_grad_norm: float | Float[Array, ""]
) -> optax.GradientTransformation:
    """Global-norm clip, then Adam with ε = 1e-5 (Le & Ta 2025)."""
    return optax.chain(optax.clip_by_global_norm(max_grad_norm), optax.adam(learning_rate, eps=1e-5))
