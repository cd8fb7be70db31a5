"""JaxMARL environments in: same numbers, and ends that say why."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxmarl_cases import KEY, MPE, Countdown, anything, assert_same_numbers, ends, raw_of, side_by_side

from jaxvf.envs import FromJaxMARL, check_env, make
from jaxvf.envs.jaxmarl_names import import_jaxmarl
from jaxvf.errors import InputError

# --- MPE -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spread():
    adapter = make(f"jaxmarl/{MPE}")
    return side_by_side(raw_of(adapter), adapter, 27, anything)


def test_mpe_has_jaxmarls_rewards_and_observations(spread):
    assert_same_numbers(*spread)
    assert spread[2].state.shape == (27, 54)  # no world state: all observations in a row
    np.testing.assert_array_equal(spread[2].state.reshape(27, 3, 18), spread[2].obs)


def test_mpe_is_cut_one_step_late_as_upstream_and_never_terminates(spread):
    """The 27th step shows that the flag stays: nothing was reset."""
    _, outcome, _ = spread
    assert ends(outcome.truncated) == [26, 27]
    assert not outcome.terminated.any()
    assert make(f"jaxmarl/{MPE}").spec.limit_max == 26


def test_exact_limit_cuts_at_the_declared_step():
    exact = make(f"jaxmarl/{MPE}:exact_limit=True")
    assert exact.spec.limit_max == 25
    _, outcome, _ = side_by_side(raw_of(exact), exact, 26, anything)
    assert ends(outcome.truncated) == [25, 26]
    assert not outcome.terminated.any()


def test_agents_of_different_sizes_are_told_apart():
    """The speaker sees 3 numbers and has 3 words, the listener sees 11 and has 5 moves; in spread all are alike."""
    spec = make("jaxmarl/MPE_simple_speaker_listener_v4").spec
    assert (spec.own_obs, spec.own_actions) == ((((0, 3),), ((0, 11),)), (3, 5))
    assert (spec.obs_dims, spec.action_dims, spec.obs_dim) == ((3, 11), (3, 5), 11)
    assert (make(f"jaxmarl/{MPE}").spec.own_obs, make(f"jaxmarl/{MPE}").spec.own_actions) == ((), ())


def test_continuous_actions_are_vectors_cut_to_the_box():
    adapter = make(f"jaxmarl/{MPE}:action_type=Continuous,num_agents=2,num_landmarks=2")
    assert (adapter.spec.n_actions, adapter.spec.continuous) == (5, True)

    def normal(key, view):
        return jax.random.normal(key, (2, 5))

    def cut(actions):
        return jnp.clip(actions, 0.0, 1.0)

    raw, outcome, view = side_by_side(raw_of(adapter), adapter, 26, normal, for_raw=cut)
    assert_same_numbers(raw, outcome, view)
    assert ends(outcome.truncated) == [26]


def test_agents_of_different_sizes_are_padded_and_masked():
    """The speaker has 3 features and 3 actions, the listener 11 and 5."""
    adapter = make("jaxmarl/MPE_simple_speaker_listener_v4")
    raw, params = raw_of(adapter), adapter.default_params()
    assert raw.agents == ["speaker_0", "listener_0"]  # sorted keys would turn them round
    obs, _ = raw.reset(KEY)
    view = adapter.observe(adapter.init(KEY, params), params)
    np.testing.assert_array_equal(view.obs[0], np.pad(obs["speaker_0"], (0, 8)))
    np.testing.assert_array_equal(view.obs[1], obs["listener_0"])
    np.testing.assert_array_equal(view.avail, [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(view.state, np.concatenate([obs["speaker_0"], obs["listener_0"]]))


# --- switch riddle ---------------------------------------------------------------------------------------------

NOTHING, TELL = 0, 2


def test_riddle_of_twelve_keeps_the_order_of_agents():
    """Only the action of the agent in the room counts, and only that agent sees the room."""
    adapter = make("jaxmarl/switch_riddle:num_agents=12")

    def all_but_the_one_in_the_room_tell(key, view):
        return jnp.where(view.obs[:, 0] == 1, NOTHING, TELL)

    raw, outcome, view = side_by_side(raw_of(adapter), adapter, 43, all_but_the_one_in_the_room_tell)
    assert_same_numbers(raw, outcome, view)
    assert (view.obs[:, :, 0].argmax(axis=1) >= 10).any()  # agents 10 and 11 come before agent 2 in sorted keys
    assert not outcome.terminated.any()
    assert ends(outcome.truncated) == [42, 43]


def test_riddle_terminates_when_the_agent_in_the_room_tells():
    adapter = make("jaxmarl/switch_riddle")

    def tell_after_two_steps(key, view):
        return jnp.where((view.obs[:, 0] == 1) & jax.random.bernoulli(key, 0.3), TELL, NOTHING)

    raw, outcome, view = side_by_side(raw_of(adapter), adapter, 6, tell_after_two_steps)
    assert_same_numbers(raw, outcome, view)
    told = outcome.reward != 0
    assert told[:5].any() and not told.all()
    np.testing.assert_array_equal(outcome.terminated, told)
    assert outcome.truncated[5] != told[5]


# --- hanabi and overcooked -------------------------------------------------------------------------------------


def test_hanabi_ends_by_its_rules_within_the_bound_even_if_players_stall():
    """Whoever hints while there is a token, and else discards, plays the longest game there is.

    Its observation needs the action before, so it is kept in the state; masks are the legal moves.
    """
    cards = np.array([2, 1])  # of the ranks, in each of two colours; no option, as an array has no hash
    hanabi = import_jaxmarl().make("hanabi", num_colors=2, num_ranks=2, num_cards_of_rank=cards, hand_size=2)
    adapter = FromJaxMARL(hanabi)
    spec = adapter.spec
    assert (spec.self_ending, spec.limit_max) == (True, 2 * (6 - 4) + 8 + 2)

    def stall(key, view):
        discard, play, hint = (jnp.arange(spec.n_actions) < bound for bound in (2, 4, spec.n_actions - 1))
        preference = jnp.where(discard, 1.0, jnp.where(play, 0.0, jnp.where(hint, 2.0, 3.0)))
        return jnp.where(view.avail, preference, -1.0).argmax(axis=-1)

    raw, outcome, view = side_by_side(hanabi, adapter, spec.limit_max, stall)
    assert_same_numbers(raw, outcome, view)
    over = ends(outcome.terminated)
    assert spec.limit_max - 2 <= over[0] <= spec.limit_max
    assert not outcome.truncated.any()
    running = view.avail[: over[0] - 1]
    assert (running[:, :, -1].sum(axis=1) == 1).all()  # who is not to move can only pass


def test_overcooked_is_cut_on_time_and_its_images_fit_uint8():
    adapter = make("jaxmarl/overcooked:max_steps=4")
    assert adapter.spec.storage == "uint8"
    assert (adapter.spec.obs_dim, adapter.spec.state_dim, adapter.spec.limit_max) == (5 * 4 * 26, 2 * 5 * 4 * 26, 4)
    raw, outcome, view = side_by_side(raw_of(adapter), adapter, 5, anything)
    assert_same_numbers(raw, outcome, view)
    assert ends(outcome.truncated) == [4, 5]
    assert not outcome.terminated.any()


# --- MABrax ----------------------------------------------------------------------------------------------------


def test_mabrax_keeps_the_terminal_observation_or_says_what_to_install():
    if importlib.util.find_spec("brax") is None:
        with pytest.raises(InputError, match=r"ant_4x2 needs brax, which is not installed: pip install 'jaxmarl\[mab"):
            make("jaxmarl/ant_4x2")
        return
    env = make("jaxmarl/ant_4x2:episode_length=7")
    assert (env.spec.n_agents, env.spec.n_actions, env.spec.limit_max) == (4, 2, 7)
    assert not raw_of(env).auto_reset


# --- a class that has no rule ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def countdown():
    adapter = FromJaxMARL(Countdown("countdown"))
    check_env(adapter)
    return adapter


@pytest.mark.parametrize(
    ("actions", "terminated", "truncated"),
    [([0, 0], [0, 0, 0], [0, 0, 1]), ([0, 1], [1, 1, 0], [0, 0, 1]), ([1, 0], [1, 1, 0], [0, 0, 1])],
)
def test_an_end_before_the_declared_limit_terminates_and_any_other_truncates(countdown, actions, terminated, truncated):
    raw, outcome, view = side_by_side(countdown.env, countdown, 3, lambda key, view: jnp.array(actions))
    assert_same_numbers(raw, outcome, view)
    assert outcome.terminated.tolist() == terminated
    assert outcome.truncated.tolist() == truncated
    assert outcome.agent_rewards[0].tolist() == [10 * actions[0], 1]  # agents b and a, in the environment's order
    assert outcome.reward[0] == (10 * actions[0] + 1) / 2


def test_what_only_a_step_shows_is_kept(countdown):
    """Observations and `world_state` come from `reset` and `step_env` where no method gives them."""
    _, _, view = side_by_side(countdown.env, countdown, 3, lambda key, view: jnp.zeros(2, jnp.int32))
    assert view.obs.tolist() == [[[t, 2], [t, 1]] for t in (1, 2, 3)]
    assert view.state.tolist() == [[1.5], [2.5], [3.5]]
    assert (countdown.spec.name, countdown.spec.limit_max) == ("jaxmarl/countdown", 4)
