"""The flow's loss and fields by hand and by differences, and curvature at zero-loss points of both kinds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.matrix_game import PAYOFFS
from jaxvf.theory import flow_stability as fs
from jaxvf.theory import flow_theorems
from jaxvf.theory import gradient_flow as gf

GAME = np.array(PAYOFFS["B"], np.float64)  # 12 / -12 / 0: game A of Hu et al. 2026
# Greedy (B, B), so not the optimum. Any such local values would do; the curvatures below are of these.
INCONSISTENT = np.array([[-1.6, 0.0, -0.7], [-1.4, 0.0, -0.7]])
SUM = gf.fixed(jnp.sum)


@pytest.fixture(autouse=True)
def double_precision():
    """The statements are about exact zeros."""
    with jax.enable_x64(True):
        yield


def interpolated(payoff, q):
    return gf.fixed(gf.lagrange_mixer(jnp.asarray(payoff), jnp.asarray(q)))


def test_interpolating_mixer_has_zero_loss():
    """Any payoff is met exactly, whatever the local values."""
    q = np.random.default_rng(0).normal(size=(2, 3))
    np.testing.assert_allclose(interpolated(GAME, q).table(jnp.asarray(q)), GAME, atol=1e-10)


def test_loss_by_hand():
    """Sum mixer, q = (0, ln 3) for both, τ = 1: each agent plays its second action with 3/4; noise adds Σ μ σ²."""
    q = jnp.log(jnp.array([[1.0, 3.0], [1.0, 3.0]]))
    payoff = gf.joint_table(jnp.sum, q) + jnp.array([[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(gf.loss(SUM, payoff, q, gf.softmax(1.0)), 1 / 16 + 4 * 9 / 16)
    np.testing.assert_allclose(gf.loss(SUM, payoff, q, gf.uniform), (1 + 4) / 4)
    # ε = 0.2: 0.9 for the greedy second action, 0.1 for the first.
    np.testing.assert_allclose(gf.loss(SUM, payoff, q, gf.epsilon_greedy(0.2)), 0.1**2 + 4 * 0.9**2)
    noise = jnp.array([[0.0, 16.0], [0.0, 0.0]])
    np.testing.assert_allclose(gf.loss(SUM, payoff, q, gf.softmax(1.0), noise), 1 / 16 + 4 * 9 / 16 + 3)


def test_fields_by_hand():
    """One agent, two actions, Q = q: every term of eq. 16 is a number of one line."""
    q, payoff = jnp.log(jnp.array([[1.0, 3.0]])), jnp.array([2.0, 5.0])
    error = np.array([2.0, 5.0 - np.log(3)])
    value = 2 * np.array([1 / 4, 3 / 4]) * error
    np.testing.assert_allclose(gf.semi_field(SUM, payoff, q, gf.softmax(1.0))[0], value)
    # d π_0 / d q = (3/16, -3/16): the full gradient leaves where the error is large.
    slope = 3 / 16 * (error[0] ** 2 - error[1] ** 2)
    np.testing.assert_allclose(gf.full_field(SUM, payoff, q, gf.softmax(1.0))[0], value + slope * np.array([-1, 1]))
    # With a constant behaviour there is no policy term.
    for policy in (gf.uniform, gf.epsilon_greedy(0.1)):
        full, semi = (field(SUM, payoff, q, policy) for field in (gf.full_field, gf.semi_field))
        np.testing.assert_allclose(full, semi)


def test_full_field_by_finite_differences():
    """Along random directions, at points that do not fit, of a mixer that is trained too."""
    rng = np.random.default_rng(3)
    x = (jnp.asarray(rng.normal(size=(2, 2))), tuple(jnp.asarray(rng.normal(size=s)) for s in ((2, 3), (3,), (3,), ())))
    payoff, model = jnp.asarray(rng.normal(size=(2, 2))), gf.trained(gf.network_mixer)
    field = gf.full_field(model, payoff, x, gf.softmax(0.7))
    step, towards = 1e-6, jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), x)
    ends = [jax.tree.map(lambda leaf, v, s=sign * step: leaf + s * v, x, towards) for sign in (1, -1)]
    high, low = (gf.loss(model, payoff, end, gf.softmax(0.7)) for end in ends)
    along = sum(jax.tree.leaves(jax.tree.map(lambda a, b: (a * b).sum(), field, towards)))
    np.testing.assert_allclose(-(high - low) / (2 * step), along, rtol=1e-6)


def test_hessian_of_a_two_by_two_game_by_hand():
    """Sum mixer at a zero-loss point, uniform play: every agent's values have curvature 2 · 1/2, pairs 2 · 1/4."""
    q = jnp.array([[1.0, 2.0], [0.5, 0.0]])
    payoff = gf.joint_table(jnp.sum, q)
    expected = np.block([[np.eye(2), np.full((2, 2), 0.5)], [np.full((2, 2), 0.5), np.eye(2)]])
    np.testing.assert_allclose(fs.hessian(SUM, payoff, q, gf.uniform), expected, atol=1e-12)
    np.testing.assert_allclose(fs.gauss_newton(SUM, q, gf.uniform), expected, atol=1e-12)
    found = fs.stability(-expected)
    # Adding to one agent what is taken from the other changes nothing: one direction is neutral.
    np.testing.assert_allclose(found.eigenvalues.real, [0, -1, -1, -2], atol=1e-12)
    assert (found.kind, found.slowest, found.fastest) == ("neutral", pytest.approx(1), pytest.approx(1 / 2))
    normal, tangent = fs.normal_space(np.asarray(fs.slopes(SUM, q)))
    assert normal.shape == (4, 3)
    np.testing.assert_allclose(np.abs(tangent.ravel()), 0.5)
    assert fs.stability(normal.T @ -expected @ normal).kind == "attracting"
    assert fs.stability(np.diag([1.0, -1.0])).kind == "repelling"


