"""Team games are drawn: who agrees with whom, and what a team adds up to."""

import jax
import numpy as np

from jaxvf.envs import GaussianTeam, MatrixGame, SoftmaxChain
from jaxvf.envs.pictures import BLUE, GREEN, INK, ORANGE, Circle, Line, Text
from jaxvf.envs.team_games import target

KEY = jax.random.key(0)


def of_kind(scene, kind, colour):
    return [shape for shape in scene.shapes if isinstance(shape, kind) and shape.colour == colour]


def test_links_of_a_chain_join_neighbours_that_agree_and_say_what_that_earns():
    env = SoftmaxChain(4, 3)
    params = jax.tree.map(np.asarray, env.default_params())
    scene = env.picture(env.init(KEY, params), params, np.array([0, 0, 1, 1]))
    assert [(line.x1, line.x2) for line in of_kind(scene, Line, GREEN)] == [(0.5, 1.5), (2.5, 3.5)]
    assert [text.text for text in of_kind(scene, Text, GREEN)] == ["1", "0.8"]
    last = env.picture(env.init(KEY, params), params, None)
    assert len(of_kind(last, Circle, BLUE)) == 4 and not of_kind(last, Line, GREEN)


def test_shares_are_laid_end_to_end_from_zero_to_the_sum():
    """Four agents play 1, 1, -1, 2: shares of a half each as √4 = 2, so the sum is 1.5; zero is at x = 4."""
    env = GaussianTeam(4)
    params = jax.tree.map(np.asarray, env.default_params())
    state = jax.tree.map(np.asarray, env.init(KEY, params))
    scene = env.picture(state, params, np.array([[1.0], [1.0], [-1.0], [2.0]]))
    shares = of_kind(scene, Line, BLUE)
    assert [(line.x1, line.x2) for line in shares] == [(4, 4.5), (4.5, 5), (5, 4.5), (4.5, 5.5)]
    (total,), (wanted,) = of_kind(scene, Line, INK), of_kind(scene, Line, ORANGE)
    assert total.x1 == 5.5
    np.testing.assert_allclose(wanted.x1 - 4, target(jax.numpy.asarray(state.context)), rtol=1e-5)
    far = env.picture(state, params, np.full((4, 1), 100.0))
    assert (far.width, far.height) == (scene.width, scene.height)
    assert max(line.x2 for line in of_kind(far, Line, BLUE)) == far.width


def test_long_numbers_of_a_payoff_table_are_cut_to_their_cell():
    game = MatrixGame([[0.123456, -12.5], [100.0, 1.0]])
    params = jax.tree.map(np.asarray, game.default_params())
    texts = {shape.text for shape in game.picture(game.init(KEY, params), params).shapes if isinstance(shape, Text)}
    assert {"0.12", "-12.5", "100", "1"} <= texts
