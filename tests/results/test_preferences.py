"""What a policy thinks of its actions: the numbers whose largest available one it plays."""

import jax
import numpy as np
import pytest

from jaxvf.algorithms import make
from jaxvf.envs import PredatorPrey
from jaxvf.results.policy import Policy
from jaxvf.results.preferences import preferences
from jaxvf.training import observed_by

GAME = PredatorPrey(grid_size=4, n_predators=3, n_prey=2, limit_max=4)


@pytest.mark.parametrize(
    ("name", "measure"),
    [("vdn", "Q"), ("duelmix", "advantage"), ("mrvf", "gain in the last round"), ("mappo", "probability")],
)
def test_the_largest_available_number_is_what_is_played(name, measure):
    learner, numbers, measures = make(name), GAME.default_params(), []
    # Initial values of MRVF's later rounds are 0, and of actors nearly equal: these are drawn, which compiles nothing.
    spec, generator = observed_by(learner, GAME).spec, np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: learner.init(jax.random.key(0), spec).params)
    drawn = jax.tree.map(lambda leaf: generator.normal(scale=0.3, size=leaf.shape).astype(leaf.dtype), shapes)

    @jax.jit
    def thought(params):
        policy = Policy(GAME, learner, params)
        view = GAME.observe(GAME.init(jax.random.key(2), numbers), numbers)
        memory = policy.start()
        found = preferences(learner, policy.params, memory.hidden, policy.view(view.obs, view.avail, memory))
        measures.append(found.measure)
        return found.values, view.avail, policy.act(view.obs, view.avail, memory)[0]

    values, avail, played = jax.device_get(thought(drawn))
    assert measures == [measure] and np.ptp(values) > 0
    np.testing.assert_array_equal(np.where(avail, values, -np.inf).argmax(-1), played)
    if measure == "probability":
        np.testing.assert_allclose(values.sum(-1), 1.0, rtol=1e-5)
