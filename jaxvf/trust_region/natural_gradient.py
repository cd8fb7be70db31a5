"""The trust-region step: curvature products, conjugate gradients, and a line search that keeps the KL within δ.

Everything has a fixed length and freezes by masks: a `while_loop` under vmap runs until the slowest run ends.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# The numbers of HARL, which Le & Ta 2025 keep.
DAMPING = 0.1
CG_STEPS = 10
CG_TOLERANCE = 1e-10  # of the squared residual
SEARCH_STEPS = 10
ACCEPT_RATIO = 0.5  # of the gain that the gradient promises
TINY = 1e-20  # keeps denominators away from 0

Vector = Float[Array, "P"]


class Step(NamedTuple):
    """What a trust-region step did."""

    params: Vector
    accepted: Bool[Array, ""]
    trials: Int[Array, ""]  # candidates tried: 1 where the full step was taken, SEARCH_STEPS where none was
    kl: Float[Array, ""]  # of the accepted candidate, 0 without one
    gain: Float[Array, ""]  # of the surrogate


def curvature_product(
    mean_kl: Callable[[Vector], Float[Array, ""]], params: Vector, *, damping: float = DAMPING
) -> Callable[[Vector], Vector]:
    """The map v -> (∇² mean KL) v + damping · v at `params`, by forward over reverse mode; no matrix is formed."""
    grad = jax.grad(mean_kl)

    def product(v: Vector) -> Vector:
        return jax.jvp(grad, (params,), (v,))[1] + damping * v

    return product


def conjugate_gradient(product: Callable[[Vector], Vector], target: Vector, *, steps: int = CG_STEPS) -> Vector:
    """Solve product(x) = target from 0 in at most `steps` steps; frozen once the squared residual is below 1e-10."""

    def step(carried: tuple[Array, ...], _: None) -> tuple[tuple[Array, ...], None]:
        x, residual, direction, squared = carried
        going = squared >= CG_TOLERANCE
        curved = product(direction)
        length = squared / jnp.maximum(direction @ curved, TINY)
        next_residual = residual - length * curved
        next_squared = next_residual @ next_residual
        next_direction = next_residual + next_squared / jnp.maximum(squared, TINY) * direction
        moved = (x + length * direction, next_residual, next_direction, next_squared)
        return jax.tree.map(lambda new, old: jnp.where(going, new, old), moved, carried), None

    start = (jnp.zeros_like(target), target, target, target @ target)
    return jax.lax.scan(step, start, None, length=steps)[0][0]


def full_step(
    product: Callable[[Vector], Vector], gradient: Vector, radius: float | Float[Array, ""], *, steps: int = CG_STEPS
) -> Vector:
    """The step along F⁻¹g whose quadratic model of the KL is `radius`; the damping stays inside."""
    direction = conjugate_gradient(product, gradient, steps=steps)
    return jnp.sqrt(2 * radius / jnp.maximum(direction @ product(direction), TINY)) * direction


def quadratic_gain(
    surrogate: Callable[[Vector], Float[Array, ""]], mean_kl: Callable[[Vector], Float[Array, ""]], params: Vector
) -> Float[Array, ""]:
    """The number a = gᵀF⁻¹g, the damping in F: a step of divergence δ gains √(2 δ a) to first order."""
    gradient = jax.grad(surrogate)(params)
    return gradient @ conjugate_gradient(curvature_product(mean_kl, params), gradient)


def shared_radii(gains: Float[Array, "N"], total: float | Float[Array, ""]) -> Float[Array, "N"]:
    """The division of a budget of divergence over agents that maximizes what all expect to gain.

        max Σ_i √(2 δ_i a_i)  subject to  Σ_i δ_i = Δ      has      δ_i = Δ a_i / Σ_j a_j

    Derived here, after the idea of a budget in common (arXiv 2508.10340, whose own formula was not at hand): in a
    maximum all derivatives √(a_i / (2 δ_i)) are one number, so that δ_i grows with a_i. What is not a positive number
    (an agent that was dead in all samples, a gradient that is not finite) gets nothing.

    Args:
        gains: a_i = g_iᵀF_i⁻¹g_i.
        total: Δ.
    """
    gains = jnp.where(jnp.isfinite(gains), jnp.maximum(gains, 0.0), 0.0)
    return total * (gains / jnp.maximum(gains.sum(), TINY))


def line_search(
    surrogate: Callable[[Vector], Float[Array, ""]],
    mean_kl: Callable[[Vector], Float[Array, ""]],
    params: Vector,
    step: Vector,
    gradient: Vector,
    radius: float | Float[Array, ""],
    *,
    backtrack: float | Float[Array, ""] = 0.8,
) -> Step:
    """The first of 10 candidates `params + backtrack^j step` that keeps the KL below `radius` and gains enough.

    Enough is more than half of what the gradient promises, and more than nothing. Without such a candidate the
    parameters stay as they are (Kuba et al. 2022).
    """
    before, promised = surrogate(params), gradient @ step

    def candidate(found: Step, place: Int[Array, ""]) -> tuple[Step, None]:
        fraction = jnp.asarray(backtrack, jnp.float32) ** place
        trial = params + fraction * step
        kl, gain = mean_kl(trial), surrogate(trial) - before
        # A candidate that is not finite fails every comparison.
        enough = (promised > 0) & (gain > ACCEPT_RATIO * fraction * promised)
        good = enough & (kl < radius) & jnp.isfinite(trial).all()
        here = Step(trial, good, place + 1, jnp.where(good, kl, 0.0), jnp.where(good, gain, 0.0))
        here = here._replace(params=jnp.where(good, trial, params))
        return jax.tree.map(lambda old, new: jnp.where(found.accepted, old, new), found, here), None

    start = Step(params, jnp.bool_(False), jnp.int32(0), jnp.float32(0), jnp.float32(0))
    return jax.lax.scan(candidate, start, jnp.arange(SEARCH_STEPS, dtype=jnp.int32))[0]


def trust_region_step(
    surrogate: Callable[[Vector], Float[Array, ""]],
    mean_kl: Callable[[Vector], Float[Array, ""]],
    params: Vector,
    radius: float | Float[Array, ""],
    *,
    backtrack: float | Float[Array, ""] = 0.8,
) -> Step:
    """One natural-gradient step of at most `radius` mean KL that improves `surrogate`.

    Args:
        surrogate: what to maximize.
        mean_kl: mean KL from the policy that collected; its minimum 0 is at `params`.
        params: flat parameters of one agent.
        radius: δ.
        backtrack: factor between one candidate of the line search and the next.
    """
    gradient = jax.grad(surrogate)(params)
    step = full_step(curvature_product(mean_kl, params), gradient, radius)
    return line_search(surrogate, mean_kl, params, step, gradient, radius, backtrack=backtrack)
