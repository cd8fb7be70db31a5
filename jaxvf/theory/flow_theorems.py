"""Theorems 1 to 3 of Hu et al. 2026 (arXiv 2511.09792) as they stand, each a number beside which the truth can be put.

They are about points of zero loss under behaviour that is uniform (theorem 1) or the product of softmax(q_i / τ).
"""

import numpy as np
from jaxtyping import Float

# Theorem 1: under uniform behaviour the zero-loss set is infinite, and has points whose greedy joint action is wrong.


def greedy(q: Float[np.ndarray, "N A"]) -> tuple[int, ...]:
    """The joint action of the local argmaxes."""
    return tuple(int(action) for action in np.argmax(q, axis=1))


def optimum(payoff: Float[np.ndarray, "*actions"]) -> tuple[int, ...]:
    """The joint action that pays most."""
    return tuple(int(action) for action in np.unravel_index(np.argmax(payoff), payoff.shape))


def consistent(payoff: Float[np.ndarray, "*actions"], q: Float[np.ndarray, "N A"]) -> bool:
    """IGM at the optimum: whether the local argmaxes are the best joint action."""
    return bool(payoff[greedy(q)] >= payoff.max())


def theorem_2(
    payoff: Float[np.ndarray, "*actions"], q: Float[np.ndarray, "N A"], temperature: float, agent: int, action: int
) -> tuple[Float[np.ndarray, "M"], float]:
    """Direction and curvature of the proof of Theorem 2, at a zero-loss point whose greedy joint action is u*.

    Returns:
        v = e_{i, u'} - e_{i, u*_i} over the flattened local values, and
        (1 / τ) Σ_a μ(a) [(1{a_i = u'} - π_i(u')) - (1{a_i = u*_i} - π_i(u*_i))]² (eq. 19).
    """
    best = optimum(payoff)[agent]
    shifted = np.exp((q[agent] - q[agent].max()) / temperature)
    policy = shifted / shifted.sum()
    one_hot = np.eye(q.shape[1])
    spread = (one_hot[action] - policy[action]) - (one_hot[best] - policy[best])  # by a_i
    return _towards(q, agent, action, best), float((policy * spread**2).sum() / temperature)


def theorem_3(
    payoff: Float[np.ndarray, "*actions"], q: Float[np.ndarray, "N A"], temperature: float, agent: int = 0
) -> tuple[Float[np.ndarray, "M"], float]:
    """Direction and curvature that Theorem 3 claims at a zero-loss point whose greedy joint action g is not u*.

    Returns:
        v = e_{i, u*_i} - e_{i, g_i} over the flattened local values, and -(2 / τ) (y(u*) - y(g)) (eq. 21).
    """
    best, played = optimum(payoff), greedy(q)
    claimed = -2 / temperature * (payoff[best] - payoff[played])
    return _towards(q, agent, best[agent], played[agent]), float(claimed)


def _towards(q: Float[np.ndarray, "N A"], agent: int, up: int, down: int) -> Float[np.ndarray, "M"]:
    direction = np.zeros(q.shape)
    direction[agent, up] += 1
    direction[agent, down] -= 1
    return direction.ravel()
