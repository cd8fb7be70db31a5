"""`jaxvf.run`: a sweep in one call."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvf.results import Result
from jaxvf.sweeps import Sweep


def run(
    env: Any,
    algorithm: Any,
    *,
    seeds: int | Sequence[int] = 1,
    sweep: Mapping[str, Any] | None = None,
    env_steps: int = 100_000,
    test_interval: int | None = None,
    test_episodes: int = 32,
    root_seed: int = 0,
    out: str | Path | None = None,
    chunk: int | None = None,
    yes: bool = False,
    progress: str = "auto",
    log: Any = None,
    cache: bool = True,
    check: bool = True,
    within: float | None = None,
    until_width: float | None = None,
) -> Result:
    """Train every combination of environments, algorithms, sweep values and seeds; each is a run.

    Args:
        env: registered name ("predator_prey"), an environment (`jaxvf.envs.MatrixGame(payoff)`), or several: a list, or
            a mapping from labels, which is what their runs are then called.
        algorithm: registered name ("qmix"), a configured one (`jaxvf.value.QLearning(...)`), or several, likewise:
            `{"wide": QLearning(mixer=QmixMixer(embed=64)), "narrow": "qmix"}`.
        seeds: how many, or which.
        sweep: values by field. Traced fields ("learning_rate", "env.penalty") share one program; each distinct value
            of a static one ("mixer.embed", "batch_size") compiles its own. Values are a list or an array, or for
            traced fields `jaxvf.Uniform(-5, 0, 32)`, `jaxvf.LogUniform(1e-4, 1e-2, 32)` or `jaxvf.Sobol`.
        env_steps: environment steps allotted to one run; an episode is allotted the environment's limit, and
            the metric `steps_taken` counts the steps that were taken.
        test_interval: steps between evaluations; by default a twentieth of the budget.
        test_episodes: greedy episodes in an evaluation.
        root_seed: root of all random streams, drawn values included.
        out: directory for Parquet, configuration, checkpoints and policies; None keeps everything in memory.
        chunk: runs in a program at once; by default what the device holds.
        yes: agree to compile more than 16 programs.
        progress: "auto", "plain" or "none".
        log: where to report too: "tensorboard", "wandb" or "wandb:project=mine,group=study,tags=a+b,mode=offline", a
            `jaxvf.results.sinks.Sink` of your own, or a list of them.
        cache: keep compiled programs, and what was measured of them, in the user's cache (`~/.cache/jaxvf`).
        check: first check (`jaxvf.envs.check_env`) environments that are not jaxvf's, which takes a second or two.
        within: seconds in which rounds of `seeds` seeds each are added; the same call goes on later.
        until_width: end earlier, when the 95 % interval of every condition's test return is narrower.

    Raises:
        InputError: for bad input, before anything is written.
        Interrupted: after Ctrl-C or SIGTERM, when all that is done is saved.
    """
    described = Sweep(
        env=env, algorithms=algorithm, seeds=seeds, grid=sweep or {}, env_steps=env_steps, test_interval=test_interval,
        test_episodes=test_episodes, root_seed=root_seed,
    )  # fmt: skip
    return described.run(
        out, chunk=chunk, yes=yes, progress=progress, log=log, cache=cache, check=check, within=within,
        until_width=until_width,
    )  # fmt: skip
