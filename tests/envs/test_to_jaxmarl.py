"""jaxvf environments out, as JaxMARL ones."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxmarl_cases import KEY, Countdown, anything

from jaxvf.envs import FromJaxMARL, MatrixGame, PredatorPrey, TwoStepGame


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
