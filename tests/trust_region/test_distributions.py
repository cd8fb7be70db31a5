"""Policies: masks, exact divergences, and what a missing entry of an action contributes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.trust_region.distributions import Categorical, DiagonalGaussian, divergence, repeated

EVERY = jnp.ones((1, 3), bool)


def categorical(logits, avail=EVERY):
    return Categorical.of(jnp.asarray(logits, jnp.float32), avail)


def gaussian(mean, xi, avail=EVERY):
    return DiagonalGaussian.of(jnp.asarray(mean, jnp.float32), jnp.asarray(xi, jnp.float32), avail)


def test_categorical_numbers():
    """Logits log(1, 2, 1): probabilities 1/4, 1/2, 1/4."""
    policy = categorical(np.log([[1.0, 2.0, 1.0]]))
    np.testing.assert_allclose(policy.log_prob(jnp.array([1])), np.log([0.5]), rtol=1e-6)
    np.testing.assert_allclose(policy.entropy(), [1.5 * np.log(2)], rtol=1e-6)
    assert policy.mode() == 1
    other = categorical(np.log([[1.0, 1.0, 2.0]]))
    np.testing.assert_allclose(divergence(policy, other), [0.25 * np.log(2)], rtol=1e-5)


@pytest.mark.parametrize("logits", [[[0.0, 0.0, 0.0]], [[-50.0, 80.0, 3.0]]])
def test_every_mask_with_an_action_is_safe(logits):
    """Values and gradients are finite for all seven masks; what is masked is never drawn."""
    for bits in range(1, 8):
        avail = jnp.array([[bool(bits & 1), bool(bits & 2), bool(bits & 4)]])

        def numbers(logits, avail=avail):
            policy, action = categorical(logits, avail), jnp.argmax(avail, axis=-1)
            return policy.entropy() + policy.log_prob(action) + policy.kl(categorical([[0.3, 0.1, 0.2]], avail))

        value, gradient = jax.value_and_grad(lambda x: numbers(x).sum())(jnp.asarray(logits, jnp.float32))
        assert np.isfinite(value) and np.isfinite(gradient).all()
        np.testing.assert_array_equal(gradient[~avail], 0)
        drawn = repeated(categorical(logits, avail), 64).sample(jax.random.key(bits))
        assert np.asarray(avail)[0, np.asarray(drawn)].all()


def test_the_unweighted_divergence_is_the_number_of_actions_times_the_kl():
    """Near a uniform policy of K = 3 actions the unweighted sum is 3 times the KL."""
    old, new = categorical([[0.0, 0.0, 0.0]]), categorical([[0.01, 0.0, -0.02]])
    ratio = divergence(old, new, "unweighted_k3") / divergence(old, new)
    np.testing.assert_allclose(ratio, 3.0, rtol=0.02)
    assert divergence(old, old, "unweighted_k3") == 0 and divergence(old, old) == 0


def test_gaussian_numbers():
    """ξ = 0 gives std 1/4; the KL is log(s1/s0) + (s0² + Δ²)/(2 s1²) - 1/2 per entry, added up."""
    old, new = gaussian([[0.0, 1.0, 2.0]], np.zeros(3)), gaussian([[0.1, 1.0, 2.0]], np.ones(3))
    std = 0.5 / (1 + np.exp(-1.0))
    expected = 3 * (np.log(std / 0.25) + 0.0625 / (2 * std**2) - 0.5) + 0.01 / (2 * std**2)
    np.testing.assert_allclose(divergence(old, new), [expected], rtol=1e-5)
    density = -0.5 * ((np.array([0.1, 1.2, 2.0]) - [0.0, 1.0, 2.0]) / 0.25) ** 2 - np.log(0.25 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(old.log_prob(jnp.array([[0.1, 1.2, 2.0]])), [density.sum()], rtol=1e-5)


def test_tiny_divergences_keep_their_digits():
    """Std ratio 1 + 1e-3 has KL 1.0e-6, of which the plain formula keeps one digit in float32."""
    old = DiagonalGaussian(jnp.zeros((1, 1)), jnp.ones((1, 1)), jnp.ones((1, 1), bool))
    new = old._replace(std=old.std * jnp.float32(1 + 1e-3))
    exact = np.log(float(new.std[0, 0])) + 0.5 / float(new.std[0, 0]) ** 2 - 0.5
    np.testing.assert_allclose(divergence(old, new), [exact], rtol=1e-3)


def test_a_missing_entry_counts_for_nothing():
    """Not in log-probability, entropy, divergence or gradient; its action is 0."""
    avail = jnp.array([[True, False]])
    short, long = gaussian([[0.3]], np.zeros(1), avail[:, :1]), gaussian([[0.3, 7.0]], [0.0, 3.0], avail)
    action = jnp.array([[0.2, 5.0]])
    np.testing.assert_allclose(long.log_prob(action), short.log_prob(action[:, :1]))
    np.testing.assert_allclose(long.entropy(), short.entropy())
    other = gaussian([[0.1, -7.0]], [0.5, -3.0], avail)
    np.testing.assert_allclose(long.kl(other), short.kl(gaussian([[0.1]], [0.5], avail[:, :1])), rtol=1e-6)
    assert long.mode()[0, 1] == 0 and long.sample(jax.random.key(0))[0, 1] == 0
    gradient = jax.grad(lambda mean: gaussian(mean, [0.0, 3.0], avail).log_prob(action).sum())(long.mean)
    assert gradient[0, 1] == 0 and gradient[0, 0] != 0
