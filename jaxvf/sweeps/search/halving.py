"""Successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943): the worst configurations are dropped early."""

import dataclasses
import math

import numpy as np

from jaxvf.errors import InputError
from jaxvf.sweeps.plan import Group
from jaxvf.sweeps.search.rules import Decision, check_count, comparable, places, task
from jaxvf.sweeps.space import Run


@dataclasses.dataclass(frozen=True)
class Halving:
    """Keep the best 1 / `factor` of the configurations at every rung; their mean over seeds decides.

    With S segments and n configurations, rungs are after `first`, first · factor, first · factor², ... segments. What
    is trained on different environments, or with other numbers of one, is not compared: each of these is halved alone.

    Attributes:
        factor: by which configurations become fewer.
        first: segments before the first rung; by default so many that one configuration is left for the last stretch,
            at least 1.
        metric: what is compared, at the last evaluation before the rung; higher is better, diverged is worst.
    """

    factor: int = 4
    first: int | None = None
    metric: str = "test_return"

    def __post_init__(self):
        check_count("factor", self.factor, low=2)
        if self.first is not None:
            check_count("first", self.first)

    def rule(self, group: Group, root_seed: int) -> "HalvingRule":
        """The rule for the runs of a group.

        Raises:
            InputError: if there is only one configuration, or no rung before the end.
        """
        contests = places(group.runs, task)
        configurations = [places([group.runs[row] for row in contest], _configuration) for contest in contests]
        most = max(map(len, configurations))
        if most == 1:
            raise InputError("halving: there is one configuration; give a field several values, e.g. learning_rate")
        if any(len({len(members) for members in contest}) > 1 for contest in configurations):
            raise InputError("halving: configurations have different numbers of seeds; give each as many")
        drops = math.ceil(math.log(most, self.factor) - 1e-9)  # 64 is exactly 4³, whatever the logarithm rounds to
        first = self.first or max(1, group.segments // self.factor**drops)
        if first >= group.segments:
            raise InputError(f"halving: first={first} leaves nothing of the {group.segments} segments; lower it")
        rungs = [first * self.factor**drop for drop in range(drops)]
        return HalvingRule(
            metric=self.metric,
            factor=self.factor,
            rungs=tuple(rung for rung in rungs if rung < group.segments),
            configurations=tuple(
                tuple(contest[members] for members in of_contest)
                for contest, of_contest in zip(contests, configurations, strict=True)
            ),
        )


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


def _left(configurations: int, factor: int, rung: int) -> int:
    return math.ceil(configurations / factor**rung)


def _configuration(run: Run) -> tuple[object, ...]:
    return (run.labels["algorithm"], *[(n, repr(v)) for n, v in run.settings.items() if n != "seed"])
