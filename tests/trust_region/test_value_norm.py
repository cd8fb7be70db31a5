"""Value normalization: moments by hand, and floors."""

import jax.numpy as jnp
import numpy as np

from jaxvf.trust_region.critic_update import huber, value_loss
from jaxvf.trust_region.value_norm import ValueNorm


def test_one_update_has_the_moments_of_its_returns():
    """The gathered weight removes the bias of a slow average: after one batch its mean and std are the batch's."""
    norm = ValueNorm.start().update(jnp.array([1.0, 3.0]))
    np.testing.assert_allclose(norm.moments(), [2.0, 1.0], rtol=1e-3)
    np.testing.assert_allclose(norm.normalize(jnp.array([4.0])), [2.0], rtol=1e-3)
    np.testing.assert_allclose(norm.restore(norm.normalize(jnp.array([7.0]))), [7.0], rtol=1e-5)


def test_later_updates_are_averaged():
    """Two batches count about the same: memory 0.99999."""
    norm = ValueNorm.start().update(jnp.zeros(4)).update(jnp.full(4, 2.0))
    np.testing.assert_allclose(norm.moments(), [1.0, 1.0], rtol=1e-3)


def test_nothing_seen_changes_nothing_and_constants_are_safe():
    np.testing.assert_array_equal(ValueNorm.start().restore(jnp.array([3.0])), [3.0])
    mean, std = ValueNorm.start().update(jnp.full(5, 4.0)).moments()
    np.testing.assert_allclose([mean, std], [4.0, 0.1], rtol=1e-3)  # the variance is at least 0.01


def test_huber_and_the_clipped_value_loss():
    """e²/2 up to 10, then 10 (|e| - 5); the larger of both errors counts."""
    np.testing.assert_allclose(huber(jnp.array([2.0, -10.0, 12.0])), [2.0, 50.0, 70.0])
    # The value moved from 0 to its target 1 and has no error left; held within 0.2 of 0 it has 0.8.
    loss = value_loss(jnp.array([1.0]), jnp.array([0.0]), jnp.array([1.0]), 0.2)
    np.testing.assert_allclose(loss, 0.5 * 0.8**2, rtol=1e-6)


def test_what_is_not_counted_is_in_neither_moments_nor_loss():
    """Returns 1 and 3 count, 100 does not: mean 2; errors 1 and 3 count, 9 does not: (1/2 + 9/2) / 2."""
    counted = jnp.array([True, True, False])
    norm = ValueNorm.start().update(jnp.array([1.0, 3.0, 100.0]), counted)
    np.testing.assert_allclose(norm.moments(), [2.0, 1.0], rtol=1e-3)
    zeros = jnp.zeros(3)
    np.testing.assert_allclose(value_loss(zeros, zeros, jnp.array([1.0, 3.0, 9.0]), 0.2, counted), 2.5)
