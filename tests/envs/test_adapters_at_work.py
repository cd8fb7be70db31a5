"""Both adapters at work: learners of jaxvf on JaxMARL's games, and JaxMARL's own rollouts on games of jaxvf."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxmarl_cases import KEY, anything

import jaxvf
from jaxvf.envs import FromJaxMARL, make
from jaxvf.networks import FeedForwardAgent
from jaxvf.value import QLearning

SMALL = QLearning(agent=FeedForwardAgent(hidden=4), num_envs=2, batch_size=2, buffer_size=8, sequence_length=8)


@pytest.mark.learning
@pytest.mark.parametrize("name", ["switch_riddle", "MPE_simple_speaker_listener_v4"])
def test_learners_train_on_jaxmarls_games(name):
    """Also where agents are of different sizes."""
    result = jaxvf.run(f"jaxmarl/{name}", SMALL, env_steps=60, test_episodes=2, progress="none", check=False)
    assert [run["status"] for run in result.runs] == ["finished"]
    assert np.isfinite(result.metric("test_return")).all() and np.isfinite(result.last("loss")).all()


def test_the_riddle_goes_out_again_as_it_came():
    """JaxMARL's own riddle, through both adapters: the same observations, rewards and ends, agents in order."""
    from jaxvf.envs import ToJaxMARL

    inside = make("jaxmarl/switch_riddle:num_agents=12")
    back = FromJaxMARL(ToJaxMARL(inside))
    params = inside.default_params()

    @jax.jit
    def play():
        def step(states, key):
            act_key, step_key = jax.random.split(key)
            mine, other = states
            actions = anything(act_key, inside.observe(mine, params))
            (mine, outcome), (other, again) = (
                env.transition(step_key, state, actions, params) for env, state in ((inside, mine), (back, other))
            )
            return (mine, other), (outcome, again, inside.observe(mine, params), back.observe(other, params))

        start = inside.init(KEY, params), back.init(KEY, params)
        return jax.lax.scan(step, start, jax.random.split(KEY, 43))[1]

    outcome, again, view, same = play()
    for ours, theirs in zip(jax.tree.leaves((outcome, view)), jax.tree.leaves((again, same)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert outcome.terminated.any()


@pytest.mark.parametrize("name", ["smax/3m", "two_step_game"])
def test_jaxmarls_rollouts_run_games_of_jaxvf(name):
    """The manager that JaxMARL's Q-learning scripts use: batches, agent indices, the state, the team's reward, masks.

    It reads masks and the state off environments that have "smax" in their names; from others it takes neither.
    """
    from jaxvf.envs import ToJaxMARL

    env = ToJaxMARL(name)
    from jaxmarl.wrappers.baselines import CTRolloutManager

    manager, spec, params = CTRolloutManager(env, batch_size=3), env.env.spec, env.env.default_params()
    obs, states = manager.batch_reset(jax.random.PRNGKey(0))
    view = jax.vmap(env.env.observe, (0, None))(states.inner, params)
    for number, agent in enumerate(env.agents):
        np.testing.assert_array_equal(obs[agent][:, : spec.obs_dim], view.obs[:, number])
        np.testing.assert_array_equal(obs[agent][:, spec.obs_dim :], [np.eye(spec.n_agents)[number]] * 3)
        valid = manager.get_valid_actions(states)[agent]
        np.testing.assert_array_equal(valid, view.avail[:, number] if "smax" in name else np.ones((3, spec.n_actions)))
    world = view.state if "smax" in name else view.obs.reshape(3, -1)
    np.testing.assert_array_equal(obs["__all__"], world)
    actions = {agent: jnp.full(3, 1) for agent in env.agents}
    key = jax.random.PRNGKey(1)
    _, _, reward, done, info = manager.batch_step(key, states, actions)
    keys = jax.vmap(lambda key: jax.random.wrap_key_data(jax.random.split(key)[0]))(jax.random.split(key, 3))
    joint = jnp.full((3, spec.n_agents), 1)
    moved, outcome = jax.vmap(env.env.transition, (0, 0, 0, None))(keys, states.inner, joint, params)
    np.testing.assert_allclose(reward["agent_0"], outcome.reward, rtol=1e-6)
    np.testing.assert_array_equal(done["__all__"], outcome.done)
    np.testing.assert_allclose(
        info["final_state"], jax.vmap(env.env.observe, (0, None))(moved, params).state, rtol=1e-6
    )
