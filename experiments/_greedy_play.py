"""Learners on games of many steps: what their greedy play wins and earns against steps.

One program a learner and task. The experiments that share this say what is played and with which settings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jaxvf
from jaxvf.hyperparameters import replace
from jaxvf.reproduction import IQM, Scale, caption, facts_of, train
from jaxvf.results import Interval, Result, iqm_interval, summaries

WON, RETURN = "won", "return"  # a row's curves, of which it is drawn again: [seed, evaluation]
# The same for all learners of a study: eight episodes side by side, PyMARL2's optimizer, and as many updates as the
# sequences of `replay_forms`, whose runs learn.
SEQUENCES: dict[str, Any] = {
    "num_envs": 8,
    "sequence_length": 32,
    "updates_per_step": 3 / 256,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "td_lambda": 0.6,
    "batch_size": 32,
    "buffer_size": 2048,
}
ANNEAL_SHARE = 0.48  # of a run, in which ε falls


@dataclass(frozen=True)
class Study:
    """What an experiment plays, and what its figures say.

    Attributes:
        family: of tasks that name none, as "combat" of "3m"; empty where every task is a whole name.
        learners: all of the experiment, in the order of their styles.
        configured: the algorithm for a learner's name and a number of steps.
        test_episodes: of an evaluation.
        evaluations: of a run.
        claim: a sentence with `{what}` where "share of battles won" or "return" goes.
        won: what is won, e.g. "battles won".
        behaviour: how agents explore, in words.
    """

    family: str
    learners: Sequence[str]
    configured: Callable[[str, int], Any]
    test_episodes: int
    evaluations: int
    claim: str
    won: str
    behaviour: str


def reproduce(
    study: Study, setting: Scale, tasks: Sequence[str], learners: Sequence[str], out: Path, *, yes: bool, **labels: Any
) -> None:
    """Run the sweeps; write Parquet, `summary.json`, whose rows have the labels, and two curves a task to `out`."""
    played = {f"{task}/{learner}": (task, learner) for task in tasks for learner in learners}
    sweeps = {where: sweep_of(study, setting, *cell) for where, cell in played.items()}
    results = train(sweeps, out, setting, yes=yes)
    rows = [row_of(*cell, results[where], setting.label) | labels for where, cell in played.items()]
    summaries.write_summary(rows, out)
    for path in draw(study, rows, out):
        print(path)
    for row in rows:
        won, earned = (summaries.return_text(Interval(*row[name])) for name in ("final_won", "final_return"))
        print(f"{row['task']:26} {row['learner']:16} won {won}  return {earned}")


def sweep_of(study: Study, setting: Scale, task: str, learner: str) -> jaxvf.Sweep:
    """All seeds of a learner on a task."""
    steps = setting.steps_of(task)
    return jaxvf.Sweep(
        env=task if "/" in task or not study.family else f"{study.family}/{task}",
        algorithms=study.configured(learner, steps),
        seeds=setting.seeds,
        env_steps=steps,
        test_interval=max(1, steps // study.evaluations),
        test_episodes=study.test_episodes,
    )


def row_of(task: str, learner: str, result: Result, scale: str) -> dict[str, Any]:
    """The row of a learner on a task; its win rate is an IQM over seeds."""
    runs = result.select()
    won = result.metric("test_won")[runs]
    return summaries.condition_row(result, runs, scale=scale, learner=learner, task=task) | {
        "final_won": [float(end) for end in iqm_interval(won[:, -1], rng=np.random.default_rng(0))],
        WON: won.tolist(),
        RETURN: result.metric("test_return")[runs].tolist(),
        "steps_taken": float(result.metric("steps_taken")[runs, -1].mean()),
    }


def draw(study: Study, rows: Sequence[Mapping[str, Any]], out: Path) -> list[Path]:
    """Two figures a task, from a summary alone: what is won and what is earned."""
    facts = facts_of(rows, behaviour=study.behaviour, interval=IQM)
    drawn = []
    for curves, what, ylabel in ((WON, f"share of {study.won}", study.won), (RETURN, "return", "test return")):
        panels = summaries.panels_of(rows, "task", "learner", curves)
        panels = {f"{task}, {curves}": lines for task, lines in panels.items()}
        note = caption(study.claim.format(what=what), **facts)
        drawn += summaries.save_panels(panels, out, labels=study.learners, ylabel=ylabel, note=note)
    return drawn


def configured(learner: str, setting: Mapping[str, Any], own: Mapping[str, Any]) -> Any:
    """A registered algorithm with a setting and, over it, fields of its own."""
    algorithm = jaxvf.algorithms.make(learner)
    for field, value in {**setting, **own}.items():
        algorithm = replace(algorithm, field, value)
    return algorithm
