"""The intersection's rules, by cases that can be checked by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from intersection_cases import FAR, FASTER, KEEP, SLOWER, play, start, with_numbers

from jaxvf.envs import Intersection, make
from jaxvf.envs.intersection import LEFT, RIGHT, STRAIGHT
from jaxvf.envs.pictures import INK, Line, Text
from jaxvf.errors import InputError
from jaxvf.sweeps.space import expand

ENV = Intersection()
KEEPING = np.full((60, 4), KEEP)

# steps after which a car alone at 10 m/s has arrived, by its start in metres along the approach
ARRIVALS = {LEFT: {55: 46, 65: 41, 75: 36}, STRAIGHT: {55: 46, 65: 41, 75: 36}, RIGHT: {55: 42, 65: 37, 75: 32}}
SECONDS = np.array([0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_registered_name_has_the_sizes_of_pow():
    spec = make("intersection").spec
    assert (spec.n_agents, spec.n_actions, spec.obs_dim, spec.state_dim, spec.limit_max) == (4, 3, 30, 60, 101)
    assert spec.metric_names == ("won", "crashed")


# --- roads and motion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ARRIVALS)
def test_a_car_alone_arrives_as_soon_as_its_route_is_long(way):
    for along, steps in ARRIVALS[way].items():
        states, _, _ = play(ENV, start([way, RIGHT, RIGHT, RIGHT], [along, -40, -40, -40]), KEEPING)
        length = {LEFT: 6.5 * np.pi, STRAIGHT: 22, RIGHT: 4.5 * np.pi}[way]
        arrived = states.along[:, 0] >= 100 + length + 25
        assert arrived.argmax() + 1 == steps and arrived.any()


@pytest.mark.parametrize(("way", "place", "heading"), [
    (LEFT, (-36, -2), -np.pi), (STRAIGHT, (2, -36), -np.pi / 2), (RIGHT, (36, 2), 0.0),
])  # fmt: skip
def test_a_car_leaves_by_its_exit_lane(way, place, heading):
    states, _, _ = play(ENV, start([way, RIGHT, RIGHT, RIGHT], [65, -40, -40, -40]), KEEPING)
    at = np.abs(states.position[:, 0] - place).sum(axis=1).argmin()
    np.testing.assert_allclose(states.position[at, 0], place, atol=2.0)  # a step is 2 m
    np.testing.assert_allclose(states.heading[at, 0], heading, atol=0.02)


def test_arms_differ_by_quarter_turns_alone():
    states, _, _ = play(ENV, start([RIGHT] * 4, [65] * 4), KEEPING[:40])
    x, y = states.position[:, 0].T
    for arm, turned in enumerate([(x, y), (-y, x), (-x, -y), (y, -x)]):
        np.testing.assert_allclose(states.position[:, arm].T, turned, atol=1e-3)


def test_a_step_closes_a_third_of_the_gap_to_the_set_point():
    actions = KEEPING[:4].copy()
    actions[0, 0] = SLOWER
    states, _, _ = play(ENV, start([STRAIGHT] * 4, [FAR] * 4), actions)
    np.testing.assert_allclose(states.speed[:, 0], 8 + 2 * (2 / 3) ** np.arange(1, 5), rtol=1e-6)
    np.testing.assert_allclose(states.position[0, 0], [2, 111 - FAR - 2], rtol=1e-6)  # by the speed before
    np.testing.assert_allclose(states.speed[:, 1], 10.0)


def test_set_points_start_from_the_present_speed_and_stay_in_range():
    script = [[SLOWER, FASTER, KEEP, SLOWER]] * 2 + [[KEEP] * 4]
    states, _, _ = play(ENV, start([STRAIGHT] * 4, [FAR] * 4), script)
    # After the first step car 0 drives 9.33 m/s, nearest to 10: slower means 8 again.
    np.testing.assert_allclose(states.target[:, 0], [8, 8, 8], rtol=1e-6)
    np.testing.assert_allclose(states.target[:, 1], 10.0)
    long = np.full((60, 4), SLOWER)
    states, _, _ = play(ENV, start([STRAIGHT] * 4, [FAR] * 4), long)
    assert states.target[-1].tolist() == [0.0] * 4 and states.speed[-1].max() < 0.1


# --- collisions, rewards and ends ------------------------------------------------------------------------------


def test_cars_that_meet_in_the_middle_crash_and_the_team_pays_once():
    """From arms 0 and 1, straight: they meet at (2, 2), which the nose of both reaches 2.5 m earlier."""
    states, outcome, _ = play(ENV, start([STRAIGHT, STRAIGHT, RIGHT, RIGHT], [80, 80, -40, -40]), KEEPING)
    end = int(outcome.terminated.argmax())
    assert states.crashed[end].tolist() == [True, True, False, False]
    assert outcome.reward[: end + 1].tolist() == [-1.0] * end + [-100.0]
    assert (outcome.metrics["crashed"][end], outcome.metrics["won"][end]) == (1.0, 0.0)
    # Car 0 then is 4 m further; they overlap from 109.5 m to 112.5 m of the route, and a step is 2 m.
    assert 107.5 <= states.along[end, 0] <= 112.5


def test_four_right_turns_succeed():
    _, outcome, _ = play(ENV, start([RIGHT] * 4, [65] * 4), KEEPING)
    end = int(outcome.terminated.argmax())
    assert end + 1 == ARRIVALS[RIGHT][65]
    assert outcome.reward[: end + 1].tolist() == [-1.0] * end + [99.0]
    assert (outcome.metrics["won"][end], outcome.metrics["crashed"][end]) == (1.0, 0.0)


def test_whoever_only_brakes_is_cut_at_the_limit():
    _, outcome, _ = play(ENV, start([LEFT] * 4, [65] * 4), np.full((101, 4), SLOWER))
    assert outcome.truncated.tolist() == [False] * 100 + [True]
    assert not outcome.terminated.any() and outcome.reward.sum() == -101


def test_rewards_arrival_and_limit_are_parameters():
    params = with_numbers(step_reward=-2, success_reward=7, crash_reward=-3, arrival_distance=5)
    _, outcome, _ = play(ENV, start([RIGHT] * 4, [65] * 4), KEEPING, params)
    end = int(outcome.terminated.argmax())
    assert end + 1 == ARRIVALS[RIGHT][65] - 10  # 20 m earlier, at 2 m a step
    assert outcome.reward[: end + 1].tolist() == [-2.0] * end + [5.0]
    _, outcome, _ = play(ENV, start([STRAIGHT] * 4, [80] * 4), KEEPING, params)
    assert outcome.reward[int(outcome.terminated.argmax())] == -3.0


# --- what is drawn and what is seen ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first_states():
    draws = jax.jit(lambda key: ENV.init_batch(key, ENV.default_params(), 4096))(jax.random.key(1))
    return jax.tree.map(np.asarray, draws)


def test_half_of_the_cars_turn_left(first_states):
    shares = np.stack([(first_states.way == way).mean(axis=0) for way in (LEFT, STRAIGHT, RIGHT)])
    np.testing.assert_allclose(shares, np.array([[0.5], [0.25], [0.25]]).repeat(4, axis=1), atol=4 * 0.5 / 64)


def test_cars_start_35_m_before_the_crossing_with_a_spread_of_5(first_states):
    np.testing.assert_allclose(first_states.along.mean(axis=0), 65, atol=4 * 5 / 64)
    np.testing.assert_allclose(first_states.along.std(axis=0), 5, rtol=0.05)
    assert (first_states.speed == 10).all() and (first_states.target == 10).all()
    np.testing.assert_allclose(first_states.heading[0], [-np.pi / 2, 0, np.pi / 2, np.pi], rtol=1e-6)


def test_an_observation_is_the_own_row_then_the_others_by_distance():
    view = ENV.observe(start([STRAIGHT] * 4, [90, 80, 70, 60]), ENV.default_params())
    own = [2, 21, 0, -10, -np.pi / 2]
    others = [[-31, 2, 10, 0, 0], [51, -2, -10, 0, np.pi], [-2, -41, 0, 10, np.pi / 2]]  # 38, 54 and 62 m away
    np.testing.assert_allclose(view.obs[0, :5], own, atol=1e-5)
    np.testing.assert_allclose(view.obs[0, 5:20].reshape(3, 5), others - np.array(own), atol=1e-5)
    np.testing.assert_allclose(view.obs[3, 5:10] + view.obs[3, :5], own, atol=1e-4)  # 54 m; the others 66 and 82


def test_way_points_follow_the_route_at_the_present_speed():
    state = start([LEFT, RIGHT, STRAIGHT, LEFT], [100, 98, 60, 60])
    way_points = np.asarray(ENV.observe(state, ENV.default_params()).obs)[:, 20:].reshape(4, 5, 2)
    angle = 10 * SECONDS / 13  # of the left turn, to the left of straight up
    np.testing.assert_allclose(way_points[0], 13 * np.stack([np.cos(angle) - 1, -np.sin(angle)], 1), atol=1e-4)
    np.testing.assert_allclose(way_points[2], np.stack([0 * SECONDS, 10 * SECONDS], 1), atol=1e-4)
    angle = (10 * SECONDS - 2) / 9  # car 1 comes from the left and turns down, after 2 m
    expected = np.stack([2 + 9 * np.sin(angle), 9 - 9 * np.cos(angle)], 1)
    np.testing.assert_allclose(way_points[1], expected, atol=1e-4)


def test_the_state_holds_own_rows_and_way_points():
    view = ENV.observe(start([LEFT, RIGHT, STRAIGHT, LEFT], [90, 80, 70, 60]), ENV.default_params())
    np.testing.assert_array_equal(
        np.asarray(view.state).reshape(4, 15), np.concatenate([view.obs[:, :5], view.obs[:, 20:]], axis=1)
    )


def test_scaled_views_are_divided():
    state = start([LEFT] * 4, [90, 80, 70, 60])
    raw, scaled = (Intersection(scaled=flag).observe(state, ENV.default_params()) for flag in (False, True))
    scales = np.concatenate([np.tile([100, 100, 10, 10, np.pi], 4), np.full(10, 100)])
    np.testing.assert_allclose(scaled.obs * scales, raw.obs, rtol=1e-5, atol=1e-4)


# --- the rail ----------------------------------------------------------------------------------------------------


def test_on_rails_cars_are_in_the_middle_of_their_lanes():
    script = np.full((60, 4), SLOWER)
    states, _, _ = play(Intersection(rail=True), start([STRAIGHT] * 4, [60] * 4), script)
    np.testing.assert_allclose(states.position[:, 0, 0], 2.0, atol=1e-5)
    speed = np.concatenate([[10.0], states.speed[:-1, 0]])
    np.testing.assert_allclose(111 - states.position[:, 0, 1], 60 + 0.2 * speed.cumsum(), rtol=1e-5)


def test_on_straight_lanes_the_rail_is_the_bicycle():
    script = np.random.default_rng(0).integers(1, 3, (30, 4))
    first = start([STRAIGHT] * 4, [65, 40, 15, -10])
    full, rail = (play(Intersection(rail=flag), first, script)[0] for flag in (False, True))
    np.testing.assert_allclose(full.position, rail.position, atol=1e-3)
    np.testing.assert_array_equal(full.crashed, rail.crashed)


@pytest.mark.parametrize(("way", "radius", "side"), [(LEFT, 13, -1), (RIGHT, 9, 1)])
def test_on_rails_a_car_turns_with_its_lane(way, radius, side):
    """A quarter circle from 100 m of the route on; y points down, so that angles grow to the right."""
    states, _, _ = play(Intersection(rail=True), start([way, RIGHT, RIGHT, RIGHT], [65, -40, -40, -40]), KEEPING)
    on_arc = np.clip(states.along[:, 0] - 100, 0, radius * np.pi / 2)
    heading = side * on_arc / radius - np.pi / 2
    assert ((on_arc > 0) & (on_arc < radius * np.pi / 2)).sum() >= 6
    np.testing.assert_allclose(np.cos(states.heading[:, 0]), np.cos(heading), atol=1e-5)
    np.testing.assert_allclose(np.sin(states.heading[:, 0]), np.sin(heading), atol=1e-5)


# --- statistics of policies: mean return, crashes and successes, from an implementation in NumPy ------------------

REFERENCE = {"keep": (300, -99.9, 0.88, 0.12), "faster": (150, -102.7, 0.90, 0.10), "random": (200, -112.8, 0.84, 0.08)}
PLAYED = {"keep": (0, 1, 0), "faster": (0, 0, 1), "random": (1 / 3, 1 / 3, 1 / 3), "slow": (0.5, 0.25, 0.25)}
EPISODES = 1024


@pytest.fixture(scope="module")
def told():
    """Return, crash and success of every episode of a policy, driven and on rails, [2, EPISODES, 3]; one program."""
    params = ENV.default_params()

    def episode(env, first, script):
        def step(carry, joint):
            state, running, total = carry
            moved, outcome = env.transition(jax.random.key(0), state, joint, params)
            counted = running * jnp.array([outcome.reward, outcome.metrics["crashed"], outcome.metrics["won"]])
            return (moved, running * ~outcome.done, total + counted), None

        return jax.lax.scan(step, (first, jnp.float32(1), jnp.zeros(3)), script)[0][2]

    def both(key, weights):
        start_key, act_key = jax.random.split(key)
        first, script = ENV.init(start_key, params), jax.random.choice(act_key, 3, (101, 4), p=weights)
        return jnp.stack([episode(env, first, script) for env in (ENV, Intersection(rail=True))])

    program = jax.jit(jax.vmap(both, in_axes=(0, None), out_axes=1))
    keys = jax.random.split(jax.random.key(3), EPISODES)
    return functools.cache(lambda policy: np.asarray(program(keys, jnp.array(PLAYED[policy], jnp.float32))))


@pytest.mark.parametrize("policy", REFERENCE)
def test_policies_crash_and_arrive_as_often_as_elsewhere(policy, told):
    episodes, mean_return, crashes, wins = REFERENCE[policy]
    found = told(policy)[0].mean(axis=0)
    spread = np.sqrt(1 / episodes + 1 / EPISODES)
    for rate, reference in zip(found[1:], (crashes, wins), strict=True):
        assert abs(rate - reference) < 4 * np.sqrt(reference * (1 - reference)) * spread
    assert abs(found[0] - mean_return) < 4 * 60 * spread  # returns lie between -200 and 63


@pytest.mark.parametrize(("policy", "share"), [("keep", 0.99), ("random", 0.98), ("slow", 0.96)])
def test_episodes_end_alike_on_rails_as_the_page_tells(policy, share, told):
    driven, railed = told(policy)[..., 1:]
    assert abs((driven == railed).all(axis=1).mean() - share) < 0.015


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_speeds": 1}, "n_speeds=1 is below its smallest valid value 2"),
        ({"limit_max": 0}, "limit_max=0 is below"),
        ({"n_speeds": 2.5}, "n_speeds=2.5 is not a whole number"),
        ({"limit_max": True}, "limit_max=True is not a whole number"),
        ({"rail": "no"}, "rail='no' is neither True nor False"),
        ({"scaled": 1}, "scaled=1 is neither True nor False"),
    ],
)
def test_impossible_sizes_are_refused(unchecked, sizes, message):
    with pytest.raises(InputError, match=message):
        Intersection(**sizes)


@pytest.mark.parametrize("number", ["lateral_time", "heading_time"])
def test_cars_on_rails_have_no_steering_to_set(number):
    with pytest.raises(InputError, match=f"env.{number}=0.5 means nothing with env.rail=True"):
        expand(Intersection(rail=True), "vdn", {f"env.{number}": 0.5}, 1)
    assert expand(ENV, "vdn", {f"env.{number}": 0.5}, 1)


def test_the_picture_turns_y_round_and_crosses_who_has_crashed():
    state = jax.tree.map(np.asarray, start([LEFT] * 4, [90, 80, 70, 60]))
    state = state._replace(crashed=np.array([False, True, False, False]))
    scene = ENV.picture(state, ENV.default_params())
    labels = {text.text: (text.x, text.y) for text in scene.shapes if isinstance(text, Text)}
    np.testing.assert_allclose(labels["0"], (2, -21), atol=1)  # below the crossing
    np.testing.assert_allclose(labels["3"], (51, 2), atol=1)
    crosses = [line for line in scene.shapes if isinstance(line, Line) and line.colour == INK]
    np.testing.assert_allclose([(line.x1 + line.x2) / 2 for line in crosses], [-31, -31], atol=1e-4)
