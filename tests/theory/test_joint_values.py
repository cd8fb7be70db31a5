"""Joint-value tables of a one-step game, from parameters set by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.algorithms import make
from jaxvf.envs import MatrixGame
from jaxvf.networks import TabularAgent
from jaxvf.results import Policy
from jaxvf.theory import joint_values
from jaxvf.training import observed_by

PAYOFF = np.array([[8, -12, -12], [-12, 0, 0], [-12, 0, 7.9]], np.float32)
# Local values of two runs: [runs, agents, actions].
LOCAL = np.array([[[5, 1, 0], [3, 0, 1]], [[0, 1, 2], [0, 1, 2]]], np.float32)


def policies(name):
    """Two runs whose tables hold `LOCAL` at the first observation and nonsense at the one after the end."""
    env = MatrixGame(PAYOFF)
    algorithm = dataclasses.replace(make(name), agent=TabularAgent(), agent_id=False, last_action=False)
    params = algorithm.init(jax.random.key(0), observed_by(algorithm, env).spec).params
    tables = [jnp.stack([jnp.asarray(local), jnp.full((2, 3), 99.0)], axis=1) for local in LOCAL]
    return [Policy(env, algorithm, params._replace(agent={"params": {"table": table}})) for table in tables]


def test_vdn_table_is_the_outer_sum_of_local_values():
    """Run 0 plays (0, 0) and gets 8; run 1 plays (2, 2) and gets 7.9."""
    values = joint_values(policies("vdn"))
    np.testing.assert_allclose(values.local, LOCAL)
    np.testing.assert_allclose(values.joint[0], [[8, 5, 6], [4, 1, 2], [3, 0, 1]])
    np.testing.assert_array_equal(values.greedy, [[0, 0], [2, 2]])
    np.testing.assert_array_equal(values.reaches(PAYOFF), [True, False])
    # Run 0 is worst at (0, 2), where it says 6 and the payoff is -12.
    np.testing.assert_allclose(values.error(PAYOFF)[0], 18.0)


def test_independent_learners_have_no_joint_table():
    """Nothing is mixed, so there is no joint value to compare with the payoff."""
    values = joint_values(policies("iql"))
    assert np.isnan(values.joint).all()
    np.testing.assert_array_equal(values.greedy, [[0, 0], [2, 2]])
