"""Who is hit beside whom a colossus or a baneling attacks, and what that earns, in one step in which nobody moves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.combat import Map
from jaxvf.envs.smaclite import SMACLITE_MAPS, Smaclite

ALLIES = (("colossus", 1, 9.0, 16.0), ("marine", 1, 26.0, 20.0), ("marine", 1, 28.0, 20.0), ("marine", 1, 29.4, 20.0))
ENEMIES = (
    ("zergling", 1, 15.0, 16.0),
    ("zergling", 1, 15.0, 17.0),
    ("zergling", 1, 15.0, 14.4),
    ("zergling", 1, 15.7, 16.0),
    ("baneling", 1, 26.7, 20.0),
    ("zergling", 1, 26.7, 21.0),
)
ATTACK_THE_FIRST, STOP = 6, 1


@pytest.fixture(scope="module")
def step():
    """Health after a step, allies' and enemies', and the reward before scaling."""
    env = Smaclite(Map("splash", ALLIES, ENEMIES, limit=50, ground=SMACLITE_MAPS["2s3z"].ground))
    params = dataclasses.replace(env.default_params(), speed=jnp.zeros(10), regeneration=jnp.float32(0))
    first = env.init_batch(jax.random.key(0), params, 1)
    actions = jnp.array([[ATTACK_THE_FIRST, STOP, STOP, STOP]])
    quick = {"xla_backend_optimization_level": 0}
    after, outcome = jax.jit(env.transition_batch, compiler_options=quick)(jax.random.key(1), first, actions, params)
    health, most = np.asarray(after.health[0]), 5 * 35 + 30 + 6 * 10 + 200
    return health[: len(ALLIES)], health[len(ALLIES) :], float(outcome.reward[0]) * most / 20


def test_a_colossus_burns_across_its_shot(step):
    """Two hits of 15. The second zergling is a cell aside, the third 1.6, the fourth 0.7 cells farther off."""
    np.testing.assert_allclose(step[1][:4], [5, 5, 35, 35], atol=1e-4)


def test_a_baneling_blasts_what_is_within_2_2_of_its_edge(step):
    """80 on marines 0.7 and 1.3 from it, nothing on one 2.7 away, nor on a zergling of its own side."""
    np.testing.assert_allclose(step[0][1:], [0, 0, 45], atol=1e-4)
    assert step[1][4] == 0 and step[1][5] == 35


def test_what_a_baneling_had_left_when_it_burst_is_rewarded(step):
    """30 health, and no kill, besides the 60 that the colossus took."""
    assert step[2] == pytest.approx(60 + 30, rel=1e-5)
