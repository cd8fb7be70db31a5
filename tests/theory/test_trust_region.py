"""Moments and bounds of low_variance_trust_region.md, 2.9 and 2.10, by enumeration of random games."""

import numpy as np
import pytest

from jaxvf.theory import trust_region

TOLERANCE = 1e-11


@pytest.fixture(scope="module", params=[(2, 2), (3, 4), (5, 3)])
def moved(request):
    """200 games of a shape, with policy changes from mild to large."""
    rng = np.random.default_rng(0)
    return trust_region.random_movement(rng, 200, *request.param, scale=np.geomspace(0.01, 3, 200))


def test_identities_and_bounds_hold(moved):
    """S1, S2, S5 to S7, 2.10 and its KL form: no violation, and no slack that is trivially zero throughout."""
    for name, slack in trust_region.slacks(moved).items():
        assert slack.min() > -TOLERANCE, name
        is_identity = name in ("S1 mean", "S1 second moment", "S2", "S6 mean")
        assert is_identity or slack.max() > 1e-3, name


def test_a_violation_would_be_seen(moved):
    """With the penalty of 2.10 halved there are violations somewhere; with the wrong weight the identities break."""
    gain, surrogate = trust_region.improvement(moved), trust_region.clipped_surrogates(moved).sum(axis=1)
    assert (np.abs(gain - surrogate) > 1e-3).any()
    broken = moved._replace(ratios=moved.ratios[:, ::-1])  # another agent's ratio in every position
    assert trust_region.slacks(broken)["S1 second moment"].min() < -1e-3


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


def test_state_heterogeneity_makes_the_second_moment_infinite():
    """S3: with KL exponential over states, E[w_m²] = 1 / (1 - 2 (m - 1) d), by quadrature at m - 1 = 4, d = 0.05."""
    mean_kl, before = 0.05, 4
    kl = np.linspace(0, 60 * mean_kl, 400_001)
    density = np.exp(-kl / mean_kl) / mean_kl
    moment = np.trapezoid(np.exp(2 * before * kl) * density, kl)
    np.testing.assert_allclose(moment, 1 / (1 - 2 * before * mean_kl), rtol=1e-4)


def test_gaussian_shift_has_chi2_of_twice_its_kl():
    """S1: 1 + χ² = exp(2 KL) for a shift of the mean, by quadrature."""
    x = np.linspace(-12, 12, 100_001)
    old, new = (np.exp(-0.5 * (x - mean) ** 2) / np.sqrt(2 * np.pi) for mean in (0.0, 0.7))
    np.testing.assert_allclose(np.trapezoid(new**2 / old, x), np.exp(2 * 0.5 * 0.7**2), rtol=1e-6)
