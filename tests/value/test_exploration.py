"""Exploration: the schedule, and that no rule ever picks an unavailable action."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxvf.networks.masks import mask_unavailable
from jaxvf.value import exploration

B, N, A = 3, 2, 5
MANY = 20_000
MASKS = hnp.arrays(bool, (B, N, A)).map(lambda mask: mask | (mask.sum(-1, keepdims=True) == 0))
VALUES = hnp.arrays(np.float32, (B, N, A), elements=st.floats(-(2.0**100), 2.0**100, width=32))

epsilon_greedy = jax.jit(exploration.epsilon_greedy, static_argnames="num_envs")
uniform = jax.jit(exploration.uniform, static_argnames="num_envs")
greedy = jax.jit(exploration.greedy)


def allowed(avail: np.ndarray, actions: jax.Array) -> np.ndarray:
    """Whether each chosen action is available, for `avail` of any broadcastable shape."""
    actions = np.asarray(actions)[..., None]
    return np.take_along_axis(np.broadcast_to(avail, (*actions.shape[:-1], avail.shape[-1])), actions, axis=-1)


def many_actions(avail: list[list[int]], q: list[list[float]], epsilon: float, seed: int = 0) -> np.ndarray:
    """Actions of `MANY` environments that all see the same, [MANY, N]."""
    views = (np.float32(q)[None], np.bool_(avail)[None])
    return np.asarray(epsilon_greedy(jax.random.key(seed), *views, epsilon, num_envs=MANY))


@pytest.mark.parametrize(("step", "expected"), [(0, 1.0), (25, 0.75), (50, 0.5), (100, 0.0), (1000, 0.0)])
def test_schedule_is_a_line_and_then_flat(step, expected):
    assert exploration.linear_schedule(jnp.int32(step), 1.0, 0.0, 100.0) == pytest.approx(expected, abs=1e-6)


def test_schedule_goes_between_its_ends_and_may_rise():
    """From 0.2 to 0.6, halfway 0.4. A duration of 0 is over after one step."""
    assert exploration.linear_schedule(jnp.int32(5), 0.2, 0.6, 10.0) == pytest.approx(0.4, abs=1e-6)
    assert exploration.linear_schedule(jnp.int32(0), 1.0, 0.05, 0.0) == pytest.approx(1.0)
    assert exploration.linear_schedule(jnp.int32(1), 1.0, 0.05, 0.0) == pytest.approx(0.05)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(MASKS, VALUES, st.floats(0, 1), st.integers(0, 2**31 - 1))
def test_no_rule_picks_an_unavailable_action(avail, q, epsilon, seed):
    key = jax.random.key(seed)
    assert allowed(avail, greedy(q, avail)).all()
    assert allowed(avail, epsilon_greedy(key, q, avail, np.float32(epsilon), num_envs=B)).all()
    assert allowed(avail, uniform(key, avail, num_envs=B)).all()
    best = np.where(avail, q, -np.inf).max(axis=-1)
    np.testing.assert_array_equal(np.take_along_axis(q, np.asarray(greedy(q, avail))[..., None], -1)[..., 0], best)


def test_masked_values_are_finite_and_pass_no_gradient():
    q, avail = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[True, False, True]])
    masked = mask_unavailable(q, avail)
    np.testing.assert_array_equal(masked[0, jnp.array([0, 2])], [1.0, 3.0])  # the others stay exactly as they are
    assert np.isfinite(masked).all()
    grad = jax.grad(lambda q: mask_unavailable(q, avail).max())(q)
    np.testing.assert_array_equal(grad, [[0.0, 0.0, 1.0]])


def test_greedy_takes_the_first_of_equals():
    equal = jnp.zeros((1, 1, 4))
    assert greedy(equal, jnp.array([[[False, True, True, False]]])).tolist() == [[1]]


def test_without_epsilon_behaviour_is_greedy():
    """Agent 1's best action, 2, is unavailable, so it takes 0; agent 2 takes 1."""
    actions = many_actions([[1, 1, 0], [1, 1, 1]], [[3, 2, 9], [0, 5, 4]], epsilon=0.0)
    np.testing.assert_array_equal(actions, np.broadcast_to([0, 1], (MANY, 2)))


