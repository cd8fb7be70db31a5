"""What an experiment is predicted to take on one H100, from kernels and bytes that were counted without a device.

`jaxvf bench kernels` compiles one program of each kind for the chip. What it has not counted is predicted from the
nearest program that it has: the same kind of environment, the same family of learner. Nothing was measured on a GPU.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvf import algorithms, scripts
from jaxvf.errors import MissingPackageError
from jaxvf.reproduction import durations
from jaxvf.reproduction.plan import Planned, planning
from jaxvf.sweeps import Sweep
from jaxvf.training import make_program

# By the class of an environment, the counted one that stands for it. Of battles the smallest was counted, so that
# the others' predictions are too small, SMAClite's too; of JaxMARL's games MPE's spread, of brax's bodies half a
# cheetah.
COUNTED = {
    "MatrixGame": "matrix_game/A",
    "TwoStepGame": "matrix_game/A",
    "SoftmaxChain": "gaussian_team",
    "GaussianTeam": "gaussian_team",
    "PredatorPrey": "predator_prey",
    "Combat": "combat/3m",
    "Smaclite": "combat/3m",
    "BoxPushing": "box_pushing/4",
    "Intersection": "intersection",
    "Football": "football/academy_3_vs_1_with_keeper",
    "FromJaxMARL": "jaxmarl/MPE_simple_spread_v3",
    "Smax": "smax/3m",
    "BraxTeam": "brax/halfcheetah_6x1",
}
MANY = 256  # values of an axis, from which on one stands for all
FAMILIES = ("qmix", "happo")  # learners that stand for all with a replay, and for all on policy


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What an experiment, or a part of it, will take.

    Attributes:
        low: seconds, if a kernel's launch takes 2 microseconds; None where a program of it was not counted.
        high: seconds, if it takes 5.
        programs: how many are compiled.
        runs: of all programs.
        resumes: whether it goes on where it was stopped: whether it trains.
        missing: which package this installation lacks for it, and how to install it; empty where it lacks none.
        minutes: on two CPU cores, as the scale says.
    """

    low: float | None
    high: float | None
    programs: int = 0
    runs: int = 0
    resumes: bool = False
    missing: str = ""
    minutes: float = 0.0


def counted_kernels() -> dict[str, Any]:
    """The counts of this installation."""
    return json.loads((scripts.directory("benchmarks") / "results" / "kernels_aot.json").read_text())


def predict(experiment: Any, scale: str, kernels: Mapping[str, Any], **only: Any) -> Prediction:
    """What a module of an experiment takes at a scale; nothing is compiled.

    One that trains nothing computes on the host: its minutes are those that its scale says of two CPU cores.

    Args:
        experiment: has `reproduce`.
        scale: name of one of its scales.
        kernels: what was counted.
        **only: arguments of `reproduce` that make it a part of the experiment.

    Raises:
        InputError: for a scale or an argument that the experiment does not have.
    """
    try:
        with planning():
            experiment.reproduce(out=Path("runs"), scale=scale, yes=True, **only)
    except Planned as planned:
        if not planned.sweeps:
            seconds = planned.scale.minutes * 60
            return Prediction(seconds, seconds, minutes=planned.scale.minutes)
        found = of_sweeps(list(planned.sweeps.values()), kernels)
        return dataclasses.replace(found, minutes=planned.scale.minutes)
    return Prediction(0.0, 0.0)  # neither trains nor asks: it only draws


def predict_or_say(experiment: Any, scale: str, kernels: Mapping[str, Any], **only: Any) -> Prediction:
    """`predict`, but a package that is missing, as brax for its bodies, is said in the prediction."""
    try:
        return predict(experiment, scale, kernels, **only)
    except MissingPackageError as error:
        return Prediction(None, None, missing=str(error))


def of_sweeps(sweeps: Sequence[Sweep], kernels: Mapping[str, Any]) -> Prediction:
    """Compilation, and for every iteration launches, arithmetic or memory, whichever takes longest; evaluations not.

    All runs of a program count as launched at once: where memory does not hold them, more launches are needed.
    """
    low = high = 0.0
    known, programs, runs = True, 0, 0
    for whole in sweeps:
        sweep, factor = _thinned(whole)
        for group in durations.programs(sweep):
            count = factor * len(group)
            programs, runs = programs + 1, runs + count
            cell = nearest(group[0].env, group[0].algorithm, kernels)
            if cell is None:
                known = False
                continue
            per_run = max(cell["arithmetic_microseconds_per_run"], cell["memory_microseconds_per_run"])
            program = make_program(
                group[0].env, group[0].algorithm, env_steps=int(sweep.env_steps),
                test_interval=int(sweep.env_steps), test_episodes=1, root=0,
            )  # fmt: skip
            iterations = math.ceil(int(sweep.env_steps) / program.experience.steps)
            ends = [iterations * max(launch, count * per_run) / 1e6 for launch in cell["launch_microseconds"]]
            low, high = (
                total + cell["compile_cpu_seconds"] + end for total, end in zip((low, high), ends, strict=True)
            )
    return Prediction(low if known else None, high if known else None, programs, runs, resumes=True)


def _thinned(sweep: Sweep) -> tuple[Sweep, int]:
    """The sweep with one value of each axis that has very many, which no static field has, and how many it stands for.

    Thousands of games need not be drawn to be counted.
    """
    grid, factor = dict(sweep.grid), 1
    for axis, values in grid.items():
        if isinstance(values, list) and len(values) >= MANY:
            grid[axis], factor = values[:1], factor * len(values)
    return dataclasses.replace(sweep, grid=grid), factor


def nearest(env: Any, algorithm: Any, kernels: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The counted program that stands for a learner on an environment; None for an environment of another kind."""
    cells = {(row["env"], row["algorithm"]): row for row in kernels["rows"] if row["chip"] == "h100"}
    place = COUNTED.get(type(env).__name__)
    if place is None:
        return None
    family = FAMILIES[1] if type(algorithm).__module__.startswith("jaxvf.trust_region") else FAMILIES[0]
    for name in (algorithms.name_of(algorithm), family):
        if (place, name) in cells:
            return cells[place, name]
    return None
