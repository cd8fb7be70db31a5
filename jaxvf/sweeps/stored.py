"""Sweeps in directories: go on, share the work, load."""

from pathlib import Path
from typing import Any

from jaxvf.configurations import name_of
from jaxvf.errors import InputError
from jaxvf.results import sinks
from jaxvf.results.result import Result
from jaxvf.results.sections import checked_document
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import from_json
from jaxvf.sweeps import search
from jaxvf.sweeps.execution import go_on, loaded
from jaxvf.sweeps.search import Search
from jaxvf.sweeps.sweep import Sweep


def resume(
    path: str | Path,
    *,
    progress: str = "auto",
    log: Any = None,
    cache: bool = True,
    grace: float | None = None,
) -> Result:
    """Continue an interrupted sweep, bitwise as if it had not stopped; a finished one is only loaded.

    Args:
        path: the directory of the sweep.
        progress: "auto", "plain" or "none".
        log: where to report too, as `Sweep.run`.
        cache: keep compiled programs, and what was measured of them, in the user's cache (`~/.cache/jaxvf`).
        grace: seconds from a SIGTERM to the end of the process; None to end the segment however long it takes.

    Raises:
        InputError: if the directory holds no sweep, a file of it is damaged, or another process has it.
    """
    destinations = sinks.parse(log)
    directory = RunDirectory(path)
    described = _described(directory)
    if isinstance(described, Search):
        if destinations:
            raise InputError(f"log={log!r} belongs to a plain sweep, and {path} holds a search")
        return search.run(described, path, search.Options(progress=progress, cache=cache, grace=grace))
    return go_on(directory, described.plan, progress=progress, log=destinations, cache=cache, grace=grace)


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
    described = _described(directory)
    if isinstance(described, Search):
        raise InputError(f"{path} holds a search, whose runs are not shared; go on with `jaxvf resume {path}`")
    return go_on(directory, described.plan, share=True, progress=progress, cache=cache, grace=grace)


def load(path: str | Path) -> Result:
    """The results in a directory, of an unfinished sweep as far as it got.

    Curves and the table of runs are data. A policy is read when it is asked for, and only then must the program know
    the classes of its environment and learner.

    Raises:
        InputError: if the directory holds no sweep, or a file of it is damaged.
    """
    directory = RunDirectory(path)
    described = _search_in(directory)
    if described is not None:
        return search.load(described, directory)
    return loaded(directory, lambda **options: _sweep(directory).plan(**options))


def _described(directory: RunDirectory) -> Sweep | Search:
    path = directory.path / "run.json"
    described = from_json(checked_document(directory).get("config"), path)
    sweep = described.sweep if isinstance(described, Search) else described
    if not isinstance(sweep, Sweep):
        raise InputError(f"{path} describes no sweep")
    return described


def _sweep(directory: RunDirectory) -> Sweep:
    described = _described(directory)
    return described.sweep if isinstance(described, Search) else described


def _search_in(directory: RunDirectory) -> Search | None:
    """The search that a directory holds, if it holds one; a sweep's classes need not be known to load its curves."""
    named = checked_document(directory)["config"]["class"]
    described = _described(directory) if named == name_of(Search) else None
    return described if isinstance(described, Search) else None
