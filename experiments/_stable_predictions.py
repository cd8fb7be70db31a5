"""Where exact stable points say that a learner ends, beside where the runs of the atlas of basins ended."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jaxvf import scripts, theory
from jaxvf.envs.payoff_families import random_games
from jaxvf.results import fraction_interval
from jaxvf.theory import FitClass

cells_of = scripts.part("experiments", "_atlas_cells")
SYMBOLS, NOWHERE = cells_of.SYMBOLS, cells_of.NOWHERE

EPSILON = 0.05  # of every agent's own coin at the end of the atlas's runs
WIDER = (0.1, 0.2, 0.5, 1.0)  # what the runs played on the way there
ANNEALED = tuple(np.linspace(1.0, EPSILON, 20).tolist())
TIED = "spikes"  # the family whose payoffs tie, so that what a run was paid does not say what it played
EXPLANATIONS = ("still moving", "stable under wider play", "stable for a sum", "unexplained")


@dataclasses.dataclass(frozen=True)
class Predictor:
    """What a learner is predicted from.

    Attributes:
        name: in words.
        fit: its function class.
        rounds: of increments; 1 for the payoff alone.
        clip: gains that a further round does not see.
        behaviour: how its agents explore: on a coin each, or one for all.
    """

    name: str
    fit: FitClass
    rounds: int = 1
    clip: float = 0.0
    behaviour: theory.Behaviour = "independent"

    def ends(self, payoff: np.ndarray, epsilon: float) -> Bool[np.ndarray, "games joint"]:
        """The joint actions that may be the end of the last round."""
        if self.rounds == 1:
            found = theory.stable_points(payoff, self.fit, self.behaviour, epsilon).any
        else:
            found = theory.round_ends(payoff, self.rounds, self.behaviour, epsilon, self.fit, self.clip)[-1]
        return found.reshape(len(payoff), -1)


# Settings are those of the atlas: α = 0.1; two rounds, ξ = 0.02.
PREDICTORS: Mapping[str, tuple[Predictor, ...]] = {
    "vdn": (Predictor("sum", theory.vdn),),
    "qmix": (Predictor("monotone", theory.monotone),),
    "cw_qmix": (Predictor("CW", theory.centrally_weighted(0.1)),),
    "ow_qmix": (
        Predictor("OW, its loss", theory.optimistic_minimum(0.1)),
        Predictor("OW, refitted", theory.optimistically_weighted(0.1)),
    ),
    "qplex": (Predictor("its own rule", theory.stopped_advantages), Predictor("sum", theory.vdn)),
    "q_plus_fix_sum": (Predictor("its own rule", theory.stopped_advantages), Predictor("sum", theory.vdn)),
    "duelmix": (Predictor("complete", theory.complete), Predictor("sum", theory.vdn)),
    "mrvf": (Predictor("two monotone rounds", theory.monotone, 2, 0.02, "central"),),
}


@dataclasses.dataclass(frozen=True)
class Ends:
    """Where runs of one learner ended; of a game with several seeds, each is a row.

    Attributes:
        payoff: of every run's game.
        last: place of the greedy joint action at the end; -1 for a run without one.
        before: at the evaluation before.
    """

    payoff: np.ndarray
    last: Int[np.ndarray, " runs"]
    before: Int[np.ndarray, " runs"]


def read_ends(path: Path) -> tuple[dict[str, Ends], dict[str, Any]]:
    """Ends by learner, of games of two agents without ties under annealed play; and what the file says of the runs."""
    content = json.loads(path.read_text())
    seeds, found = content["seeds"], {}
    for name, ends in content["ends"].items():
        where, protocol = name.split()
        learner, shape = where.rsplit("-", 1)
        agents, actions = map(int, shape.split("x"))
        if protocol != "annealed" or (agents, actions) != (2, 3):
            continue
        games = random_games(agents, actions, content["games"][shape])
        payoff = np.repeat([game.payoff() for game in games], seeds, axis=0)
        kept = np.repeat([game.family != TIED for game in games], seeds)
        last, before = (np.array([(SYMBOLS + NOWHERE).index(one) for one in ends[key]]) for key in ("last", "before"))
        last, before = (np.where(place == len(SYMBOLS), -1, place) for place in (last, before))
        found[learner] = Ends(payoff[kept], last[kept], before[kept])
    return found, {key: content[key] for key in ("scale", "seeds", "env_steps")}


def confusion(learner: str, predictor: Predictor, ends: Ends) -> dict[str, Any]:
    """What the stable set of every game says against where its runs ended, and why runs ended outside it.

    Returns:
        "counts": [prediction][end], predictions "the optimum alone", "the optimum among others", "others alone",
        "none"; ends at the optimum, at another point of the set, outside it. "inside": share of runs that end in the
        set; "chance": the set's share of all joint actions. "path": the same as `path_row`. "outside": runs outside
        by what explains them, and what each explanation would cover by chance.
    """
    payoff, runs = ends.payoff, np.arange(len(ends.payoff))
    optimal = (payoff == payoff.max(axis=(1, 2), keepdims=True)).reshape(len(payoff), -1)
    stable = predictor.ends(payoff, EPSILON)
    known = ends.last >= 0
    inside = stable[runs, ends.last] & known
    best = optimal[runs, ends.last] & known
    others = (stable & ~optimal).any(axis=1)
    predicted = np.select([~stable.any(axis=1), ~(stable & optimal).any(axis=1), others], [3, 2, 1], 0)
    ended = np.where(best, 0, np.where(inside, 1, 2))
    counts = np.zeros((4, 3), int)
    np.add.at(counts, (predicted, ended), 1)
    return {
        "learner": learner, "predictor": predictor.name, "ended": len(payoff), "counts": counts.tolist(),
        "inside": fraction_interval(int(inside.sum()), len(payoff)), "chance": float(stable.mean()),
        "optimum_inside": fraction_interval(int((best & inside).sum()), max(1, int(best.sum()))),
        "outside": explained(predictor, ends, stable, ~inside), **path_row(predictor, ends, best),
    }  # fmt: skip


def path_row(predictor: Predictor, ends: Ends, best: Bool[np.ndarray, " runs"]) -> dict[str, Any]:
    """The end of the greedy dynamics of exact fits while ε falls, which is one joint action of every game.

    Returns:
        "path": [predicted the optimum or not][ended there or not]; "same": share of runs that end at the predicted
        joint action; both empty for rounds, whose path was not computed.
    """
    if predictor.rounds > 1:
        return {"path": None, "same": None}
    payoff = ends.payoff
    end = theory.annealed_end(payoff, predictor.fit, predictor.behaviour, ANNEALED, np.random.default_rng(0))
    place = np.ravel_multi_index(tuple(end.T), payoff.shape[1:])
    reached = payoff[np.arange(len(payoff)), *end.T] == payoff.max(axis=(1, 2))
    path = [[int(((reached == a) & (best == b)).sum()) for b in (True, False)] for a in (True, False)]
    return {"path": path, "same": fraction_interval(int((place == ends.last).sum()), len(payoff))}


def explained(
    predictor: Predictor, ends: Ends, stable: Bool[np.ndarray, "runs joint"], outside: Bool[np.ndarray, " runs"]
) -> dict[str, list[float]]:
    """Runs outside the stable set by the first of `EXPLANATIONS` that holds, and the share of joint actions it covers.

    A run that still moves ended elsewhere at the evaluation before. Stable under wider play: a stable point of the
    class for a larger ε, through which the run came. Stable for a sum: a stable point of VDN, whatever the ε; weights
    that have not fitted yet leave a complete mixer there.
    """
    payoff, runs = ends.payoff, np.arange(len(ends.payoff))
    wider = np.any([predictor.ends(payoff, epsilon) for epsilon in WIDER], axis=0)
    sums = Predictor("sum", theory.vdn, behaviour=predictor.behaviour)
    of_sum = np.any([sums.ends(payoff, epsilon) for epsilon in (EPSILON, *WIDER)], axis=0)
    here = np.maximum(ends.last, 0)
    tests = [ends.last != ends.before, wider[runs, here], of_sum[runs, here], np.ones(len(runs), bool)]
    covered = [None, float((wider & ~stable).mean()), float((of_sum & ~wider & ~stable).mean()), None]
    found, left = {}, outside.copy()
    for name, test, chance in zip(EXPLANATIONS, tests, covered, strict=True):
        found[name] = [int((left & test).sum()), chance]
        left &= ~test
    return found
