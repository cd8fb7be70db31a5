"""One environment probed: small policies with history, without, and without looking, and what they earn."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvf import algorithms
from jaxvf.envs import OpenLoop, make
from jaxvf.envs.protocol import Environment
from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.probes import episodes
from jaxvf.probes.information import measures
from jaxvf.results import Result
from jaxvf.results.evaluation import GOALS
from jaxvf.results.statistics import mean_interval, stratified_bootstrap
from jaxvf.sweeps import Sweep

HISTORY, MEMORYLESS, OPEN_LOOP, RANDOM = "history", "memoryless", "open_loop", "random"
CONDITIONS = (HISTORY, MEMORYLESS, OPEN_LOOP)
# What differs from MAPPO's defaults: shorter rollouts and larger steps, for small budgets.
SMALL: Mapping[str, Any] = {
    "actor.hidden": 64, "critic.hidden": 64, "num_envs": 32, "rollout_length": 30,
    "learning_rate": 1e-3, "critic_learning_rate": 1e-3, "entropy_weight": 0.01,
}  # fmt: skip
SAMPLES = 1000  # of a bootstrap
SMALLEST_SCALE = 1e-6  # of what looking earns over acting at random; below it shares mean nothing

Record = dict[str, Any]  # plain JSON


@dataclasses.dataclass(frozen=True)
class ProbeSettings:
    """How an environment is probed.

    Attributes:
        algorithm: whose policies; a registered name or a configured algorithm, None for MAPPO with `SMALL` settings.
            Its agent or actor network and what it appends to observations are set by each condition.
        seeds: runs of each condition.
        env_steps: training steps of a run.
        test_episodes: greedy episodes at a run's end, and of random play.
    """

    algorithm: Any = None
    seeds: int = 4
    env_steps: int = 100_000
    test_episodes: int = 64

    def __post_init__(self) -> None:
        for name in ("seeds", "env_steps", "test_episodes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)!r} must be at least 1")

    @property
    def learner(self) -> Any:
        """The algorithm before a condition changes it."""
        if self.algorithm is not None:
            return algorithms.make(self.algorithm)
        return _changed(algorithms.make("mappo"), SMALL)


def condition(name: str, env: Environment, learner: Any) -> tuple[Environment, Any]:
    """The environment and the learner of one of `CONDITIONS`.

    - history: a recurrent network, which also sees its previous action (Tessera et al. 2026 compare it with
    - memoryless: a feed-forward network on the present observation);
    - open_loop: a feed-forward network on the step and the agent's index (Ellis et al. 2022).

    All know their index, which is no memory, and the same critic or mixer trains them.
    """
    network = "recurrent" if name == HISTORY else "feed_forward"
    field = "agent" if hasattr(learner, "agent") else "actor"
    changes = {field: network, f"{field}.hidden": getattr(getattr(learner, field), "hidden", 64)}
    changes |= {"last_action": name == HISTORY, "agent_id": name != OPEN_LOOP}
    return OpenLoop(env) if name == OPEN_LOOP else env, _changed(learner, changes)


def probe(
    env: str | Environment, settings: ProbeSettings | None = None, *, out: Path | None = None, progress: str = "none"
) -> Record:
    """Train the three conditions on an environment, and compare them.

    - Returns: the mean of the runs' greedy returns at the end of training, with 95 % bootstrap intervals over runs; of
      random play, over episodes.
    - `memory_gap`: the mean return with history minus that without (the memory-reactive gap of Tessera et al. 2026, who
      test its sign where we give its interval).
    - `memory_share`: the gap, divided by what the better of both earns more than random play. Chosen here.
    - `open_loop_share`: how much of that open-loop control earns: 0 as much as random play, 1 as if it looked.
      Ellis et al. 2022 compare the returns themselves.
    - `information`: of the run with history whose return is the median (`information`); None for continuous actions.

    Args:
        env: a registered name or an environment.
        settings: by default `ProbeSettings()`.
        out: directory in which the three sweeps are kept, to go on with after an interruption; None keeps nothing.
        progress: "auto", "plain" or "none".

    Returns:
        What was found, as plain JSON: intervals are lists of an estimate and its two ends.
    """
    settings, env, begun = settings or ProbeSettings(), make(env), time.process_time()
    results = {name: _trained(name, env, settings, out, progress) for name in CONDITIONS}
    last = {name: result.last("test_return").astype(np.float64) for name, result in results.items()}
    last[RANDOM] = episodes.random_returns(env, episodes=settings.test_episodes, seed=0)
    return {
        "env": env.spec.name,
        "returns": {name: _interval(values) for name, values in last.items()},
        **_goals(results, env),
        **gaps(last),
        "information": _information(results[HISTORY], env),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def gaps(last: Mapping[str, np.ndarray]) -> dict[str, list[float] | None]:
    """Differences between conditions with their intervals, by bootstrap over the runs of each.

    A diverged run is left out; where no run of a condition is left, everything is None.

    Args:
        last: returns of the runs of each condition, and of episodes of random play.
    """
    every = (np.asarray(last[name], np.float64) for name in (*CONDITIONS, RANDOM))
    groups = [values[~np.isnan(values)] for values in every]
    names = ("memory_gap", "memory_share", "open_loop_share")
    if not all(map(len, groups)):
        return dict.fromkeys(names)

    def gap(groups: list[np.ndarray]) -> float:
        return float(groups[0].mean() - groups[1].mean())

    def scale(groups: list[np.ndarray]) -> float:
        return float(max(groups[0].mean(), groups[1].mean()) - groups[3].mean())

    def reached(groups: list[np.ndarray]) -> float:
        return float(groups[2].mean() - groups[3].mean())

    def share_of(part: Callable[[list[np.ndarray]], float]) -> Callable[[list[np.ndarray]], float]:
        # A resample without a scale has no share; the bootstrap leaves it out.
        return lambda groups: part(groups) / scale(groups) if scale(groups) else float("nan")

    learned = scale(groups) > SMALLEST_SCALE * max(1.0, abs(float(groups[0].mean())))
    found: dict[str, list[float] | None] = {}
    for name, statistic in zip(names, (gap, share_of(gap), share_of(reached)), strict=True):
        if not learned and name != "memory_gap":
            found[name] = None
            continue
        found[name] = _plain(stratified_bootstrap(groups, statistic, samples=SAMPLES, rng=np.random.default_rng(0)))
    return found


def _trained(name: str, env: Environment, settings: ProbeSettings, out: Path | None, progress: str) -> Result:
    conditioned, learner = condition(name, env, settings.learner)
    sweep = Sweep(
        conditioned, learner, seeds=settings.seeds, env_steps=settings.env_steps, test_interval=settings.env_steps,
        test_episodes=settings.test_episodes,
    )  # fmt: skip
    if out is None:
        return sweep.run(progress=progress, check=False)
    return sweep.run_or_resume(out / name, progress=progress, check=False)


def _goals(results: Mapping[str, Result], env: Environment) -> dict[str, Any]:
    """The fraction of episodes that end at the goal, where an environment knows one."""
    goal = next((goal for goal in GOALS if goal in env.spec.metric_names), None)
    if goal is None:
        return {}
    return {goal: {name: _interval(result.last(f"test_{goal}")) for name, result in results.items()}}


def _information(result: Result, env: Environment) -> dict[str, dict[str, float]] | None:
    if env.spec.continuous:
        return None
    last = result.last("test_return")
    if np.isnan(last).all():
        return None
    order = np.argsort(last)  # NaN last
    middle = int(order[(~np.isnan(last)).sum() // 2])
    played = episodes.greedy_steps(result.policy(middle), seed=1)
    return {name: measure._asdict() for name, measure in measures(played, np.random.default_rng(0)).items()}


def _interval(values: np.ndarray) -> list[float]:
    return _plain(mean_interval(np.asarray(values, np.float64), rng=np.random.default_rng(0)))


def _plain(interval: Any) -> list[float]:
    return [float(f"{number:.6g}") for number in interval]


def _changed(config: Any, changes: Mapping[str, Any]) -> Any:
    for path, value in changes.items():
        config = replace(config, path, value)
    return config
