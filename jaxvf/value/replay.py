"""Replay: a ring of rollouts whose cursor is shared by all runs of a program.

The ring is a `Rollout` whose axis B is the ring. What is the same in every rollout is not in it: the newest rollout has
it. Nothing is stored that can be added when it is read, and masks are stored as bits: on
a big map that is most of a rollout, for agent indices are N of an observation's features, and 36 actions fit into 5
bytes instead of 36.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Num

from jaxvf.algorithm import Rollout
from jaxvf.envs.protocol import EnvSpec

BYTE = 8  # masks of more actions than that are stored as bits
BIJECTION_ROUNDS = 4
# An image is outside the valid range with probability below 1/2: all but 2^-24 of the walks end inside, and the few
# that do not take the last slot.
WALK_STEPS = 24
WALK_UNROLL = 8  # steps written out together: each step of a loop is two kernels on a GPU, whatever it does

# The same in every rollout where all environments look alike and end together (`EnvSpec.fixed_view`).
SHARED_IN_FIXED_VIEW = ("obs", "state", "avail", "terminated", "truncated", "filled", "started", "carry")


@dataclasses.dataclass(frozen=True)
class Replay:
    """The functions of a ring; its content is a separate `Rollout`.

    Attributes:
        spec: of the environment whose rollouts are kept.
        capacity: rollouts that the ring holds.
        batch_size: rollouts in a batch.
    """

    spec: EnvSpec
    capacity: int
    batch_size: int

    def init(self, rollout: Rollout) -> Rollout:
        """A ring of zeros for packed rollouts with the shapes of `rollout`, leaves [T, B or 1, ...]."""
        return jax.tree.map(
            lambda leaf: jnp.zeros((leaf.shape[0], self.capacity, *leaf.shape[2:]), leaf.dtype), self._varying(rollout)
        )

    def add(self, ring: Rollout, rollouts: Rollout, cursor: Int[Array, ""], *, runs_axis: int) -> Rollout:
        """Put new rollouts at the cursor of every run's ring.

        Args:
            ring: the rings, leaves [..., T, capacity, ...].
            rollouts: what to store, packed, leaves [..., T, B or 1, ...]; the capacity is a multiple of B, so no write
                wraps.
            cursor: first slot to overwrite, the same for all runs: one slice update. Under vmap it would be a scatter.
            runs_axis: number of leading axes before T.
        """
        axis = runs_axis + 1

        def put(old: Array, new: Array) -> Array:
            return jax.lax.dynamic_update_slice_in_dim(old, new, cursor, axis)

        return jax.tree.map(put, ring, self._varying(rollouts))

    def sample(self, ring: Rollout, newest: Rollout, key: Key[Array, ""], stored: Int[Array, ""]) -> Rollout:
        """A batch of distinct rollouts out of the first `stored`, leaves [T, batch_size or 1, ...], for one run.

        What all rollouts share is `newest`'s.
        """
        slots = distinct_integers(key, stored, self.batch_size)
        picked = jax.tree.map(lambda leaf: leaf.at[:, slots].get(mode="promise_in_bounds"), ring)
        if self.spec.fixed_view:
            picked = picked._replace(**{name: getattr(newest, name) for name in SHARED_IN_FIXED_VIEW})
        return self.unpacked(picked)

    def packed(self, rollout: Rollout) -> Rollout:
        """Rollouts as the ring stores them; as they are where one view is shared."""
        if self.spec.fixed_view:
            return rollout
        obs, avail = rollout.obs, rollout.avail
        if self.spec.agent_ids:
            obs = obs[..., : -self.spec.n_agents]
        if self.spec.n_actions > BYTE:
            avail = jnp.packbits(avail, axis=-1)
        return rollout._replace(obs=obs, avail=avail)

    def unpacked(self, batch: Rollout) -> Rollout:
        """A batch as learners read it: the inverse of `packed`, and of how features are stored."""
        obs, avail = self.spec.obs_storage.read(batch.obs), batch.avail
        batch = batch._replace(obs=obs, state=self.spec.state_storage.read(batch.state))
        if self.spec.fixed_view:
            return batch
        if self.spec.agent_ids:
            obs = jnp.concatenate([obs, _identities(obs, self.spec.n_agents)], axis=-1)
        if self.spec.n_actions > BYTE:
            avail = jnp.unpackbits(avail, axis=-1, count=self.spec.n_actions).astype(bool)
        return batch._replace(obs=obs, avail=avail)

    def _varying(self, rollout: Rollout) -> Rollout:
        return rollout._replace(**dict.fromkeys(SHARED_IN_FIXED_VIEW)) if self.spec.fixed_view else rollout


def _identities(obs: Num[Array, "*b N O"], n_agents: int) -> Num[Array, "*b N N"]:
    return jnp.broadcast_to(jnp.eye(n_agents, dtype=obs.dtype), (*obs.shape[:-1], n_agents))


def by_joint_action(batch: Rollout, n_actions: int) -> Rollout:
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

    def walk(_: int | Array, x: Array) -> Array:
        return jnp.where(x < size, x, bijection(x))

    first = bijection(jnp.arange(count, dtype=jnp.uint32))
    x = jax.lax.fori_loop(0, WALK_STEPS, walk, first, unroll=WALK_UNROLL)
    return jnp.minimum(x, size - 1).astype(jnp.int32)
