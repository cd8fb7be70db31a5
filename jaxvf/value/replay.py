"""Episode replay: a ring of whole episodes whose cursor is shared by all runs of a program.

A replay is an `Episodes` record whose axis B is the ring. Leaves that do not vary along B have size 1 there, are
stored once, and are not indexed when sampling.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

BIJECTION_ROUNDS = 4
# An image is outside the valid range with probability below 1/2: all but 2^-24 of the walks end inside, and the few
# that do not take the last slot.
WALK_STEPS = 24


class Episodes(NamedTuple):
    """B whole episodes from their first frame, padded to T steps.

    Frame t is what step t saw and did, frame t + 1 where it led. After its last step an episode stands still, so the
    frame behind that step is its final view, with the action the policy would have taken there. There are F = T + 1
    frames, or F = T where every episode ends by itself and nothing looks at a final view (`EnvSpec.self_ending`).
    """

    obs: Float[Array, "F B N O"]
    state: Float[Array, "F B S"]
    avail: Bool[Array, "F B N A"]
    actions: Int[Array, "F B N"]
    reward: Float[Array, "T B"]
    terminated: Bool[Array, "T B"]
    truncated: Bool[Array, "T B"]
    filled: Bool[Array, "T B"]  # a step that was really taken; a number where a row stands for several episodes


# What is the same in every episode where all environments look alike and end together (`EnvSpec.fixed_view`).
SHARED_IN_FIXED_VIEW = ("obs", "state", "avail", "terminated", "truncated", "filled")


def share_fixed_view(episodes: Episodes) -> Episodes:
    """Episodes of an environment with a fixed view, with size 1 along B wherever they are all alike."""
    return episodes._replace(**{name: getattr(episodes, name)[:, :1] for name in SHARED_IN_FIXED_VIEW})


def empty(episodes: Episodes, capacity: int, *, fixed_view: bool) -> Episodes:
    """A ring of zeros for episodes with the shapes of `episodes`, leaves [T, B or 1, ...]."""

    def ring(name: str, leaf: Any) -> Array:
        slots = 1 if fixed_view and name in SHARED_IN_FIXED_VIEW else capacity
        return jnp.zeros((leaf.shape[0], slots, *leaf.shape[2:]), leaf.dtype)

    return Episodes(*(ring(name, leaf) for name, leaf in episodes._asdict().items()))


def write(replay: Episodes, episodes: Episodes, cursor: Int[Array, ""], *, runs_axis: int) -> Episodes:
    """Put new episodes at the cursor of every run's ring.

    Args:
        replay: the rings, leaves [..., T, capacity or 1, ...].
        episodes: what to store, leaves [..., T, B or 1, ...]; the capacity is a multiple of B, so no write wraps.
        cursor: first slot to overwrite, the same for all runs: one slice update. Under vmap it would be a scatter.
        runs_axis: number of leading axes before T.
    """
    axis = runs_axis + 1

    def put(ring: Array, new: Array) -> Array:
        start = cursor if ring.shape[axis] > 1 else 0
        return jax.lax.dynamic_update_slice_in_dim(ring, new, start, axis)

    return jax.tree.map(put, replay, episodes)


def sample(replay: Episodes, key: Key[Array, ""], stored: Int[Array, ""], batch_size: int) -> Episodes:
    """A batch of distinct stored episodes, leaves [T, batch_size or 1, ...], for one run."""
    slots = distinct_integers(key, stored, batch_size)

    def pick(ring: Array) -> Array:
        return ring.at[:, slots].get(mode="promise_in_bounds") if ring.shape[1] > 1 else ring

    return jax.tree.map(pick, replay)


def by_joint_action(batch: Episodes, n_actions: int) -> Episodes:
    """A batch of a one-step game as one row per joint action, which counts as often as the batch holds it.

    Where the reward is a function of the joint action alone (`EnvSpec.payoff_game`) every sum over the batch is the
    same, and networks run on A^N rows instead of one for each episode.
    """
    n_agents = batch.actions.shape[-1]
    rows = jnp.indices((n_actions,) * n_agents).reshape(n_agents, -1).T
    place = n_actions ** jnp.arange(n_agents - 1, -1, -1)
    holds = jax.nn.one_hot(batch.actions[0] @ place, len(rows))
    count = holds.sum(axis=0)
    reward = batch.reward[0] @ holds / jnp.maximum(count, 1.0)
    return batch._replace(actions=rows[None].astype(batch.actions.dtype), reward=reward[None], filled=count[None])


def distinct_integers(key: Key[Array, ""], size: Int[Array, ""], count: int) -> Int[Array, "count"]:
    """`count` distinct integers of [0, size), a nearly uniform sample without replacement; costs a few products.

    The images of 0 ... count-1 under a random bijection of [0, 2^m), the smallest power of two that holds `size`;
    images outside [0, size) are mapped again until they fall inside, which keeps it a bijection (cycle walking, as in
    format-preserving encryption). Sorting `size` random numbers would cost more than a small network's whole update.

    Args:
        key: random key.
        size: how many there are to choose from, at least `count`.
        count: how many to choose.
    """
    size = size.astype(jnp.uint32)
    bits = 32 - jax.lax.clz(jnp.maximum(size - 1, 1))
    mask = (jnp.uint32(1) << bits) - 1
    half = (bits + 1) // 2
    constants = jax.random.bits(key, (BIJECTION_ROUNDS, 2), jnp.uint32)

    def bijection(x: Array) -> Array:
        for multiplier, offset in constants:
            x = (x * (multiplier | 1) + offset) & mask  # an odd factor is invertible modulo a power of two
            x = x ^ (x >> half)  # as is folding the high half onto the low one
        return x

    def walk(_: int, x: Array) -> Array:
        return jnp.where(x < size, x, bijection(x))

    first = bijection(jnp.arange(count, dtype=jnp.uint32))
    x = jax.lax.fori_loop(0, WALK_STEPS, walk, first)
    return jnp.minimum(x, size - 1).astype(jnp.int32)