def test_full_epsilon_is_uniform_over_available_actions():
    """Agent 1 has 3 of 5 actions, agent 2 all 5. Standard deviation of a frequency: below 0.0034."""
    avail = [[1, 0, 1, 0, 1], [1, 1, 1, 1, 1]]
    for actions in (
        many_actions(avail, [[9, 0, 0, 0, 0]] * 2, epsilon=1.0),
        np.asarray(uniform(jax.random.key(0), np.bool_(avail)[None], num_envs=MANY)),
    ):
        for agent, expected in enumerate(([1 / 3, 0, 1 / 3, 0, 1 / 3], [0.2] * 5)):
            frequency = np.bincount(actions[:, agent], minlength=5) / MANY
            np.testing.assert_allclose(frequency, expected, atol=0.015)
            assert (frequency[np.array(expected) == 0] == 0).all()


def test_epsilon_is_the_probability_of_a_random_action():
    """ε = 0.5, 4 actions: the greedy one has 0.5 + 0.5/4 = 0.625."""
    actions = many_actions([[1] * 4] * 2, [[0, 0, 7, 0]] * 2, epsilon=0.5)
    for agent in range(2):
        frequency = np.bincount(actions[:, agent], minlength=4) / MANY
        np.testing.assert_allclose(frequency, [0.125, 0.125, 0.625, 0.125], atol=0.015)


def test_coins_and_choices_of_agents_are_independent():
    """Joint frequencies are the products of the single ones, and so they are across neighbouring environments."""
    actions = many_actions([[1] * 3] * 2, [[0, 0, 7]] * 2, epsilon=0.6)
    single = np.array([0.2, 0.2, 0.6])
    for pairs in (actions, np.stack([actions[:-1, 0], actions[1:, 0]], axis=1)):
        joint = np.zeros((3, 3))
        np.add.at(joint, tuple(pairs.T), 1 / len(pairs))
        np.testing.assert_allclose(joint, np.outer(single, single), atol=0.015)


def test_choice_does_not_depend_on_the_coin():
    """Among the random actions, one is as likely as another: the coin's number is not used again for the choice."""
    actions = many_actions([[1] * 4] * 2, [[7, 0, 0, 0]] * 2, epsilon=0.2)
    frequency = np.bincount(actions[:, 0], minlength=4) / MANY
    np.testing.assert_allclose(frequency, [0.85, 0.05, 0.05, 0.05], atol=0.01)


@pytest.mark.parametrize("views", [1, B])
@pytest.mark.parametrize("agents", [1, N])
@pytest.mark.parametrize("actions", [1, A])
def test_one_view_gives_every_environment_its_own_action(views, agents, actions):
    """Values of size 1 along B still make `num_envs` draws, the same as those of repeated values."""
    q = jnp.zeros((views, agents, actions))
    rule = functools.partial(exploration.epsilon_greedy, epsilon=jnp.float32(0.5), num_envs=B)
    shape = jax.eval_shape(lambda key, q: rule(key, q, q == 0), jax.random.key(0), q).shape
    assert shape == (B, agents)


def test_one_view_equals_the_same_view_repeated():
    q, avail = np.float32([[[1, 5, 2], [4, 0, 3]]]), np.ones((1, 2, 3), bool)
    few = np.asarray(epsilon_greedy(jax.random.key(3), q, avail, 0.5, num_envs=64))
    repeated = epsilon_greedy(jax.random.key(3), np.repeat(q, 64, 0), np.repeat(avail, 64, 0), 0.5, num_envs=64)
    np.testing.assert_array_equal(few, repeated)
    assert len(np.unique(few, axis=0)) > 4


def test_even_minus_infinity_is_chosen_before_an_unavailable_action():
    """A diverging network may give -inf to all that is available; the mask still holds."""
    q = jnp.array([[5.0, -jnp.inf, -jnp.inf], [7.0, -3e38, -jnp.inf]])
    avail = jnp.array([[False, True, True], [False, True, False]])
    assert exploration.greedy(q, avail).tolist() == [1, 1]
