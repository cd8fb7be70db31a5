"""Exact ascent of a team to a Nash equilibrium in random one-step games.

Le & Ta 2025 (doi 10.1007/s10458-025-09695-8) claim that clipped sequential updates converge to one; this check is ours.

Agents take exponentiated steps on exact expected advantages, in the order of their axis, in float64.
"""

import numpy as np
from jaxtyping import Float


def ascend(
    payoff: Float[np.ndarray, "G *A"], size: float, steps: int, update: str
) -> tuple[Float[np.ndarray, "S G"], Float[np.ndarray, "S G"]]:
    """Team payoff and Nash gap before every step, from uniform policies.

    Args:
        payoff: of G games.
        size: η; an agent's policy becomes proportional to its old one times exp(η g).
        steps: S.
        update: "is": each agent's g is the advantage of its actions under what the preceding agents now play, which is
            what the product of their ratios re-estimates; "clip": that product is at most 1; "simultaneous": all
            agents move on the advantages of the old joint policy.
    """
    games, agents, actions = payoff.shape[0], payoff.ndim - 1, payoff.shape[1]
    chosen = np.indices((actions,) * agents).reshape(agents, -1)
    flat, onehot = payoff.reshape(games, -1), np.eye(actions)[chosen]  # [N, J, A]
    policy = np.full((games, agents, actions), 1 / actions)
    values, gaps = np.empty((2, steps, games))
    for step in range(steps):
        own = policy[:, np.arange(agents)[:, None], chosen]  # [G, N, J]
        joint = own.prod(axis=1)
        values[step] = (joint * flat).sum(axis=1)
        advantage = flat - values[step][:, None]
        # E[A | a_i] under the others' old policies, [G, N, A]
        unilateral = np.stack([(joint * advantage / own[:, i]) @ onehot[i] for i in range(agents)], axis=1)
        gaps[step] = unilateral.max(axis=(1, 2))
        new, weight = policy.copy(), np.ones_like(joint)
        for i in range(agents):
            used = {"is": weight, "clip": np.minimum(weight, 1), "simultaneous": 1.0}[update]
            gain = (joint * used * advantage / own[:, i]) @ onehot[i]
            raised = policy[:, i] * np.exp(size * (gain - gain.max(axis=1, keepdims=True)))
            # No probability may vanish: it is a denominator of the next step.
            raised = np.maximum(raised / raised.sum(axis=1, keepdims=True), 1e-12)
            new[:, i] = raised / raised.sum(axis=1, keepdims=True)
            weight = weight * new[:, i][:, chosen[i]] / own[:, i]
        policy = new
    return values, gaps
