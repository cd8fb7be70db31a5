"""What a flow does beside a rest point: Hessian, Gauss-Newton, the zero-loss set's normal space, time constants.

Nothing here is from the paper (Hu et al. 2026, arXiv 2511.09792) but the question. At a zero-loss point every error
y - Q is 0, so of the second derivatives of Σ μ (y - Q)² only 2 Σ μ ∇Q ∇Qᵀ is left, for any behaviour and any mixer, and
the semi-gradient's linearization is its negative too.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Complex, Float

from jaxvf.theory.gradient_flow import Model, Policy, behaviour, loss

# Eigenvalues below this share of the largest are rounding: double precision keeps 16 digits of a sum of squares.
ROUNDING = 1e-12
# Least singular value of the slopes, as a share of the largest, that spans a direction of the normal space.
FLAT = 1e-7

ATTRACTING, NEUTRAL, REPELLING = "attracting", "neutral", "repelling"


def hessian(
    model: Model,
    payoff: Float[Array, "*actions"],
    x: Any,
    policy: Policy,
    variance: float | Float[Array, "*actions"] = 0.0,
) -> Float[Array, "M M"]:
    """Second derivatives of the loss over the flattened x."""
    flat, whole = ravel_pytree(x)
    return jax.hessian(lambda flat: loss(model, payoff, whole(flat), policy, variance))(flat)


def slopes(model: Model, x: Any) -> Float[Array, "J M"]:
    """∇Q of every joint action over the flattened x."""
    flat, whole = ravel_pytree(x)
    return jax.jacobian(lambda flat: model.table(whole(flat)).ravel())(flat)


def gauss_newton(model: Model, x: Any, policy: Policy) -> Float[Array, "M M"]:
    """2 Σ_a μ(a; q) ∇Q(a) ∇Q(a)ᵀ: the Hessian wherever every error is 0, never negative."""
    each = slopes(model, x)
    return 2 * each.T @ (behaviour(model.local(x), policy).reshape(-1, 1) * each)


def linearization(field: Callable[[Any], Any], x: Any) -> Float[Array, "M M"]:
    """Derivatives of the flattened field: perturbations of a rest point follow x' = J x."""
    flat, whole = ravel_pytree(x)
    return jax.jacobian(lambda flat: ravel_pytree(field(whole(flat)))[0])(flat)


def normal_space(each: Float[np.ndarray, "J M"]) -> tuple[Float[np.ndarray, "M r"], Float[np.ndarray, "M t"]]:
    """Orthonormal bases of the directions in which some joint value changes, and of those in which none does.

    Where the slopes have this rank all around, the second space is the tangent of the zero-loss set, M - r its
    dimension.
    """
    _, sizes, directions = np.linalg.svd(each)
    rank = int((sizes > FLAT * sizes[0]).sum())
    return directions[:rank].T, directions[rank:].T


class Stability(NamedTuple):
    """How perturbations of a rest point grow or shrink.

    Attributes:
        kind: repelling where some direction grows, else neutral where some direction of the space that was asked about
            stays, else attracting.
        eigenvalues: of the linearization, by falling real part.
        slowest: largest time constant 1 / |Re λ| of those that are not neutral; infinite where all are.
        fastest: the smallest.
    """

    kind: str
    eigenvalues: Complex[np.ndarray, "M"]
    slowest: float
    fastest: float


def stability(jacobian: Float[np.ndarray, "M M"], rounding: float = ROUNDING) -> Stability:
    """The kind of a rest point from the linearization there, or from its part in a space that is carried into itself.

    Args:
        jacobian: of the flow.
        rounding: real parts below this share of the largest eigenvalue count as 0.
    """
    found = np.linalg.eigvals(jacobian).astype(complex)
    found = found[np.argsort(-np.real(found))]
    rate = np.real(found)
    still = np.abs(rate) <= rounding * np.abs(found).max(initial=0.0)
    moving = np.abs(rate[~still])
    kind = REPELLING if (rate[~still] > 0).any() else NEUTRAL if still.any() else ATTRACTING
    slowest, fastest = (1 / moving.min(), 1 / moving.max()) if moving.size else (np.inf, np.inf)
    return Stability(kind, found, float(slowest), float(fastest))


def fit_exactly(
    model: Model, payoff: Float[Array, "P *actions"], start: Any, steps: int = 200, tolerance: float = 1e-10
) -> tuple[Any, Float[np.ndarray, "P"]]:
    """Zero-loss points near P starts, by damped Gauss-Newton steps of least norm (Levenberg-Marquardt).

    Args:
        model: what is fitted.
        payoff: of every start.
        start: points x, leaves [P, ...].
        steps: at most.
        tolerance: largest error of a table that is left alone.

    Returns:
        Points, and the largest error of each: above the tolerance where no zero-loss point was found.
    """
    whole = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], start))[1]
    flat = np.asarray(jax.vmap(lambda x: ravel_pytree(x)[0])(start))
    target = np.asarray(payoff).reshape(len(flat), -1)
    both = jax.jit(jax.vmap(lambda flat: (model.table(whole(flat)).ravel(), slopes(model, whole(flat)))))
    table, each = (np.asarray(part) for part in both(flat))
    damping = np.ones(len(flat))
    for _ in range(steps):
        error = target - table
        left = np.abs(error).max(axis=1) > tolerance
        if not left.any():
            break
        curvature = each @ each.transpose(0, 2, 1) + damping[:, None, None] * np.eye(target.shape[1])
        step = np.einsum("pjm,pj->pm", each, np.linalg.solve(curvature, error[..., None])[..., 0])
        there = flat + step
        table_there, each_there = (np.asarray(part) for part in both(there))
        better = left & (((target - table_there) ** 2).sum(axis=1) < (error**2).sum(axis=1))
        flat, table = (np.where(better[:, None], new, old) for new, old in ((there, flat), (table_there, table)))
        each = np.where(better[:, None, None], each_there, each)
        damping = np.clip(np.where(better, damping / 10, damping * 10), 1e-12, 1e12)
    return jax.vmap(whole)(jnp.asarray(flat)), np.abs(target - table).max(axis=1)
