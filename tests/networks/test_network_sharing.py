"""Who shares a network: agents that do have the same function, agents that do not learn apart."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.errors import InputError
from jaxvf.networks import RecurrentAgent
from jaxvf.networks.members import Group, Grouped, entries, over_groups, rows, several
from jaxvf.networks.sharing import apply_team, groups_of, init_team

T, B, N, O, A = 3, 2, 4, 4, 2  # noqa: E741 - the field's letters
AGENT = RecurrentAgent(hidden=3)
STARTED = jnp.array([[False, False], [True, False], [False, False]])
INTERLEAVED = "0-1-1-0"


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def init(key, members):
    return AGENT.init(key, jnp.zeros((1, 1, members, O)), None, A)


def apply(params, obs, carry):
    return AGENT.apply(params, obs, carry, A, STARTED)


@functools.partial(jax.jit, static_argnums=0)
def team(sharing, params, obs, carry):
    return apply_team(sharing, apply, params, obs, carry)


@functools.cache
def given():
    """One network's parameters, observations, and what agents remember."""
    shapes = jax.eval_shape(lambda: init(jax.random.key(0), 1))
    params = jax.tree.map(lambda leaf: 0.5 * normal(leaf.size, *leaf.shape), shapes)
    return params, normal(1, T, B, N, O), normal(2, B, N, 3)


def stacked(params, copies=N):
    return jax.tree.map(lambda leaf: np.stack([leaf] * copies), params)


@pytest.mark.parametrize("remembers", [False, True])
def test_equal_parameters_make_independent_agents_shared_ones(remembers):
    params, obs, carry = given()
    memory = carry if remembers else None
    expected = team("shared", params, obs, memory)
    for given_back, wanted in zip(team("independent", stacked(params), obs, memory), expected, strict=True):
        assert given_back.shape == wanted.shape
        np.testing.assert_allclose(given_back, wanted, rtol=1e-5, atol=1e-6)


def test_a_group_is_one_network_on_the_rows_of_its_agents():
    """Agents 0 and 3 have one network, 1 and 2 another: each part alone, on its rows, gives the same numbers."""
    params, obs, carry = given()
    other = jax.tree.map(lambda leaf: leaf + 1.0, params)
    grouped = Grouped((params, other), groups_of(INTERLEAVED, N))
    results = team(INTERLEAVED, grouped, obs, carry)
    for part, agents in ((params, [0, 3]), (other, [1, 2])):
        alone = team("shared", part, obs[:, :, agents], carry[:, agents])
        for result, wanted in zip(results, alone, strict=True):
            np.testing.assert_allclose(result[..., agents, :], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("sharing", "touched"),
    [("independent", np.eye(N)), (INTERLEAVED, [[1, 0], [0, 1], [0, 1], [1, 0]])],
)
def test_an_agents_loss_moves_its_own_network_alone(sharing, touched):
    """touched[i][k]: whether the gradient of agent i's outputs reaches every array of network k; else it is 0."""
    params, obs, carry = given()
    networks = stacked(params) if sharing == "independent" else Grouped((params, params), groups_of(sharing, N))

    @jax.jit
    def gradient(networks, agent):
        return jax.grad(lambda p: jnp.sum(apply_team(sharing, apply, p, obs, carry)[0][:, :, agent] ** 2))(networks)

    for agent, reached in enumerate(touched):
        found = gradient(networks, agent)
        if sharing == "independent":
            each = [jax.tree.map(lambda leaf, k=k: leaf[k], found) for k in range(N)]
        else:
            each = found.parts
        for network, expected in zip(each, reached, strict=True):
            assert {bool(np.any(leaf)) for leaf in jax.tree.leaves(network)} == {bool(expected)}


def test_networks_that_are_not_one_start_from_keys_of_their_own():
    """`init` draws a number for each agent that it is told of: all are different, whoever shares."""
    key = jax.random.key(0)

    def draw(key, members):
        return jax.random.uniform(key, (members,))

    shared, independent, grouped = (
        init_team(sharing, draw, key, N) for sharing in ("shared", "independent", "0-1-0-0")
    )
    np.testing.assert_array_equal(shared, draw(key, N))
    assert independent.shape == (N, 1) and [part.shape for part in grouped.parts] == [(3,), (1,)]
    assert [group.agents for group in grouped.groups] == [(0, 2, 3), (1,)]
    for drawn in (independent.ravel(), jnp.concatenate(grouped.parts)):
        assert len(np.unique(drawn)) == N


def test_groups_are_named_for_every_agent():
    assert groups_of("shared", 2) == (Group((0, 1)),)
    assert groups_of("independent", 2) == (Group((0,)), Group((1,)))
    assert groups_of("tank-scout-tank", 3) == (Group((0, 2)), Group((1,)))
    for sharing, agents, line in (
        ("0-0-1", 4, "sharing='0-0-1' does not name a group for each of 4 agents; write for example '0-0-1-1'"),
        ("0--1", 3, "sharing='0--1' does not name a group for each of 3 agents; write for example '0-1-1'"),
        ("indepedent", 3, "unknown sharing 'indepedent'; did you mean 'independent'?"),
        (3, 2, "unknown sharing 3; valid: 0-0, independent, shared"),
        ("0-1-", 3, "sharing='0-1-' does not name a group for each of 3 agents; write for example '0-1-1'"),
        ("-", 2, "sharing='-' does not name a group for each of 2 agents; write for example '0-0'"),
        ("0-0", 1, "sharing='0-0' does not name a group for each of 1 agents; write for example 'shared'"),
        ("0", 1, "unknown sharing '0'; valid: independent, shared"),
    ):
        with pytest.raises(InputError) as caught:
            groups_of(sharing, agents)
        assert str(caught.value) == line


def test_rows_and_entries_are_slices_in_the_order_asked_for():
    x = jnp.asarray(normal(0, 2, 5, 4))
    np.testing.assert_array_equal(rows(x, (3, 0, 1)), x[:, [3, 0, 1]])
    np.testing.assert_array_equal(entries(x, ((2, 4), (0, 1))), x[..., [2, 3, 0]])
    assert entries(x, None) is x and entries(x, ((0, 4),)) is x
    assert "gather" not in str(jax.make_jaxpr(lambda x: rows(x, (3, 0, 1)))(x))


def test_what_is_done_by_group_comes_back_by_group():
    """One result, or several one by one."""
    groups = groups_of("0-1", 2)
    tree = Grouped((jnp.float32(1), jnp.float32(2)), groups)
    assert over_groups(lambda a, b: a + b, tree, tree).parts == (2, 4)
    low, high = several(over_groups(lambda a: (a - 1, a + 1), tree))
    assert (low.parts, high.parts) == ((0, 1), (2, 3))
    assert over_groups(lambda a: a + 1, 4) == 5 and several((1, 2)) == (1, 2)
