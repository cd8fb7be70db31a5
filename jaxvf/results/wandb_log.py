"""Weights & Biases logging: one wandb run for a whole sweep, and never a reason for training to stop."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from jaxvf.errors import unknown
from jaxvf.results.statistics import iqm

Mode = Literal["offline", "online"]
# Seconds. Without limits a dead network holds up start and end, and a missing key is asked for and awaited.
TIMEOUTS = {"init_timeout": 30.0, "login_timeout": 30.0, "finish_timeout": 60.0}


class WandbLog:
    """A sweep's wandb run; made by `open_wandb`. After the first failure it says so once and logs no more."""

    def __init__(self, run: Any):
        self._run: Any = run

    @property
    def active(self) -> bool:
        """Whether anything is still logged."""
        return self._run is not None

    def log(
        self,
        env_steps: int,
        metrics: Mapping[str, Float[np.ndarray, " runs"]],
        run_ids: Int[np.ndarray, " runs"],
    ) -> None:
        """Log IQM and mean over the runs that have not diverged, and how many those are.

        Args:
            env_steps: the x axis.
            metrics: one value per run; NaN is a diverged run.
            run_ids: which runs these are. They name the curve, so that every chunk of a sweep has its own.
        """
        self._guard(lambda: self._run.log(_row(env_steps, metrics, run_ids)))

    def close(self, runs_table: Sequence[Mapping[str, Any]] = ()) -> None:
        """Log one row per run as the table "runs", and finish; arrays and lists are shown as text."""

        def table() -> None:
            import wandb

            columns: list[Any] = list(dict.fromkeys(name for record in runs_table for name in record))
            data: list[Any] = [[_cell(record.get(name)) for name in columns] for record in runs_table]
            self._run.log({"runs": wandb.Table(columns=columns, data=data, allow_mixed_types=True)})

        if runs_table:
            self._guard(table)
        self._guard(lambda: self._run.finish())
        self._run = None

    def _guard(self, call: Callable[[], Any]) -> None:
        """Run `call`; what it raises stops the logging and nothing else."""
        if self._run is None:
            return
        try:
            call()
        except Exception as error:
            self._run = None
            _warn(f"wandb failed, logging stops ({_line(error)})")


def open_wandb(
    mode: Mode,
    *,
    config: Mapping[str, Any],
    directory: str | Path,
    project: str = "jaxvf",
) -> WandbLog:
    """Start the wandb run of a sweep; offline where online fails, and silent where that fails too.

    Args:
        mode: "offline" writes below `directory`, to be sent later with `wandb sync`; "online" sends at once.
        config: the configuration of the sweep.
        directory: where wandb makes its folder `wandb/`.
        project: wandb's project.

    Raises:
        InputError: if `mode` is neither.
    """
    if mode not in get_args(Mode):
        raise unknown("wandb mode", mode, get_args(Mode))
    if mode == "online":
        try:
            return WandbLog(_start("online", config, directory, project))
        except Exception as error:
            _warn(f"wandb is not reachable, logging offline ({_line(error)})")
    try:
        return WandbLog(_start("offline", config, directory, project))
    except Exception as error:
        _warn(f"wandb did not start, nothing is logged to it ({_line(error)})")
        return WandbLog(None)


def _start(mode: Mode, config: Mapping[str, Any], directory: str | Path, project: str) -> Any:
    import wandb

    known = wandb.Settings.model_fields  # `finish_timeout` is younger than the oldest wandb we accept
    limits: dict[str, Any] = {name: seconds for name, seconds in TIMEOUTS.items() if name in known}
    # Neither capture nor print: the terminal belongs to the progress bar.
    settings = wandb.Settings(console="off", silent=True, **limits)
    Path(directory).mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        mode=mode,
        project=project,
        dir=str(directory),
        config=dict(config),
        settings=settings,
        reinit="create_new",
    )
    # The chunks of a sweep start over at step 0; wandb's own step only counts rows.
    run.define_metric("*", step_metric="env_steps")
    return run


def _row(env_steps: int, metrics: Mapping[str, np.ndarray], run_ids: np.ndarray) -> dict[str, float]:
    """What one call of `log` sends."""
    curve = f"runs {np.min(run_ids)}-{np.max(run_ids)}"
    row: dict[str, float] = {"env_steps": int(env_steps)}
    for name, values in metrics.items():
        values = np.asarray(values, np.float64)
        values = values[~np.isnan(values)]
        row[f"{name}/valid, {curve}"] = len(values)
        if len(values):  # wandb draws no NaN
            row[f"{name}/iqm, {curve}"] = float(iqm(values))
            row[f"{name}/mean, {curve}"] = float(values.mean())
    return row


def _cell(value: Any) -> Any:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain if plain is None or isinstance(plain, bool | int | float | str) else str(plain)


def _line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _warn(message: str) -> None:
    print(f"jaxvf: {message}", file=sys.stderr)
