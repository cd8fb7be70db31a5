"""Sweeps in directories: go on, share the work, load."""

from pathlib import Path

from jaxvf.errors import InputError
from jaxvf.results.result import Result
from jaxvf.results.sections import checked_document
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import from_json
from jaxvf.sweeps.execution import go_on, loaded
from jaxvf.sweeps.sweep import Sweep


def resume(
    path: str | Path,
    *,
    progress: str = "auto",
    wandb: str | None = None,
    cache: bool = True,
    grace: float | None = None,
) -> Result:
    """Continue an interrupted sweep, bitwise as if it had not stopped; a finished one is only loaded.

    Args:
        path: the directory of the sweep.
        progress: "auto", "plain" or "none".
        wandb: "offline" or "online" to log to Weights & Biases too.
        cache: keep compiled programs, and what was measured of them, in the user's cache (`~/.cache/jaxvf`).
        grace: seconds from a SIGTERM to the end of the process; None to end the segment however long it takes.

    Raises:
        InputError: if the directory holds no sweep, a file of it is damaged, or another process has it.
    """
    directory = RunDirectory(path)
    return go_on(directory, _sweep(directory).plan, progress=progress, wandb=wandb, cache=cache, grace=grace)


def work(path: str | Path, *, progress: str = "auto", cache: bool = True, grace: float | None = None) -> Result:
    """Compute units of a sweep beside any number of other processes, on any hosts that share the file system.

    Returns when all units are finished, whoever computed them. A unit whose process died is taken again.

    Args:
        path: the directory of the sweep.
        progress: "auto", "plain" or "none".
        cache: keep compiled programs in the user's cache.
        grace: seconds from a SIGTERM to the end of the process; None to end the segment however long it takes.

    Raises:
        InputError: if the directory holds no sweep, a file of it is damaged, or one process has all of it.
    """
    directory = RunDirectory(path)
    return go_on(directory, _sweep(directory).plan, share=True, progress=progress, cache=cache, grace=grace)


def load(path: str | Path) -> Result:
    """The results in a directory, of an unfinished sweep as far as it got.

    Curves and the table of runs are data. A policy is read when it is asked for, and only then must the program know
    the classes of its environment and learner.

    Raises:
        InputError: if the directory holds no sweep, or a file of it is damaged.
    """
    directory = RunDirectory(path)
    return loaded(directory, lambda **options: _sweep(directory).plan(**options))


def _sweep(directory: RunDirectory) -> Sweep:
    described = directory.path / "run.json"
    sweep = from_json(checked_document(directory).get("config"), described)
    if not isinstance(sweep, Sweep):
        raise InputError(f"{described} describes no sweep")
    return sweep
