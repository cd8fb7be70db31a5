"""TD(λ) targets: three steps by hand, then the forward view on random sequences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.value.targets import td_lambda_targets

targets_of = jax.jit(td_lambda_targets)


def targets(reward, terminated, truncated, bootstrap, discount=0.5, trace=0.0) -> np.ndarray:
    floats, flags = (np.float32(reward), np.float32(bootstrap)), (np.bool_(terminated), np.bool_(truncated))
    return np.asarray(targets_of(floats[0], *flags, floats[1], discount=discount, trace=trace))


def test_terminal_step_does_not_bootstrap():
    """0 + 0.5·5 = 2.5; then 1 alone, whatever value follows."""
    np.testing.assert_allclose(targets([0, 1], [0, 1], [0, 0], [5, 99]), [2.5, 1.0])
    np.testing.assert_allclose(targets([0, 1], [0, 1], [0, 0], [5, np.inf]), [2.5, 1.0])


@pytest.mark.parametrize("trace", [0.0, 0.5, 1.0])
def test_truncated_step_bootstraps_fully_whatever_lambda(trace):
    """1 + 0.5·8 = 5: the time limit ends the sequence of rewards but not the value."""
    assert targets([0, 1], [0, 0], [0, 1], [0, 8], trace=trace)[1] == 5.0
    assert targets([0, 1], [0, 0], [0, 0], [0, 8], trace=trace)[1] == 5.0  # so does the end of the arrays


def test_one_step_targets():
    """λ = 0: r + γ b at every step. 1 + 0.5·10, 2 + 0.5·20, 3 + 0.5·30."""
    np.testing.assert_allclose(targets([1, 2, 3], [0, 0, 0], [0, 0, 1], [10, 20, 30]), [6.0, 12.0, 18.0])


def test_monte_carlo_targets():
    """λ = 1 ignores all values but the truncated end's: 1 + 0.5·(2 + 0.5·(3 + 0.5·30)) = 6.5."""
    done = targets([1, 2, 3], [0, 0, 1], [0, 0, 0], [10, 20, 30], trace=1.0)
    np.testing.assert_allclose(done, [2.75, 3.5, 3.0])
    cut = targets([1, 2, 3], [0, 0, 0], [0, 0, 1], [10, 20, 30], trace=1.0)
    np.testing.assert_allclose(cut, [6.5, 11.0, 18.0])


def test_intermediate_lambda_by_hand():
    """λ = 0.25: 2 + 0.5·(0.75·20 + 0.25·3) = 9.875, then 1 + 0.5·(0.75·10 + 0.25·9.875) = 5.984375."""
    found = targets([1, 2, 3], [0, 0, 1], [0, 0, 0], [10, 20, 30], trace=0.25)
    np.testing.assert_allclose(found, [5.984375, 9.875, 3.0])


def test_nothing_crosses_the_end_of_an_episode():
    """Two episodes in one array: what happens in the second never changes the first."""
    ends = ([0, 1, 0, 1], [0, 0, 0, 0]), ([0, 0, 0, 1], [0, 1, 0, 0])
    for terminated, truncated in ends:
        first = targets([1, 2, 3, 4], terminated, truncated, [5, 6, 7, 8], trace=0.5)
        second = targets([1, 2, 300, 400], terminated, truncated, [5, 6, 700, 800], trace=0.5)
        np.testing.assert_array_equal(first[:2], second[:2])
        assert (first[2:] != second[2:]).all()


def forward_view(reward, terminated, truncated, bootstrap, discount, trace) -> np.ndarray:
    """Weighted n-step returns, summed explicitly: (1-λ) Σ λ^(n-1) G^(n), the last possible n taking what is left."""
    found = []
    for start in range(len(reward)):
        end = start
        while not (terminated[end] or truncated[end]) and end < len(reward) - 1:
            end += 1
        returns = []
        for last in range(start, end + 1):
            rewards = sum(discount**k * reward[start + k] for k in range(last - start + 1))
            beyond = 0.0 if terminated[last] else discount ** (last - start + 1) * bootstrap[last]
            returns.append(rewards + beyond)
        n = len(returns)
        weights = [(1 - trace) * trace**k for k in range(n - 1)] + [trace ** (n - 1)]
        found.append(np.dot(weights, returns))
    return np.array(found)


@pytest.mark.parametrize("trace", [0.0, 0.3, 0.9, 1.0])
def test_equals_the_forward_view_on_random_sequences(trace):
    generator = np.random.default_rng(0)
    steps, batch = 12, 30
    reward, bootstrap = generator.normal(size=(2, steps, batch))
    kind = generator.choice(3, p=[0.7, 0.15, 0.15], size=(steps, batch))
    terminated, truncated = kind == 1, kind == 2
    found = targets(reward, terminated, truncated, bootstrap, discount=0.9, trace=trace)
    for column in range(batch):
        one = (leaf[:, column] for leaf in (reward, terminated, truncated, bootstrap))
        np.testing.assert_allclose(found[:, column], forward_view(*one, 0.9, trace), rtol=1e-4, atol=1e-5)


def test_long_sequences_loop_to_the_same_numbers():
    """Up to four steps are written out, more are a loop; a prefix that terminates cannot tell."""
    short = targets([1, 2, 3], [0, 0, 1], [0, 0, 0], [10, 20, 30], trace=0.25)
    long = targets([1, 2, 3] * 3, [0, 0, 1] * 3, [0, 0, 0] * 3, [10, 20, 30] * 3, trace=0.25)
    np.testing.assert_allclose(long, np.tile(short, 3))


def test_no_gradient_flows_into_targets():
    flags = jnp.zeros(3, bool)

    def total(reward, bootstrap):
        return td_lambda_targets(reward, flags, flags, bootstrap, discount=0.9, trace=0.5).sum()

    for grad in jax.jit(jax.grad(total, argnums=(0, 1)))(jnp.ones(3), jnp.ones(3)):
        np.testing.assert_array_equal(grad, 0.0)


def test_shapes_must_agree(unchecked):
    """[3, 1] beside [3] would broadcast to [3, 3]."""
    with pytest.raises(AssertionError, match="different shapes"):
        td_lambda_targets(
            jnp.zeros((3, 1)), jnp.zeros(3, bool), jnp.zeros(3, bool), jnp.zeros(3), discount=0.9, trace=0.0
        )
