"""Gradient flow of local values under value-dependent behaviour: losses, vector fields, mixers that fit a payoff.

The setting is that of Hu et al. 2026 (arXiv 2511.09792), whose equation numbers are used: one state, payoff y, local
values q [N, A], joint value Q(a; q) = f(q_1(a_1), ..., q_N(a_N)) with the mixer f fixed, or trained too. Curvature
needs double precision (`jax.enable_x64`): a zero-loss point is only one to the rounding error.

What is at a rest point is in `flow_stability`, what theorems say of it in `flow_theorems`, adaptive integration in
`flow_solve`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Local values of the chosen actions, [N] -> joint value.
Mixer = Callable[[Array], Array]
# Local values [N, A] -> every agent's action probabilities [N, A].
Policy = Callable[[Float[Array, "N A"]], Float[Array, "N A"]]


class Model(NamedTuple):
    """What moves along the flow, a pytree x, and what is read from it.

    Attributes:
        local: x to local values [N, A].
        table: x to the joint values Q, N axes of length A.
    """

    local: Callable[[Any], Float[Array, "N A"]]
    table: Callable[[Any], Float[Array, "*actions"]]


# Of a model, a payoff, a point and a policy: where the point moves.
Field = Callable[[Model, Float[Array, "*actions"], Any, Policy], Any]


def fixed(mixer: Mixer) -> Model:
    """The paper's setting: x are the local values, and the mixer does not learn."""
    return Model(lambda q: q, lambda q: joint_table(mixer, q))


def trained(mixer_of: Callable[[Any], Mixer]) -> Model:
    """The setting of practice: x = (q, θ), and the mixer `mixer_of(θ)` learns as the local values do."""
    return Model(lambda x: x[0], lambda x: joint_table(mixer_of(x[1]), x[0]))


def network_mixer(params: tuple[Array, Array, Array, Array]) -> Mixer:
    """w2 · elu(q W1 + b1) + b2: in one state, QMIX's mixer without absolute values, whatever its hypernetworks.

    Args:
        params: W1 [N, width], b1 [width], w2 [width], b2 [].
    """
    w1, b1, w2, b2 = params
    return lambda chosen: jax.nn.elu(chosen @ w1 + b1) @ w2 + b2


def joint_table(mixer: Mixer, q: Float[Array, "N A"]) -> Float[Array, "*actions"]:
    """Q(a; q) of every joint action, N axes of length A."""
    shape = (q.shape[1],) * q.shape[0]
    chosen = jnp.stack([axis.ravel() for axis in jnp.meshgrid(*q, indexing="ij")], axis=-1)
    return jax.vmap(mixer)(chosen).reshape(shape)


def uniform(q: Float[Array, "N A"]) -> Float[Array, "N A"]:
    """Every action as likely."""
    return jnp.full_like(q, 1 / q.shape[1])


def softmax(temperature: float | Float[Array, ""]) -> Policy:
    """Each action as likely as its softmax of local values over τ says."""
    return lambda q: jax.nn.softmax(q / temperature, axis=-1)


def epsilon_greedy(epsilon: float | Float[Array, ""]) -> Policy:
    """An action at random with probability ε, else the local argmax: constant but where two values are equal."""
    return lambda q: (1 - epsilon) * jax.nn.one_hot(q.argmax(axis=1), q.shape[1], dtype=q.dtype) + epsilon / q.shape[1]


def behaviour(q: Float[Array, "N A"], policy: Policy) -> Float[Array, "*actions"]:
    """μ(a; q), the product of the agents' policies."""
    local = policy(q)
    product = local[0]
    for one in local[1:]:
        product = product[..., None] * one
    return product


def loss(
    model: Model,
    payoff: Float[Array, "*actions"],
    x: Any,
    policy: Policy,
    variance: float | Float[Array, "*actions"] = 0.0,
) -> Float[Array, ""]:
    """L = Σ_a μ(a; q) [(y(a) - Q(a; x))² + σ²(a)] (eq. 9 and 14; the paper has no noise, σ² is that of rewards)."""
    return jnp.sum(behaviour(model.local(x), policy) * ((payoff - model.table(x)) ** 2 + variance))


def full_field(model: Model, payoff: Float[Array, "*actions"], x: Any, policy: Policy) -> Any:
    """-∇L, behaviour differentiated too: a policy term Σ ∇μ (y - Q)² and a value term (eq. 16)."""
    return jax.tree.map(jnp.negative, jax.grad(lambda x: loss(model, payoff, x, policy))(x))


def semi_field(model: Model, payoff: Float[Array, "*actions"], x: Any, policy: Policy) -> Any:
    """2 Σ μ(a; q) (y - Q) ∇Q, the value term of eq. 16 alone: sampling is held fixed inside a step, as in practice."""
    return sampled_field(model, payoff, x, behaviour(model.local(x), policy))


def sampled_field(
    model: Model, payoff: Float[Array, "*actions"], x: Any, distribution: Float[Array, "*actions"]
) -> Any:
    """The same under any distribution of joint actions, such as that of a replay buffer."""
    table, pull = jax.vjp(model.table, x)
    return pull(2 * distribution * (payoff - table))[0]


def replay_field(
    model: Model, payoff: Float[Array, "*actions"], x_and_replay: tuple[Any, Array], policy: Policy, lag: Any
) -> tuple[Any, Array]:
    """Learning from a buffer: x follows its distribution ρ, and ρ follows behaviour, ρ' = (μ - ρ) / lag. Ours.

    Args:
        model: what moves.
        payoff: y.
        x_and_replay: x and ρ.
        policy: of the agents.
        lag: time in which the buffer is renewed, a number; without replay ρ is μ, which is `semi_field`.
    """
    x, replay = x_and_replay
    renewed = (behaviour(model.local(x), policy) - replay) / lag
    return sampled_field(model, payoff, x, replay), renewed


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
