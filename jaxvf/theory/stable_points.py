"""Where exact value factorization of a one-step game can settle: stable points, increments, ideal rounds (MRVF).

Every function takes a batch of games, payoff [games, *actions], with one axis of equal length per agent.
Stable points and rounds of increments are the subject of Tao et al. 2026 (MRVF, arXiv 2604.05297). Which behaviours,
function classes (`jaxvf.theory.fit_classes`) and dynamics are meant is chosen here: the paper's own definitions were
not at hand.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxvf.theory.fit_classes import FitClass, at_anchor, highest, joint_actions, vdn

Behaviour = Literal["independent", "central"]

AT_ONCE = 2**13  # pairs of a game and an anchor whose tables are in memory together


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


class Tops(NamedTuple):
    """The top joint actions (last axis) of the best fit around each one (middle axis).

    Attributes:
        greedy: those that the agents choose.
        highest: those of highest fitted value: the greedy ones, and others that the fit values alike.
    """

    greedy: Bool[np.ndarray, "games joint joint"]
    highest: Bool[np.ndarray, "games joint joint"]


class IdealRounds(NamedTuple):
    """Greedy joint action at the end of every round.

    Attributes:
        anchor: joint action that round k ended at.
        settled: whether it is stable in round k's game; false where that game has no stable point.
    """

    anchor: Int[np.ndarray, "rounds games N"]
    settled: Bool[np.ndarray, "rounds games"]


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


def tops_around(
    payoff: Float[np.ndarray, "games *actions"], fit: FitClass, behaviour: Behaviour, epsilon: float
) -> Tops:
    """What is on top of the best fits of the data gathered around every joint action."""
    n_agents, n_actions = payoff.ndim - 1, payoff.shape[-1]
    anchor = joint_actions(n_agents, n_actions)
    weights = behaviour_weights(anchor, n_actions, behaviour, epsilon)
    greedy, valued = np.zeros((2, len(payoff), len(anchor), len(anchor)), bool)
    for first in range(0, len(payoff), max(1, AT_ONCE // len(anchor))):
        here = slice(first, first + max(1, AT_ONCE // len(anchor)))
        games = np.asarray(payoff[here], np.float64)
        tiled = np.tile(weights, (len(games), *(1,) * n_agents)), np.tile(anchor, (len(games), 1))
        values, greedy_here = fit(np.repeat(games, len(anchor), axis=0), *tiled)
        values = values.reshape(greedy[here].shape)
        greedy[here] = greedy_here.reshape(greedy[here].shape)
        valued[here] = highest(values)
    return Tops(greedy, valued)


def stable_points(
    payoff: Float[np.ndarray, "games *actions"], fit: FitClass, behaviour: Behaviour, epsilon: float
) -> StablePoints:
    """Joint actions that are greedy for the best fit of the data gathered around them."""
    greedy = tops_around(payoff, fit, behaviour, epsilon).greedy
    stays, alone = np.diagonal(greedy, axis1=1, axis2=2), greedy.sum(axis=2) == 1
    return StablePoints((stays & alone).reshape(payoff.shape), (stays & ~alone).reshape(payoff.shape))


def increment(
    payoff: Float[np.ndarray, "games *actions"], anchor: Int[np.ndarray, "games N"], clip: float = 0.0
) -> Float[np.ndarray, "games *actions"]:
    """f(u | p) = max(0, Q(u) - Q(p) - clip): what the next round is asked to learn."""
    return np.maximum(0.0, payoff - at_anchor(payoff, anchor) - clip)


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


def round_ends(
    payoff: Float[np.ndarray, "games *actions"],
    rounds: int,
    behaviour: Behaviour,
    epsilon: float,
    fit: FitClass = vdn,
    clip: float = 0.0,
) -> Bool[np.ndarray, "rounds games *actions"]:
    """Where each of several rounds may end: the stable points of the increment game over every end of the round before.

    An end that nothing exceeds by more than `clip`, or whose increment game has no stable point, is kept; a payoff
    without any may end anywhere in round 1.
    """
    games, joint = len(payoff), joint_actions(payoff.ndim - 1, payoff.shape[-1])
    first = stable_points(payoff, fit, behaviour, epsilon).any.reshape(games, -1)
    ends = [first | ~first.any(axis=1, keepdims=True)]
    following: dict[tuple[int, int], np.ndarray] = {}
    for _ in range(rounds - 1):
        game, place = np.nonzero(ends[-1])
        pairs = [pair for pair in zip(game.tolist(), place.tolist(), strict=True) if pair not in following]
        if pairs:
            of, over = np.array(pairs).T
            left = increment(payoff[of], joint[over], clip)
            stable = stable_points(left, fit, behaviour, epsilon).any.reshape(len(of), -1)
            arrived = ~(left.reshape(len(of), -1) > 0).any(axis=1) | ~stable.any(axis=1)
            stable[arrived] = np.eye(len(joint), dtype=bool)[over[arrived]]
            following |= dict(zip(pairs, stable, strict=True))
        ends.append(np.zeros_like(first))
        for pair in zip(game.tolist(), place.tolist(), strict=True):
            ends[-1][pair[0]] |= following[pair]
    return np.stack(ends).reshape(rounds, *payoff.shape)


def annealed_end(
    payoff: Float[np.ndarray, "games *actions"],
    fit: FitClass,
    behaviour: Behaviour,
    epsilons: Sequence[float],
    rng: np.random.Generator,
) -> Int[np.ndarray, "games N"]:
    """Where the greedy dynamics of exact fits lead while exploration falls, from a uniform joint action.

    At each ε they move until the anchor is greedy for the fit around it, at most once to every joint action; where
    several are greedy, to the first.
    """
    payoff = np.asarray(payoff, np.float64)
    n_agents, n_actions = payoff.ndim - 1, payoff.shape[-1]
    joint = joint_actions(n_agents, n_actions)
    anchor = rng.integers(n_actions, size=(len(payoff), n_agents))
    for epsilon in epsilons:
        moving = np.arange(len(payoff))
        for _ in range(len(joint)):
            weights = behaviour_weights(anchor[moving], n_actions, behaviour, epsilon)
            greedy = fit(payoff[moving], weights, anchor[moving]).greedy.reshape(len(moving), -1)
            here = np.ravel_multi_index(tuple(anchor[moving].T), payoff.shape[1:])
            leaves = ~greedy[np.arange(len(moving)), here] & greedy.any(axis=1)
            moving = moving[leaves]
            if not len(moving):
                break
            anchor[moving] = joint[greedy[leaves].argmax(axis=1)]
    return anchor


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
