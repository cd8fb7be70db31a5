"""The ring of rollouts against a plain deque, and the sampler without replacement."""

import dataclasses
import functools
from collections import deque

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Rollout
from jaxvf.envs.protocol import EnvSpec
from jaxvf.value.replay import SHARED_IN_FIXED_VIEW, Replay, distinct_integers

T, N, A, RUNS = 3, 2, 3, 2
SPEC = EnvSpec("labelled", 1, n_agents=N, n_actions=A, obs_dim=4, state_dim=5, limit_max=T)


def labelled(labels: np.ndarray) -> Rollout:
    """Rollouts [B] whose every number tells its rollout and frame: 10 · label + t."""
    frames, steps = (10 * labels + np.arange(count)[:, None] for count in (T + 1, T))

    def spread(numbers, *trailing):
        return np.broadcast_to(numbers.reshape(*numbers.shape, *(1 for _ in trailing)), (*numbers.shape, *trailing))

    flag = np.broadcast_to(labels % 2 == 1, steps.shape)
    rollout = Rollout(
        obs=spread(frames, N, 4).astype(np.float32),
        state=spread(frames, 5).astype(np.float32),
        avail=spread(np.broadcast_to(labels % 2 == 1, frames.shape), N, A),
        actions=spread(frames, N).astype(np.int32),
        reward=steps.astype(np.float32),
        terminated=flag,
        truncated=flag,
        filled=flag,
        started=np.broadcast_to(labels % 2 == 1, frames.shape),
        carry=(spread(frames[:1], N, 6).astype(np.float32),),
    )
    return jax.tree.map(jnp.asarray, rollout)


def ring_of(capacity: int, batch_size: int = 1, rollouts: Rollout | None = None) -> tuple[Replay, Rollout]:
    """The functions of a ring, and its empty content."""
    replay = Replay(SPEC, capacity, batch_size)
    return replay, replay.init(labelled(np.arange(1)) if rollouts is None else rollouts)


def per_run(rollouts: Rollout) -> Rollout:
    """Run 1 stores the same as run 0 with 1000 added to its numbers."""
    return jax.tree.map(lambda leaf: jnp.stack([leaf, leaf if leaf.dtype == bool else leaf + 1000]), rollouts)


@pytest.mark.parametrize(("num_envs", "capacity"), [(2, 6), (1, 3), (3, 3), (1, 1)])
def test_ring_holds_the_last_rollouts_as_a_deque_does(num_envs, capacity):
    """Written past its end it overwrites the oldest, also with one environment and one slot; runs stay apart."""
    replay, ring = ring_of(capacity, num_envs)
    ring = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), ring)
    add = jax.jit(functools.partial(replay.add, runs_axis=1))
    sample = jax.jit(jax.vmap(replay.sample, in_axes=(0, 0, 0, None)))
    oracle = deque(maxlen=capacity)
    for iteration in range(2 * capacity // num_envs + 1):
        labels = iteration * num_envs + np.arange(num_envs)
        oracle.extend(labels)
        cursor = jnp.int32((iteration * num_envs) % capacity)
        newest = per_run(labelled(labels))
        ring = add(ring, newest, cursor)
        held = np.asarray(ring.reward)[0, 0, : len(oracle)] // 10
        assert sorted(held) == sorted(oracle)
        # Drawn rollouts are distinct, stored and whole: every leaf and frame carries the same label.
        batch = sample(ring, newest, jax.random.split(jax.random.key(iteration), RUNS), jnp.int32(len(oracle)))
        for run in range(RUNS):
            drawn = (np.asarray(batch.reward[run, 0]) - 1000 * run).astype(int) // 10
            assert len(set(drawn)) == num_envs
            assert set(drawn) <= set(oracle)
            one, expected = (
                jax.tree.map(lambda leaf, run=run: leaf[run], tree) for tree in (batch, per_run(labelled(drawn)))
            )
            chex.assert_trees_all_equal(one, expected)


def test_before_the_ring_is_full_only_what_was_stored_is_drawn():
    replay, ring = ring_of(64, 2)
    newest = labelled(np.array([1, 2]))
    ring = replay.add(ring, newest, jnp.int32(0), runs_axis=0)
    draw = jax.jit(jax.vmap(lambda key: replay.sample(ring, newest, key, jnp.int32(2))))
    rewards = np.asarray(draw(jax.random.split(jax.random.key(0), 50)).reward[:, 0]) // 10
    np.testing.assert_array_equal(np.sort(rewards, axis=1), np.broadcast_to([1, 2], (50, 2)))
    assert {tuple(row) for row in rewards} == {(1, 2), (2, 1)}


def test_fixed_views_are_not_stored():
    """What is alike in all rollouts has no place in the ring: a batch shows that of the newest rollouts."""
    replay = Replay(dataclasses.replace(SPEC, fixed_view=True), 8, 3)
    rollouts = labelled(np.arange(4))
    shared = rollouts._replace(
        **{name: jax.tree.map(lambda leaf: leaf[:, :1], getattr(rollouts, name)) for name in SHARED_IN_FIXED_VIEW}
    )
    ring = replay.init(shared)
    apart = {name for name, tree in ring._asdict().items() if jax.tree.leaves(tree)}
    assert apart == {"actions", "reward"}
    assert {leaf.shape[1] for leaf in jax.tree.leaves(ring)} == {8}
    stored = replay.add(ring, shared, jnp.int32(4), runs_axis=0)
    np.testing.assert_array_equal(stored.reward, np.pad(shared.reward, ((0, 0), (4, 0))))
    newest = shared._replace(obs=shared.obs + 1)
    batch = jax.jit(replay.sample)(stored, newest, jax.random.key(0), jnp.int32(8))
    assert batch.reward.shape == (T, 3)
    for name in SHARED_IN_FIXED_VIEW:
        chex.assert_trees_all_equal(getattr(batch, name), getattr(newest, name))


def test_storage_keeps_shapes_and_types():
    rollouts = labelled(np.arange(2))._replace(obs=jnp.ones((T + 1, 2, N, 4), jnp.uint8))
    _, ring = ring_of(6, rollouts=rollouts)
    chex.assert_trees_all_equal_dtypes(ring, rollouts)
    widened = jax.tree.map(lambda leaf: (leaf.shape[0], 6, *leaf.shape[2:]), rollouts)
    assert jax.tree.map(lambda leaf: leaf.shape, ring) == widened
    assert not any(leaf.any() for leaf in jax.tree.leaves(ring))


def test_what_nobody_asked_for_has_no_place_in_the_ring():
    """Leaves of a rollout that are None, as `carry` and `started` of whole episodes are, stay None when drawn."""
    episodes = labelled(np.arange(2))._replace(started=None, carry=None)
    replay, ring = ring_of(6, 2, episodes)
    stored = replay.add(ring, episodes, jnp.int32(0), runs_axis=0)
    batch = replay.sample(stored, episodes, jax.random.key(0), jnp.int32(2))
    assert ring.carry is None and batch.carry is None and batch.started is None


def test_writing_all_runs_is_one_slice_per_leaf_and_no_scatter():
    """The cursor has no runs axis, so the write stays a slice; under vmap it would be a scatter."""
    replay, ring = ring_of(6)
    ring = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), ring)
    add = functools.partial(replay.add, runs_axis=1)
    program = str(jax.make_jaxpr(add)(ring, per_run(labelled(np.arange(2))), jnp.int32(0)))
    assert program.count("dynamic_update_slice") == len(jax.tree.leaves(ring))
    assert "scatter" not in program


