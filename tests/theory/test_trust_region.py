"""Moments of preceding agents' weights and bounds on clipping them, by enumeration of random games."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.theory import trust_region
from jaxvf.trust_region.distributions import DiagonalGaussian

TOLERANCE = 1e-11


@pytest.fixture(scope="module", params=[(2, 2), (3, 4), (5, 3)])
def moved(request):
    """200 games of a shape, with policy changes from mild to large."""
    rng = np.random.default_rng(0)
    return trust_region.random_movement(rng, 200, *request.param, scale=np.geomspace(0.01, 3, 200))


def test_identities_and_bounds_hold(moved):
    """No statement is violated, and no slack that is trivially zero throughout."""
    for name, slack in trust_region.slacks(moved).items():
        assert slack.min() > -TOLERANCE, name
        is_identity = name.startswith(("E[w]", "E[w²]", "E[(wA)²]", "E[c]"))
        assert is_identity or slack.max() > 1e-3, name


def test_a_violation_would_be_seen():
    """Two agents with two actions: half the bound's penalty is too little; the wrong weight breaks an identity."""
    scale = np.geomspace(0.05, 3, 400)
    moved = trust_region.random_movement(np.random.default_rng(0), 400, 2, 2, scale=scale)
    assert trust_region.bound_slack(moved).min() > -TOLERANCE
    halved = trust_region.bound_slack(moved, share=0.5)
    assert (halved < -1e-3).sum() > 3
    broken = moved._replace(ratios=moved.ratios[:, ::-1])  # another agent's ratio in every position
    assert trust_region.slacks(broken)["E[w²] is the product of 1 + χ²"].min() < -1e-3


def test_two_agents_by_hand():
    """Both play (1/2, 1/2); the first moves to (3/4, 1/4): χ² = 1/4, E[w²] = 5/4, TV = 1/4, E[min(w, 1)] = 3/4."""
    old = np.full((1, 2, 2), 0.5)
    new = np.array([[[0.75, 0.25], [0.25, 0.75]]])
    moved = trust_region.movement(np.array([[[1.0, 0.0], [0.0, 0.0]]]), old, new)
    np.testing.assert_allclose(moved.chi2, [[0.25, 0.25]])
    np.testing.assert_allclose(trust_region.second_moment_by_product(moved), [[1.0, 1.25]])
    np.testing.assert_allclose(moved.preceding_variation, [[0.0, 0.25]])
    np.testing.assert_allclose(moved.mean(np.minimum(moved.weights, 1)), [[1.0, 0.75]])
    np.testing.assert_allclose(trust_region.improvement(moved), [0.75 * 0.25 - 0.25])


def test_gaussian_shift_has_chi2_of_twice_its_kl():
    """1 + χ² = exp(2 KL) for a shift of the mean, by quadrature of our densities, with our KL."""
    std, every = jnp.ones((1, 1)), jnp.ones((1, 1), bool)
    old, new = (DiagonalGaussian(jnp.full((1, 1), mean), std, every) for mean in (0.0, 0.7))
    x = jnp.linspace(-12, 12, 10_001)
    integrand = jnp.exp(2 * new.log_prob(x[:, None]) - old.log_prob(x[:, None]))
    np.testing.assert_allclose(jnp.trapezoid(integrand, x), np.exp(2 * old.kl(new)[0]), rtol=1e-4)
