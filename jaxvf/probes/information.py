"""What actions have to do with observations, memories and other agents, in bits, estimated from played steps.

Tessera et al. 2026 define five measures for agent i at step t, with observation O, action A, and M for what the agent
remembers of the steps before t (of a recurrent policy: its state before the step, and its previous action):

| name | measure | divided by | large where |
|---|---|---|---|
| OAR | I(O_i; A_i) | H(A_i) | the present observation tells the action |
| HAR | I(M_i; A_i given O_i) | H(A_i given O_i) | the action depends on what came before |
| PIF | I(M_i, O_i; A_j given M_j, O_j) | H(A_j given M_j, O_j) | what one agent knows tells another's action |
| AA | I(A_i; A_j given O_i, O_j) | H(A_j given O_i, O_j) | agents act alike beyond what they see now |
| DAI | I(M_i; A_j given M_j) | H(A_j given M_j) | one agent's past tells another's action |

They are dependences in what is played, not causes. The estimator is theirs too. The distribution of an action given
some features is counted among the `NEIGHBOURS` steps whose features are nearest, with `SMOOTHING` added to every count.
Where features are added to others, the nearest are looked for among `CANDIDATES` times as many by the others alone.
Information is the mean divergence of one such distribution from the other.

Such an estimate is never 0, so every measure stands beside its null. Tessera et al. shuffle actions, which also takes
away what the other features tell: where the observation decides the action, pure noise in place of a memory still seems
to tell a third of what little is left. Here the added features are exchanged between steps whose other features are
near, which takes away what they add and nothing else: what is well above that null is there.

Also chosen here: the same estimator for OAR; more than `WIDEST` columns are replaced by that many principal components;
the mean is taken over at most `MOST_AGENTS` agents and as many pairs, drawn at random; continuous actions are not
measured.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

NEIGHBOURS, CANDIDATES, SMOOTHING, NULLS = 25, 5, 0.5, 2
WIDEST, MOST_AGENTS, MOST_STEPS = 32, 3, 1200
FEWEST_STEPS = 4 * NEIGHBOURS
NAMES = ("OAR", "HAR", "PIF", "AA", "DAI")
LEAST_ENTROPY = 0.01  # bits: below it there is nothing to explain, and the share is 0


class Played(NamedTuple):
    """Steps of several episodes, E episodes of T steps."""

    obs: Float[np.ndarray, "E T N O"]
    memory: Float[np.ndarray, "E T N M"]  # before the step
    actions: Int[np.ndarray, "E T N"]
    counts: Bool[np.ndarray, "E T N"]  # the step was taken, and the agent alive


class Measure(NamedTuple):
    """A measure of information."""

    bits: float
    share: float  # of the entropy that it could explain
    null: float  # the share of the same features exchanged between steps that are alike otherwise


def measures(played: Played, rng: np.random.Generator) -> dict[str, Measure]:
    """The five measures, by `NAMES`; those of pairs are left out where there is one agent.

    Args:
        played: the steps.
        rng: draws steps, agents and pairs, and breaks ties.

    Raises:
        ValueError: if there are not enough steps in which agents were alive.
    """
    n_agents = played.obs.shape[2]
    found: dict[str, list[Measure]] = {}
    for agent in rng.permutation(n_agents)[:MOST_AGENTS]:
        obs, memory, action = _steps(played, [agent], rng)[0]
        found.setdefault("OAR", []).append(information(action, None, obs, rng))
        found.setdefault("HAR", []).append(information(action, obs, memory, rng))
    pairs = [(i, j) for i in range(n_agents) for j in range(n_agents) if i != j]
    for place in rng.permutation(len(pairs))[:MOST_AGENTS]:
        (obs, memory, action), (other_obs, other_memory, other_action) = _steps(played, list(pairs[place]), rng)
        own = _beside(other_memory, other_obs)
        one_hot = np.eye(played.actions.max() + 1)[action]
        found.setdefault("PIF", []).append(information(other_action, own, _beside(memory, obs), rng))
        found.setdefault("AA", []).append(information(other_action, _beside(obs, other_obs), one_hot, rng))
        found.setdefault("DAI", []).append(information(other_action, other_memory, memory, rng))
    return {name: Measure(*np.mean(found[name], axis=0).tolist()) for name in NAMES if name in found}


def information(
    action: Int[np.ndarray, "n"],
    given: Float[np.ndarray, "n G"] | None,
    extra: Float[np.ndarray, "n X"],
    rng: np.random.Generator,
) -> Measure:
    """I(extra; action given `given`): how much better the action is known with `extra` than without.

    Args:
        action: numbers of actions.
        given: what is known anyway; None for nothing.
        extra: what may tell more.
        rng: breaks ties, and exchanges.
    """
    _, action = np.unique(action, return_inverse=True)
    extra, known = _plain(extra), _plain(given) if given is not None else np.zeros((len(action), 0))
    if not extra.shape[1]:
        return Measure(0.0, 0.0, 0.0)
    alone = _distances(known, rng)
    near = _nearest(alone, NEIGHBOURS) if known.shape[1] else None
    candidates = _nearest(alone, CANDIDATES * NEIGHBOURS if known.shape[1] else len(action))

    def gain(extra: np.ndarray) -> tuple[float, float]:
        joint = np.take_along_axis(_distances(np.concatenate([known, extra], axis=1), rng), candidates, axis=1)
        both = np.take_along_axis(candidates, _nearest(joint, NEIGHBOURS), axis=1)
        return _gain(action, near, both)

    def exchanged() -> np.ndarray:
        if near is None:
            return extra[rng.permutation(len(extra))]
        return extra[near[np.arange(len(near)), rng.integers(near.shape[1], size=len(near))]]

    bits, share = gain(extra)
    return Measure(bits, share, float(np.mean([gain(exchanged())[1] for _ in range(NULLS)])))


def _gain(action: np.ndarray, near: np.ndarray | None, both: np.ndarray) -> tuple[float, float]:
    """Bits that the neighbours `both` tell beyond those of `near`, and their share of what these leave open."""
    one_hot = np.eye(action.max() + 1)[action]
    after = _counted(one_hot, both)
    before = np.broadcast_to(one_hot.mean(axis=0), after.shape) if near is None else _counted(one_hot, near)
    bits = float((after * np.log2(after / before)).sum(axis=1).mean())
    entropy = float(-(before * np.log2(before)).sum(axis=1).mean())
    return bits, min(bits / entropy, 1.0) if entropy > LEAST_ENTROPY else 0.0


def _counted(one_hot: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """How often each action is taken among a step's neighbours, [n, actions], smoothed."""
    counts = one_hot[neighbours].sum(axis=1) + SMOOTHING
    return counts / counts.sum(axis=1, keepdims=True)


