"""Who takes a ball, in situations that can be checked by hand: agents 0 and 1, the keeper, and a defender."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.football.duels import NOBODY, Reach, owner_after
from jaxvf.envs.football.motion import touch_distance
from jaxvf.envs.football.numbers import FootballParams
from jaxvf.envs.football.opponents import Ball, People, bound_for_goal, keeper_target

NUMBERS = jax.tree.map(jnp.float32, FootballParams())
AWAY = (-30.0, 0.0)
AGENT, MATE, KEEPER, DEFENDER = range(4)
ALWAYS, NEVER = 0.0, 1.0


def owner(places, *, ball=(0.0, 0.0, 0.11), pace=0.0, had=NOBODY, slides=(), unable=(), luck=(NEVER, NEVER)):
    """Who has the ball after 20 ms, given where some are; `pace` is the ball's, along x; who is not named is away."""
    position = jnp.array([places.get(player, AWAY) for player in range(4)], jnp.float32).T[..., None]
    players = np.arange(4)[:, None]
    reach = Reach(2, jnp.asarray(np.isin(players, slides)), jnp.asarray(~np.isin(players, unable)), jnp.ones(1))
    ball, flight = (jnp.array(vector, jnp.float32)[:, None] for vector in (ball, (pace, 0.0, 0.0)))
    still, chance = jnp.zeros_like(position), jnp.array(luck)[:, None]
    return int(owner_after(position, still, ball, flight, jnp.array([had]), reach, chance, NUMBERS)[0])


@pytest.mark.parametrize(
    ("player", "situation", "takes"),
    [
        (AGENT, {}, True),
        (AGENT, {"ball": (1.9, 0.0, 0.11)}, True),  # 0.9 m away
        (AGENT, {"ball": (2.1, 0.0, 0.11)}, False),
        (AGENT, {"ball": (1.0, 0.0, 0.79)}, True),
        (AGENT, {"ball": (1.0, 0.0, 0.81)}, False),
        (AGENT, {"pace": 21.9}, True),
        (AGENT, {"pace": 22.1}, False),
        (DEFENDER, {"pace": 15.9}, True),
        (DEFENDER, {"pace": 16.1}, False),
        (AGENT, {"unable": [AGENT]}, False),  # on the ground, or locked out after a kick
        (AGENT, {"ball": (2.7, 0.0, 0.11), "slides": [AGENT]}, True),  # a slide reaches 1.8 m
        (AGENT, {"ball": (2.9, 0.0, 0.11), "slides": [AGENT]}, False),
    ],
)
def test_a_free_ball_is_taken_if_it_is_near_low_and_slow(player, situation, takes):
    found = owner({player: (1.0, 0.0)}, **{"ball": (1.0, 0.0, 0.11), **situation})
    assert found == (player if takes else NOBODY)


def test_the_nearest_takes_it():
    assert owner({AGENT: (0.5, 0.0), MATE: (0.4, 0.0), DEFENDER: (0.6, 0.0)}) == MATE


@pytest.mark.parametrize(
    ("place", "height", "luck", "saves"),
    [
        ((1.2, 0), 2.4, 0.39, True),
        ((1.4, 0), 2.4, 0.39, False),
        ((1.2, 0), 2.6, 0.39, False),
        ((1.2, 0), 2.4, 0.41, False),
    ],
)
def test_a_keeper_saves_within_1_3_m_and_below_the_bar(place, height, luck, saves):
    found = owner({KEEPER: place}, ball=(0.0, 0.0, height), pace=30.0, luck=(luck, NEVER))
    assert found == (KEEPER if saves else NOBODY)


@pytest.mark.parametrize(
    ("had", "by", "distance", "slides", "wins"),
    [
        (AGENT, DEFENDER, 0.9, [], True),
        (AGENT, DEFENDER, 1.1, [], False),
        (AGENT, MATE, 0.5, [], False),  # of the same team
        (DEFENDER, AGENT, 0.9, [], True),
        (DEFENDER, AGENT, 1.7, [], False),
        (DEFENDER, AGENT, 1.7, [AGENT], True),
        (DEFENDER, KEEPER, 0.5, [], False),
    ],
)
def test_tackles_are_of_the_other_team_within_a_metre_or_a_slide(had, by, distance, slides, wins):
    found = owner({had: (0.0, 0.0), by: (distance, 0.0)}, had=had, slides=slides, luck=(NEVER, ALWAYS))
    assert found == (by if wins else had)


def test_a_keeper_does_not_tackle_but_smothers():
    """At 1.2 m for certain, at 1.4 m never, though a tackle would be won."""
    for distance, luck, found in ((1.2, NEVER, KEEPER), (1.4, ALWAYS, AGENT)):
        assert owner({AGENT: (0.0, 0.0), KEEPER: (distance, 0.0)}, had=AGENT, luck=(NEVER, luck)) == found


def test_the_ball_is_farther_from_a_faster_foot_unless_he_dribbles():
    """0.35 m standing, 0.9 m at 8 m/s; half way at 4."""
    speed = jnp.array([0.0, 4.0, 8.0, 8.0])
    found = touch_distance(speed, jnp.array([False, False, False, True]), NUMBERS)
    np.testing.assert_allclose(found, [0.35, 0.625, 0.9, 0.35], rtol=1e-6)


@pytest.mark.parametrize(
    ("place", "velocity", "bound"),
    [
        ((45.0, 0.0), (20.0, 0.0), True),
        ((45.0, 0.0), (20.0, 8.0), True),  # 4 m beside the middle at the line, of 1.1 x 3.7
        ((45.0, 0.0), (20.0, 8.4), False),
        ((45.0, 0.0), (6.5, 0.0), False),  # 1.54 s away
        ((45.0, 0.0), (-20.0, 0.0), False),
    ],
)
def test_a_keeper_runs_into_the_way_of_a_ball_that_is_bound_for_goal(place, velocity, bound):
    """To the point of its line that is nearest to him, where he stands at (53, 2); else he stays near his goal."""
    place, velocity = (jnp.array(pair)[:, None] for pair in (place, velocity))
    ball = Ball(place, velocity, jnp.zeros((2, 1), bool), jnp.array([True]))
    assert bool(bound_for_goal(ball)[0]) == bound
    people = (jnp.array([[53.0, 20.0], [2.0, 0.0]])[..., None], jnp.zeros((2, 2, 1)))
    target = np.asarray(keeper_target(ball, People(*people), People(*people), NUMBERS))[:, 0]
    way = np.asarray(velocity)[:, 0] / np.linalg.norm(velocity)
    nearest = np.array([45.0, 0.0]) + way * (np.array([8.0, 2.0]) @ way)
    if bound:
        np.testing.assert_allclose(target, nearest, rtol=1e-5)
    else:
        np.testing.assert_allclose(target, [53.6, 0.0], atol=1e-4)  # 0.7 m out from the keeper's line, 0.7 m from goal
