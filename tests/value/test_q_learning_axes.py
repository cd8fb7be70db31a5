"""What holds for every mixer and agent: size-one axes, masks, and updates of the target network."""

import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from jaxvf.algorithm import Progress, Rollout
from jaxvf.envs import TwoStepGame
from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.errors import InputError
from jaxvf.mixers import MIXERS, QmixMixer, VdnMixer
from jaxvf.networks import AGENTS, FeedForwardAgent, RecurrentAgent, TabularAgent
from jaxvf.training import observed_by
from jaxvf.value import QLearning
from jaxvf.value.agents import LearnerState
from jaxvf.value.replay import SHARED_IN_FIXED_VIEW

T, B, N, A = 2, 4, 2, 3
OBS, STATE = 5, 4


def learner_of(**fields) -> QLearning:
    parts = {"mixer": QmixMixer(embed=4, hypernet_embed=6), "agent": FeedForwardAgent(hidden=6), "td_lambda": 0.5}
    return QLearning(**{"optimizer": "adam", "max_grad_norm": 1e9, **parts, **fields})


def random_batch(steps=T, envs=B, agents=N, actions=A, obs=OBS, state=STATE, seed=0) -> Rollout:
    """Rollout whose last step is truncated, with two actions in three available."""
    generator = np.random.default_rng(seed)
    avail = generator.random((steps + 1, envs, agents, actions)) < 2 / 3
    avail[..., 0] = True
    last = np.broadcast_to((np.arange(steps) == steps - 1)[:, None], (steps, envs))
    return Rollout(
        obs=generator.normal(size=(steps + 1, envs, agents, obs)).astype(np.float32),
        state=generator.normal(size=(steps + 1, envs, state)).astype(np.float32),
        avail=avail,
        actions=np.zeros((steps + 1, envs, agents), np.int32),
        reward=generator.normal(size=(steps, envs)).astype(np.float32),
        terminated=np.zeros((steps, envs), bool),
        truncated=last,
        filled=np.ones((steps, envs), bool),
    )


def random_state(learner: QLearning, batch: Rollout, seed: int = 0) -> LearnerState:
    """Normal parameters, others for the target, and a fresh optimizer."""
    generator = np.random.default_rng(seed)
    agents, obs_dim = batch.obs.shape[-2:]
    spec = EnvSpec(
        "random",
        1,
        agents,
        batch.avail.shape[-1],
        obs_dim,
        batch.state.shape[-1],
        batch.reward.shape[0],
        one_hot_obs=True,
    )
    shapes = jax.eval_shape(lambda key: learner.init(key, spec), jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    params, target = (
        jax.tree.map(lambda leaf: generator.normal(scale=0.3, size=leaf.shape).astype(np.float32), shapes.params)
        for _ in range(2)
    )
    return LearnerState(params, target, zeros.opt_state)


@jax.jit
def update(learner, state, batch, updates=0):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(updates), jnp.int32(0)))


def gradient(state: LearnerState) -> Any:
    """The gradient of the first update of a fresh Adam, ten times its first moment, as a tree like the parameters."""
    return jax.tree.map(lambda leaf: 10 * np.asarray(leaf), optax.tree_utils.tree_get(state.opt_state, "mu"))


def assert_same_update(left: tuple, right: tuple) -> None:
    chex.assert_trees_all_close(left[1], right[1], rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(gradient(left[0]), gradient(right[0]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "bootstrap"), [("none", "max"), ("vdn", "sarsa"), ("qmix", "double_q"), ("non_monotonic", "sarsa")]
)
def test_leaves_that_do_not_vary_equal_the_same_leaves_repeated(name, bootstrap):
    """Size 1 along B, stored and evaluated once, gives the loss and gradient of B equal copies."""
    learner = learner_of(mixer=MIXERS[name](), bootstrap=bootstrap)
    batch = random_batch()
    batch = batch._replace(actions=np.random.default_rng(1).integers(0, A, batch.actions.shape))
    shared = [leaf for leaf in SHARED_IN_FIXED_VIEW if getattr(batch, leaf) is not None]
    once = batch._replace(**{leaf: getattr(batch, leaf)[:, :1] for leaf in shared})
    repeated = once._replace(**{leaf: np.repeat(getattr(once, leaf), B, axis=1) for leaf in shared})
    state = random_state(learner, batch)
    assert_same_update(update(learner, state, once), update(learner, state, repeated))


@pytest.mark.parametrize("leaves", [("state",), ("obs", "avail")])
def test_some_leaves_may_vary_while_others_do_not(leaves):
    """A fixed state beside observations that differ, and the reverse."""
    learner, batch = learner_of(mixer=QmixMixer(embed=3, hypernet_layers=1)), random_batch()
    state = random_state(learner, batch)
    once = batch._replace(**{leaf: getattr(batch, leaf)[:, :1] for leaf in leaves})
    repeated = once._replace(**{leaf: np.repeat(getattr(once, leaf), B, axis=1) for leaf in leaves})
    assert_same_update(update(learner, state, once), update(learner, state, repeated))


@pytest.mark.parametrize(
    ("mixer", "agent"), [("qmix", agent) for agent in AGENTS] + [(mixer, "tabular") for mixer in MIXERS]
)
@pytest.mark.parametrize("sizes", [{"steps": 1}, {"envs": 1}, {"agents": 1}, {"actions": 1}, {"obs": 1, "state": 1}])
def test_every_size_one_axis_works(mixer, agent, sizes):
    if mixer == "qatten" and "state" in sizes:
        sizes = {**sizes, "state": N}  # it wants an entry of the state for every agent
    learner = learner_of(mixer=MIXERS[mixer](), agent=AGENTS[agent]())
    batch = random_batch(**sizes)
    state = jax.tree.map(jnp.asarray, random_state(learner, batch))
    shapes = functools.partial(jax.tree.map, lambda leaf: (leaf.shape, leaf.dtype))
    after, metrics = jax.eval_shape(update, learner, state, batch)
    assert shapes(after) == shapes(state)
    assert {leaf.shape for leaf in metrics.values()} == {()}


def test_one_agent_with_one_action_learns_a_value():
    """Everything of size one at once, with numbers: VDN's value is the table's entry, its target the reward."""
    batch = random_batch(steps=1, envs=1, agents=1, actions=1, obs=1, state=1)
    batch = batch._replace(terminated=~batch.terminated, truncated=~batch.truncated, obs=np.ones((2, 1, 1, 1)))
    learner = learner_of(mixer=VdnMixer(), agent=TabularAgent())
    state = random_state(learner, batch)
    value, reward = state.params.agent["params"]["table"].item(), batch.reward.item()
    assert float(update(learner, state, batch)[1]["loss"]) == pytest.approx((value - reward) ** 2, rel=1e-5)


LEARNER, BATCH = learner_of(agent=RecurrentAgent(hidden=6)), random_batch()
MASKS = hnp.arrays(bool, BATCH.avail.shape).map(lambda mask: mask | (mask.sum(-1, keepdims=True) == 0))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(MASKS)
def test_gradients_are_finite_for_every_mask(avail):
    after, metrics = update(LEARNER, random_state(LEARNER, BATCH), BATCH._replace(avail=avail))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((gradient(after), metrics)))
    assert float(metrics["target"]) < 1e3  # no masked minimum was mixed into a target


