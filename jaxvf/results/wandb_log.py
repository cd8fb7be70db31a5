"""Weights & Biases logging: one wandb run for a whole sweep, and never a reason for training to stop."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Seconds. Without limits a dead network holds up start and end, and a missing key is asked for and awaited.
TIMEOUTS = {"init_timeout": 30.0, "login_timeout": 30.0, "finish_timeout": 60.0}
PROJECT = "jaxvf"


class WandbSink:
    """A sweep's wandb run; made by `open_wandb`."""

    def __init__(self, run: Any):
        self._run: Any = run

    def scalars(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Log numbers by name; environment steps are their x axis."""
        self._run.log({"env_steps": env_steps, **values})

    def finish(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Log one row per run as the table "runs", and finish; arrays and lists are shown as text."""
        if runs:
            import wandb

            columns: list[Any] = list(dict.fromkeys(name for record in runs for name in record))
            data: list[Any] = [[_cell(record.get(name)) for name in columns] for record in runs]
            self._run.log({"runs": wandb.Table(columns=columns, data=data, allow_mixed_types=True)})
        self._run.finish()


def open_wandb(
    *,
    config: Mapping[str, Any],
    directory: str | Path,
    mode: str = "online",
    project: str = PROJECT,
    name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
) -> WandbSink | None:
    """Start the wandb run of a sweep; offline where online fails, and None, with a line, where that fails too.

    Args:
        config: the configuration of the sweep.
        directory: where wandb makes its folder `wandb/`.
        mode: "online" sends at once; "offline" writes below `directory`, to be sent later with `wandb sync`.
        project: wandb's project.
        name: of the run; by default wandb's own.
        group: of runs.
        tags: of the run.
    """
    said = {"project": project, "name": name, "group": group, "tags": list(tags) or None}
    if mode == "online":
        try:
            return WandbSink(_start("online", config, directory, said))
        except Exception as error:
            _warn(f"wandb is not reachable, logging offline ({_line(error)})")
    try:
        return WandbSink(_start("offline", config, directory, said))
    except Exception as error:
        _warn(f"wandb did not start, nothing is logged to it ({_line(error)})")
        return None


def _start(mode: Any, config: Mapping[str, Any], directory: str | Path, said: Mapping[str, Any]) -> Any:
    import wandb

    known = wandb.Settings.model_fields  # `finish_timeout` is younger than the oldest wandb we accept
    limits: dict[str, Any] = {name: seconds for name, seconds in TIMEOUTS.items() if name in known}
    # Neither capture nor print: the terminal belongs to the progress bar.
    settings = wandb.Settings(console="off", silent=True, **limits)
    Path(directory).mkdir(parents=True, exist_ok=True)
    run = wandb.init(mode=mode, dir=str(directory), config=dict(config), settings=settings, reinit="create_new", **said)
    # Conditions come one after another and start over at step 0; wandb's own step only counts rows.
    run.define_metric("*", step_metric="env_steps")
    return run


def _cell(value: Any) -> Any:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain if plain is None or isinstance(plain, bool | int | float | str) else str(plain)


def _line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _warn(message: str) -> None:
    print(f"jaxvf: {message}", file=sys.stderr)
