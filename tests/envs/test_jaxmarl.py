"""JaxMARL environments in and jaxvf environments out: same numbers, and ends that say why."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvf
from jaxvf import cli
from jaxvf.envs import FromJaxMARL, MatrixGame, PredatorPrey, TwoStepGame, check_env, make
from jaxvf.envs.jaxmarl_names import built, import_jaxmarl
from jaxvf.errors import InputError
from jaxvf.serialize import from_json, to_json

KEY = jax.random.key(3)
MPE = "MPE_simple_spread_v3"


def stacked(env, rows):
    """A dictionary by agent as an array, in the order of `env.agents`."""
    return jnp.stack([rows[agent] for agent in env.agents])


def side_by_side(raw, adapter, steps, choose, for_raw=lambda actions: actions):
    """`steps` steps of one episode, [steps, ...]: raw rewards, dones, observations; the adapter's outcomes and views.

    Both get the same keys, and the same actions but for `for_raw`. They go on where an episode ends: nothing resets.
    """

    def step(carry, key):
        raw_state, state, view = carry
        act_key, step_key = jax.random.split(key)
        actions = choose(act_key, view)
        by_agent = dict(zip(raw.agents, for_raw(actions), strict=True))
        obs, raw_state, rewards, dones, _ = raw.step_env(step_key, raw_state, by_agent)
        state, outcome = adapter.transition(step_key, state, actions, params)
        seen = jnp.stack([jnp.ravel(obs[agent]).astype(jnp.float32) for agent in raw.agents])
        view = adapter.observe(state, params)
        return (raw_state, state, view), ((stacked(raw, rewards), dones["__all__"], seen), outcome, view)

    params = adapter.default_params()

    @jax.jit
    def play():
        _, raw_state = raw.reset(KEY)
        state = adapter.init(KEY, params)
        start = raw_state, state, adapter.observe(state, params)
        return jax.lax.scan(step, jax.tree.map(jnp.asarray, start), jax.random.split(KEY, steps))[1]

    return jax.tree.map(np.asarray, play())


class Countdown:
    """A JaxMARL environment of nobody's class: ends after three steps, or when an agent chooses 1.

    It has no `get_obs`, its state holds a Python number, and its dictionaries more than agents.
    """

    agents, max_steps = ("b", "a"), 3

    def __init__(self, name):
        self.name = name

    def action_space(self, agent):
        return type("Discrete", (), {"n": 2})

    def reset(self, key):
        return self.looks(0), {"t": 0}

    def looks(self, t):
        return {"a": jnp.array([t, 1]), "b": jnp.array([t, 2]), "world_state": jnp.array([t + 0.5])}

    def step_env(self, key, state, actions):
        t = state["t"] + 1
        over = (actions["a"] == 1) | (actions["b"] == 1) | (t >= 3)
        rewards = {"a": jnp.float32(1), "b": 10 * actions["b"], "__all__": jnp.float32(99)}
        return self.looks(t), {"t": t}, rewards, dict.fromkeys(["a", "b", "__all__"], over), {}


def anything(key, view):
    return jax.random.categorical(key, jnp.where(view.avail, 0.0, -1e9))


def ends(flags):
    """Steps at which a flag is set, counted from 1."""
    return (np.flatnonzero(flags) + 1).tolist()


def assert_same_numbers(raw, outcome, view):
    rewards, dones, obs = raw
    np.testing.assert_array_equal(outcome.agent_rewards, rewards)
    np.testing.assert_allclose(outcome.reward, rewards.mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(outcome.terminated | outcome.truncated, dones)
    np.testing.assert_array_equal(view.obs, obs)  # of the terminal step too


# --- MPE -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spread():
    adapter = make(f"jaxmarl/{MPE}")
    return side_by_side(_raw(adapter), adapter, 27, anything)


def _raw(adapter):
    return built(adapter.env, adapter.options)


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
    _, outcome, _ = side_by_side(_raw(exact), exact, 26, anything)
    assert ends(outcome.truncated) == [25, 26]
    assert not outcome.terminated.any()


def test_continuous_actions_are_vectors_cut_to_the_box():
    adapter = make(f"jaxmarl/{MPE}:action_type=Continuous,num_agents=2,num_landmarks=2")
    assert (adapter.spec.n_actions, adapter.spec.continuous) == (5, True)

    def normal(key, view):
        return jax.random.normal(key, (2, 5))

    def cut(actions):
        return jnp.clip(actions, 0.0, 1.0)

    raw, outcome, view = side_by_side(_raw(adapter), adapter, 26, normal, for_raw=cut)
    assert_same_numbers(raw, outcome, view)
    assert ends(outcome.truncated) == [26]


def test_agents_of_different_sizes_are_padded_and_masked():
    """The speaker has 3 features and 3 actions, the listener 11 and 5."""
    adapter = make("jaxmarl/MPE_simple_speaker_listener_v4")
    raw, params = _raw(adapter), adapter.default_params()
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

    raw, outcome, view = side_by_side(_raw(adapter), adapter, 43, all_but_the_one_in_the_room_tell)
    assert_same_numbers(raw, outcome, view)
    assert (view.obs[:, :, 0].argmax(axis=1) >= 10).any()  # agents 10 and 11 come before agent 2 in sorted keys
    assert not outcome.terminated.any()
    assert ends(outcome.truncated) == [42, 43]


def test_riddle_terminates_when_the_agent_in_the_room_tells():
    adapter = make("jaxmarl/switch_riddle")

    def tell_after_two_steps(key, view):
        return jnp.where((view.obs[:, 0] == 1) & jax.random.bernoulli(key, 0.3), TELL, NOTHING)

    raw, outcome, view = side_by_side(_raw(adapter), adapter, 6, tell_after_two_steps)
    assert_same_numbers(raw, outcome, view)
    told = outcome.reward != 0
    assert told[:5].any() and not told.all()
    np.testing.assert_array_equal(outcome.terminated, told)
    assert outcome.truncated[5] != told[5]


# --- SMAX ------------------------------------------------------------------------------------------------------

BATTLES = ("nobody falls", "an ally fell", "won", "lost", "draw")
DEAD = {"nobody falls": [], "an ally fell": [0], "won": [3, 4, 5], "lost": [0, 1, 2], "draw": [0, 1, 2, 3, 4, 5]}


@pytest.fixture(scope="module")
def battles():
    """Five battles against an enemy that does not shoot, 102 steps, allies standing still: [102, 5, ...]."""
    adapter = make("jaxmarl/HeuristicEnemySMAX:scenario=3m,enemy_shoots=False")
    raw, params = _raw(adapter), adapter.default_params()
    fallen = jnp.array([[unit in DEAD[battle] for unit in range(6)] for battle in BATTLES])

    def start(fallen):
        state = adapter.init(KEY, params)
        units = state.inner.state
        units = units.replace(unit_alive=~fallen, unit_health=jnp.where(fallen, 0.0, units.unit_health))
        return state._replace(inner=state.inner.replace(state=units))

    def step(states, key):
        seen = jax.vmap(adapter.observe, (0, None))(states, params)
        moved, outcome = jax.vmap(adapter.transition, (None, 0, 0, None))(key, states, jnp.full((5, 3), 4), params)
        still = dict.fromkeys(raw.agents, jnp.full(5, 4))
        obs, _, rewards, dones, _ = jax.vmap(raw.step_env, (None, 0, 0))(key, states.inner, still)
        return moved, (seen, outcome, jnp.stack([rewards[a] for a in raw.agents], 1), dones["__all__"], obs)

    @jax.jit
    def play():
        last, history = jax.lax.scan(step, jax.vmap(start)(fallen), jax.random.split(KEY, 102))
        return history, jax.vmap(adapter.observe, (0, None))(last, params)

    return jax.tree.map(np.asarray, play())


def of(battle, leaf):
    return leaf[:, BATTLES.index(battle)]


def test_smax_has_jaxmarls_numbers(battles):
    (views, outcome, rewards, dones, obs), final = battles
    np.testing.assert_array_equal(outcome.agent_rewards, rewards)
    np.testing.assert_array_equal(outcome.terminated | outcome.truncated, dones)
    reached = np.concatenate([views.obs[1:], final.obs[None]])
    np.testing.assert_array_equal(reached, np.stack([obs[f"ally_{i}"] for i in range(3)], axis=2))
    states = np.concatenate([views.state[1:], final.state[None]])
    np.testing.assert_array_equal(states, obs["world_state"])


def test_smax_without_losses_is_cut_at_step_101(battles):
    outcome = battles[0][1]
    for battle in ("nobody falls", "an ally fell"):
        assert ends(of(battle, outcome.truncated)) == [101, 102]
        assert not of(battle, outcome.terminated).any()
        assert not of(battle, outcome.metrics["won"]).any()
    assert make("jaxmarl/HeuristicEnemySMAX:scenario=3m").spec.limit_max == 101


@pytest.mark.parametrize(("battle", "won"), [("won", 1.0), ("lost", 0.0), ("draw", 0.0)])
def test_smax_terminates_where_a_team_is_dead_and_only_a_survivor_wins(battles, battle, won):
    outcome = battles[0][1]
    assert of(battle, outcome.terminated)[0]
    assert not of(battle, outcome.truncated)[0]
    assert of(battle, outcome.metrics["won"])[0] == won


def test_smax_masks_the_dead(battles):
    views = battles[0][0]
    np.testing.assert_array_equal(of("an ally fell", views.alive)[0], [False, True, True])
    np.testing.assert_array_equal(of("an ally fell", views.avail)[0, 0], np.arange(8) == 4)  # stop
    assert of("an ally fell", views.avail)[0, 1, :4].all()
    assert of("nobody falls", views.alive).all()


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
    raw, outcome, view = side_by_side(_raw(adapter), adapter, 5, anything)
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
    assert not _raw(env).auto_reset


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


# --- any environment -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["switch_riddle", MPE, f"{MPE}:action_type=Continuous"])
def test_adapters_keep_the_contract(name):
    check_env(make(f"jaxmarl/{name}"), steps=40)


def test_equal_adapters_share_a_program():
    traces = []

    def program(env):
        traces.append(env)
        return env.observe(env.init(KEY, env.default_params()), env.default_params()).obs

    compiled = jax.jit(program, static_argnums=0)
    for env in (make("jaxmarl/switch_riddle:num_agents=4"), FromJaxMARL("switch_riddle", {"num_agents": 4})):
        compiled(env)
    assert len(traces) == 1
    assert FromJaxMARL("switch_riddle") != FromJaxMARL("switch_riddle", {"num_agents": 4})
    assert FromJaxMARL(MPE) != FromJaxMARL(MPE, exact_limit=True)


@pytest.mark.parametrize("name", [MPE, "switch_riddle:num_agents=4,reward_all_die=-2.0", f"{MPE}:exact_limit=True"])
def test_adapters_survive_run_json(name):
    env = make(f"jaxmarl/{name}")
    assert from_json(to_json(env)) == env
    assert env.spec.name == f"jaxmarl/{name.removesuffix(':exact_limit=True')}"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("MPE_simple_spred_v3", "unknown environment 'jaxmarl/MPE_simple_spred_v3'; did you mean "
                                "'jaxmarl/MPE_simple_spread_v3'?"),
        ("JaxRobotarium_navigation", "needs the package jaxrobotarium, which is not installed"),
        ("storm", "jaxmarl/storm is general-sum"),
        ("SMAX:scenario=3s_vs_5x", "unknown scenario of jaxmarl/SMAX '3s_vs_5x'; did you mean '3s_vs_5z'?"),
        ("overcooked:layout=cramped", "unknown layout of jaxmarl/overcooked 'cramped'; did you mean 'cramped_room'?"),
        ("switch_riddle:num_agent=4", "unexpected keyword argument 'num_agent'"),
        ("switch_riddle:num_agents=2", "The minimum number of agents for this environment is 3"),
        ("switch_riddle:num_agents", "'num_agents' is not OPTION=VALUE"),
        (f"{MPE}:exact_limit=1", "exact_limit=1 is not True or False"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(name, line):
    if name.startswith("JaxRobotarium") and importlib.util.find_spec("jaxrobotarium"):
        pytest.skip("jaxrobotarium is installed")
    with pytest.raises(InputError) as raised:
        make(f"jaxmarl/{name}")
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_environment_without_a_limit_is_refused():
    riddle = _raw(make("jaxmarl/switch_riddle"))

    class Endless:
        agents, reset, step_env = riddle.agents, riddle.reset, riddle.step_env

    with pytest.raises(InputError, match="Endless declares no max_steps"):
        FromJaxMARL(Endless())
    with pytest.raises(InputError, match="neither the name of a JaxMARL environment nor one"):
        FromJaxMARL(3)


def test_the_list_of_environments_says_how_to_name_one(capsys):
    cli.main(["list", "envs"])
    out, err = capsys.readouterr()
    assert "jaxmarl/NAME:option=value" in err
    assert "brax/BODY_NxD" in err
    assert "jaxmarl" not in out  # one registered name a line, and nothing else


def test_a_value_learner_refuses_continuous_actions():
    env = make(f"jaxmarl/{MPE}:action_type=Continuous")
    with pytest.raises(InputError, match="continuous actions; a value learner needs discrete ones"):
        jaxvf.algorithms.make("vdn").init(KEY, env.spec)


def test_jaxmarl_is_imported_on_use_and_prints_nothing():
    code = (
        "import sys, jaxvf.envs\n"
        "assert 'jaxmarl' not in sys.modules\n"
        "before = sys.stdout, sys.stderr\n"
        "jaxvf.envs.make('jaxmarl/switch_riddle')\n"
        "assert 'jaxmarl' in sys.modules and (sys.stdout, sys.stderr) == before"
    )
    root = str(Path(jaxvf.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=root)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


# --- the way back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "env",
    [
        PredatorPrey(grid_size=4, n_predators=12, n_prey=1, limit_max=5),
        PredatorPrey(grid_size=3, n_predators=2, n_prey=1, limit_max=5),
        TwoStepGame(),
    ],
    ids=["twelve predators", "two predators", "two steps"],
)
def test_there_and_back_is_the_environment_bit_by_bit(env):
    """Rewards, flags, metrics and views of random play, agents in order; ends by the rules and by the clock."""
    from jaxvf.envs import ToJaxMARL

    params = env.default_params()
    back = FromJaxMARL(ToJaxMARL(env, params))
    fields = ("n_agents", "n_actions", "obs_dim", "state_dim", "limit_max", "metric_names", "self_ending")
    assert [getattr(back.spec, name) for name in fields] == [getattr(env.spec, name) for name in fields]

    def play(env, params):
        def step(carry, key):
            state, view = carry
            act_key, step_key = jax.random.split(key)
            state, outcome = env.transition(step_key, state, anything(act_key, view), params)
            view = env.observe(state, params)
            return (state, view), (outcome, view)

        state = env.init(KEY, params)
        return jax.lax.scan(step, (state, env.observe(state, params)), jax.random.split(KEY, 12))[1]

    (ours, views), (theirs, same_views) = jax.jit(lambda: (play(env, params), play(back, back.default_params())))()
    np.testing.assert_array_equal(theirs.agent_rewards, np.stack([ours.reward] * env.spec.n_agents, axis=1))
    chex.assert_trees_all_equal((ours, views), (theirs._replace(agent_rewards=None), same_views))
    assert ours.done.any()


def test_agents_keep_their_own_rewards_on_the_way_back():
    """The countdown pays agent b 10 for its action 1, and agent a 1 for anything."""
    from jaxvf.envs import ToJaxMARL

    env = ToJaxMARL(FromJaxMARL(Countdown("countdown")))
    _, state = env.reset(KEY)
    _, _, rewards, _, _ = env.step_env(KEY, state, {"agent_0": jnp.int32(1), "agent_1": jnp.int32(0)})
    assert rewards == {"agent_0": 10, "agent_1": 1}


def test_upstreams_log_wrapper_runs_a_jaxvf_environment():
    """The two-step game for four steps, always the second action: 0, 8, 0, 8. `step` resets, `info` still knows."""
    from jaxvf.envs import ToJaxMARL

    env = ToJaxMARL("two_step_game")
    from jaxmarl.wrappers.baselines import LogWrapper

    logged = LogWrapper(env)
    actions = {agent: jnp.int32(1) for agent in env.agents}

    @jax.jit
    def play(key):
        first, state = logged.reset(key)

        def step(state, key):
            obs, state, reward, done, info = logged.step(key, state, actions)
            return state, (obs, reward, done, info)

        return first, jax.lax.scan(step, state, jax.random.split(key, 4))[1]

    first, (obs, reward, done, info) = play(jax.random.PRNGKey(0))  # upstream's keys are of the old style
    assert reward["agent_1"].tolist() == [0, 8, 0, 8]
    assert done["__all__"].tolist() == [False, True, False, True]
    assert info["terminated"].tolist() == [False, True, False, True]
    assert not info["truncated"].any()
    assert info["metrics"]["optimal"].tolist() == [0, 1, 0, 1]
    assert info["returned_episode_returns"][:, 0].tolist() == [0, 8, 8, 8]
    assert obs["agent_0"][1].tolist() == first["agent_0"].tolist() == [1, 0, 0, 0]
    assert info["final_obs"]["agent_0"][1].tolist() == info["final_state"][1].tolist() == [0, 0, 0, 1]
    assert info["final_obs"]["world_state"][0].tolist() == obs["world_state"][0].tolist() == [0, 0, 1, 0]
    assert info["avail"]["agent_1"].shape == (4, 2)
    assert info["alive"]["agent_0"].all()
    assert env.agent_classes == {"agent": ["agent_0", "agent_1"]}
    assert ToJaxMARL(MatrixGame([[1, 2], [3, 4]])).action_space("agent_1").n == 2