def test_gradients_are_finite_where_nothing_was_stored():
    after, metrics = update(LEARNER, random_state(LEARNER, BATCH), BATCH._replace(filled=np.zeros((T, B), bool)))
    assert float(metrics["loss"]) == 0.0
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient(after)))


def test_the_target_network_remembers_the_first_frame():
    """It is unrolled from frame 0 although only later frames are valued; one available action rules out the argmax."""
    forced = BATCH._replace(avail=np.broadcast_to(np.arange(A) == 0, BATCH.avail.shape))
    other = forced._replace(obs=forced.obs + (np.arange(T + 1) == 0)[:, None, None, None])
    state = random_state(LEARNER, BATCH)
    first, second = (float(update(LEARNER, state, batch)[1]["target"]) for batch in (forced, other))
    assert abs(first - second) > 1e-5


def test_acting_remembers_what_the_unroll_of_an_episode_does():
    """Greedy actions frame by frame from `initial_carry` are the masked maxima of the values that learning sees."""
    state = jax.tree.map(lambda leaf: 5 * leaf, random_state(LEARNER, BATCH))  # so that memory decides
    greedy, carry = jax.jit(LEARNER.greedy), LEARNER.initial_carry((B, N))
    q, *_ = jax.jit(LEARNER.agent.apply, static_argnums=3)(state.params.agent, BATCH.obs, None, A)
    best = np.where(BATCH.avail, q, -np.inf).argmax(axis=-1)
    for frame, expected in enumerate(best):
        view = View(BATCH.obs[frame], BATCH.state[frame], BATCH.avail[frame], np.ones((B, N), bool))
        actions, carry = greedy(state.params, carry, view)
        np.testing.assert_array_equal(actions, expected)
    forgetful = greedy(state.params, LEARNER.initial_carry((B, N)), view)[0]
    assert (forgetful != expected).any()


SMALL = {"agent": TabularAgent(), "mixer": QmixMixer(embed=2, hypernet_layers=1)}


@pytest.mark.parametrize(("episodes", "per_episode", "due"), [(3, 1.0, {3, 6}), (4, 0.5, {2, 4, 6}), (2, 2.0, {4})])
def test_hard_target_is_copied_exactly_every_interval(episodes, per_episode, due):
    """The interval counts episodes: with half an update for each, 4 episodes are 2 updates."""
    learner = learner_of(**SMALL, target_update_interval=episodes, updates_per_episode=per_episode)
    state, copied = random_state(learner, BATCH), set()
    for done in range(6):
        after, _ = update(learner, state, BATCH, done)
        new, old, kept = (jax.tree.leaves(t) for t in (after.params, state.target_params, after.target_params))
        if all((a == b).all() for a, b in zip(kept, new, strict=True)):
            copied.add(done + 1)
        else:
            assert all((a == b).all() for a, b in zip(kept, old, strict=True))
        state = after
    assert copied == due


def test_soft_target_moves_by_tau():
    """Target = 0.75 target + 0.25 new parameters, at every update."""
    learner = learner_of(**SMALL, target_update="soft", target_tau=0.25)
    state = random_state(learner, BATCH)
    after, _ = update(learner, state, BATCH)
    mixed = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * new, state.target_params, after.params)
    chex.assert_trees_all_close(after.target_params, mixed, rtol=1e-5, atol=1e-6)


def test_a_fresh_target_is_a_copy():
    spec = EnvSpec("random", 1, N, A, OBS, STATE, T, one_hot_obs=True)
    learner = learner_of(**SMALL)
    state = jax.jit(lambda key: learner.init(key, spec))(jax.random.key(0))
    chex.assert_trees_all_equal(state.params, state.target_params)


def test_a_table_needs_one_hot_observations():
    """A table indexed by anything else would silently be a linear model; the line says what to switch off."""
    with pytest.raises(InputError, match=r"agent=tabular needs one-hot observations.*agent_id=False last_action=False"):
        QLearning(agent=TabularAgent()).check(observed_by(QLearning(), TwoStepGame()))
