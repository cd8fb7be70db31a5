"""Population-based training (Jaderberg et al. 2017, arXiv 1711.09846): the worst go on from the best, perturbed."""

import dataclasses
import math
import zlib

import numpy as np

from jaxvf.errors import InputError
from jaxvf.hyperparameters import field_at
from jaxvf.sweeps.plan import Group
from jaxvf.sweeps.search.rules import (
    Decision,
    check_count,
    check_fraction,
    comparable,
    places,
    searched_fields,
    settings_key,
)
from jaxvf.sweeps.space import Run
from jaxvf.sweeps.values import SEED

PERTURBATIONS = (0.8, 1.25)  # by which an inherited value is multiplied; each undoes the other


@dataclasses.dataclass(frozen=True)
class Population:
    """Truncation selection: every few segments the worst runs take over the state and the fields of the best.

    A population is all values of the searched fields (the traced numbers of the learner that the sweep varies) with
    everything else equal. So every seed is a population of its own, and seeds stay independent; where the seed stands
    on an axis beside a field ("learning_rate,seed"), members have seeds of their own.

    A run of the worst copies what one of the best has learned: parameters, targets, optimizer and memory. It keeps its
    seed and its environment. Each of its fields is then multiplied by 0.8 or 1.25, or drawn anew from the values that
    the population began with, and put back into the field's range.

    Attributes:
        every: segments between two selections.
        fraction: of a population that is replaced, and from as many of the best; at least one run.
        resample: probability that a field is drawn anew instead of perturbed.
        metric: what is compared, at the last evaluation; higher is better, diverged is worst.
    """

    every: int = 1
    fraction: float = 0.2
    resample: float = 0.25
    metric: str = "test_return"

    def __post_init__(self):
        check_count("every", self.every)
        check_fraction("fraction", self.fraction, 0.5)
        if self.resample != 0:
            check_fraction("resample", self.resample, 1.0)

    def rule(self, group: Group, root_seed: int) -> "PopulationRule":
        """The rule for the runs of a group.

        Raises:
            InputError: if no traced number of the learner varies, a population has one member, or none is ever judged.
        """
        fields = searched_fields(group.runs)
        if self.every >= group.segments:
            raise InputError(
                f"population: every={self.every} judges nobody before the end, at {group.segments} segments"
            )

        def key(run: Run) -> tuple[object, ...]:
            seed = None if SEED in run.settings else run.seed
            labels = (run.labels["env"], run.labels["algorithm"])
            return (*labels, seed, settings_key(run, lambda name: name not in (*fields, SEED)))

        populations = tuple(places(group.runs, key))
        if min(map(len, populations)) < 2:
            raise InputError("population: a population has one member; give its fields two values or more")
        metadata = [field_at(group.runs[0].algorithm, name)[0].metadata for name in fields]
        bounds = [[-np.inf if one["low"] is None else one["low"] for one in metadata],
                  [np.inf if one["high"] is None else one["high"] for one in metadata]]  # fmt: skip
        return PopulationRule(
            method=self,
            recorded=fields,
            segments=group.segments,
            populations=populations,
            bounds=np.asarray(bounds, np.float32),
            beginning=start_values(group, fields),
            root_seed=root_seed,
        )


@dataclasses.dataclass(frozen=True)
class PopulationRule:
    """`Population` of given runs.

    Attributes:
        method: its settings.
        recorded: the searched fields.
        segments: when training is over; nobody is judged then.
        populations: the numbers of the runs of each.
        bounds: smallest and largest valid values, [2, fields].
        beginning: the values that runs began with, [fields, runs].
        root_seed: root of the draws.
    """

    method: Population
    recorded: tuple[str, ...]
    segments: int
    populations: tuple[np.ndarray, ...]
    bounds: np.ndarray
    beginning: np.ndarray
    root_seed: int

    @property
    def metric(self) -> str:
        """What is compared."""
        return self.method.metric

    def runs_after(self, done: int) -> int:
        """All runs go on."""
        return self.beginning.shape[1]

    def decide(self, done: int, rows: np.ndarray, scores: np.ndarray, values: np.ndarray) -> Decision | None:
        """Replace the worst of every population by perturbed copies of the best; nobody by one that is not better."""
        if done % self.method.every or done >= self.segments:
            return None
        scores, sources, values = comparable(scores), np.arange(len(rows)), values.copy()
        stream = np.random.default_rng([self.root_seed, zlib.crc32(b"population"), done])
        for members in self.populations:
            count = max(1, math.floor(self.method.fraction * len(members)))
            ranked = members[np.argsort(-scores[members], kind="stable")]
            for loser, winner in zip(ranked[-count:], stream.choice(ranked[:count], count), strict=True):
                explored = self._explored(values[:, winner], self.beginning[:, members], stream)
                if scores[winner] > scores[loser]:
                    sources[loser], values[:, loser] = winner, explored
        return Decision(rows, sources, values)

    def _explored(self, inherited: np.ndarray, beginning: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        """Values near the inherited ones, or drawn from those of the beginning; [fields]."""
        perturbed = inherited * stream.choice(PERTURBATIONS, len(inherited))
        drawn = np.asarray([stream.choice(of_field) for of_field in beginning])
        fresh = stream.random(len(inherited)) < self.method.resample
        return np.clip(np.where(fresh, drawn, perturbed).astype(np.float32), *self.bounds)


def start_values(group: Group, fields: tuple[str, ...]) -> np.ndarray:
    """The values of traced fields that runs begin with, [fields, runs]."""
    columns = [[field_at(run.algorithm, name)[1] for run in group.runs] for name in fields]
    return np.asarray(columns, np.float32).reshape(len(fields), len(group.runs))
