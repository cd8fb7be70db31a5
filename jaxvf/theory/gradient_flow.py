"""Gradient flow of local values under a fixed mixer and value-dependent behaviour: losses, curvature, trajectories.

The setting is that of Hu et al. 2026 (arXiv 2511.09792), whose equation numbers are used: one state, payoff y, local
values q [N, A], joint value Q(a; q) = f(q_1(a_1), ..., q_N(a_N)) with the mixer f fixed. Curvature needs double
precision (`jax.enable_x64`): a zero-loss point is only one to the rounding error.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Local values of the chosen actions, [N] -> joint value.
Mixer = Callable[[Array], Array]
Temperature = float | Float[Array, ""] | None  # None: every joint action is as likely


def joint_table(mixer: Mixer, q: Float[Array, "N A"]) -> Float[Array, "*actions"]:
    """Q(a; q) of every joint action, N axes of length A."""
    shape = (q.shape[1],) * q.shape[0]
    chosen = jnp.stack([axis.ravel() for axis in jnp.meshgrid(*q, indexing="ij")], axis=-1)
    return jax.vmap(mixer)(chosen).reshape(shape)


def behaviour(q: Float[Array, "N A"], temperature: Temperature) -> Float[Array, "*actions"]:
    """μ(a; q): product of softmax(q_i / τ), or uniform where the temperature is None."""
    local = jnp.full_like(q, 1 / q.shape[1]) if temperature is None else jax.nn.softmax(q / temperature, axis=-1)
    product = local[0]
    for policy in local[1:]:
        product = product[..., None] * policy
    return product


def loss(
    mixer: Mixer, payoff: Float[Array, "*actions"], q: Float[Array, "N A"], temperature: Temperature
) -> Float[Array, ""]:
    """L(q) = Σ_a μ(a; q) (y(a) - Q(a; q))² (eq. 9 and 14)."""
    return jnp.sum(behaviour(q, temperature) * (payoff - joint_table(mixer, q)) ** 2)


def hessian(
    mixer: Mixer, payoff: Float[Array, "*actions"], q: Float[Array, "N A"], temperature: Temperature
) -> Float[Array, "M M"]:
    """Second derivatives of `loss` over the flattened local values, M = N A."""
    second = jax.hessian(lambda q: loss(mixer, payoff, q, temperature))(q)
    return second.reshape(q.size, q.size)


def gauss_newton(mixer: Mixer, q: Float[Array, "N A"], temperature: Temperature) -> Float[Array, "M M"]:
    """2 Σ_a μ(a; q) ∇Q(a) ∇Q(a)ᵀ: the Hessian wherever every error is 0, never negative.

    Not in the paper; it follows from differentiating eq. 14 twice, and contradicts Theorem 3 (`theorem_3`).
    """
    slopes = jax.jacobian(lambda q: joint_table(mixer, q))(q).reshape(-1, q.size)
    return 2 * slopes.T @ (behaviour(q, temperature).reshape(-1, 1) * slopes)


def theorem_3(
    payoff: Float[np.ndarray, "*actions"], q: Float[np.ndarray, "N A"], temperature: float, agent: int = 0
) -> tuple[Float[np.ndarray, " M"], float]:
    """Direction and curvature that Theorem 3 claims at a zero-loss point whose greedy joint action g is not u*.

    Returns:
        v = e_{i, u*_i} - e_{i, g_i} over the flattened local values, and -(2 / τ) (y(u*) - y(g)) (eq. 21).
    """
    optimum, greedy = np.unravel_index(np.argmax(payoff), payoff.shape), tuple(np.argmax(q, axis=1))
    direction = np.zeros(q.shape)
    direction[agent, optimum[agent]] += 1
    direction[agent, greedy[agent]] -= 1
    return direction.ravel(), float(-2 / temperature * (payoff[optimum] - payoff[greedy]))


def lagrange_mixer(payoff: Float[Array | np.ndarray, "*actions"], q: Float[Array | np.ndarray, "N A"]) -> Mixer:
    """Polynomial f that interpolates the payoff at the local values, so that `q` has zero loss exactly.

    f(x) = Σ_a y(a) Π_i ℓ_{i, a_i}(x_i), with ℓ_{i, k} the Lagrange polynomial that is 1 at q_i(k) and 0 at agent i's
    other values. Values of one agent must differ from each other.
    """
    n_actions = q.shape[1]
    other = ~jnp.eye(n_actions, dtype=bool)
    spacing = jnp.where(other, q[:, :, None] - q[:, None, :], 1.0)  # [N, k, m]: q_i(k) - q_i(m)

    def mix(chosen: Float[Array, " N"]) -> Float[Array, ""]:
        factors = jnp.where(other, (chosen[:, None, None] - q[:, None, :]) / spacing, 1.0)
        value = jnp.asarray(payoff)
        for basis in factors.prod(axis=-1):
            value = jnp.tensordot(basis, value, axes=(0, 0))
        return value

    return mix


def full_flow(
    mixer: Mixer,
    payoff: Float[Array, "*actions"],
    q: Float[Array, "N A"],
    temperature: Temperature,
    dt: float,
    steps: int,
) -> Float[Array, "N A"]:
    """End of q' = -∇L(q), behaviour differentiated too, by explicit Euler steps (eq. 16)."""
    gradient = jax.grad(lambda q: loss(mixer, payoff, q, temperature))
    return jax.lax.fori_loop(0, steps, lambda _, q: q - dt * gradient(q), q)


def semi_gradient_flow(
    mixer: Mixer,
    payoff: Float[Array, "*actions"],
    q: Float[Array, "N A"],
    temperature: Temperature,
    dt: float,
    steps: int,
) -> Float[Array, "N A"]:
    """End of q' = 2 Σ μ(a; q) (y - Q) ∇Q: the value term of eq. 16 alone, as sampling is held fixed inside a step."""

    def step(_: Int[Array, ""], q: Array) -> Array:
        error, pull = jax.vjp(lambda q: payoff - joint_table(mixer, q), q)
        return q - dt * pull(2 * behaviour(q, temperature) * error)[0]

    return jax.lax.fori_loop(0, steps, step, q)
