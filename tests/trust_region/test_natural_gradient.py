"""The trust-region step: curvature against the dense Hessian, conjugate gradients, and an honest line search."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxvf.trust_region.actor_critic import ActorParams, Actors
from jaxvf.trust_region.distributions import divergence
from jaxvf.trust_region.natural_gradient import (
    conjugate_gradient,
    curvature_product,
    full_step,
    line_search,
    trust_region_step,
)
from jaxvf.trust_region.networks import FeedForward

QUICK = {"xla_backend_optimization_level": 0}  # compile time is most of these tests' time
ACTORS = Actors(FeedForward(hidden=3, layers=1, activation="tanh", layer_norm=False), shared=True)


def setup(continuous, normals):
    """Flat parameters of a small actor, and its policy at six observations, one action masked."""
    obs = jax.random.normal(jax.random.key(0), (1, 6, 2))
    avail = jnp.ones((1, 6, 3), bool).at[0, :3, 2].set(False)
    carry, started = jnp.zeros((6, 0)), jnp.zeros((1, 6), bool)
    network = normals(ACTORS.ensemble(3).init, jax.random.key(1), 2, 1)
    network = jax.tree.map(lambda leaf: leaf.astype(np.float64), network)
    flat, restore = ravel_pytree(ActorParams(network, jnp.array([0.5, 1.0, -1.0]) if continuous else None))

    def policy(flat):
        return ACTORS.policy(restore(flat), obs, carry, started, avail)

    return flat, policy


@pytest.mark.parametrize("continuous", [False, True])
def test_curvature_product_is_the_hessian_of_the_kl(continuous, normals):
    """F v by forward over reverse mode equals (dense Hessian + 0.1) v, and J'MJ v, to float64 precision."""

    def products(flat):
        old = policy(flat)

        def mean_kl(x):
            return divergence(old, policy(x)).mean()

        v = jax.random.normal(jax.random.key(3), flat.shape, jnp.float64)
        moments = (lambda x: jnp.stack([policy(x).mean, policy(x).std])) if continuous else (lambda x: policy(x).logits)
        jacobian = jax.jacfwd(moments)(flat)
        return v, curvature_product(mean_kl, flat)(v), jax.jacfwd(jax.grad(mean_kl))(flat), jacobian, old

    with jax.enable_x64(True):
        flat, policy = setup(continuous, normals)
        found = jax.jit(products, compiler_options=QUICK)(flat)
    v, product, dense, jacobian, old = jax.tree.map(np.asarray, found)
    np.testing.assert_allclose(product, dense @ v + 0.1 * v, atol=1e-12)
    assert np.linalg.eigvalsh(dense).min() > -1e-12 and np.abs(dense).max() > 1e-3
    # Fisher's metric of six samples: of means and standard deviations, or of log-probabilities.
    metric = np.stack([1 / old.std**2, 2 / old.std**2]) if continuous else np.exp(old.logits)
    jacobian, metric = jacobian.reshape(-1, v.size), (metric * np.asarray(old.avail) / 6).ravel()
    gauss_newton = jacobian.T @ (metric * (jacobian @ v))
    np.testing.assert_allclose(product, gauss_newton + 0.1 * v, atol=1e-12)


def test_conjugate_gradients_solve_a_small_system():
    """Eight steps are exact for eight unknowns; a solved system stays solved for the steps that are left."""
    root = jax.random.normal(jax.random.key(0), (8, 8))
    matrix, target = root @ root.T + jnp.eye(8), jnp.arange(8.0)
    for steps in (8, 30):
        solution = conjugate_gradient(lambda v: matrix @ v, target, steps=steps)
        np.testing.assert_allclose(matrix @ solution, target, atol=5e-3)
    np.testing.assert_array_equal(conjugate_gradient(lambda v: matrix @ v, jnp.zeros(8)), np.zeros(8))


@pytest.mark.golden("hatrpo", "clip_hatrpo", "unweighted_hatrpo")
def test_the_full_step_has_the_radius_in_the_quadratic_model():
    matrix, gradient = jnp.diag(jnp.array([1.0, 4.0])), jnp.array([1.0, 2.0])
    step = full_step(lambda v: matrix @ v, gradient, 0.02)
    np.testing.assert_allclose(0.5 * step @ matrix @ step, 0.02, rtol=1e-5)
    np.testing.assert_allclose(step[1] / step[0], 0.5, rtol=1e-4)  # F⁻¹g = (1, 1/2)


START, STEP = jnp.zeros(1), jnp.ones(1)


def search(surrogate, kl, radius=0.5):
    return line_search(surrogate, kl, START, STEP, jnp.ones(1), radius, backtrack=0.8)


def test_line_search_takes_the_first_good_candidate():
    """KL x² must be strictly below 0.5: 1 and 0.8 fail (1, 0.64), 0.64 is the third trial."""
    done = search(lambda x: x[0], lambda x: x[0] ** 2)
    assert done.accepted and done.trials == 3
    np.testing.assert_allclose([done.params[0], done.kl, done.gain], [0.64, 0.64**2, 0.64], rtol=1e-6)
    assert search(lambda x: x[0], lambda x: 0.5 * x[0] ** 2).trials == 2  # 0.5 itself is not below 0.5


def test_line_search_wants_half_of_the_promised_gain():
    """The surrogate x - x² gains x (1 - x): more than half of x only below 1/2, first at 0.8^4 = 0.41."""
    done = search(lambda x: x[0] - x[0] ** 2, lambda x: 0.0 * x[0])
    assert done.trials == 5
    np.testing.assert_allclose(done.params[0], 0.8**4, rtol=1e-6)


@pytest.mark.parametrize(
    ("surrogate", "kl"),
    [
        (lambda x: -x[0], lambda x: 0.0 * x[0]),  # no gain anywhere
        (lambda x: x[0], lambda x: 1.0 + 0.0 * x[0]),  # always too far
        (lambda x: jnp.where(x[0] > 0, jnp.nan, 0.0), lambda x: 0.0 * x[0]),
    ],
)
def test_a_failed_line_search_changes_nothing(surrogate, kl):
    done = search(surrogate, kl)
    assert not done.accepted and done.trials == 10
    np.testing.assert_array_equal(done.params, START)
    assert done.kl == 0 and done.gain == 0


def test_mapped_steps_equal_single_ones():
    """Runs that need different numbers of trials share a program and none of their numbers."""
    curvature = jnp.array([1.0, 50.0, 0.0])  # the last has no curvature at all, and no step that is kept

    def step(c):
        gain = lambda x: x.sum() - c * jnp.sum(jnp.abs(x) ** 1.5) * 0.3  # noqa: E731
        return trust_region_step(gain, lambda x: c * jnp.sum(x**2 + x**4), jnp.zeros(2), 0.05)

    together = jax.jit(jax.vmap(step), compiler_options=QUICK)(curvature)
    single = jax.jit(step, compiler_options=QUICK)
    alone = [single(c) for c in curvature]
    for index, one in enumerate(alone):
        np.testing.assert_allclose(together.params[index], one.params, rtol=1e-5)
        assert together.trials[index] == one.trials
    assert together.accepted[0] and together.kl[0] < 0.05
