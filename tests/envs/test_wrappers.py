"""Wrappers: each changes one thing, and is still an environment."""

import dataclasses
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import (
    AgentId,
    AutoReset,
    Environment,
    EnvSpec,
    EpisodeStatistics,
    GaussianTeam,
    LastAction,
    MatrixGame,
    NoiseState,
    Outcome,
    TimeLimit,
    TwoStepGame,
    View,
    check_env,
)
from jaxvf.envs.protocol import cut_at_limit

KEY = jax.random.key(0)
ENVS, STEPS = 3, 11


class ClockState(NamedTuple):
    start: jax.Array
    t: jax.Array


@dataclasses.dataclass(frozen=True)
class RandomClock(Environment):
    """Starts at a random number, counts up; terminates after `ends` steps. Reward: 1, 2, 3, ..."""

    ends: int = 99
    limit_max: int = 5

    @property
    def spec(self):
        return EnvSpec("random_clock", 1, n_agents=2, n_actions=3, obs_dim=2, state_dim=2, limit_max=self.limit_max)

    def default_params(self):
        return ()

    def init(self, key, params):
        return ClockState(jax.random.uniform(key), jnp.int32(0))

    def transition(self, key, state, actions, params):
        t = state.t + 1
        terminated = t >= self.ends
        reward = t.astype(jnp.float32)
        truncated = cut_at_limit(terminated, t, jnp.int32(self.limit_max))
        return ClockState(state.start, t), Outcome(reward, terminated, truncated, {})

    def observe(self, state, params):
        now = jnp.stack([state.start, state.t.astype(jnp.float32)])
        return View(jnp.stack([now, now]), now, jnp.ones((2, 3), bool), jnp.ones(2, bool))


def played(env, steps=STEPS):
    """Outcome and next view of `steps` steps with auto-reset, [steps, ENVS, ...]; all agents do action 1."""
    stepper, params = AutoReset(env), env.default_params()
    actions = jnp.ones((ENVS, env.spec.n_agents), jnp.int32)

    def step(states, key):
        states, outcome, view, _ = stepper.step(key, states, actions, params)
        return states, (outcome, view)

    states, first = stepper.init(KEY, params, ENVS)
    outcome, view = jax.jit(lambda start: jax.lax.scan(step, start, jax.random.split(KEY, steps))[1])(states)
    return first, outcome, view


def ends(flags):
    """Steps after which the first environment's flag is set, counted from 1."""
    return (np.flatnonzero(flags[:, 0]) + 1).tolist()


def test_time_limit_truncates_after_exactly_its_length():
    _, outcome, _ = played(TimeLimit(RandomClock(), limit=3))
    assert ends(outcome.truncated) == [3, 6, 9]
    assert not outcome.terminated.any()


def test_a_termination_at_the_limit_is_no_truncation():
    _, outcome, _ = played(TimeLimit(RandomClock(ends=3), limit=3))
    assert ends(outcome.terminated) == [3, 6, 9]
    assert not outcome.truncated.any()


def test_a_limit_beyond_the_inner_one_changes_nothing():
    inner = RandomClock(limit_max=4)
    _, outcome, _ = played(TimeLimit(inner, limit=9))
    assert ends(outcome.truncated) == [4, 8]
    assert TimeLimit(inner, limit=9).spec == inner.spec


def test_time_limit_declares_its_length_and_that_it_truncates():
    spec = TimeLimit(TwoStepGame(), limit=1).spec
    assert (spec.limit_max, spec.self_ending, spec.ends_within(1)) == (1, False, False)


def test_agent_id_appends_the_identity():
    first, _, _ = played(AgentId(RandomClock()), steps=1)
    np.testing.assert_array_equal(first.obs[..., 2:], [np.eye(2)] * ENVS)
    np.testing.assert_array_equal(first.obs[:, 0, :2], first.state)


def test_last_action_is_one_hot_and_zero_at_the_start_of_every_episode():
    first, outcome, view = played(LastAction(RandomClock(limit_max=3)))
    assert not first.obs[..., 2:].any()
    began = np.asarray(outcome.done)[..., None, None]
    np.testing.assert_array_equal(
        view.obs[..., 2:], np.where(began, 0.0, np.broadcast_to(np.eye(3)[1], (STEPS, ENVS, 2, 3)))
    )


def test_a_continuous_last_action_is_the_action_itself():
    """For one team and for a batch of teams: two agents, whose observation of 4 numbers grows by one."""
    env = LastAction(GaussianTeam(n_agents=2))
    params, actions = env.default_params(), jnp.array([[0.5], [-2.0]])
    state, _ = env.transition(KEY, env.init(KEY, params), actions, params)
    np.testing.assert_array_equal(env.observe(state, params).obs[:, 4:], actions)
    batch = jnp.stack([actions, 3 * actions])
    states, _ = env.transition_batch(KEY, env.init_batch(KEY, params, 2), batch, params)
    np.testing.assert_array_equal(env.observe_batch(states, params).obs[..., 4:], batch)


