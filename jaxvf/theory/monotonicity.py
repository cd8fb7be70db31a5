"""How far a payoff is from monotonic: measures of one-step games, exact by enumeration.

Every function takes a batch of games, payoff [games, *actions], with one axis of equal length per agent.
"""

import numpy as np
from jaxtyping import Float, Num


def non_monotonicity(payoff: Num[np.ndarray, "games *actions"]) -> Float[np.ndarray, " games"]:
    """Share of the agents' preferences, weighted by payoff, that go against their own majority: 0 to 1.

    For an agent i, two of its actions a, b and the others' joint action v let d(v) = Q(a, v) - Q(b, v), and

        P = Σ_v max(d(v), 0),    M = Σ_v max(-d(v), 0),    measure = Σ 2 min(P, M) / Σ (P + M),

    both sums over agents and pairs of actions. It is 0 exactly where no pair's preference ever flips: then every agent
    has an order of its actions that holds whatever the others do (dominance is transitive), so that some monotonic
    mixing of local values represents the table. It is 1 where every preference is balanced by its opposite, as in
    [[1, 0], [0, 1]]. Renaming actions, scaling and shifting payoffs change nothing. A constant table has measure 0.
    """
    payoff = np.asarray(payoff, np.float64)
    minority, total = np.zeros(len(payoff)), np.zeros(len(payoff))
    for agent in range(1, payoff.ndim):
        own = np.moveaxis(payoff, agent, 1)
        own = own.reshape(*own.shape[:2], -1)
        for action in range(1, own.shape[1]):
            difference = own[:, :action] - own[:, action, None]  # to all actions before it
            above, below = (np.maximum(side, 0).sum(axis=-1) for side in (difference, -difference))
            minority += 2 * np.minimum(above, below).sum(axis=-1)
            total += (above + below).sum(axis=-1)
    return np.divide(minority, total, out=np.zeros_like(total), where=total > 0)


def deviation_penalty(payoff: Num[np.ndarray, "games *actions"]) -> Float[np.ndarray, " games"]:
    """How much worse than average it is to leave the optimum alone, in standard deviations of the payoff.

        (mean of Q - mean of Q over joint actions that differ from the optimum in one agent's action) / std of Q

    Positive where an agent that plays its part in the optimum is punished for the others' not doing so: relative
    overgeneralization (Wei & Luke 2016). Not a matter of monotonicity alone: a sum of local values has at most 0.
    """
    payoff = np.asarray(payoff, np.float64)
    games, n_agents, n_actions = len(payoff), payoff.ndim - 1, payoff.shape[-1]
    flat = payoff.reshape(games, -1)
    optimum = np.unravel_index(flat.argmax(axis=1), payoff.shape[1:])
    near = np.zeros(games)
    for agent in range(n_agents):
        lines = np.moveaxis(payoff, agent + 1, -1)
        line = lines[np.arange(games), *(optimum[other] for other in range(n_agents) if other != agent)]
        near += line.sum(axis=-1) - flat.max(axis=1)
    near /= n_agents * (n_actions - 1)
    spread = flat.std(axis=1)
    return np.divide(flat.mean(axis=1) - near, spread, out=np.zeros(games), where=spread > 0)