def test_theorem_3_predicts_the_wrong_sign():
    """The table for τ = 1, 0.5, 0.2, 0.1: curvature is positive where Hu et al. 2026 claim -(2/τ) (12 - 0)."""
    model, q = interpolated(GAME, INCONSISTENT), jnp.asarray(INCONSISTENT)
    loss = jax.jit(lambda flat, t: gf.loss(model, jnp.asarray(GAME), flat.reshape(2, 3), gf.softmax(t)))
    step, unit = 1e-4, np.eye(6)
    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    ends = np.array([[[a * unit[i] + b * unit[j] for a, b in signs] for j in range(6)] for i in range(6)]) * step
    curvature = jax.jit(lambda t: fs.gauss_newton(model, q, gf.softmax(t)))
    many = jax.jit(jax.vmap(lambda shift, t: loss(q.ravel() + shift, t), (0, None)))
    for temperature, along, claimed in ((1.0, 204.0, -24), (0.5, 91.6, -48), (0.2, 66.5, -120), (0.1, 68.0, -240)):
        direction, predicted = flow_theorems.theorem_3(GAME, INCONSISTENT, temperature)
        np.testing.assert_array_equal(direction, [1, -1, 0, 0, 0, 0])
        assert predicted == pytest.approx(claimed)
        losses = np.asarray(many(ends.reshape(-1, 6), temperature)).reshape(6, 6, 4)
        by_differences = losses @ [1, -1, -1, 1] / (4 * step**2)
        expected = np.asarray(curvature(temperature))
        assert direction @ expected @ direction == pytest.approx(along, abs=0.05)
        assert direction @ by_differences @ direction == pytest.approx(along, abs=0.05)
        assert np.abs(by_differences - expected).max() < 1e-3
        assert np.linalg.eigvalsh(by_differences)[0] > -1e-4