@pytest.mark.parametrize("wrapper", [lambda env: TimeLimit(env, 1), AgentId, LastAction, NoiseState, EpisodeStatistics])
def test_one_environment_is_a_batch_of_one(wrapper):
    """The two-step game draws nothing, so both draw the same noise; with one axis more in the batch."""
    env, actions = wrapper(TwoStepGame()), jnp.array([1, 0], jnp.int32)
    params = env.default_params()
    state, states = env.init(KEY, params), env.init_batch(KEY, params, 1)
    for _ in range(2):
        one = state, env.observe(state, params)
        batch = states, env.observe_batch(states, params)
        chex.assert_trees_all_equal(one, jax.tree.map(lambda leaf: leaf[0], batch), strict=True)
        state, outcome = env.transition(KEY, state, actions, params)
        states, outcomes = env.transition_batch(KEY, states, actions[None], params)
        chex.assert_trees_all_equal(outcome, jax.tree.map(lambda leaf: leaf[0], outcomes), strict=True)


def test_a_view_that_all_share_is_repeated_where_memories_differ():
    """A matrix game's view depends on the step alone and has size 1 along B; memories have size B."""
    game = MatrixGame(np.eye(2))
    for env, size in ((AgentId(game), 1), (LastAction(game), ENVS), (NoiseState(game), ENVS)):
        params = env.default_params()
        view = env.observe_batch(env.init_batch(KEY, params, ENVS), params)
        assert {leaf.shape[0] for leaf in view} == {size}


def test_episode_statistics_report_return_and_length_at_the_last_step_only():
    _, outcome, _ = played(EpisodeStatistics(RandomClock(limit_max=4)))
    np.testing.assert_array_equal(outcome.metrics["episode_return"][:, 0], [0, 0, 0, 10, 0, 0, 0, 10, 0, 0, 0])
    np.testing.assert_array_equal(outcome.metrics["episode_length"][:, 0], [0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0])


@pytest.fixture(scope="module")
def around_a_reset():
    """The step that ends every episode, and the two things it must show."""
    env = RandomClock(limit_max=1)
    states = env.init_batch(KEY, (), ENVS)
    actions = jnp.zeros((ENVS, 2), jnp.int32)
    step_key, reset_key = jax.random.split(KEY)
    stepped, _ = env.transition_batch(step_key, states, actions, ())
    reached = env.observe_batch(stepped, ())
    fresh = env.observe_batch(env.init_batch(reset_key, (), ENVS), ())
    return AutoReset(env, keep_final=True).step(KEY, states, actions, ()), reached, fresh


def test_first_view_after_done_is_the_view_of_a_fresh_start(around_a_reset):
    (_, outcome, view, _), _, fresh = around_a_reset
    assert outcome.done.all()
    chex.assert_trees_all_equal(view, fresh)


def test_kept_final_view_is_the_one_before_the_reset(around_a_reset):
    (_, _, view, final), reached, _ = around_a_reset
    chex.assert_trees_all_equal(final, reached)
    np.testing.assert_array_equal(final.state[:, 1], np.ones(ENVS))
    np.testing.assert_array_equal(view.state[:, 1], np.zeros(ENVS))


def test_running_episodes_are_not_reset():
    """Two environments side by side: only the one that is done starts anew."""
    env = RandomClock(limit_max=2)
    states = ClockState(start=jnp.array([5.0, 5.0]), t=jnp.array([0, 1], jnp.int32))
    _, outcome, view, final = AutoReset(env).step(KEY, states, jnp.zeros((2, 2), jnp.int32), ())
    assert outcome.done.tolist() == [False, True]
    assert view.state[0].tolist() == [5.0, 1.0]
    assert view.state[1, 0] != 5.0 and view.state[1, 1] == 0.0
    assert final is None


def test_stacked_wrappers_are_an_environment():
    env = EpisodeStatistics(AgentId(LastAction(TimeLimit(TwoStepGame(), limit=1))))
    check_env(env)
    assert env.spec.obs_dim == 4 + 2 + 2
    assert env == EpisodeStatistics(AgentId(LastAction(TimeLimit(TwoStepGame(), limit=1))))


def test_what_is_appended_is_everyones_own():
    """Agents with two and four of four entries, one and three of three actions: entries 4 to 6, the index 7 and 8."""
    inner = EnvSpec("two sizes", 1, 2, 3, 4, 1, 5, own_obs=(((0, 2),), ((0, 4),)), own_actions=(1, 3))

    class Bare(MatrixGame):
        spec = inner

    bare = Bare(((0.0, 1.0), (1.0, 0.0)))
    assert LastAction(bare).spec.own_obs == (((0, 2), (4, 5)), ((0, 7),))
    whole = AgentId(LastAction(bare)).spec
    assert whole.own_obs == (((0, 2), (4, 5), (7, 9)), ((0, 9),)) and whole.obs_dims == (5, 9)
    assert AgentId(LastAction(TwoStepGame())).spec.own_obs == ()
    few = dataclasses.replace(inner, own_obs=())
    Bare.spec = few
    assert LastAction(bare).spec.own_obs == (((0, 5),), ((0, 7),)) and AgentId(bare).spec.own_obs == ()
