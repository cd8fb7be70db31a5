"""Scenes: what is drawn of a state, game by game."""

import jax
import numpy as np
import pytest
from test_render import Stubborn

from jaxvf.envs import BoxPushing, BoxPushingClassic, MatrixGame, PredatorPrey, TwoStepGame
from jaxvf.envs.box_pushing import BoxPushingState
from jaxvf.envs.box_pushing_classic import BoxPushingClassicState
from jaxvf.envs.matrix_game import MatrixGameState
from jaxvf.envs.pictures import BLUE, GREEN, ORANGE, PALE, Circle, Line, Rectangle, Text, bar
from jaxvf.envs.predator_prey import PredatorPreyState
from jaxvf.results.render import play

KEY = jax.random.key(0)
# --- scenes ----------------------------------------------------------------------------------------------------


def of_kind(scene, kind, **wanted):
    return [s for s in scene.shapes if isinstance(s, kind) and all(getattr(s, k) == v for k, v in wanted.items())]


def test_predator_prey_has_row_zero_at_the_top_and_leaves_out_who_has_left():
    state = PredatorPreyState(
        predators=np.array([[0, 0], [3, 2]]),
        prey=np.array([[1, 3], [2, 2]]),
        frozen=np.array([False, True]),
        alive=np.array([True, False]),
        t=np.int32(5),
    )
    env = PredatorPrey(grid_size=4, n_predators=2, n_prey=2)
    scene = env.picture(state, env.default_params())
    assert [(disc.x, disc.y) for disc in of_kind(scene, Circle)] == [(0.5, 3.5)]
    (prey,) = of_kind(scene, Rectangle)
    assert (prey.x + prey.width / 2, prey.y + prey.height / 2) == (3.5, 2.5)
    assert [text.text for text in of_kind(scene, Text)] == ["0"]


@pytest.mark.parametrize(("facing", "way"), [(0, (0, 1)), (1, (1, 0)), (2, (0, -1)), (3, (-1, 0))])
def test_robots_look_where_they_would_go(facing, way):
    state = BoxPushingState(np.array([[1, 0], [3, 2]]), np.array([facing, 0]), np.array([2, 3, 2]), np.int32(0))
    env = BoxPushing(4)
    scene = env.picture(state, env.default_params())
    eyes = of_kind(scene, Line, width=0.1)
    assert np.sign([eyes[0].x2 - eyes[0].x1, eyes[0].y2 - eyes[0].y1]).tolist() == list(way)
    assert [(disc.x, disc.y) for disc in of_kind(scene, Circle)] == [(1.5, 0.5), (3.5, 2.5)]
    boxes = [shape for shape in of_kind(scene, Rectangle) if shape.edge]
    assert [(round(box.x), round(box.y), round(box.width)) for box in boxes] == [(0, 2, 1), (3, 3, 1), (1, 2, 2)]


@pytest.mark.parametrize(("goal", "rows", "agents"), [(0, [1, 1, 1], 2), (1, [2, 1, 1], 0), (4, [1, 1, 2], 0)])
def test_classic_boxes_reach_the_goal_row(goal, rows, agents):
    state = BoxPushingClassicState(np.array([1, 4]), np.array([1, 3]), np.int32(goal), np.int32(0))
    env = BoxPushingClassic()
    scene = env.picture(state, env.default_params())
    boxes = [shape for shape in of_kind(scene, Rectangle) if shape.edge]
    assert [round(box.y) for box in boxes] == rows
    assert len(of_kind(scene, Circle)) == agents


def framed(scene):
    """Centres of the cells with an orange frame."""
    return [(f.x + f.width / 2, f.y + f.height / 2) for f in of_kind(scene, Rectangle, colour=None, edge=ORANGE)]


def test_a_payoff_table_frames_the_joint_action_and_marks_the_best():
    game = MatrixGame([[1, 2], [3, 9]])
    params = game.default_params()
    scene = game.picture(game.init(KEY, params), params, np.array([1, 0]))
    assert [text.text for text in of_kind(scene, Text, colour=GREEN)] == ["9"]
    (three,) = of_kind(scene, Text, text="3")
    np.testing.assert_allclose(framed(scene), [(three.x, three.y)])
    assert framed(game.picture(game.init(KEY, params), params, None)) == []


def test_a_game_of_three_has_a_column_for_what_the_others_do():
    payoff = np.arange(8.0).reshape(2, 2, 2) * 10
    game = MatrixGame(payoff)
    params = game.default_params()
    scene = game.picture(MatrixGameState(np.int32(0)), params, np.array([1, 1, 0]))
    (cell,) = of_kind(scene, Text, text="60")
    np.testing.assert_allclose(framed(scene), [(cell.x, cell.y)])
    assert [text.text for text in of_kind(scene, Text)][2:6] == ["A,A", "A,B", "B,A", "B,B"]


def test_a_table_too_large_to_read_says_the_payoff_of_what_was_chosen():
    game = MatrixGame(np.arange(3.0**5).reshape((3,) * 5))
    scene = game.picture(MatrixGameState(np.int32(0)), game.default_params(), np.array([0, 0, 0, 1, 2]))
    assert [text.text for text in scene.shapes] == ["payoff of the joint action: 5"]


def test_the_two_step_game_shows_which_table_is_played():
    game = TwoStepGame()
    states = play(Stubborn(game, [1, 0]), KEY).states
    first, second, last = (
        game.picture(state, game.default_params(), actions)
        for state, actions in zip(states, (np.array([1, 0]), np.array([1, 0]), None), strict=True)
    )
    choice = [text for text in of_kind(first, Text, text="2B") if text.y > 4]
    np.testing.assert_allclose(framed(first), [(choice[0].x, choice[0].y)])
    (played,) = of_kind(second, Rectangle, colour=None, edge=BLUE)
    assert played.x > 3  # the right table, 2B
    lower_left = framed(second)[0]
    assert [t.text for t in of_kind(second, Text) if np.allclose((t.x, t.y), lower_left)] == ["1"]
    assert framed(last) == []


def test_a_bar_is_filled_in_proportion_and_never_beyond():
    assert bar(1, 2, 4, 0.5, 0.25) == [Rectangle(1, 2, 4, 0.5, PALE), Rectangle(1, 2, 1, 0.5, GREEN)]
    assert bar(0, 0, 4, 1, 1.7)[1].width == 4
    assert bar(0, 0, 4, 1, -0.1) == [Rectangle(0, 0, 4, 1, PALE)]
