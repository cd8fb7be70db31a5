"""How a learner estimates returns, by hand: n steps, Watkins' cut, the correction, λ that changes, averaged targets."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_every_learner import ONE_OF_EACH, small
from test_q_learning import ONLINE, SPEC, TARGET, batch_of, fresh, learner_of, mean_square

from jaxvf.algorithm import Progress
from jaxvf.envs import TwoStepGame
from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.mixers import NoMixer
from jaxvf.networks import FeedForwardAgent
from jaxvf.value import QtranAlt
from jaxvf.value.q_learning import Networks

# The stored actions are worth 3 and 7 (1 and 2 of agent 2), rewards are 1 and 2, γ is 1/2, and the second step is cut
# off. The target's value of the greedy joint action is 110 and 340, that of the stored one 210 and 430.
KEY = jax.random.key(0)
# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch, env_steps=0, updates=0):
    return learner.update(state, batch, KEY, Progress(jnp.int32(updates), jnp.int32(env_steps)))


def loss_of(stored=None, env_steps=0, **fields) -> float:
    learner, batch = learner_of(**fields), batch_of()
    if stored is not None:
        batch = batch._replace(actions=np.array(stored)[:, None])
    return float(update(learner, fresh(learner), batch, env_steps)[1]["loss"])


def test_n_steps():
    """1 + 0.5·2 + 0.25·340 = 87 with two rewards; the second step has but one: 2 + 0.5·340."""
    assert loss_of(returns="n_step", n_steps=2) == pytest.approx(mean_square(3 - 87, 7 - 172), rel=1e-6)
    assert loss_of(returns="n_step", n_steps=1) == pytest.approx(mean_square(3 - 56, 7 - 172), rel=1e-6)


def test_watkins_cuts_where_the_stored_joint_action_is_not_greedy():
    """At frame 1 (0, 1) is greedy. Where (0, 0) is stored a target has one step; where (0, 1), worth 5 + 6, is, λ
    counts: 1 + 0.5·(0.5·110 + 0.5·172) = 71.5.
    """
    assert loss_of(returns="watkins", td_lambda=0.5) == pytest.approx(mean_square(3 - 56, 7 - 172), rel=1e-6)
    kept = loss_of([[1, 1], [0, 1], [0, 1]], returns="watkins", td_lambda=0.5)
    assert kept == pytest.approx(mean_square(3 - 71.5, 11 - 172), rel=1e-6)


def test_watkins_cuts_each_agent_for_itself_where_nothing_is_mixed():
    """Agent 1's stored action is greedy, agent 2's is not: 1 + 0.5·(5 + 11) = 9, and 1 + 0.5·100 = 51."""
    loss = loss_of(returns="watkins", td_lambda=0.5, mixer=NoMixer())
    assert loss == pytest.approx(mean_square(2 - 9, 5 - 22, 1 - 51, 2 - 152), rel=1e-6)


def test_corrected_returns_count_the_stored_actions_value():
    """1 + 0.5·(110 + 0.5·(172 - 210)) = 46.5."""
    loss = loss_of(returns="corrected", td_lambda=0.5)
    assert loss == pytest.approx(mean_square(3 - 46.5, 7 - 172), rel=1e-6)


def test_lambda_changes_in_a_line_for_every_run_of_its_own():
    """From 1 to 0 and from 0 to 0.5 in 100 and 200 steps, after 50, 100 and 1,000: one program for all runs."""
    learner = learner_of(td_lambda_schedule="linear")
    start, end, duration = (1.0, 0.0, 1.0), (0.0, 0.5, 0.0), (100.0, 200.0, 0.0)
    names = ("td_lambda", "td_lambda_end", "td_lambda_anneal")
    runs = learner
    for name, values in zip(names, (start, end, duration), strict=True):
        runs = replace(runs, name, jnp.array(values))
    axes = jax.tree.map(lambda _: None, learner)
    for name in names:
        axes = replace(axes, name, 0)
    state, batch = jax.tree.map(jnp.asarray, (fresh(learner), batch_of()))
    losses = jax.jit(jax.vmap(lambda one, steps: update.__wrapped__(one, state, batch, steps)[1]["loss"], (axes, None)))
    for steps, traces in ((0, (1.0, 0.0, 1.0)), (50, (0.5, 0.125, 0.0)), (100, (0.0, 0.25, 0.0)), (1000, (0, 0.5, 0))):
        expected = [mean_square(3 - (1 + 0.5 * ((1 - a) * 110 + a * 172)), 7 - 172) for a in traces]
        np.testing.assert_allclose(losses(runs, steps), expected, rtol=1e-5)


def averaged(learner, *tables):
    """The learner's state with these tables as target networks."""
    return fresh(learner)._replace(target_params=Networks({"params": {"table": np.stack(tables)}}, {}))


