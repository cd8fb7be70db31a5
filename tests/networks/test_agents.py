"""Agent networks: sizes, what they remember, and who shares what."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.networks import AGENTS, FeedForwardAgent, RecurrentAgent, TabularAgent

T, B, N, O, A = 3, 2, 4, 6, 5  # noqa: E741 - the field's letters


def count(params: object) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def one_hot(ids: np.ndarray) -> np.ndarray:
    return jnp.eye(O)[ids]


def abstract(agent, shape, actions=A, carry=None):
    """Shapes of the values, of what is remembered, and of the parameters."""

    def start(obs):
        params = agent.init(jax.random.key(0), obs, carry, actions)
        values, _, carry_after = agent.apply(params, obs, carry, actions)
        return values, carry_after, params

    return jax.eval_shape(start, jax.ShapeDtypeStruct(shape, jnp.float32))


def random_params(agent, obs_dim=O):
    """Normal numbers in the shapes that the agent asks for; nothing is compiled."""
    *_, shapes = abstract(agent, (1, 1, N, obs_dim))
    return jax.tree.map(lambda leaf: 0.3 * normal(0, *leaf.shape), shapes)


@functools.partial(jax.jit, static_argnames="agent")
def unroll(agent, params, obs, carry=None):
    values, _, carry = agent.apply(params, obs, carry, A)
    return values, carry


@pytest.mark.parametrize(("inputs", "actions", "expected"), [(6, 5, 25733), (30, 11, 27659)])
def test_recurrent_agent_has_pymarls_parameter_count(inputs, actions, expected):
    """By the sizes of its layers, `inputs` being obs + A + n; e.g. 6·64+64 + 2(3·64·64+3·64) + 64·5+5 = 25 733."""
    assert linear(inputs, 64) + 2 * (3 * 64 * 64 + 3 * 64) + linear(64, actions) == expected
    *_, params = abstract(RecurrentAgent(), (1, 1, 2, inputs), actions)
    assert count(params) == expected


@pytest.mark.parametrize("hidden", [3, 7])
def test_every_width_follows_from_the_field(hidden):
    q, carry, params = abstract(RecurrentAgent(hidden=hidden), (T, B, N, O))
    assert count(params) == linear(O, hidden) + 6 * hidden * (hidden + 1) + linear(hidden, A)
    assert (q.shape, carry.shape) == ((T, B, N, A), (B, N, hidden))
    assert RecurrentAgent(hidden=hidden).initial_carry((B, N)).shape == (B, N, hidden)
    q, carry, params = abstract(FeedForwardAgent(hidden=hidden), (T, B, N, O))
    assert count(params) == linear(O, hidden) + linear(hidden, hidden) + linear(hidden, A)
    assert (q.shape, carry) == ((T, B, N, A), None)


def test_recurrent_agent_equals_its_layers():
    """Linear -> relu -> GRU -> linear, no activation at the end; eight agents at the first frame."""
    agent, obs = RecurrentAgent(hidden=4), normal(1, 1, 1, 8, O)
    params = random_params(agent)
    q, carry = unroll(agent, params, obs)
    layers = params["params"]
    x = np.maximum(obs[0, 0] @ layers["input"]["kernel"] + layers["input"]["bias"], 0)
    from_input = x @ layers["gru"]["kernel"] + layers["gru"]["bias"]
    both = from_input + layers["gru"]["recurrent_bias"]  # the state before the first frame is zero
    reset, update = 1 / (1 + np.exp(-both[:, :4])), 1 / (1 + np.exp(-both[:, 4:8]))
    state = (1 - update) * np.tanh(from_input[:, 8:] + reset * layers["gru"]["recurrent_bias"][8:])
    np.testing.assert_allclose(carry[0], state, rtol=1e-4, atol=1e-6)
    expected = state @ layers["output"]["kernel"] + layers["output"]["bias"]
    np.testing.assert_allclose(q[0, 0], expected, rtol=1e-4, atol=1e-6)


def test_feed_forward_agent_equals_its_layers():
    """Two hidden relu layers and a linear one."""
    agent, obs = FeedForwardAgent(hidden=4), normal(1, 1, 1, 8, O)
    params = random_params(agent)
    x = obs
    for name in ("input", "middle"):
        x = np.maximum(x @ params["params"][name]["kernel"] + params["params"][name]["bias"], 0)
    expected = x @ params["params"]["output"]["kernel"] + params["params"]["output"]["bias"]
    np.testing.assert_allclose(unroll(agent, params, obs)[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", AGENTS)
def test_acting_frame_by_frame_equals_the_unroll(name):
    agent = AGENTS[name]()
    params, obs = random_params(agent), normal(1, T, B, N, O)
    whole, _ = unroll(agent, params, obs)
    carry = agent.initial_carry((B, N))
    for frame, expected in zip(obs, whole, strict=True):
        q, carry = unroll(agent, params, frame[None], carry)
        np.testing.assert_allclose(q[0], expected, rtol=1e-4, atol=1e-5)


def test_only_the_recurrent_agent_remembers():
    """Another first observation changes later values of the recurrent agent, and of no other."""
    first, second = normal(1, T, B, N, O), normal(1, T, B, N, O)
    second[0] += 1.0
    changed = {}
    for name, make in AGENTS.items():
        params = random_params(make())
        changed[name] = np.abs(unroll(make(), params, first)[0] - unroll(make(), params, second)[0])[1:].max() > 1e-3
    assert changed == {"recurrent": True, "feed_forward": False, "tabular": False}


@pytest.mark.parametrize("name", ["recurrent", "feed_forward"])
def test_networks_are_shared_by_all_agents(name):
    """Agents that see the same have the same values: permuting observations permutes values."""
    agent, order = AGENTS[name](), np.array([2, 0, 3, 1])
    params, obs = random_params(agent), normal(1, T, B, N, O)
    q, _ = unroll(agent, params, obs)
    permuted, _ = unroll(agent, params, obs[:, :, order])
    np.testing.assert_allclose(permuted, q[:, :, order], rtol=1e-4, atol=1e-5)
    assert np.abs(q[:, :, 0] - q[:, :, 1]).max() > 0.1


def test_tabular_agent_looks_up_a_table_of_its_own():
    ids = np.random.default_rng(1).integers(0, O, (T, B, N))
    params = random_params(TabularAgent())
    q, _ = unroll(TabularAgent(), params, one_hot(ids))
    np.testing.assert_array_equal(q, params["params"]["table"][np.arange(N), ids])


def test_tabular_values_start_small_and_different():
    params = TabularAgent(scale=0.2).init(jax.random.key(0), one_hot(np.zeros((1, 1, N), int)), None, A)
    table = np.asarray(params["params"]["table"])
    assert table.shape == (N, O, A)
    assert 0.15 < np.abs(table).max() <= 0.2
    assert len(np.unique(table)) == table.size  # no two entries start alike, those of two agents included


def test_features_are_what_the_values_are_made_of():
    """The recurrent agent's are its GRU states, a table's the one-hot observation, and values are linear in both."""
    obs = one_hot(np.random.default_rng(1).integers(0, O, (T, B, N)))
    for agent in (RecurrentAgent(hidden=6), FeedForwardAgent(hidden=6)):
        params = random_params(agent)
        values, features, carry = jax.jit(agent.apply, static_argnums=3)(params, obs, None, A)
        output = params["params"]["output"]
        np.testing.assert_allclose(values, features @ output["kernel"] + output["bias"], rtol=1e-4, atol=1e-5)
        if isinstance(agent, RecurrentAgent):
            np.testing.assert_array_equal(features[-1], carry)
    np.testing.assert_array_equal(TabularAgent().apply(random_params(TabularAgent()), obs, None, A)[1], obs)


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, B, N, O), (T, 1, N, O), (T, B, 1, O), (T, B, N, 1)])
@pytest.mark.parametrize("actions", [1, A])
def test_size_one_axes_keep_their_place(name, shape, actions):
    agent = AGENTS[name]()
    carry = agent.initial_carry(shape[1:3])
    for memory in (carry, None):
        q, last, _ = abstract(agent, shape, actions, memory)
        assert q.shape == (*shape[:3], actions)
        assert last is None or last.shape == carry.shape


@pytest.mark.parametrize("name", AGENTS)
def test_one_observation_equals_the_same_one_repeated(name):
    """Size 1 along B gives the values and, summed over B, the gradients of B equal rows."""
    agent = AGENTS[name]()
    params, obs, weight = random_params(agent), normal(1, T, 1, N, O), normal(2, T, 3, N, A)

    @jax.jit
    def values(params, obs):
        def loss(params):
            q, *_ = agent.apply(params, obs, None, A)
            return jnp.sum(weight * q), q

        return jax.grad(loss, has_aux=True)(params)

    (grads, q), (repeated_grads, repeated) = values(params, obs), values(params, np.repeat(obs, 3, axis=1))
    np.testing.assert_allclose(np.broadcast_to(q, repeated.shape), repeated, rtol=1e-4, atol=1e-5)
    for left, right in zip(jax.tree.leaves(grads), jax.tree.leaves(repeated_grads), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)