@functools.partial(jax.jit, static_argnames=("count", "draws"))
def draw(seed, sizes, count, draws):
    """[sizes, draws, count]"""
    keys = jax.random.split(jax.random.key(seed), draws)
    over_keys = jax.vmap(distinct_integers, in_axes=(0, None, None))
    return jax.vmap(over_keys, in_axes=(None, 0, None))(keys, sizes, count)


def test_a_draw_of_everything_is_a_permutation():
    """For every size from 1 to 200. Entry i does not depend on `count`, so one program tests all sizes."""
    drawn = np.asarray(draw(0, jnp.arange(1, 201), 200, 300))
    for size, rows in enumerate(drawn, start=1):
        np.testing.assert_array_equal(np.sort(rows[:, :size], axis=1), np.broadcast_to(np.arange(size), (300, size)))
    np.testing.assert_array_equal(draw(0, jnp.array([200]), 7, 300)[0], drawn[-1, :, :7])


def test_large_draws_are_distinct_and_in_range():
    sizes = [32, 33, 63, 64, 65, 1000, 1024, 1025, 4097, 5000, 100_000]
    for size, rows in zip(sizes, np.asarray(draw(1, jnp.array(sizes), 32, 2000)), strict=True):
        ordered = np.sort(rows, axis=1)
        assert (np.diff(ordered, axis=1) > 0).all(), size
        assert ordered[:, 0].min() >= 0
        assert ordered[:, -1].max() < size
        assert ordered[:, -1].max() > 0.99 * size - 1  # and all of the range is used


@pytest.mark.parametrize("size", [9, 13, 20])
def test_samples_are_uniform_alone_and_in_pairs(size):
    """Each number is in a sample of 4 with probability 4/n, each pair with 12/(n(n-1)), within 10 % and 20 %."""
    draws = 20_000
    rows = np.asarray(draw(2, jnp.array([9, 13, 20]), 4, draws))[[9, 13, 20].index(size)]
    member = np.zeros((draws, size))
    np.put_along_axis(member, rows, 1.0, axis=1)
    together = member.T @ member / draws
    np.testing.assert_allclose(np.diag(together), 4 / size, rtol=0.1)
    pairs = together[~np.eye(size, dtype=bool)]
    np.testing.assert_allclose(pairs, 12 / (size * (size - 1)), rtol=0.2)


def test_every_slot_of_a_large_ring_is_as_likely():
    """5000 slots in 50 bins of 100, from each place of the batch: 640 000 draws, 2 % a bin."""
    rows = np.asarray(draw(3, jnp.array([5000]), 32, 20_000))[0]
    frequency = np.bincount(rows.ravel() // 100, minlength=50) / rows.size
    np.testing.assert_allclose(frequency, 0.02, rtol=0.03)
    first = np.bincount(rows[:, 0] // 500, minlength=10) / len(rows)
    np.testing.assert_allclose(first, 0.1, rtol=0.1)
