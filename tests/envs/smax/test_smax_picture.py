"""A battle of SMAX is drawn as every battle is, but its enemies count their targets backwards."""

import jax
import numpy as np

from jaxvf.envs import Smax
from jaxvf.envs.pictures import Line


def test_smax_shots_count_the_enemys_targets_backwards():
    env = Smax("3m")
    params = jax.tree.map(np.asarray, env.default_params())
    state = jax.tree.map(np.asarray, env.init(jax.random.key(0), env.default_params()))
    orders = np.array([4, 4, 4, 5 + 0, 4, 4])  # enemy 0 shoots its target 0, the last ally
    scene = env.picture(state._replace(last_action=orders), params, np.array([5 + 2, 4, 4]))
    ends = [(line.x2, line.y2) for line in scene.shapes if isinstance(line, Line)]
    np.testing.assert_allclose(ends, [(state.x[5], state.y[5]), (state.x[2], state.y[2])], rtol=1e-6)
