"""Standardized rewards and returns against running statistics in NumPy, over updates, padding and agents apart."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_q_learning import SPEC, batch_of, fresh, learner_of, mean_square

from jaxvf.algorithm import Progress
from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.mixers import NoMixer

KEY = jax.random.key(0)
# Compiling is most of the time of these tests.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.partial(jax.jit, compiler_options=QUICK)
def update(learner, state, batch):
    return learner.update(state, batch, KEY, Progress(jnp.int32(0), jnp.int32(0)))


def still(**fields):
    """A learner whose tables stay, and its state."""
    learner = learner_of(learning_rate=0.0, **fields)
    running = jax.eval_shape(lambda key: learner.init(key, SPEC), KEY).running
    count, size = np.float32(1e-4), running.mean.shape
    return learner, fresh(learner)._replace(
        running=running._replace(count=count, mean=np.zeros(size, np.float32), variance=np.ones(size, np.float32))
    )


class Running:
    """EPyMARL's statistics, of values so far: they begin with 1e-4 rows of mean 0 and variance 1."""

    def __init__(self):
        self.rows = []

    def including(self, rows) -> tuple[float, float]:
        """Mean and standard deviation with more rows."""
        self.rows += list(rows)
        weight, rows = len(self.rows) + 1e-4, np.array(self.rows, float)
        mean = rows.sum() / weight
        return mean, np.sqrt((((rows - mean) ** 2).sum() + 1e-4 * (1 + mean**2)) / weight)


def test_a_fresh_learner_has_the_statistics_that_epymarl_begins_with():
    """A ten-thousandth of a row: the first targets are bootstrapped as they are."""
    learner = learner_of(standardize="returns")
    running = jax.jit(lambda key: learner.init(key, SPEC).running)(KEY)
    np.testing.assert_allclose(running.count, 1e-4)
    np.testing.assert_array_equal([running.mean, running.variance], [[0], [1]])


def test_returns_are_standardized_and_values_restored_to_bootstrap():
    """Targets 1 + 0.5·(110 σ + μ) and 2 + 0.5·(340 σ + μ) by the statistics before, standardized by those after."""
    learner, state = still(standardize="returns")
    statistics, mean, deviation = Running(), 0.0, 1.0
    for _ in range(3):
        targets = np.array([1, 2]) + 0.5 * (np.array([110, 340]) * deviation + mean)
        mean, deviation = statistics.including(targets)
        state, metrics = update(learner, state, batch_of())
        expected = mean_square(*(np.array([3, 7]) - (targets - mean) / deviation))
        assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-4)
        assert float(metrics["returns_mean"]) == pytest.approx(mean, rel=1e-5)
        assert float(metrics["returns_deviation"]) == pytest.approx(deviation, rel=1e-4)


def test_padding_is_in_no_statistics():
    """An episode of one step, whatever stands in the second: one row, so that its deviation is 0 but for the start."""
    found = []
    for junk in (0.0, 1e4):
        learner, state = still(standardize="returns")
        batch = batch_of(terminated=(1, 0), truncated=(0, 0), filled=(1, 0), reward=(5, junk))
        found.append(update(learner, state, batch))
    np.testing.assert_allclose(found[0][1]["returns_mean"], Running().including([5])[0], rtol=1e-5)
    for one, two in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_array_equal(one, two)


def test_rewards_are_standardized_before_they_are_summed():
    """Rewards 1 and 2, then -3 and 9, by their own statistics; values stay in these units."""
    learner, state = still(standardize="rewards")
    statistics = Running()
    for rewards in ((1, 2), (-3, 9)):
        mean, deviation = statistics.including(rewards)
        state, metrics = update(learner, state, batch_of(reward=rewards))
        targets = (np.array(rewards) - mean) / deviation + 0.5 * np.array([110, 340])
        assert float(metrics["loss"]) == pytest.approx(mean_square(*(np.array([3, 7]) - targets)), rel=1e-5)


@pytest.mark.parametrize("what", ["rewards", "returns"])
def test_agents_that_are_paid_apart_have_statistics_of_their_own(what):
    """Agent 1 is paid 1 and 2 and bootstraps from 10 and 40, agent 2 is paid 10 and 20 and has 100 and 300."""
    learner, state = still(standardize=what, mixer=NoMixer(), reward="agents")
    pay, ahead, taken = np.array([[1, 10], [2, 20]]), np.array([[10, 100], [40, 300]]), np.array([[2, 1], [5, 2]])
    batch = batch_of()._replace(agent_rewards=np.float32(pay)[:, None])
    errors = []
    for agent in range(2):
        whole = pay[:, agent] + 0.5 * ahead[:, agent]
        mean, deviation = Running().including(pay[:, agent] if what == "rewards" else whole)
        aim = (pay[:, agent] - mean) / deviation + 0.5 * ahead[:, agent]
        errors += list(taken[:, agent] - (aim if what == "rewards" else (whole - mean) / deviation))
    assert float(update(learner, state, batch)[1]["loss"]) == pytest.approx(mean_square(*errors), rel=1e-4)


def test_independent_agents_of_a_team_have_returns_of_their_own():
    """The same reward, but each bootstraps from its own values: two means."""
    learner, state = still(standardize="returns", mixer=NoMixer())
    assert state.running.mean.shape == (2,)  # from the start: a program's arrays keep their shapes
    running = update(learner, state, batch_of())[0].running
    np.testing.assert_allclose(running.mean, [(6 + 22) / 2, (51 + 152) / 2], rtol=1e-4)


def test_statistics_that_nobody_knows_are_refused():
    with pytest.raises(InputError, match=r"'return'.*returns"):
        replace(learner_of(), "standardize", "return")
