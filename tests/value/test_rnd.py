"""The novelty bonus: running moments, what falls on repetition, what it may touch, and who earns none."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress
from jaxvf.envs.protocol import EnvSpec
from jaxvf.mixers import NoMixer, QmixMixer, VdnMixer
from jaxvf.networks import FeedForwardAgent
from jaxvf.value import QLearning, rnd
from jaxvf.value.moments import Moments

# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def test_moments_are_those_of_all_rows_so_far():
    """Mean and variance over four batches of one to seven rows with random masks, one of them empty, in NumPy."""
    generator = np.random.default_rng(0)
    moments, kept = Moments.start(3), np.zeros((0, 3))
    for size in (5, 1, 4, 7):
        rows = (10 + 3 * generator.normal(size=(size, 2, 3))).astype(np.float32)
        mask = (generator.random((size, 2)) < 0.6) & (size != 4)
        moments = moments.including(jnp.asarray(rows), jnp.asarray(mask))
        kept = np.concatenate([kept, rows[mask]])
        assert float(moments.count) == len(kept)
        np.testing.assert_allclose(moments.mean, kept.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(moments.variance, kept.var(axis=0), rtol=1e-4)


def fresh() -> rnd.NoveltyState:
    """Normal weights, without compiling `rnd.init`; no data yet."""
    generator = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: rnd.init(key, 5, 16), jax.random.key(0))
    fixed, predictor = (
        jax.tree.map(lambda leaf: generator.normal(scale=0.3, size=leaf.shape).astype(np.float32), tree)
        for tree in (shapes.fixed, shapes.predictor)
    )
    rest = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return rest._replace(fixed=fixed, predictor=predictor)


bonus = jax.jit(rnd.bonus, static_argnames=("width",), compiler_options=QUICK)


def test_rows_that_come_again_and_again_lose_their_bonus():
    """Four rows come 300 times, then beside four new ones: theirs is below a tenth of the others'."""
    rows = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    state, old = fresh(), np.arange(8) < 4
    for _ in range(300):
        _, state = bonus(state, rows, old, width=16, learning_rate=3e-3)
    again, _ = bonus(state, rows, np.ones(8, bool), width=16, learning_rate=3e-3)
    assert float(again[:4].mean()) < 0.1 * float(again[4:].mean())


def test_rows_that_do_not_count_earn_and_teach_nothing():
    """Masked rows have bonus 0; whatever they hold, the predictor and the scales are bitwise the same."""
    rows = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    mask, state = np.arange(8) < 4, fresh()
    junk = np.where(mask[:, None], rows, 1e3).astype(np.float32)
    (first, one), (second, two) = (bonus(state, each, mask, width=16, learning_rate=1e-2) for each in (rows, junk))
    assert not first[4:].any() and first[:4].all()
    np.testing.assert_array_equal(first, second)
    chex.assert_trees_all_equal(one, two)
    moved = jax.tree.map(lambda new, old: np.any(new != old), one, state)
    assert not any(jax.tree.leaves(moved.fixed)) and any(jax.tree.leaves(moved.predictor))


def learner_of(**fields) -> QLearning:
    parts = {"mixer": QmixMixer(embed=3, hypernet_layers=1), "agent": FeedForwardAgent(6), "novelty_width": 8}
    return QLearning(**{**parts, "optimizer": "adam", "max_grad_norm": 1e9, "novelty_weight": 0.5, **fields})


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch, env_steps=0):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(env_steps)))


SPEC = EnvSpec("random", 1, n_agents=2, n_actions=3, obs_dim=4, state_dim=5, limit_max=2)


def ending(batch):
    """Every step terminates, so that targets are rewards."""
    return batch._replace(terminated=np.ones_like(batch.terminated), truncated=np.zeros_like(batch.truncated))


@pytest.mark.golden("nm_qmix_rnd")
def test_the_gradient_is_that_of_the_larger_reward(random_episodes, state_for, gradients_of):
    """Agent and mixer learn as if the environment had paid r + β·bonus; the bonus gives them no gradient."""
    batch, learner = ending(random_episodes()), learner_of(novelty="state")
    state = state_for(learner, batch)
    earned, _ = bonus(state.novelty, batch.state[1:], batch.filled, width=8, learning_rate=1e-4)
    paid = batch._replace(reward=batch.reward + np.float32(0.5) * np.asarray(earned))
    with_bonus, metrics = update(learner, state, batch)
    without = update(learner_of(), state._replace(novelty=()), paid)[0]
    assert float(metrics["novelty"]) == pytest.approx(float(earned.mean()), rel=1e-5)
    one, two = (gradients_of(after.opt_state) for after in (with_bonus, without))
    chex.assert_trees_all_close(one, two, rtol=1e-4, atol=1e-6)
    # And the predictor learns the same whatever agent and mixer are.
    other = state._replace(params=jax.tree.map(lambda leaf: 2 * leaf, state.params))
    chex.assert_trees_all_equal(*(update(learner, each, batch)[0].novelty for each in (state, other)))