def test_targets_bootstrap_from_the_mean_of_the_last_target_networks():
    """110 and 340 by one network and 30 and 60 by the other: 70 and 200."""
    other = TARGET.copy()
    other[0, 1:, :2], other[1, 1:, :2] = [[20, 1], [1, 40]], [[1, 10], [20, 1]]
    learner = learner_of(target_networks=2)
    loss = float(update(learner, averaged(learner, TARGET, other), batch_of())[1]["loss"])
    assert loss == pytest.approx(mean_square(3 - (1 + 0.5 * 70), 7 - (2 + 0.5 * 200)), rel=1e-6)


def test_a_maximum_is_taken_of_the_mean_not_of_each_network():
    """Agent 1 at frame 1: (10, 0) and (0, 30): the mean's best is the second action, 15; the mean of maxima is 20."""
    one, two = np.zeros((2, 2, 3, 3), np.float32)
    one[0, 1], two[0, 1] = [10, 0, 1e6], [0, 30, 1e6]
    learner = learner_of(target_networks=2, bootstrap="max")
    loss = float(update(learner, averaged(learner, one, two), batch_of())[1]["loss"])
    assert loss == pytest.approx(mean_square(3 - (1 + 0.5 * 15), 7 - 2), rel=1e-6)


def test_the_newest_copy_comes_and_the_oldest_goes():
    """Three networks, copied at updates 2 and 4: then the first two are of those updates, and one is old."""
    learner = learner_of(target_networks=3, target_update_interval=2, learning_rate=0.1)
    tables = [np.full_like(ONLINE, each) for each in (1, 2, 3)]
    state, copied = averaged(learner, *tables), []
    for done in range(4):
        before = state.target_params.agent["params"]["table"]
        state = update(learner, state, batch_of(), 0, done)[0]
        if done % 2 == 0:
            np.testing.assert_array_equal(state.target_params.agent["params"]["table"], before)
        else:
            copied.insert(0, state.params.agent["params"]["table"])
    np.testing.assert_array_equal(state.target_params.agent["params"]["table"], [*copied, tables[0]])


def test_fresh_target_networks_are_all_copies():
    learner = learner_of(target_networks=3)
    state = jax.jit(lambda key: learner.init(key, SPEC))(KEY)
    chex.assert_trees_all_equal(state.target_params, jax.tree.map(lambda leaf: np.stack([leaf] * 3), state.params))


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_learner_knows_them_all(name, random_episodes, state_for):
    """Corrected returns, where targets are not the stored actions', and three target networks: shapes stay."""
    fields = {"target_networks": 3, "td_lambda_schedule": "linear", "td_lambda": 0.5}
    learner, batch = small(name, **fields), random_episodes(envs=3)
    sarsa = getattr(learner, "bootstrap", "") == "sarsa"
    learner = replace(learner, "returns", "n_step" if sarsa else "corrected")
    state = jax.tree.map(jnp.asarray, state_for(learner, batch))
    progress = Progress(jnp.int32(1), jnp.int32(1))
    after, metrics = jax.eval_shape(learner.update, state, batch, KEY, progress)
    shapes = functools.partial(jax.tree.map, lambda leaf: (leaf.shape, leaf.dtype))
    assert shapes(after) == shapes(state) and metrics["loss"].shape == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"returns": "watkins", "bootstrap": "sarsa"}, "returns='watkins' asks where stored actions are not greedy"),
        ({"returns": "corrected", "bootstrap": "sarsa"}, "use returns='td_lambda' or bootstrap='double_q'"),
        ({"target_networks": 2, "target_update": "soft"}, "target_networks=2 keeps hard copies"),
    ],
)
def test_what_contradicts_itself_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        learner_of(agent=FeedForwardAgent(), **fields).check(TwoStepGame())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("returns", "n_steps", "'n_steps'.*n_step"),
        ("td_lambda_schedule", "line", "'line'.*linear"),
        ("n_steps", 0, "n_steps=0 is below its smallest valid value 1"),
        ("target_networks", 0, "target_networks=0 is below its smallest valid value 1"),
        ("td_lambda_end", 1.5, "td_lambda_end=1.5 is above its largest valid value 1"),
    ],
)
def test_a_value_out_of_range_is_refused(field, value, message):
    with pytest.raises(InputError, match=message):
        replace(learner_of(), field, value)


def test_a_correction_by_a_value_of_other_actions_is_refused():
    """QTRAN-alt's bootstrap values the best deviation from a joint action, or the mean at the joint action itself."""
    learner = QtranAlt(agent=FeedForwardAgent(), returns="corrected")
    with pytest.raises(InputError, match="use bootstrap='mean' or returns='watkins'"):
        learner.check(TwoStepGame())
    replace(learner, "bootstrap", "mean").check(TwoStepGame())
