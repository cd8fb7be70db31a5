"""Where exact value factorization of a one-step game can settle: stable points, increments, ideal rounds (MRVF).

Every function takes a batch of games, payoff [games, *actions], with one axis of equal length per agent.
Stable points and rounds of increments are the subject of Tao et al. 2026 (MRVF, arXiv 2604.05297). Which behaviours,
function classes and dynamics are meant is chosen here: the paper's own definitions were not at hand.
"""

import itertools
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

Behaviour = Literal["independent", "central"]

# Differences below this fraction of the payoff's size count as ties.
TIE = 1e-7


class Fit(NamedTuple):
    """Best approximation of each payoff within a function class.

    Attributes:
        values: fitted value F of every joint action.
        greedy: the joint actions that the agents' local argmaxes allow.
    """

    values: Float[np.ndarray, "games *actions"]
    greedy: Bool[np.ndarray, "games *actions"]


# (payoff, behaviour weights, anchor) -> best fit; payoff and weights [games, *actions], anchor [games, N].
FitClass = Callable[[np.ndarray, np.ndarray, np.ndarray], Fit]


class StablePoints(NamedTuple):
    """Anchors that the best fit around them makes greedy again.

    Attributes:
        strict: the anchor is the only greedy joint action.
        weak: the anchor is one of several.
    """

    strict: Bool[np.ndarray, "games *actions"]
    weak: Bool[np.ndarray, "games *actions"]

    @property
    def any(self) -> np.ndarray:
        """Stable, strictly or weakly, [games, *actions]."""
        return self.strict | self.weak


class IdealRounds(NamedTuple):
    """Greedy joint action at the end of every round.

    Attributes:
        anchor: joint action that round k ended at.
        settled: whether it is stable in round k's game; false where that game has no stable point.
    """

    anchor: Int[np.ndarray, "rounds games N"]
    settled: Bool[np.ndarray, "rounds games"]


def joint_actions(n_agents: int, n_actions: int) -> Int[np.ndarray, "joint N"]:
    """All joint actions in the order of a flattened payoff."""
    return np.indices((n_actions,) * n_agents).reshape(n_agents, -1).T


def behaviour_weights(
    anchor: Int[np.ndarray, "games N"], n_actions: int, behaviour: Behaviour, epsilon: float
) -> Float[np.ndarray, "games *actions"]:
    """Probability w(u; anchor) of each joint action under exploration around a greedy one.

    Args:
        anchor: greedy joint action.
        n_actions: actions per agent.
        behaviour: `independent`, each agent explores on its own coin; `central`, one coin for all.
        epsilon: probability of a uniform choice, in (0, 1].
    """
    games, n_agents = anchor.shape
    here = joint_actions(n_agents, n_actions) == anchor[:, None, :]
    if behaviour == "independent":
        weights = (epsilon / n_actions + (1 - epsilon) * here).prod(axis=-1)
    else:
        weights = epsilon / n_actions**n_agents + (1 - epsilon) * here.all(axis=-1)
    return weights.reshape(games, *(n_actions,) * n_agents)


@cache
def _additive_columns(n_agents: int, n_actions: int) -> np.ndarray:
    """A constant and, per agent, the indicators of all actions but the first, [joint, 1 + N (A - 1)]."""
    one_hot = joint_actions(n_agents, n_actions)[:, :, None] == np.arange(1, n_actions)
    return np.concatenate([np.ones((len(one_hot), 1)), one_hot.reshape(len(one_hot), -1)], axis=1)