def test_agents_with_rewards_of_their_own_earn_the_bonus_too(random_episodes, state_for):
    """Every step terminates and pays nothing: the mean target is β times the bonus."""
    batch = ending(random_episodes())
    batch = batch._replace(agent_rewards=np.zeros((*batch.reward.shape, 2), np.float32))
    learner = learner_of(novelty="state", mixer=NoMixer(), reward="agents")
    _, metrics = update(learner, state_for(learner, batch), batch)
    assert float(metrics["novelty"]) > 0.1
    assert float(metrics["target"]) == pytest.approx(0.5 * float(metrics["novelty"]), abs=1e-5)


def test_weight_zero_is_no_bonus_bitwise(random_episodes, state_for):
    """β = 0 and novelty="none" from the same parameters: the same ones after three updates."""
    batch = random_episodes()
    learner = learner_of(novelty="state", novelty_weight=0.0)
    state = state_for(learner, batch)
    plain = state._replace(novelty=())
    for _ in range(3):
        state, plain = update(learner, state, batch)[0], update(learner_of(), plain, batch)[0]
    chex.assert_trees_all_equal(state[:3], plain[:3])


def test_a_bonus_leaves_the_initial_networks_as_they_are():
    """The same key gives the same agents and mixer with and without it."""
    init = jax.jit(lambda learner, key: learner.init(key, SPEC), compiler_options=QUICK)
    parts = {"mixer": VdnMixer(), "agent": FeedForwardAgent(2), "novelty_width": 2}
    with_bonus, without = (
        init(learner_of(novelty=kind, **parts), jax.random.key(3)).params for kind in ("state", "none")
    )
    chex.assert_trees_all_equal(with_bonus, without)


def test_the_weight_falls_to_zero_in_its_time(random_episodes, state_for):
    """β = 0.5 at step 0, 0.25 halfway, 0 at the end: the mean target exceeds the mean reward by β times the bonus."""
    batch, learner = ending(random_episodes()), learner_of(novelty="state", novelty_anneal=100.0)
    state = state_for(learner, batch)
    for env_steps, weight in ((0, 0.5), (50, 0.25), (100, 0.0), (1000, 0.0)):
        metrics = {name: float(value) for name, value in update(learner, state, batch, env_steps)[1].items()}
        assert metrics["target"] - batch.reward.mean() == pytest.approx(weight * metrics["novelty"], abs=1e-5)
        assert metrics["novelty"] > 0.1


@pytest.mark.parametrize("kind", ["state", "observations"])
def test_a_step_whose_successor_is_not_stored_earns_nothing(kind, random_episodes, state_for):
    """Without the frame after the second step only the first one earns; of observations, the mean over agents."""
    batch = ending(random_episodes())
    batch = batch._replace(**{name: getattr(batch, name)[:2] for name in ("obs", "state", "avail", "actions")})
    learner = learner_of(novelty=kind)
    state = state_for(learner, batch)
    rows, mask = (
        (batch.state[1:], np.ones((1, 3), bool)) if kind == "state" else (batch.obs[1:], np.ones((1, 3, 2), bool))
    )
    earned, _ = bonus(state.novelty, rows, mask, width=8, learning_rate=1e-4)
    if kind == "observations":
        earned = earned.mean(axis=-1)
    assert earned.shape == (1, 3)
    metrics = update(learner, state, batch)[1]
    assert float(metrics["novelty"]) == pytest.approx(float(earned.sum()) / 6, rel=1e-5)
    expected = (batch.reward.sum() + 0.5 * float(earned.sum())) / 6
    assert float(metrics["target"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["state", "observations"])
def test_in_sequences_only_steps_with_their_own_successor_earn(kind, random_episodes, state_for):
    """The first of three environments terminated at its first step, where the next frame is another episode's, and
    nobody took the second one's second step: neither earns, nor teaches the predictor.
    """
    batch = random_episodes()
    shape = batch.filled.shape
    batch = batch._replace(
        terminated=np.arange(6).reshape(shape) == 0,
        truncated=np.zeros(shape, bool),
        filled=np.arange(6).reshape(shape) != 4,
        started=np.arange(9).reshape(3, 3) == 3,
    )
    learner = learner_of(novelty=kind)
    state = state_for(learner, batch)
    counts = batch.filled & ~batch.terminated
    if kind == "observations":
        counts = np.repeat(counts[..., None], 2, axis=-1)
    rows = (batch.state if kind == "state" else batch.obs)[1:]
    earned, novelty = bonus(state.novelty, rows, counts, width=8, learning_rate=1e-4)
    assert (np.asarray(earned) > 0).sum() == counts.sum()
    after, metrics = update(learner, state, batch)
    chex.assert_trees_all_close(after.novelty, novelty, rtol=1e-5, atol=1e-7)
    mean = float(earned.sum()) / (5 * rows[..., 0].size / 6)  # over five steps taken, and agents
    assert float(metrics["novelty"]) == pytest.approx(mean, rel=1e-5)
