"""Pictures of JaxMARL's environments and of brax bodies: what is where, of states made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxvf.envs import brax_picture, jaxmarl_pictures
from jaxvf.envs.jaxmarl_names import import_jaxmarl
from jaxvf.envs.pictures import BLUE, GREEN, GREY, ORANGE, SKY, Circle, Line, Rectangle, Text


def of_kind(scene, kind):
    return [shape for shape in scene.shapes if isinstance(shape, kind)]


def labels(scene):
    return [shape.text for shape in of_kind(scene, Text)]


def test_particles_show_both_sides_and_the_goal():
    """JaxMARL's own classes: of tag the pursuers are the other side, of push the goal is a landmark."""
    tag = import_jaxmarl().make("MPE_simple_tag_v3")
    places = np.array([[0.0, 0.5], [0.1, 0.0], [0.2, 0.0], [0.3, 0.0], [1.0, 1.0], [-2.0, 0.0]])
    scene = jaxmarl_pictures.scene_of(tag, SimpleNamespace(p_pos=places, goal=None), look=lambda: None)
    discs = of_kind(scene, Circle)
    assert [disc.colour for disc in discs] == [GREY, GREY, ORANGE, ORANGE, ORANGE, BLUE]
    assert (discs[2].x, discs[2].y, labels(scene)) == (0.0, 2.0, ["0", "1", "2", "3"])
    assert scene.action.left == pytest.approx(-2 * 4 - 0.2 * 4)  # an agent may be outside of the square
    push = import_jaxmarl().make("MPE_simple_push_v3")
    scene = jaxmarl_pictures.scene_of(push, SimpleNamespace(p_pos=places[:4], goal=np.int32(1)), look=lambda: None)
    assert [disc.edge for disc in of_kind(scene, Circle)[:2]] == [None, GREEN]


def test_an_environment_without_places_is_drawn_by_what_its_agents_see():
    riddle = import_jaxmarl().make("switch_riddle")
    obs = np.zeros((3, 42))
    obs[0, 41], obs[1, 0] = 1.0, -0.2
    scene = jaxmarl_pictures.scene_of(riddle, None, look=lambda: obs)
    first, second = of_kind(scene, Rectangle)
    # 42 features are a row of 40 and one of 2, below a line for the name.
    assert (first.x, first.y, first.colour) == (1, 3 * 3.5 - 1 - 2, BLUE)
    assert (second.x, second.y, second.colour) == (0, 2 * 3.5 - 1 - 1, jaxmarl_pictures.SHADES[-1][0])
    assert labels(scene) == riddle.agents


def test_battles_show_who_shoots_at_whom():
    """Ally 0 at enemy 1; enemies count allies from the last on, so that enemy 0's first target is ally 1."""
    env = SimpleNamespace(
        num_allies=2,
        num_movement_actions=5,
        unit_type_names=["marine"],
        unit_type_radiuses=np.array([0.5]),
        unit_type_health=np.array([45.0]),
    )
    state = SimpleNamespace(
        unit_types=np.zeros(4, int),
        unit_positions=np.array([[1.0, 1.0], [2.0, 1.0], [5.0, 1.0], [6.0, 1.0]]),
        unit_health=np.array([45.0, 45.0, 45.0, 45.0]),
        prev_attack_actions=np.array([6, 1, 5, 0]),
    )
    shots = {(shot.x1, shot.x2) for shot in of_kind(jaxmarl_pictures.skirmish(env, state), Line)}
    assert shots == {(1.0, 6.0), (5.0, 2.0)}


def test_kitchens_show_counters_piles_and_what_lies_there():
    codes = np.zeros((7, 7, 3), int)
    codes[2:5, 2:5, 0] = [[2, 8, 3], [4, 1, 7], [2, 6, 2]]
    state = SimpleNamespace(
        maze_map=codes, wall_map=np.ones((3, 3)), agent_pos=np.array([[1, 1]]), agent_inv=np.array([5])
    )
    scene = jaxmarl_pictures.kitchen(None, state)
    assert labels(scene) == ["pot", "O", "S", "P", "onion", "0", "plate"]
    onion = next(shape for shape in of_kind(scene, Text) if shape.text == "onion")
    assert (onion.x, onion.y) == (2.5, pytest.approx(2.2))  # the upper right cell, which is a counter
    assert next(box for box in of_kind(scene, Rectangle) if (box.x, box.y) == (2, 2)).colour == GREY
    agents = SimpleNamespace(pos=SimpleNamespace(x=np.array([1]), y=np.array([1])), inventory=np.array([1]))
    grid = np.stack([[[1, 5, 1], [10, 0, 4], [1, 9, 1]], np.eye(3, dtype=int)[::-1] * [[0], [0], [1]]], axis=-1)
    second = jaxmarl_pictures.second_kitchen(None, SimpleNamespace(grid=grid, agents=agents))
    assert labels(second) == ["pot", "I0", "S", "P", "thing", "0", "holds"]


def test_coins_stand_beside_players():
    at = np.array([1, 2])
    state = SimpleNamespace(red_pos=at, blue_pos=at, red_coin_pos=at, blue_coin_pos=np.array([0, 0]))
    discs = of_kind(jaxmarl_pictures.coins(None, state), Circle)
    assert len({(disc.x, disc.y) for disc in discs}) == 4
    assert all(2 < disc.x < 3 and 1 < disc.y < 2 for disc in discs[:3])


def test_limbs_of_a_body_turn_with_their_links():
    """A capsule along z, turned by a quarter about y, lies along x; its link turned by half about z points back."""
    quarter, half_turn = [0.5**0.5, 0.0, 0.5**0.5, 0.0], [0.0, 0.0, 0.0, 1.0]
    model = SimpleNamespace(
        geom_type=[0, 2, 3],  # the ground is not drawn
        geom_size=[[40, 40, 40], [0.3, 0, 0], [0.1, 0.5, 0]],
        geom_pos=[[0, 0, 0], [0, 0, 0], [0.2, 0, 0]],
        geom_quat=[[1, 0, 0, 0], [1, 0, 0, 0], quarter],
        geom_bodyid=[0, 1, 2],
        jnt_bodyid=[1, 2],
        actuator_trnid=[[1, -1]],
    )
    limbs = brax_picture.limbs_of(model, actuators=1)
    assert limbs.link.tolist() == [0, 1] and limbs.agent.tolist() == [-1, 0]
    np.testing.assert_allclose(limbs.half, [[0, 0, 0], [0.5, 0, 0]], atol=1e-12)
    place, turn = np.array([[7.0, 0.0, 1.0], [7.5, 0.0, 2.0]]), np.array([[1.0, 0, 0, 0], half_turn])
    scene = brax_picture.side_view(limbs, place, turn)
    limb = next(line for line in of_kind(scene, Line) if line.colour == BLUE)
    # Middle at 7.5 - 0.2, seen from the torso at 7; ends 0.5 to either side.
    np.testing.assert_allclose([limb.x1, limb.x2, limb.y1, limb.y2], [0.8, -0.2, 2.0, 2.0], atol=1e-12)
    assert limb.width == 0.2 and SKY not in {circle.colour for circle in of_kind(scene, Circle)}
    assert "7 m" in labels(scene)
