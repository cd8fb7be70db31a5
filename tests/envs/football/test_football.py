"""Football's rules: keys, duels, ends, rewards and features, in situations set up by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from football_cases import ALWAYS, IDLE, NEVER, RIGHT, THREE, alone, play, situation

from jaxvf.envs import ENVIRONMENTS, make
from jaxvf.envs.football import Football
from jaxvf.envs.football.numbers import (
    DRIBBLE,
    RELEASE_DIRECTION,
    RELEASE_SPRINT,
    SHORT_PASS,
    SLIDE,
    SPRINT,
)
from jaxvf.envs.football.rewards import collected
from jaxvf.envs.pictures import INK, Circle, Text

SIZES = {
    "academy_3_vs_1_with_keeper": (3, 26, 5),
    "academy_counterattack_easy": (4, 34, 10),
    "academy_counterattack_hard": (4, 34, 10),
}


@pytest.mark.parametrize("name", SIZES)
def test_registered_scenarios_have_the_sizes_of_cds(name):
    agents, features, people = SIZES[name]
    spec = make(f"football/{name}").spec
    assert (spec.n_agents, spec.n_actions, spec.obs_dim, spec.state_dim) == (agents, 19, features, features)
    assert spec.limit_max == 150 and f"football/{name}" in ENVIRONMENTS
    assert len(situation(Football(name)).position) == people


def test_counterattacks_differ_in_one_centre_back():
    easy, hard = (
        np.asarray(situation(Football(f"academy_counterattack_{kind}")).position) for kind in ("easy", "hard")
    )
    moved = np.flatnonzero((easy != hard).any(axis=1)) - 4  # of the opponents' list
    assert moved.tolist() == [2] and easy[6, 0] < 0 < hard[6, 0]
    np.testing.assert_allclose(easy[4:6], [[54.4, 0], [-0.128 * 54.4, 0.19576 * 83.6]], rtol=1e-6)


# --- keys ------------------------------------------------------------------------------------------------------


def test_a_direction_persists_through_idling_and_through_a_kick():
    script = [[RIGHT, IDLE, IDLE], [IDLE, IDLE, IDLE], [SHORT_PASS, IDLE, IDLE], [RELEASE_DIRECTION, IDLE, IDLE]]
    states, _ = play(THREE, situation(THREE), script)
    assert states.direction[:, 0].tolist() == [RIGHT, RIGHT, RIGHT, 0]
    assert states.owner.tolist() == [0, 0, -1, -1]
    assert (np.diff(states.position[:3, 0, 0]) > 0.1).all()


def test_speeds_are_those_of_the_keys():
    """Agent 0 has the ball: dribbling 3.5, sprinting 7, walking 5; without it sprinting is 8."""
    place = situation(THREE, position=alone(THREE, (20, 0), (20, 20), (20, -20)))
    for key, speeds in ((IDLE, (5, 5)), (SPRINT, (7, 8)), (DRIBBLE, (3.5, 5))):
        states, _ = play(THREE, place, [[RIGHT] * 3, *[[key] * 3] * 12])
        np.testing.assert_allclose(states.velocity[-1, :2, 0], speeds, rtol=1e-4)
    states, _ = play(THREE, place, [[RIGHT] * 3, [SPRINT] * 3, *[[RELEASE_SPRINT] * 3] * 12])
    np.testing.assert_allclose(states.velocity[-1, :3, 0], 5, rtol=1e-4)


def test_acceleration_is_bounded():
    """From rest at 9 m/s^2: 0.9 m/s after a step."""
    states, _ = play(THREE, situation(THREE), [[RIGHT] * 3] * 2)
    np.testing.assert_allclose(states.velocity[:, 1, 0], [0.9, 1.8], rtol=1e-5)


def test_a_slide_leads_forward_and_then_down():
    place = situation(THREE, position=alone(THREE, (20, 0), (30, 20), (20, -20)))
    states, _ = play(THREE, place, [[IDLE, SLIDE, IDLE], *[[IDLE, RIGHT, IDLE]] * 17])
    np.testing.assert_allclose(states.position[0, 1], [31.5, 20], atol=1e-4)
    assert (states.position[1:15, 1] == states.position[0, 1]).all()  # 1.5 s
    assert states.position[-1, 1, 0] > 31.6
    states, _ = play(Football(slide=False), place, [[IDLE, SLIDE, IDLE]])
    np.testing.assert_allclose(states.position[0, 1], [30, 20])


# --- duels and ends --------------------------------------------------------------------------------------------


def test_possession_is_lost_in_the_step_of_the_tackle():
    beside = alone(THREE, (20, 0), (20, 20), (20, -20))
    beside[4] = (20.6, 0)  # the defender
    place = situation(THREE, position=beside, ball=(20.4, 0, 0.11), owner=0)
    _, outcome = play(THREE, place, [[IDLE] * 3] * 3, luck=(NEVER, NEVER))
    assert not outcome.terminated.any()
    states, outcome = play(THREE, place, [[IDLE] * 3], luck=(NEVER, ALWAYS))
    assert outcome.terminated[0] and outcome.metrics["lost"][0] == 1 and states.owner[0] == 4
    assert outcome.reward[0] == -1


def test_the_hazard_of_a_tackle_is_a_rate():
    """2.2 a second: lost within 20 ms with 1 - exp(-0.044); who dribbles has 0.6 of that rate, who sprints 1.4."""
    beside = alone(THREE, (20, 0), (20, 20), (20, -20))
    beside[4] = (20.6, 0)
    place = situation(THREE, position=beside, ball=(20.4, 0, 0.11), owner=0)
    chance = 1 - np.exp(-2.2 * 0.02)
    for luck, lost in ((chance - 1e-4, 1), (chance + 1e-4, 0)):
        assert play(THREE, place, [[IDLE] * 3], luck=(NEVER, luck))[1].metrics["lost"][0] == lost
    for key, factor in ((DRIBBLE, 0.6), (SPRINT, 1.4)):
        chance = 1 - np.exp(-factor * 2.2 * 0.02)
        for luck, lost in ((chance - 1e-4, 1), (chance + 1e-4, 0)):
            assert play(THREE, place, [[key, IDLE, IDLE]], luck=(NEVER, luck))[1].metrics["lost"][0] == lost


def test_a_free_ball_between_two_owners_does_not_end_it():
    """Passed from agent 0 to agent 1, 12 m away."""
    place = situation(THREE, position=alone(THREE, (20, 0), (20, 12), (20, -20)), ball=(20.4, 0, 0.11), owner=0)
    states, outcome = play(THREE, place, [[7, IDLE, IDLE], [SHORT_PASS, IDLE, IDLE], *[[14, IDLE, IDLE]] * 12])
    owners = states.owner.tolist()
    assert owners[0] == 0 and -1 in owners and owners[-1] == 1
    assert not outcome.terminated.any()


def test_it_takes_two_known_owners_to_change_possession():
    beside = alone(THREE, (20, 0), (20, 20), (20, -20))
    beside[4] = (30.6, 0)
    free = {"position": beside, "ball": (30, 0, 0.11), "owner": -1}
    states, outcome = play(THREE, situation(THREE, **free, last_team=-1), [[IDLE] * 3] * 2)
    assert states.owner[-1] == 4 and not outcome.terminated.any()
    _, outcome = play(THREE, situation(THREE, **free, last_team=0), [[IDLE] * 3] * 2)
    assert outcome.metrics["lost"].tolist()[0] == 1


def test_a_keeper_saves_by_luck_and_smothers_a_carrier_for_certain():
    people = alone(THREE, (40, 0), (20, 20), (20, -20))
    people[3] = (54, 0)
    shot = situation(THREE, position=people, ball=(52.9, 0, 0.11), ball_velocity=(20, 0, 0), owner=-1)
    assert play(THREE, shot, [[IDLE] * 3], luck=(0.39, NEVER))[1].metrics["lost"][0] == 1
    assert play(THREE, shot, [[IDLE] * 3] * 2, luck=(0.41, NEVER))[1].metrics["won"].sum() == 1
    people[0] = (53, 0)
    carried = situation(THREE, position=people, ball=(53.35, 0, 0.11), owner=0)
    assert play(THREE, carried, [[IDLE] * 3], luck=(NEVER, NEVER))[1].metrics["lost"][0] == 1


@pytest.mark.parametrize(("change", "metric"), [
    ({"ball": (54.9, 3.0, 0.5), "ball_velocity": (20, 0, 0)}, "won"),
    ({"ball": (54.9, 9.0, 0.5), "ball_velocity": (20, 0, 0)}, "out"),
    ({"ball": (-0.1, 0.0, 0.11)}, None),
    ({"position": [(20, 0), (-0.1, 20), (20, -20), (-30, 30), (-30, 30)]}, None),  # agent 1 in the own half
])  # fmt: skip
def test_cds_pays_100_for_a_goal_and_minus_1_at_any_other_end(change, metric):
    changes = {"position": alone(THREE, (20, 0), (20, 20), (20, -20)), "owner": -1, **change}
    place = situation(THREE, **changes)
    _, outcome = play(THREE, place, [[IDLE] * 3])
    assert outcome.terminated[0] and not outcome.truncated[0]
    assert outcome.reward[0] == (100 if metric == "won" else -1)
    assert {name for name, value in outcome.metrics.items() if value[0]} == ({metric} if metric else set())


def test_the_limit_truncates_and_pays_as_an_end_in_cds():
    place = situation(THREE, position=alone(THREE, (20, 0), (20, 20), (20, -20)))
    for env, last in ((THREE, -1.0), (Football(reward="scoring"), 0.0)):
        params = dataclasses.replace(env.default_params(), limit=jnp.int32(3))
        _, outcome = play(env, place, [[IDLE] * 3] * 3, params=params)
        assert outcome.truncated.tolist() == [False, False, True] and not outcome.terminated.any()
        assert outcome.reward.tolist() == [0, 0, last]


# --- checkpoints -----------------------------------------------------------------------------------------------

PAID = Football(reward="scoring+checkpoints")


def test_a_goal_from_the_start_pays_everyone_2():
    """Agent 0 has the ball 0.38 units from goal: 0.99 - 0.8 k / 9 is farther for k = 0 to 6, thus 7 checkpoints."""
    people = alone(PAID, (33, 0), (20, 20), (20, -20))
    states, outcome = play(PAID, situation(PAID, position=people), [[IDLE] * 3])
    assert states.checkpoints[0].tolist() == [7, 0, 0]
    np.testing.assert_allclose(outcome.agent_rewards[0], [0.7, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(outcome.reward[0], 0.7 / 3, rtol=1e-6)
    scored = situation(PAID, position=people, ball=(54.9, 0, 0.5), ball_velocity=(20, 0, 0), owner=-1)
    scored = scored._replace(checkpoints=jnp.array([7, 0, 0], jnp.int32))
    _, outcome = play(PAID, scored, [[IDLE] * 3])
    np.testing.assert_allclose(outcome.agent_rewards[0], [1.3, 2, 2], rtol=1e-6)
    np.testing.assert_allclose(outcome.agent_rewards[0] + [0.7, 0, 0], 2, rtol=1e-6)


def test_checkpoints_are_collected_once():
    people = alone(PAID, (33, 0), (20, 20), (20, -20))
    states, outcome = play(PAID, situation(PAID, position=people), [[RIGHT, IDLE, IDLE]] + [[IDLE] * 3] * 20)
    assert (np.diff(states.checkpoints[:, 0]) >= 0).all() and states.checkpoints[-1, 0] <= 10
    np.testing.assert_allclose(outcome.agent_rewards[:, 0].sum(), 0.1 * states.checkpoints[-1, 0], rtol=1e-5)
    assert states.checkpoints[-1, 0] > 7


def test_who_comes_back_to_a_checkpoint_is_not_paid_again():
    """0.38 units from goal there are 7: agent 0 had 9 of them nearer to it, agent 1 has 2 and no ball."""
    had, ball = jnp.array([[9], [2]]), jnp.array([[0.62 * 54.4], [0.0], [0.11]])
    assert collected(had, ball, jnp.array([[True], [False]]))[:, 0].tolist() == [9, 2]
    assert collected(had, ball, jnp.array([[False], [True]]))[:, 0].tolist() == [9, 7]


# --- features and masks ----------------------------------------------------------------------------------------


def test_cds_observations_are_relative_and_the_state_is_absolute():
    state = situation(THREE, velocity=np.arange(10.0).reshape(5, 2), ball=(10, 4, 2), ball_velocity=(5, 0, 1))
    view = THREE.observe(state, THREE.default_params())
    units = np.array([54.4, 83.6])
    place, motion = np.asarray(state.position) / units, np.asarray(state.velocity) / 10 / units
    mates, ball = [0, 2], np.array([10, 4]) / units
    expected = [place[1], *(place[mates] - place[1]), motion[1], *motion[mates], *(place[3:] - place[1]), *motion[3:]]
    expected += [ball - place[1], [2.0], [0.5 / 54.4, 0, 0.1]]
    np.testing.assert_allclose(view.obs[1], np.concatenate(expected), atol=1e-6)
    whole = [*place[:3], *motion[:3], *place[3:], *motion[3:], ball, [2.0], [0.5 / 54.4, 0, 0.1]]
    np.testing.assert_allclose(view.state, np.concatenate(whole), atol=1e-6)


def test_simple115_is_the_list_of_all_players():
    env = Football("academy_counterattack_hard", obs="simple115v2")
    assert (env.spec.obs_dim, env.spec.state_dim) == (115, 115 + 33)
    state = situation(env, ball=(10, 4, 2), owner=2)
    view = jax.tree.map(np.asarray, env.observe(state, env.default_params()))
    ours, theirs = view.obs[1][:22].reshape(11, 2), view.obs[1][44:66].reshape(11, 2)
    np.testing.assert_allclose(ours[0], [-1, 0])
    assert (ours[1:7] == -1).all() and (theirs[6:] == -1).all()
    np.testing.assert_allclose(ours[7], [0.5, -0.3161], rtol=1e-5)
    np.testing.assert_allclose(theirs[3], [0.4, -0.063559], rtol=1e-5)
    np.testing.assert_allclose(view.obs[1][88:94], [10 / 54.4, 4 / 83.6, 2, 0, 0, 0], atol=1e-6)
    assert view.obs[1][94:97].tolist() == [0, 1, 0]  # the agents have it
    assert view.obs[1][97:108].tolist() == [0.0] * 8 + [1.0] + [0.0] * 2  # agent 1 is the ninth of the list
    assert view.obs[1][108:].tolist() == [1.0] + [0.0] * 6
    active = np.eye(11)[8:].reshape(-1)
    np.testing.assert_array_equal(view.state, [*view.obs[0], *active])


def test_masks_leave_what_does_something():
    env = Football(mask_actions=True)
    state = situation(env, sprint=[True, False, False], direction=[0, RIGHT, 0])
    avail = np.asarray(env.observe(state, env.default_params()).avail)
    kicks = slice(9, 13)
    assert avail[0, kicks].all() and not avail[1:, kicks].any()
    assert avail[:, SLIDE].tolist() == [False, True, True]
    assert avail[:, RELEASE_SPRINT].tolist() == [True, False, False]
    assert avail[:, RELEASE_DIRECTION].tolist() == [False, True, False]
    assert np.asarray(THREE.observe(state, THREE.default_params()).avail).all()
    env = Football(mask_actions=True, slide=False)
    standing = np.asarray(env.observe(state, env.default_params()).avail)
    assert not standing[:, SLIDE].any() and (np.delete(standing, SLIDE, 1) == np.delete(avail, SLIDE, 1)).all()


def test_the_picture_turns_y_round_and_marks_the_carrier():
    place = situation(THREE, position=alone(THREE, (20, 5), (30, 20), (20, -20)), ball=(20.4, 5, 1.0), owner=0)
    scene = THREE.picture(jax.tree.map(np.asarray, place), THREE.default_params())
    people = {text.text: (text.x, text.y) for text in scene.shapes if isinstance(text, Text)}
    assert people["0"] == (20, -5) and people["K"] == (-30, -30)
    carriers = [disc for disc in scene.shapes if isinstance(disc, Circle) and disc.edge == INK]
    assert [(disc.x, disc.y) for disc in carriers] == [(20, -5)]
    ball = scene.shapes[-1]
    np.testing.assert_allclose([ball.x, ball.y, ball.radius], [20.4, -5, 0.45 * 1.3], rtol=1e-5)