def _steps(played: Played, agents: list[int], rng: np.random.Generator) -> list[tuple[np.ndarray, ...]]:
    """Observations, memories and actions of agents at the same steps, at most `MOST_STEPS` of them."""
    places = np.argwhere(played.counts[..., agents].all(axis=-1))
    if len(places) < FEWEST_STEPS:
        raise ValueError(f"{len(places)} steps are too few: {FEWEST_STEPS} are needed")
    episode, step = places[rng.permutation(len(places))[:MOST_STEPS]].T
    return [
        tuple(leaf[episode, step, agent] for leaf in (played.obs, played.memory, played.actions)) for agent in agents
    ]


def _plain(features: np.ndarray) -> np.ndarray:
    """Standardized columns without the constant ones; the leading principal components of many."""
    features = features.astype(np.float64)
    spread = features.std(axis=0)
    features = (features[:, spread > 1e-6] - features.mean(axis=0)[spread > 1e-6]) / spread[spread > 1e-6]
    if features.shape[1] <= WIDEST:
        return features
    _, _, ways = np.linalg.svd(features, full_matrices=False)
    return features @ ways[:WIDEST].T


def _distances(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Squared distances of all pairs, with ties broken at random; infinite from a step to itself."""
    squares = (features**2).sum(axis=1)
    apart = squares[:, None] + squares[None] - 2 * features @ features.T + 1e-9 * rng.random((len(features),) * 2)
    np.fill_diagonal(apart, np.inf)
    return apart


def _nearest(distances: np.ndarray, count: int) -> np.ndarray:
    """Columns of the `count` smallest entries of each row, or of all but one."""
    count = min(count, distances.shape[1] - 1)
    return np.argpartition(distances, count, axis=1)[:, :count]


def _beside(*blocks: np.ndarray) -> np.ndarray:
    return np.concatenate(blocks, axis=1)
