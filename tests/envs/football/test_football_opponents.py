"""Where the scripted team runs, in situations that can be checked by hand. Metres; the goal is at (55, 0)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.football.numbers import FootballParams
from jaxvf.envs.football.opponents import Ball, People, coming_out, keeper_target, wanted_velocities
from jaxvf.envs.football.scenarios import SCENARIOS

NUMBERS = jax.tree.map(jnp.float32, FootballParams())


def standing(*places):
    place = jnp.array(places, jnp.float32).T[..., None]  # [2, U, 1]
    return People(place, jnp.zeros_like(place))


def at_the_feet(agents):
    """Agent 0 has the ball."""
    is_agent = (jnp.arange(agents.place.shape[1]) == 0)[:, None]
    return Ball(agents.place[:, 0], jnp.zeros((2, 1)), is_agent, jnp.array([False]))


def velocities(agents, opponents, chasers=()):
    chases = np.isin(np.arange(opponents.place.shape[1]), chasers)
    return np.asarray(wanted_velocities(at_the_feet(agents), agents, opponents, chases, NUMBERS))[..., 0].T


def test_who_does_not_hunt_marks_the_free_attacker_nearest_to_goal():
    """Two are nearer to the carrier. Agent 2 is 18 m from goal, agent 1 is 32 m and next if a man is with agent 2."""
    agents = standing((20, 0), (30, 20), (40, -10))
    keeper, hunters, third = (55, 0), [(24, 0), (24, 2)], np.array([30, 0])
    for other, marked in (((-30, 30), (40, -10)), ((42, -10), (30, 20))):
        found = velocities(agents, standing(keeper, *hunters, third, other))[3]
        to_goal = np.array([55, 0]) - marked
        way = marked + 2 * to_goal / np.linalg.norm(to_goal) - third
        np.testing.assert_allclose(found, 8 * way / np.linalg.norm(way), rtol=1e-5)


def test_chasers_run_straight_at_the_ball_and_do_not_slow_down():
    """From 25 and from 1 m away; another man so near would hunt at 3 m/s for each metre to his point."""
    agents = standing((20, 0), (30, 20), (40, -10))
    opponents = standing((55, 0), (5, 20), (19, 0), (24, 0), (-30, 30))
    found = velocities(agents, opponents, chasers=(1, 2))
    np.testing.assert_allclose(found[1:3], [[8 * 0.6, -8 * 0.8], [8, 0]], rtol=1e-5)
    np.testing.assert_allclose(velocities(agents, opponents)[2], [3 * 1.7, 0], rtol=1e-5)


@pytest.mark.parametrize(("name", "chasers"), [
    ("academy_3_vs_1_with_keeper", []), ("academy_counterattack_easy", [1, 2, 4, 5]),
    ("academy_counterattack_hard", [1, 4, 5]),
])  # fmt: skip
def test_who_starts_behind_the_ball_chases(name, chasers):
    scenario = SCENARIOS[name]
    assert np.flatnonzero(scenario.chasers(scenario.simulated)).tolist() == chasers


@pytest.mark.parametrize(("helper", "defender", "share"), [
    ((0, 0), (20, 0), 1.0),  # too far to help
    ((55, 20), (20, 0), 0.3),  # 10 m from his shooting point, as the carrier is
    ((55, 24), (20, 0), 0.58),  # 12 m: a fifth farther, thus 0.6 of the 70 %
    ((55, 24), (55, 25), 0.79),  # and a defender 13 m from that point halves it
    ((55, 20), (45, 10.5), 0.0),  # a defender hardly farther from the carrier's point than he
])  # fmt: skip
def test_the_keeper_comes_out_less_where_a_second_attacker_is_free(helper, defender, share):
    """The carrier, 20 m from goal, would shoot from (45, 0), 10 m ahead; without a helper the keeper comes 12 m out."""
    agents, opponents = standing((35, 0), helper), standing((55, 0), defender)
    ball = at_the_feet(agents)
    np.testing.assert_allclose(coming_out(ball, agents, opponents), [share], atol=1e-5)
    out = np.clip((54.3 - 35 - 0.5) * share, 0.7, 12)
    found = keeper_target(ball, agents, opponents, NUMBERS)[:, 0]
    np.testing.assert_allclose(found, [54.3 - out, 0], atol=1e-4)
