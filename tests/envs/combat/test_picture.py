"""A battle's scene: who stands where, how hurt, and who shoots whom."""

import jax
import numpy as np

from jaxvf.envs.combat import Combat, Smax
from jaxvf.envs.pictures import BLUE, ORANGE, Circle, Line


def scene_of(env, actions, **changes):
    params = jax.tree.map(np.asarray, env.default_params())
    state = jax.tree.map(np.asarray, env.init(jax.random.key(0), env.default_params()))
    return state, env.picture(state._replace(**changes), params, np.array(actions))


def test_discs_are_the_living_and_lines_the_shots():
    env = Combat("2s3z")
    health = np.array([80, 80, 100, 0, 100, 80, 80, 100, 100, 100], np.float32)
    state, scene = scene_of(env, [6 + 1, 2, 0, 0, 0], health=health, target=np.array([0, -1, -1, -1, -1]))
    discs = [shape for shape in scene.shapes if isinstance(shape, Circle)]
    assert [disc.colour for disc in discs] == [BLUE] * 4 + [ORANGE] * 5
    assert discs[0].radius == 0.625 and discs[2].radius == 0.5
    shots = [shape for shape in scene.shapes if isinstance(shape, Line)]
    ends = [((line.x1, line.y1), (line.x2, line.y2)) for line in shots]
    place = [(float(x), float(y)) for x, y in zip(state.x, state.y, strict=True)]
    # Ally 0 was told to attack enemy 1, which is unit 6; enemy 0, unit 5, attacks ally 0.
    np.testing.assert_allclose(ends, [(place[0], place[6]), (place[5], place[0])])


def test_smax_shots_count_the_enemys_targets_backwards():
    env = Smax("3m")
    orders = np.array([4, 4, 4, 5 + 0, 4, 4])  # enemy 0 shoots its target 0, the last ally
    state, scene = scene_of(env, [5 + 2, 4, 4], last_action=orders)
    shots = [shape for shape in scene.shapes if isinstance(shape, Line)]
    ends = [(line.x2, line.y2) for line in shots]
    np.testing.assert_allclose(ends, [(state.x[5], state.y[5]), (state.x[2], state.y[2])], rtol=1e-6)
