"""Payoff tables of one-step games used beside the named matrix games: non-monotonic classics and risk-reward games."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

# Climbing and penalty (Claus & Boutilier 1998), the latter with k = -25; actions A, B, C in order.
CLIMBING: tuple[tuple[float, ...], ...] = ((11, -30, 0), (-30, 7, 6), (0, 0, 5))
PENALTY: tuple[tuple[float, ...], ...] = ((10, 0, -25), (0, 2, 0), (-25, 0, 10))
# Four coordinated choices of which only the first is best; every mismatch costs 20. Chosen here.
HARD4: tuple[tuple[float, ...], ...] = ((10, -20, -20, -20), (-20, 6, -20, -20), (-20, -20, 3, -20), (-20, -20, -20, 0))

# What a mismatch costs per level of the most daring agent, in a risk-reward game.
RISK = 6.0


def risk_reward(n_agents: int, rewards: Sequence[float]) -> Float[np.ndarray, "*actions"]:
    """Payoff where daring pays only if all dare alike.

    One-step risk-reward games are what Tao et al. 2026 (MRVF, arXiv 2604.05297) argue with; these payoffs are chosen
    here, as theirs were not at hand.

    The level of a joint action is its largest action l. All agents at l pay `rewards[l]`; anything else pays -6 l.

    Args:
        n_agents: number of agents N.
        rewards: reward of agreeing on each action; one entry per action, the first usually 0.

    Returns:
        Team reward of every joint action, N axes of length `len(rewards)`.
    """
    actions = np.indices((len(rewards),) * n_agents)
    level = actions.max(axis=0)
    agreed = actions.min(axis=0) == level
    return np.where(agreed, np.asarray(rewards, np.float64)[level], -RISK * level)
