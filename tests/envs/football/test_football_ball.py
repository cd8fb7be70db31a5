"""The ball's flight, and kicks, against what can be computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.football.ball import flown, left_the_pitch
from jaxvf.envs.football.kicks import Kicker, difficulty, launch_speed, launched, pass_target, shot_target
from jaxvf.envs.football.numbers import BALL_RADIUS, HIGH_PASS, LONG_PASS, SHORT_PASS, SHOT, TICK, FootballParams

NUMBERS = jax.tree.map(jnp.float32, FootballParams())


def roll(velocity, steps):
    def step(carry, _):
        moved = flown(*carry)
        return moved, moved[0][:, 0]

    first = jnp.array([[0.0], [0.0], [BALL_RADIUS]]), jnp.array(velocity, jnp.float32)[:, None]
    return np.asarray(jax.jit(lambda: jax.lax.scan(step, first, None, length=steps)[1])())


def test_a_ground_ball_stops_where_friction_says():
    """dv/dt = -(a + k v^2) stops after ln(1 + k v^2 / a) / (2 k)."""
    places = roll([20.0, 0.0, 0.0], 500)
    assert np.isclose(places[-1, 0], np.log(1 + 0.055 * 400 / 1.6) / 0.11, rtol=0.02)
    assert places[-1, 0] == places[-2, 0] and (places[:, 2] == np.float32(BALL_RADIUS)).all()


def test_a_ball_in_the_air_falls_as_it_must_and_bounces_lower():
    """Thrown up at 5 m/s it is 5^2 / (2 g) = 1.27 m higher; the bounce keeps 0.62 of 5 m/s, thus 0.38 of the height."""
    height = roll([0.0, 0.0, 5.0], 200)[:, 2] - BALL_RADIUS
    assert np.isclose(height.max(), 25 / 19.62, rtol=0.06)  # the air takes a little
    landing = int((height[10:] <= 1e-6).argmax()) + 10
    assert np.isclose(landing * TICK, 10 / 9.81, rtol=0.05)
    assert np.isclose(height[landing:].max() / height.max(), 0.62**2, rtol=0.15)


@pytest.mark.parametrize(("before", "after", "where"), [
    ((54.9, 0.0, 0.5), (55.3, 0.0, 0.5), "goal"), ((54.9, 3.6, 2.4), (55.1, 3.6, 2.4), "goal"),
    ((54.9, 3.8, 0.5), (55.1, 3.8, 0.5), "out"), ((54.9, 0.0, 2.6), (55.1, 0.0, 2.6), "out"),
    ((54.0, 3.0, 0.5), (56.0, 5.0, 0.5), "out"), ((0.0, 35.9, 0.1), (0.0, 36.1, 0.1), "out"),
    ((-54.9, 0.0, 0.5), (-55.1, 0.0, 0.5), "own goal"), ((54.0, 0.0, 0.1), (54.9, 0.0, 0.1), None),
])  # fmt: skip
def test_a_goal_is_between_the_posts_below_the_bar(before, after, where):
    """The place is that of the crossing: the fifth ball crosses the line 4 m from the middle."""
    column = [jnp.array(place)[:, None] for place in (before, after)]
    found = dict(zip(("goal", "own goal", "out"), left_the_pitch(*column), strict=True))
    assert [name for name, holds in found.items() if holds[0]] == ([where] if where else [])


def kicker(ball, way, agents=2, velocity=(3.5, 0.0), pressure=100.0):
    is_agent = (jnp.arange(agents) == 0)[:, None].astype(jnp.float32)
    columns = [jnp.array(pair, jnp.float32)[:, None] for pair in (ball, velocity, way)]
    return Kicker(*columns, is_agent, jnp.array([pressure], jnp.float32))


def column(*places):
    return jnp.array(places, jnp.float32).T[..., None]  # [2, N, 1]


@pytest.mark.parametrize(("way", "mate"), [((0.0, 1.0), (10.0, 8.0)), ((0.0, -1.0), (10.0, -8.0))])
def test_of_two_mates_as_near_the_direction_decides(way, mate):
    mates = column((0, 0), (10, 8), (10, -8))
    found = pass_target(kicker((0, 0), way, agents=3), mates, jnp.zeros_like(mates), NUMBERS)
    np.testing.assert_allclose(found[:, 0], mate)


def test_a_running_mate_is_led():
    """At 10 m, by 0.7 (0.3 + 0.05 x 10)^0.7 = 0.6 s."""
    mates, velocity = column((0, 0), (10, 0)), column((0, 0), (0, 5))
    found = pass_target(kicker((0, 0), (1, 0)), mates, velocity, NUMBERS)
    np.testing.assert_allclose(found[:, 0], [10, 5 * 0.7 * 0.8**0.7], rtol=1e-5)


def test_a_pass_over_15_m_starts_at_20_1_m_per_second():
    assert np.isclose(launch_speed(jnp.array(15.0), high=False), 20.1, atol=0.05)
    assert launch_speed(jnp.array(60.0), high=False) == 30 and launch_speed(jnp.array(60.0), high=True) == 42
    target = jnp.array([[15.0], [0.0]])
    for action, rise, distance in ((SHORT_PASS, 0.11, 15.0), (LONG_PASS, 0.11, 18.0), (HIGH_PASS, 0.4125, 15.0)):
        flight = launched(kicker((0, 0), (1, 0)), jnp.array([action]), target, jnp.zeros((2, 1)), NUMBERS)[:, 0]
        speed = launch_speed(jnp.array(distance), high=action == HIGH_PASS)
        np.testing.assert_allclose(flight, speed * np.array([1, 0, rise]) / np.hypot(1, rise), rtol=1e-5)


def test_a_shot_goes_to_the_middle_or_aside_as_the_keys_say():
    """Straight in front of the goal: 90 degrees aside is 0.9 x 3.7 m, 45 degrees 0.5^0.7 of it."""
    for angle, lateral in ((0, 0), (90, 3.33), (-90, -3.33), (45, 3.33 * 0.5**0.7)):
        way = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        found = shot_target(kicker((40, 0), way))[:, 0]
        np.testing.assert_allclose(found, [15, lateral], atol=1e-4)


def test_a_shot_is_harder_in_haste_and_under_pressure():
    """Easiest at 3.5 m/s alone: 1; at 7.5 m/s half more; with an opponent 2 m away 1/e more."""
    assert np.isclose(difficulty(kicker((40, 0), (1, 0))), 1.0)
    assert np.isclose(difficulty(kicker((40, 0), (1, 0), velocity=(7.5, 0.0))), 1.5)
    assert np.isclose(difficulty(kicker((40, 0), (1, 0), pressure=2.0)), 1 + np.exp(-1))
    noise = jnp.array([[1.0], [-1.0]])
    flight = launched(kicker((40, 0), (1, 0)), jnp.array([SHOT]), jnp.zeros((2, 1)), noise, NUMBERS)[:, 0]
    np.testing.assert_allclose(np.arctan2(flight[1], flight[0]), 0.055, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(flight), 27, rtol=1e-5)
    np.testing.assert_allclose(flight[2] / np.hypot(*flight[:2]), 0.1, rtol=1e-4)  # 0.05, and 0.05 more
