"""Curvature at zero-loss points under value-dependent behaviour, and where the flow goes from beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.theory import gradient_flow as gf

GAME = np.array(PAYOFFS["B"], np.float64)  # 12 / -12 / 0: game A of Hu et al. 2026
# Greedy (B, B), so not the optimum. Any such local values would do; the curvatures below are of these.
INCONSISTENT = np.array([[-1.6, 0.0, -0.7], [-1.4, 0.0, -0.7]])
# The same gaps with A on top, which is the optimum.
CONSISTENT = INCONSISTENT[:, [1, 0, 2]]
GENERIC = np.array([[12, -12, -11], [-12.5, 1, 0.5], [-11.5, 0.2, 0]])


@pytest.fixture(autouse=True)
def double_precision():
    """The statements are about exact zeros."""
    with jax.enable_x64(True):
        yield


def test_interpolating_mixer_has_zero_loss():
    """Any payoff is met exactly, whatever the local values."""
    q = np.random.default_rng(0).normal(size=(2, 3))
    np.testing.assert_allclose(gf.joint_table(gf.lagrange_mixer(GAME, q), jnp.asarray(q)), GAME, atol=1e-10)


def test_loss_by_hand():
    """Sum mixer, q = (0, ln 3) for both, τ = 1: each agent plays its second action with 3/4."""
    q = jnp.log(jnp.array([[1.0, 3.0], [1.0, 3.0]]))
    payoff = gf.joint_table(jnp.sum, q) + jnp.array([[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(gf.loss(jnp.sum, payoff, q, 1.0), 1 / 16 + 4 * 9 / 16)
    np.testing.assert_allclose(gf.loss(jnp.sum, payoff, q, None), (1 + 4) / 4)


def test_theorem_3_predicts_the_wrong_sign():
    """At τ = 1, 0.5, 0.2, 0.1 the curvature is positive where Theorem 3 of Hu et al. 2026 has a negative one."""
    temperatures = np.array([1, 0.5, 0.2, 0.1])
    mixer, q = gf.lagrange_mixer(GAME, INCONSISTENT), jnp.asarray(INCONSISTENT)
    second = jax.jit(jax.vmap(lambda t: gf.hessian(mixer, jnp.asarray(GAME), q, t)))(temperatures)
    claims = [gf.theorem_3(GAME, INCONSISTENT, float(t)) for t in temperatures]
    direction = claims[0][0]
    np.testing.assert_array_equal(direction, [1, -1, 0, 0, 0, 0])
    np.testing.assert_allclose([predicted for _, predicted in claims], [-24, -48, -120, -240])
    np.testing.assert_allclose(second @ direction @ direction, [204.0, 91.6, 66.5, 68.0], atol=0.06)


@pytest.mark.parametrize("temperature", [None, 1.0, 0.2])
def test_hessian_is_gauss_newton_at_every_zero_loss_point(temperature):
    """Random payoffs and local values, so most points are not IGM-consistent; the direction of T3 never curves down."""
    rng = np.random.default_rng(1)
    q = np.stack([[rng.permutation([-1.0, 0.0, 1.2]) for _ in range(2)] for _ in range(20)])
    q += rng.uniform(-0.2, 0.2, q.shape)
    payoff = 5 * rng.normal(size=(20, 3, 3))

    def curvatures(payoff, q):
        mixer = gf.lagrange_mixer(payoff, q)
        return gf.hessian(mixer, payoff, q, temperature), gf.gauss_newton(mixer, q, temperature)

    second, expected = jax.jit(jax.vmap(curvatures))(payoff, q)
    np.testing.assert_allclose(second, expected, atol=1e-4)
    assert np.linalg.eigvalsh(second).min() >= -1e-6
    for game, local, matrix in zip(payoff, q, second, strict=True):
        direction, predicted = gf.theorem_3(game, local, temperature or 1.0)
        if predicted < 0 and direction.any():
            assert direction @ matrix @ direction > 0


def test_hessian_differs_away_from_zero_loss():
    """The equality is about zero-loss points: with an error left, the policy's terms appear."""
    mixer, q = gf.lagrange_mixer(GAME, INCONSISTENT), jnp.asarray(INCONSISTENT)
    payoff = jnp.asarray(GAME + 1)
    difference = jax.jit(lambda q: gf.hessian(mixer, payoff, q, 1.0) - gf.gauss_newton(mixer, q, 1.0))(q)
    assert np.abs(difference).max() > 0.1


@pytest.mark.parametrize("flow", [gf.full_flow, gf.semi_gradient_flow])
@pytest.mark.parametrize("start", [INCONSISTENT, CONSISTENT], ids=["inconsistent", "consistent"])
def test_flow_returns_to_both_kinds_of_zero_loss_points(flow, start):
    """Generic payoff, τ = 1, three perturbations of length 0.01: no run leaves, all fit again."""
    mixer = gf.lagrange_mixer(GENERIC, start)
    noise = np.random.default_rng(2).normal(size=(3, 2, 3))
    begin = jnp.asarray(start + 0.01 * noise / np.linalg.norm(noise, axis=(1, 2), keepdims=True))
    end = jax.jit(jax.vmap(lambda q: flow(mixer, jnp.asarray(GENERIC), q, 1.0, 2e-4, 50_000)))(begin)
    assert np.linalg.norm(end - start, axis=(1, 2)).max() < 0.01
    assert max(float(gf.loss(mixer, jnp.asarray(GENERIC), q, 1.0)) for q in end) < 1e-6
    np.testing.assert_array_equal(np.argmax(end, axis=-1), np.argmax(start, axis=-1) * np.ones((3, 1), int))


def test_flows_agree_under_uniform_behaviour():
    """Nothing depends on the values but the error, so both are gradient descent."""
    mixer, q = gf.lagrange_mixer(GAME, INCONSISTENT), jnp.asarray(INCONSISTENT + 0.01)
    ends = [flow(mixer, jnp.asarray(GAME), q, None, 1e-4, 100) for flow in (gf.full_flow, gf.semi_gradient_flow)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-10)
    assert np.abs(ends[0] - q).max() > 1e-4
