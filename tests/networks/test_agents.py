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


def identity_params(agent, obs_dim=2):
    """Parameters of an agent with two hidden units: hidden layers copy, the last gives 10 x + 100 y + 5."""
    params = random_params(agent, obs_dim)
    layers = dict(params["params"])
    for name in ("input", "middle"):
        if name in layers:
            layers[name] = {"kernel": np.eye(2, dtype=np.float32), "bias": np.zeros(2, np.float32)}
    layers["output"] = {"kernel": np.array([[10.0], [100.0]], np.float32), "bias": np.array([5.0], np.float32)}
    norms = {
        name: {"scale": np.ones(2, np.float32), "bias": np.zeros(2, np.float32)} for name in layers if "norm" in name
    }
    return jax.tree.map(jnp.asarray, {"params": {**layers, **norms}})


def test_layer_norm_before_each_relu_of_the_feed_forward_agent():
    """[1, 3] has mean 2 and deviation 1: [-1, 1], so [0, 1] after the relu; that again: 10·0 + 100·1 + 5 = 105."""
    agent = FeedForwardAgent(hidden=2, layer_norm="hidden")
    values, _, _ = agent.apply(identity_params(agent), jnp.array([[[[1.0, 3.0]]]]), None, 1)
    assert float(values[0, 0, 0, 0]) == pytest.approx(105, abs=0.01)


def test_layer_norm_of_the_recurrent_agent():
    """Before the relu it makes [1, 3] the GRU's input [0, 1]; after the GRU it makes every state ∓1: 5 - 10 + 100."""
    plain = RecurrentAgent(hidden=2)
    seen, normalized = jnp.array([[[[1.0, 3.0]]]]), jnp.array([[[[0.0, 1.0]]]])
    states, results = None, {}
    for where in ("hidden", "states", "both"):
        agent = RecurrentAgent(hidden=2, layer_norm=where)
        params = identity_params(agent)
        values, results[where], carry = agent.apply(params, seen, None, 1)
        np.testing.assert_array_equal(results[where][-1], carry)  # what is remembered is not normalized
        if where != "hidden":
            sign = np.sign(results[where][0, 0, 0, 1] - results[where][0, 0, 0, 0])
            assert float(values[0, 0, 0, 0]) == pytest.approx(5 + 90 * sign, abs=0.05)
        if where == "hidden":
            states = plain.apply(params, normalized, None, 1)[1]
            np.testing.assert_allclose(results[where], states, rtol=1e-4)
    assert np.abs(results["hidden"] - results["states"]).max() > 1e-3


def test_the_last_layers_orthogonal_weights_have_a_gain_of_their_own():
    """Columns of length 0.01; hidden layers have gain 1, as PyMARL2's."""
    agent = FeedForwardAgent(hidden=7, scheme="orthogonal", output_gain=0.01)
    params = jax.jit(lambda: agent.init(jax.random.key(0), jnp.zeros((1, 1, N, O)), None, A))()["params"]
    for name, gain, size in (("input", 1.0, O), ("middle", 1.0, 7), ("output", 0.01, A)):
        kernel = np.asarray(params[name]["kernel"])
        gram = kernel @ kernel.T if kernel.shape[0] <= kernel.shape[1] else kernel.T @ kernel
        np.testing.assert_allclose(gram, gain**2 * np.eye(size), atol=1e-5 * gain**2)


def test_the_gru_starts_as_it_is_told_beside_orthogonal_layers():
    """By scheme: one orthogonal matrix of all gates. PyTorch's: uniform in ±1/√7. Flax's: a matrix for each gate."""
    found = {}
    for gru_init in ("scheme", "torch", "flax"):
        agent = RecurrentAgent(hidden=7, scheme="orthogonal", gru_init=gru_init)
        params = jax.jit(lambda agent=agent: agent.init(jax.random.key(0), jnp.zeros((1, 1, N, O)), None, A))()[
            "params"
        ]
        found[gru_init] = jax.tree.map(np.asarray, params["gru"])
        np.testing.assert_allclose(params["input"]["kernel"] @ params["input"]["kernel"].T, np.eye(O), atol=1e-5)
    whole, first = (found[name]["recurrent_kernel"] for name in ("scheme", "flax"))
    np.testing.assert_allclose(whole @ whole.T, np.eye(7), atol=1e-5)
    np.testing.assert_allclose(first[:, :7].T @ first[:, :7], np.eye(7), atol=1e-5)
    assert 0.3 < np.abs(found["torch"]["recurrent_kernel"]).max() <= 7**-0.5 and found["torch"]["bias"].all()
    assert not found["scheme"]["bias"].any() and not found["flax"]["bias"].any()
