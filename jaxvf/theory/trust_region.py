"""Exact moments of preceding-agent weights in one-step games, and the bounds on what clipping them costs.

Le & Ta 2025 (doi 10.1007/s10458-025-09695-8) bound the product of the preceding agents' ratios from above, and claim
that its variance grows exponentially and that the clipped objective improves monotonically. Their theorems were not at
hand: the identities and bounds here are derived anew, and the constants may differ from the paper's. They are checked
by full enumeration of joint actions. Agents move in the order of their axis. Everything is NumPy in float64: these are
checks of theory, not training.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Numbers = np.ndarray


class Movement(NamedTuple):
    """Games, and policies before and after each agent's move; G games, J = A^N joint actions."""

    joint: Float[np.ndarray, "G J"]  # probability of joint actions under the old policies
    ratios: Float[np.ndarray, "G N J"]  # new over old probability of each agent's own action
    advantage: Float[np.ndarray, "G J"]  # payoff minus its mean under the old policies
    old: Float[np.ndarray, "G N A"]
    new: Float[np.ndarray, "G N A"]

    @property
    def weights(self) -> Float[np.ndarray, "G N J"]:
        """w_m: product of the ratios of the agents before position m; 1 for the first."""
        products = np.cumprod(self.ratios, axis=1)
        return np.concatenate([np.ones_like(products[:, :1]), products[:, :-1]], axis=1)

    def mean(self, values: Float[np.ndarray, "G *m J"]) -> Float[np.ndarray, "G *m"]:
        """Expectation under the old policies."""
        joint = self.joint.reshape(self.joint.shape[0], *[1] * (values.ndim - 2), -1)
        return (joint * values).sum(axis=-1)

    @property
    def chi2(self) -> Float[np.ndarray, "G N"]:
        """χ² divergence of every agent's new policy from its old one."""
        return (self.new**2 / self.old).sum(axis=-1) - 1

    @property
    def variation(self) -> Float[np.ndarray, "G N"]:
        """Total variation between every agent's own policies, tv_m."""
        return 0.5 * np.abs(self.new - self.old).sum(axis=-1)

    @property
    def preceding_variation(self) -> Float[np.ndarray, "G N"]:
        """Total variation between the preceding agents' joint policies, TV_m."""
        return 0.5 * self.mean(np.abs(self.weights - 1))

    def kl(self, *, forward: bool) -> Float[np.ndarray, "G N"]:
        """KL(old || new) of every agent, or KL(new || old)."""
        from_, to = (self.old, self.new) if forward else (self.new, self.old)
        return (from_ * np.log(from_ / to)).sum(axis=-1)


def movement(
    payoff: Float[np.ndarray, "G *A"], old: Float[np.ndarray, "G N A"], new: Float[np.ndarray, "G N A"]
) -> Movement:
    """The movement of the agents of games with these payoffs; all probabilities are positive."""
    games, agents, actions = old.shape
    chosen = np.indices((actions,) * agents).reshape(agents, -1)  # [N, J]
    own_old, own_new = (np.stack([p[:, i, chosen[i]] for i in range(agents)], axis=1) for p in (old, new))
    joint = own_old.prod(axis=1)
    flat = payoff.reshape(games, -1)
    advantage = flat - (joint * flat).sum(axis=-1, keepdims=True)
    return Movement(joint, own_new / own_old, advantage, old, new)


def random_movement(
    rng: np.random.Generator, games: int, agents: int, actions: int, *, scale: float | np.ndarray = 1.0
) -> Movement:
    """Normal payoffs, Dirichlet old policies, and new ones whose logits moved by normals of this scale."""
    payoff = rng.normal(size=(games, *(actions,) * agents))
    old = rng.dirichlet(np.ones(actions), size=(games, agents)) * (1 - 1e-3) + 1e-3 / actions
    step = rng.normal(size=old.shape) * np.reshape(scale, (-1, 1, 1))
    new = old * np.exp(step - step.max(axis=-1, keepdims=True))
    return movement(payoff, old, new / new.sum(axis=-1, keepdims=True))


def second_moment_by_product(moved: Movement) -> Float[np.ndarray, "G N"]:
    """E[w_m²] as the product of (1 + χ²) over the preceding agents."""
    products = np.cumprod(1 + moved.chi2, axis=1)
    return np.concatenate([np.ones_like(products[:, :1]), products[:, :-1]], axis=1)


def tilted_advantage(moved: Movement) -> Float[np.ndarray, "G N"]:
    """E_q[A²] for every position, the preceding agents drawn from q ∝ new²/old, the others from the old."""
    games, agents, actions = moved.old.shape
    tilted = moved.new**2 / moved.old
    tilted /= tilted.sum(axis=-1, keepdims=True)
    chosen = np.indices((actions,) * agents).reshape(agents, -1)
    moments = np.empty((games, agents))
    for position in range(agents):
        mixed = np.where(np.arange(agents)[:, None] < position, tilted, moved.old)
        joint = np.stack([mixed[:, i, chosen[i]] for i in range(agents)], axis=1).prod(axis=1)
        moments[:, position] = (joint * moved.advantage**2).sum(axis=-1)
    return moments


