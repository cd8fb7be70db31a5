"""Actor and critic networks: forgetting at the start of an episode, and one unroll however it is cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.protocol import EnvSpec
from jaxvf.trust_region.actor_critic import Actors, Critic, Ensemble
from jaxvf.trust_region.networks import FeedForward, Recurrent, Table

T, B, N, WIDTH = 4, 2, 3, 5
STARTED = jnp.zeros((T, B), bool).at[2, 1].set(True)  # an episode begins in the second environment


@pytest.fixture(scope="module")
def recurrent(normals):
    """Three agents' recurrent networks, inputs, and their outputs over the whole sequence."""
    ensemble = Ensemble(Recurrent(hidden=WIDTH), n_outputs=2, gain=1.0, shared=False)
    params = normals(ensemble.init, jax.random.key(0), 4, N)
    x = jax.random.normal(jax.random.key(1), (T, B, N, 4))
    carry = jax.random.normal(jax.random.key(2), (B, N, WIDTH))
    unroll = jax.jit(ensemble.unroll)
    return unroll, params, x, carry, *unroll(params, x, carry, STARTED)


def test_an_episode_begins_with_an_empty_memory(recurrent):
    unroll, params, x, carry, outputs, _ = recurrent
    fresh, _ = unroll(params, x[2:], jnp.zeros_like(carry), STARTED[2:])
    np.testing.assert_allclose(outputs[2:, 1], fresh[:, 1], rtol=1e-5, atol=1e-6)
    assert np.abs(outputs[2:, 0] - fresh[:, 0]).max() > 1e-3  # the other environment remembers


def test_steps_one_by_one_are_the_unroll(recurrent):
    """Acting and learning see one network: the outputs of a sequence do not depend on where it is cut."""
    unroll, params, x, carry, outputs, states = recurrent
    for t in range(T):
        output, after = unroll(params, x[t : t + 1], carry, STARTED[t : t + 1])
        carry = after[0]
        np.testing.assert_allclose(output[0], outputs[t], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(carry, states[t], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
def test_agents_have_parameters_of_their_own_or_share_them(shared, normals):
    """Equal inputs give different outputs with parameters of their own, equal ones with shared parameters."""
    ensemble = Ensemble(FeedForward(hidden=6, layers=1, layer_norm=False), n_outputs=2, gain=1.0, shared=shared)
    params = normals(ensemble.init, jax.random.key(0), 4, N)
    started = jnp.zeros((1, 1), bool)
    outputs, _ = jax.jit(ensemble.unroll)(params, jnp.ones((1, 1, N, 4)), jnp.zeros((1, N, 0)), started)
    assert np.allclose(outputs[0, 0, 0], outputs[0, 0, 1]) == shared


def test_a_table_starts_uniform():
    ensemble = Actors(Table(), shared=False).ensemble(3)
    params = ensemble.init(jax.random.key(0), 2, N)
    assert params["params"]["table"].shape == (N, 2, 3) and not params["params"]["table"].any()


@pytest.mark.parametrize("members", [2, 3])
def test_an_agent_specific_critic_is_one_network_on_the_state_and_the_own_observation(members):
    """A table of w = (1, 2, 10, 20) over (state, observation): V_i = w · (s, o_i)."""
    critic = Critic(Table(), "agent_state", shared=False)
    params = {"params": {"table": jnp.array([[1.0], [2.0], [10.0], [20.0]])}}
    state = jnp.array([[[1.0, 0.0]]])
    obs = jnp.array([[[[1.0, 0.0], *[[0.0, 1.0]] * (members - 1)]]])
    carry = critic.initial_carry((1, critic.members(members)))
    values, _ = critic.unroll(params, critic.inputs_of(obs, state), carry, jnp.zeros((1, 1), bool))
    assert values.tolist() == [[[11.0, *[21.0] * (members - 1)]]]
    spec = EnvSpec("random", 1, members, n_actions=2, obs_dim=3, state_dim=5, limit_max=1)
    shapes = jax.eval_shape(lambda: critic.init(jax.random.key(0), spec))
    assert not critic.stacked and shapes["params"]["table"].shape == (8, 1)


def test_a_critic_of_own_states_reads_each_agents_part():
    """Three agents with a state of two numbers each, end to end, and a table of w = (1, 10): V_i = w · s_i."""
    critic = Critic(Table(), "own_state", shared=False)
    params = {"params": {"table": jnp.array([[1.0], [10.0]])}}
    state = jnp.array([[[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]]])
    carry = critic.initial_carry((1, critic.members(3)))
    inputs = critic.inputs_of(jnp.zeros((1, 1, 3, 4)), state)
    values, _ = critic.unroll(params, inputs, carry, jnp.zeros((1, 1), bool))
    assert values.tolist() == [[[1.0, 10.0, 11.0]]]
    spec = EnvSpec("random", 1, 3, n_actions=2, obs_dim=4, state_dim=6, limit_max=1, agent_states=True)
    shapes = jax.eval_shape(lambda: critic.init(jax.random.key(0), spec))
    assert not critic.stacked and shapes["params"]["table"].shape == (2, 1)


def test_layers_after_the_gru_are_the_last_thing_before_the_output():
    """With one more hidden layer: relu of the states times the layer's kernel, then the output's."""
    network = Recurrent(hidden=2, layers=0, layer_norm=False, head_layers=1)
    x, carry, started = jnp.ones((1, 1, 2)), jnp.array([[0.5, -0.5]]), jnp.zeros((1, 1), bool)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), x, carry, started, 1, 1.0))
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    params["params"]["head_layer_0"]["kernel"] = jnp.array([[4.0, 0.0], [0.0, 1.0]])
    params["params"]["output"]["kernel"] = jnp.array([[3.0], [100.0]])
    outputs, states = network.apply(params, x, carry, started, 1, 1.0)
    # A GRU without weights halves its memory: h = (0.25, -0.25); relu(4 · 0.25) · 3 + relu(-0.25) · 100 = 3.
    np.testing.assert_allclose(states[0, 0], [0.25, -0.25])
    np.testing.assert_allclose(outputs[0, 0], [3.0])