def vdn(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
    """Sum of utilities: weighted least squares; tied utilities give a product of greedy sets."""
    games, n_agents, n_actions = len(payoff), payoff.ndim - 1, payoff.shape[-1]
    columns = _additive_columns(n_agents, n_actions)
    weighted = columns * weights.reshape(games, -1, 1)
    right = np.einsum("guk,gu->gk", weighted, payoff.reshape(games, -1))
    solution = np.linalg.solve(weighted.swapaxes(1, 2) @ columns, right[..., None])[..., 0]
    utility = np.pad(solution[:, 1:].reshape(games, n_agents, n_actions - 1), ((0, 0), (0, 0), (1, 0)))
    best = utility >= utility.max(axis=-1, keepdims=True) - _tie(payoff)[:, None, None]
    greedy = best[:, np.arange(n_agents), joint_actions(n_agents, n_actions)].all(axis=-1)
    return Fit((solution @ columns.T).reshape(payoff.shape), greedy.reshape(payoff.shape))


def _tie(payoff: np.ndarray) -> np.ndarray:
    return TIE * np.abs(payoff).reshape(len(payoff), -1).max(axis=1)


def monotone(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
    """Any monotone mixing of any utilities of two agents, with few actions.

    For each pair of action orders, the weighted least-squares table that falls along neither order; the order pairs
    of least loss win, and their top joint actions are greedy. The values are those of one winner.
    """
    fits = [_monotone_fit(y, w, tie) for y, w, tie in zip(payoff, weights, _tie(payoff), strict=True)]
    return Fit(np.stack([fit.values for fit in fits]), np.stack([fit.greedy for fit in fits]))


def _monotone_fit(payoff: np.ndarray, weights: np.ndarray, tie: float) -> Fit:
    n_actions = payoff.shape[0]
    one = np.array(list(itertools.permutations(range(n_actions))))  # worst action first
    rows, columns = np.repeat(one, len(one), axis=0), np.tile(one, (len(one), 1))
    cells = rows[:, :, None], columns[:, None, :]
    ranked, importance = payoff[cells].reshape(len(rows), -1), weights[cells].reshape(len(rows), -1)
    fitted = _isotonic(ranked, importance, n_actions)
    loss = (importance * (fitted - ranked) ** 2).sum(axis=1)
    # Of losses, which are squares, the tie is one against the loss of a constant error as large as the payoff.
    winners = np.flatnonzero(loss <= loss.min() + tie * np.abs(payoff).max() * weights.sum())
    greedy, values = np.zeros(payoff.shape, bool), np.empty(payoff.shape)
    greedy[rows[winners, -1], columns[winners, -1]] = True
    values[np.ix_(rows[winners[0]], columns[winners[0]])] = fitted[winners[0]].reshape(payoff.shape)
    return Fit(values, greedy)


def _isotonic(
    target: Float[np.ndarray, "batch cells"], weights: Float[np.ndarray, "batch cells"], n_actions: int
) -> Float[np.ndarray, "batch cells"]:
    """Best tables, rank by rank, that fall along no axis: max over up-sets of min over down-sets of the pooled mean.

    The exact isotonic regression of a partial order (Robertson, Wright and Dykstra 1988, section 1.4): at each cell,
    over the sets that hold it. An up-set holds every cell above each of its cells.
    """
    up, meets = _up_sets(n_actions)
    mass, total = weights @ meets.T, (weights * target) @ meets.T
    mean = (total / np.where(mass > 0, mass, 1)).reshape(len(target), len(up), len(up))
    down = ~up
    return np.stack(
        [mean[:, up[:, cell]][:, :, down[:, cell]].min(axis=2).max(axis=1) for cell in range(n_actions**2)], axis=1
    )


@cache
def _up_sets(n_actions: int) -> tuple[np.ndarray, np.ndarray]:
    """Indicators of all up-sets of the rank pairs, [sets, A * A], and of each one's cells outside another."""
    # A set is the first rank of agent 2 that belongs, for each rank of agent 1; it can only fall.
    starts = itertools.combinations_with_replacement(range(n_actions, -1, -1), n_actions)
    up = np.array([np.ravel(np.arange(n_actions) >= np.array(start)[:, None]) for start in starts])
    return up, (up[:, None] & ~up).reshape(-1, n_actions**2).astype(np.float64)


def centrally_weighted(alpha: float, base: FitClass = monotone) -> FitClass:
    """CW (Rashid et al. 2020): weight times `alpha` except at the anchor and where the payoff exceeds the anchor's."""

    def fit(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
        kept = payoff > _at(payoff, anchor)
        kept[np.arange(len(payoff)), *anchor.T] = True
        return base(payoff, weights * np.where(kept, 1, alpha), anchor)

    return fit


def optimistically_weighted(alpha: float, base: FitClass = monotone, iterations: int = 50) -> FitClass:
    """OW (Rashid et al. 2020): weight times `alpha` where the fit is at or above the payoff, iterated to a fixed point.

    Where the iteration finds none, as it may for a class that is not convex, no joint action is greedy.
    """

    def fit(payoff: np.ndarray, weights: np.ndarray, anchor: np.ndarray) -> Fit:
        values, greedy = base(payoff, weights, anchor)
        over, moving = np.zeros(payoff.shape, bool), np.arange(len(payoff))
        for _ in range(iterations):
            above = values[moving] >= payoff[moving] - _tie(payoff)[moving].reshape(-1, *(1,) * anchor.shape[1])
            changed = (above != over[moving]).reshape(len(moving), -1).any(axis=1)
            over[moving], moving = above, moving[changed]
            if not len(moving):
                break
            weighted = weights[moving] * np.where(over[moving], alpha, 1)
            values[moving], greedy[moving] = base(payoff[moving], weighted, anchor[moving])
        greedy[moving] = False
        return Fit(values, greedy)

    return fit


def _at(table: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Entry of each game's table at its anchor, with axes of length 1 for the actions."""
    return table[np.arange(len(table)), *anchor.T].reshape(-1, *(1,) * anchor.shape[1])


def stable_points(
    payoff: Float[np.ndarray, "games *actions"], fit: FitClass, behaviour: Behaviour, epsilon: float
) -> StablePoints:
    """Joint actions that are greedy for the best fit of the data gathered around them."""
    games, n_agents, n_actions = len(payoff), payoff.ndim - 1, payoff.shape[-1]
    anchor = joint_actions(n_agents, n_actions)
    weights = behaviour_weights(anchor, n_actions, behaviour, epsilon)
    repeated = np.repeat(np.asarray(payoff, np.float64), len(anchor), axis=0)
    greedy = fit(repeated, np.tile(weights, (games, *(1,) * n_agents)), np.tile(anchor, (games, 1))).greedy
    stays = _at(greedy, np.tile(anchor, (games, 1))).reshape(payoff.shape)
    alone = (greedy.reshape(len(greedy), -1).sum(axis=1) == 1).reshape(payoff.shape)
    return StablePoints(stays & alone, stays & ~alone)


def increment(
    payoff: Float[np.ndarray, "games *actions"], anchor: Int[np.ndarray, "games N"], clip: float = 0.0
) -> Float[np.ndarray, "games *actions"]:
    """f(u | p) = max(0, Q(u) - Q(p) - clip): what the next round is asked to learn."""
    return np.maximum(0.0, payoff - _at(payoff, anchor) - clip)


def strict_improvement(
    payoff: Float[np.ndarray, "games *actions"],
    behaviour: Behaviour,
    epsilon: float,
    fit: FitClass = vdn,
    clip: float = 0.0,
) -> Bool[np.ndarray, "games *actions"]:
    """Per p: every stable point of the increment game over p gains; true where nothing beats p by more than `clip`."""
    games, n_agents = len(payoff), payoff.ndim - 1
    anchor = np.tile(joint_actions(n_agents, payoff.shape[-1]), (games, 1))
    rounds = increment(np.repeat(payoff, payoff[0].size, axis=0), anchor, clip)
    holds = np.ones(len(rounds), bool)
    better = (rounds > 0).reshape(len(rounds), -1).any(axis=1)
    stable = stable_points(rounds[better], fit, behaviour, epsilon).any
    holds[better] = ~(stable & (rounds[better] == 0)).reshape(len(stable), -1).any(axis=1)
    return holds.reshape(payoff.shape)


def ideal_iteration(
    payoff: Float[np.ndarray, "games *actions"],
    rounds: int,
    behaviour: Behaviour,
    epsilon: float,
    rng: np.random.Generator,
    fit: FitClass = vdn,
    clip: float = 0.0,
) -> IdealRounds:
    """Rounds with exact fits: each follows the greedy dynamics to a stable point and hands it to the next.

    Round 1 runs on the payoff from a uniform joint action, round k > 1 on the increment over p_{k-1}, from p_{k-1}.
    The dynamics move to a greedy joint action of the best fit, the present one if it is greedy, else the first in
    order. Where they run into a cycle they start again at a uniform joint action, as a learner that explores would
    leave it; a game without a stable point keeps p_{k-1}.
    """
    payoff = np.asarray(payoff, np.float64)
    anchor = rng.integers(payoff.shape[-1], size=(len(payoff), payoff.ndim - 1))
    game, ends, settles = payoff, [], []
    for _ in range(rounds):
        anchor, settled = _settle(game, anchor, behaviour, epsilon, rng, fit)
        ends.append(anchor)
        settles.append(settled)
        game = increment(payoff, anchor, clip)
    return IdealRounds(np.stack(ends), np.stack(settles))


def _settle(
    payoff: np.ndarray,
    anchor: np.ndarray,
    behaviour: Behaviour,
    epsilon: float,
    rng: np.random.Generator,
    fit: FitClass,
) -> tuple[np.ndarray, np.ndarray]:
    """Stable point that the dynamics reach from each anchor, and whether there is one."""
    joint = joint_actions(payoff.ndim - 1, payoff.shape[-1])
    here = (anchor[:, None, :] == joint).all(axis=-1).argmax(axis=1)
    end, moving = here.copy(), np.arange(len(payoff))
    # What was visited and left leads into a cycle, now and after every restart.
    visited = np.zeros((len(payoff), len(joint)), bool)
    while len(moving):
        present = here[moving]
        visited[moving, present] = True
        weights = behaviour_weights(joint[present], payoff.shape[-1], behaviour, epsilon)
        greedy = fit(payoff[moving], weights, joint[present]).greedy.reshape(len(moving), -1)
        stays = greedy[np.arange(len(moving)), present]
        end[moving[stays]] = present[stays]
        ahead = greedy.argmax(axis=1)
        fresh = (rng.random(visited[moving].shape) * ~visited[moving]).argmax(axis=1)
        here[moving] = np.where(visited[moving, ahead], fresh, ahead)
        visited[moving[stays]] = False  # marks a game that has settled
        moving = moving[~stays & ~visited[moving].all(axis=1)]
    return joint[end], visited.sum(axis=1) < len(joint)
