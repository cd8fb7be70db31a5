"""PQN: λ-returns of the network's own greedy values, by hand; passes, annealing, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_q_learning import ONLINE, SPEC, batch_of

from jaxvf.algorithm import BaselineLearner, OnPolicyLearner, Progress, ReplayLearner
from jaxvf.envs import TwoStepGame
from jaxvf.errors import InputError
from jaxvf.mixers import NoMixer, VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.value import Pqn
from jaxvf.value.agents import LearnerState
from jaxvf.value.pqn import Networks


def learner_of(**fields) -> Pqn:
    """Half of everything, one pass over one mini-batch."""
    parts = {"mixer": VdnMixer(), "agent": TabularAgent(), "optimizer": "adam", "max_grad_norm": 1e9}
    return Pqn(**{"discount": 0.5, "td_lambda": 0.5, "epochs": 1, "minibatches": 1, **parts, **fields})


def fresh(learner: Pqn) -> LearnerState:
    shapes = jax.eval_shape(lambda key: learner.init(key, SPEC), jax.random.key(0))
    opt_state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes.opt_state)
    return LearnerState(Networks({"params": {"table": ONLINE}}, {}), (), opt_state)


@jax.jit
def update(learner, state, batch, env_steps=0):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(env_steps)))


@pytest.mark.parametrize(
    ("fields", "ends", "returns"),
    [
        # Greedy values 5 + 6 and 4 + 7 at frames 1 and 2; the last step bootstraps: 2 + 11/2, then 1 + (5.5 + 3.75)/2.
        ({}, {}, (5.625, 7.5)),
        ({}, {"truncated": (1, 1)}, (6.5, 7.5)),  # a cut bootstraps fully, and nothing comes back over it
        ({}, {"terminated": (0, 1), "truncated": (0, 0)}, (4.25, 2.0)),
        ({"td_lambda": 0.0}, {}, (6.5, 7.5)),
        ({"reward_scale": 10.0}, {}, (10 + (5.5 + 12.75) / 2, 25.5)),
    ],
)
def test_returns_are_those_of_the_networks_own_greedy_values(fields, ends, returns, gradients_of):
    """The stored actions are worth 3 and 7; the gradient moves them alone, for greedy values are no variables."""
    learner = learner_of(**fields)
    after, metrics = update(learner, fresh(learner), batch_of(**ends))
    errors = np.array([3, 7]) - np.array(returns)
    np.testing.assert_allclose(metrics["loss"], (errors**2).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["target"], np.mean(returns), rtol=1e-5)
    expected = np.zeros_like(ONLINE)
    expected[:, 0, 1], expected[:, 1, 0] = errors
    np.testing.assert_allclose(gradients_of(after.opt_state).agent["params"]["table"], expected, rtol=1e-4, atol=1e-4)


def test_a_rollout_is_passed_over_in_mini_batches_of_environments(random_episodes, state_for):
    """Three passes over four environments in halves are six steps of the optimizer; annealed to the end, none moves."""
    batch = random_episodes(envs=4)
    learner = learner_of(epochs=3, minibatches=2, learning_rate_anneal=100.0)
    state = state_for(learner, batch)
    after, metrics = update(learner, state, batch, 50)
    assert [int(leaf) for leaf in jax.tree.leaves(after.opt_state) if leaf.dtype == jnp.int32] == [6]
    assert np.isfinite(metrics["loss"]) and after.target_params == ()
    still, _ = update(learner, state, batch, 100)
    np.testing.assert_array_equal(still.params.agent["params"]["table"], state.params.agent["params"]["table"])
    moved = np.abs(after.params.agent["params"]["table"] - state.params.agent["params"]["table"]).max()
    # Six steps of Adam, each of at most about the step size, which has fallen to a half.
    assert 2.5e-4 / 2 < moved <= 6.1 * 2.5e-4 / 2


def test_traces_end_for_each_agent_where_nothing_is_mixed():
    """Watkins' returns: agent 1's stored second action is greedy; agent 2's is not, and cuts its own trace alone."""
    learner = learner_of(returns="watkins", mixer=NoMixer())
    assert learner.values_agents_apart
    _, metrics = update(learner, fresh(learner), batch_of())
    last = np.array([2 + 4 / 2, 2 + 7 / 2])
    first = np.array([1 + (5 / 2 + last[0] / 2) / 2, 1 + 6 / 2])
    np.testing.assert_allclose(metrics["target"], np.mean([first, last]), rtol=1e-5)


def test_it_learns_without_replay_and_without_a_baseline():
    learner = Pqn()
    assert isinstance(learner, OnPolicyLearner)
    assert not isinstance(learner, ReplayLearner) and not isinstance(learner, BaselineLearner)
    with pytest.raises(InputError, match="minibatches=3 does not divide num_envs=8; the nearest valid one is 2"):
        Pqn(num_envs=8, minibatches=3).check(TwoStepGame())