def improvement(moved: Movement) -> Float[np.ndarray, "G"]:
    """J(new) - J(old), exact."""
    return moved.mean(moved.ratios.prod(axis=1) * moved.advantage)


def clipped_surrogates(moved: Movement) -> Float[np.ndarray, "G N"]:
    """E[min(w_m, 1) (u_m - 1) A] for every position: the clipped surrogate."""
    clipped = np.minimum(moved.weights, 1)
    return moved.mean(clipped * (moved.ratios - 1) * moved.advantage[:, None])


def slacks(moved: Movement) -> dict[str, Numbers]:
    """How far every statement is from being violated, by its name: right side minus left side, or -|difference|.

    w is the product of the preceding agents' ratios, c = min(w, 1), u an agent's own ratio, A the advantage, TV the
    total variation of the preceding agents' joint policy. An identity's slack is minus the relative difference of its
    two sides; a bound's is in units of the payoff.
    """
    weights, advantage = moved.weights, moved.advantage[:, None]
    clipped, largest = np.minimum(weights, 1), np.abs(moved.advantage).max(axis=-1, keepdims=True)
    own, preceding = moved.variation, moved.preceding_variation
    second, square = moved.mean(weights**2), moved.mean(advantage**2)
    clipped_square = moved.mean((clipped * advantage) ** 2)
    bias = np.abs(moved.mean((weights - clipped) * advantage))
    step_bias = np.abs(moved.mean((weights - clipped) * (moved.ratios - 1) * advantage))
    kl_before, pinsker_before = {}, {}
    for forward in (True, False):
        kl = moved.kl(forward=forward)
        kl_before[forward] = np.cumsum(kl, axis=1) - kl
        pinsker_before[forward] = np.minimum(1, np.sqrt(kl_before[forward] / 2))
    kl_of_own = np.sqrt(moved.kl(forward=True) / 2)
    weighted_square, tilted_square = moved.mean((weights * advantage) ** 2), tilted_advantage(moved)
    gain, surrogate = improvement(moved), clipped_surrogates(moved)
    kl_penalty = 2 * largest * pinsker_before[True] * kl_of_own
    return {
        "E[w] = 1": -np.abs(moved.mean(weights) - 1),
        "E[w²] is the product of 1 + χ²": -np.abs(second / second_moment_by_product(moved) - 1),
        "Var w ≥ exp(Σ KL) - 1": (second - 1) - np.expm1(kl_before[False]),
        "E[(wA)²] is E[w²] of a tilted E[A²]": -np.abs(weighted_square / (second * tilted_square) - 1),
        "E[(cA)²] ≤ E[A²]": square - clipped_square,
        "E[c] = 1 - TV": -np.abs(moved.mean(clipped) - (1 - preceding)),
        "E[(cA)²] ≤ min(E[A²], max A² (1 - TV))": np.minimum(square, largest**2 * (1 - preceding)) - clipped_square,
        "|E[wA] - E[cA]| ≤ max|A| TV": largest * preceding - bias,
        "|E[(w - c)(u - 1)A]| ≤ 2 max|A| TV tv": 2 * largest * preceding * own - step_bias,
        "TV ≤ √(Σ KL / 2)": np.minimum(pinsker_before[True], pinsker_before[False]) - preceding,
        "improvement bound": bound_slack(moved),
        "improvement bound, KL form": gain - (surrogate - kl_penalty).sum(axis=1),
    }


def bound_slack(moved: Movement, *, share: float = 1.0) -> Float[np.ndarray, "G"]:
    """True gain minus the bound J(new) - J(old) ≥ Σ_m (E[c (u - 1) A] - 2 max|A| TV tv); below 0 where it is violated.

    Args:
        moved: games and policies.
        share: the factor of the penalty, the second term.
    """
    return improvement(moved) - clipped_surrogates(moved).sum(axis=1) + share * _penalty(moved)


def _penalty(moved: Movement) -> Float[np.ndarray, "G"]:
    largest = np.abs(moved.advantage).max(axis=-1)
    return (2 * largest[:, None] * moved.preceding_variation * moved.variation).sum(axis=1)


def penalty_share(moved: Movement) -> Float[np.ndarray, "G"]:
    """|true gain - clipped surrogate| as a share of that bound's penalty: how loose the bound is."""
    return np.abs(improvement(moved) - clipped_surrogates(moved).sum(axis=1)) / _penalty(moved)
