"""Successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943): the worst configurations are dropped early."""

import dataclasses
import math

import numpy as np

from jaxvf.errors import InputError
from jaxvf.sweeps.plan import Group
from jaxvf.sweeps.search.rules import Decision, check_count, check_fraction, comparable, places, task
from jaxvf.sweeps.space import Run


@dataclasses.dataclass(frozen=True)
class Halving:
    """Keep the best 1 / `factor` of the configurations at every rung; their mean over seeds decides.

    Rungs are evaluations, spaced geometrically until one configuration is left, and as late as the budget allows. What
    is trained on different environments, or with other numbers of one, is not compared: each of these is halved alone.

    Attributes:
        factor: by which configurations become fewer.
        budget: share of the whole sweep's segments that is trained, at most; a little more where even rungs at the very
            first evaluations take more.
        metric: what is compared, at the rung's evaluation; higher is better, diverged is worst, of equals the earlier
            configuration stays.
    """

    factor: int = 4
    budget: float = 0.25
    metric: str = "test_return"

    def __post_init__(self):
        check_count("factor", self.factor, low=2)
        check_fraction("budget", self.budget, 1.0)

    def rule(self, group: Group, root_seed: int) -> "HalvingRule":
        """The rule for the runs of a group.

        Raises:
            InputError: if there is only one configuration, or fewer evaluations than rungs.
        """
        contests = places(group.runs, task)
        configurations = [places([group.runs[row] for row in contest], _configuration) for contest in contests]
        most = max(map(len, configurations))
        if most == 1:
            raise InputError("halving: there is one configuration; give a field several values, e.g. learning_rate")
        if any(len({len(members) for members in contest}) > 1 for contest in configurations):
            raise InputError("halving: configurations have different numbers of seeds; give each as many")
        drops = math.ceil(math.log(most, self.factor) - 1e-9)  # 64 is exactly 4³, whatever the logarithm rounds to
        if drops >= group.segments:
            raise InputError(
                f"halving: {most} configurations need {drops} rungs before the end, and there are {group.segments} "
                "evaluations; lower test_interval or raise factor"
            )
        return HalvingRule(
            metric=self.metric,
            factor=self.factor,
            rungs=self._rungs(most, drops, group.segments),
            configurations=tuple(
                tuple(contest[members] for members in of_contest)
                for contest, of_contest in zip(contests, configurations, strict=True)
            ),
        )

    def _rungs(self, configurations: int, drops: int, segments: int) -> tuple[int, ...]:
        """The latest rungs whose cost is within the budget, or the earliest there are."""
        for first in range(segments - drops, 0, -1):
            rungs = _spaced(first, drops, segments)
            if rungs[-1] < segments:
                bounds = [0, *rungs, segments]
                cost = sum(
                    _left(configurations, self.factor, rung) * (bounds[rung + 1] - bounds[rung])
                    for rung in range(drops + 1)
                )
                if cost <= self.budget * configurations * segments:
                    return rungs
        return _spaced(1, drops, segments)


@dataclasses.dataclass(frozen=True)
class HalvingRule:
    """`Halving` of given runs.

    Attributes:
        metric: what is compared.
        factor: by which configurations become fewer.
        rungs: segments after which they do.
        configurations: of every contest, of every configuration the numbers of its runs.
    """

    metric: str
    factor: int
    rungs: tuple[int, ...]
    configurations: tuple[tuple[np.ndarray, ...], ...]
    recorded: tuple[str, ...] = ()

    def runs_after(self, done: int) -> int:
        """Runs that are left after `done` segments: a configuration has as many as any other of its contest."""
        rung = sum(at <= done for at in self.rungs)
        return sum(_left(len(contest), self.factor, rung) * len(contest[0]) for contest in self.configurations)

    def decide(self, done: int, rows: np.ndarray, scores: np.ndarray, values: np.ndarray) -> Decision | None:
        """Drop the worst configurations of every contest; of equal ones the earlier stays."""
        if done not in self.rungs:
            return None
        rung, of_run = self.rungs.index(done) + 1, dict(zip(rows.tolist(), comparable(scores), strict=True))
        kept: list[int] = []
        for contest in self.configurations:
            alive = [members for members in contest if int(members[0]) in of_run]
            means = np.asarray([np.mean([of_run[row] for row in members.tolist()]) for members in alive])
            best = np.argsort(-means, kind="stable")[: _left(len(contest), self.factor, rung)]
            kept += [row for place in best for row in alive[place].tolist()]
        sources = np.flatnonzero(np.isin(rows, kept))
        return Decision(rows[sources], sources, values[:, sources])


def _spaced(first: int, drops: int, segments: int) -> tuple[int, ...]:
    """So many rungs from `first` on, geometrically spaced towards the end, no two the same."""
    rungs: list[int] = []
    for drop in range(drops):
        rung = round(first * (segments / first) ** (drop / drops))
        rungs.append(max(rung, rungs[-1] + 1) if rungs else rung)
    return tuple(rungs)


def _left(configurations: int, factor: int, rung: int) -> int:
    return math.ceil(configurations / factor**rung)


def _configuration(run: Run) -> tuple[object, ...]:
    return (run.labels["algorithm"], *[(n, repr(v)) for n, v in run.settings.items() if n != "seed"])