@pytest.mark.parametrize("policy", [gf.uniform, gf.softmax(0.2)], ids=["uniform", "τ = 0.2"])
def test_hessian_is_gauss_newton_at_every_zero_loss_point(policy):
    """Random payoffs and local values, so most points are not IGM-consistent; the direction of T3 never curves down."""
    rng = np.random.default_rng(1)
    q = np.stack([[rng.permutation([-1.0, 0.0, 1.2]) for _ in range(2)] for _ in range(20)])
    q += rng.uniform(-0.2, 0.2, q.shape)
    payoff = 5 * rng.normal(size=(20, 3, 3))

    def curvatures(payoff, q):
        model = interpolated(payoff, q)
        semi = fs.linearization(lambda q: gf.semi_field(model, payoff, q, policy), q)
        return fs.hessian(model, payoff, q, policy), fs.gauss_newton(model, q, policy), semi

    second, expected, semi = jax.jit(jax.vmap(curvatures))(payoff, q)
    np.testing.assert_allclose(second, expected, atol=1e-4)
    np.testing.assert_allclose(semi, -expected, atol=1e-4)
    assert np.linalg.eigvalsh(second).min() >= -1e-6
    for game, local, matrix in zip(payoff, q, second, strict=True):
        direction, predicted = flow_theorems.theorem_3(game, local, 0.2)
        if predicted < 0 and direction.any():
            assert direction @ matrix @ direction > 0


def test_hessian_differs_away_from_zero_loss():
    """The equality is about zero-loss points: with an error left, or noise that differs, the policy's terms appear."""
    model, q = interpolated(GAME, INCONSISTENT), jnp.asarray(INCONSISTENT)
    second = jax.jit(lambda payoff, variance: fs.hessian(model, payoff, q, gf.softmax(1.0), variance))
    none, equal, noise = np.zeros((3, 3)), np.full((3, 3), 9.0), np.zeros((3, 3))
    noise[1, 1] = 30.0
    expected = second(GAME, none)
    for payoff, variance in ((GAME + 1, none), (GAME, noise)):
        assert np.abs(second(payoff, variance) - expected).max() > 0.1
    np.testing.assert_allclose(second(GAME, equal), expected, atol=1e-6)  # the same everywhere: a constant


def test_replay_adds_its_own_rate_and_nothing_else():
    """At zero loss the joint system of values and buffer has the flow's eigenvalues and -1 / lag for every cell."""
    model, q, policy = interpolated(GAME, INCONSISTENT), jnp.asarray(INCONSISTENT), gf.softmax(1.0)
    x = (q, gf.behaviour(q, policy))

    def matrices(x):
        field = lambda x: gf.replay_field(model, jnp.asarray(GAME), x, policy, 5.0)  # noqa: E731
        return fs.linearization(field, x), fs.gauss_newton(model, x[0], policy)

    whole, alone = jax.jit(matrices)(x)
    expected = np.concatenate([-np.linalg.eigvalsh(alone), np.full(9, -1 / 5)])
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(whole).real), np.sort(expected), atol=1e-6)


def test_theorem_2_by_hand():
    """Two actions with π = 3/4 and 1/4: both brackets are ±1, whatever π, so the curvature is 1 / τ."""
    payoff, q = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[np.log(3), 0.0], [0.0, -1.0]])
    direction, claimed = flow_theorems.theorem_2(payoff, q, 1.0, 0, 1)
    np.testing.assert_array_equal(direction, [-1, 1, 0, 0])
    # a = u': (1 - 1/4) - (0 - 3/4) = 3/2; a = u*: (0 - 1/4) - (1 - 3/4) = -1/2.
    assert claimed == pytest.approx(1 / 4 * 9 / 4 + 3 / 4 * 1 / 4)


def test_a_trained_mixer_is_fitted_exactly():
    """A random payoff by a network of width 8: nine equations, 39 unknowns, so a set of 30 dimensions."""
    rng = np.random.default_rng(0)
    start = tuple(jnp.asarray(rng.normal(size=(4, *shape))) for shape in ((2, 8), (8,), (8,), ()))
    model, payoff = gf.trained(gf.network_mixer), jnp.asarray(rng.normal(size=(4, 3, 3)))
    point, error = fs.fit_exactly(model, payoff, (jnp.asarray(rng.normal(size=(4, 2, 3))), start))
    found = int(error.argmin())
    assert error[found] < 1e-10
    one = jax.tree.map(lambda leaf: leaf[found], point)
    np.testing.assert_allclose(model.table(one), payoff[found], atol=1e-9)
    normal, tangent = fs.normal_space(np.asarray(jax.jit(lambda x: fs.slopes(model, x))(one)))
    assert (normal.shape, tangent.shape) == ((39, 9), (39, 30))
