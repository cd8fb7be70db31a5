"""The policies in a run directory, read chunk by chunk when they are asked for."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from jaxvf.errors import InputError
from jaxvf.results.arrays import load_tree
from jaxvf.results.policy import Policy
from jaxvf.results.sections import checked_document, damaged_section
from jaxvf.results.store import RunDirectory
from jaxvf.results.stored import split_part
from jaxvf.sweeps.chunk_files import chunk_names, policy_path, policy_shapes
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.space import Run


class _Place(NamedTuple):
    """Where the parameters of a run are."""

    run: Run
    group: Group
    chunk: str
    runs: int  # of the chunk
    place: int  # of this run in it


class StoredPolicies:
    """Gives the policy of a run; the plan is made when the first is asked for, and one chunk is kept in memory.

    Args:
        directory: of the sweep.
        plan: makes its plan.
    """

    def __init__(self, directory: RunDirectory, plan: Callable[[], Plan]):
        self._directory, self._plan = directory, plan
        self._chunk: tuple[str, Any] = ("", None)  # the last one read

    def __call__(self, run: int) -> Policy:
        """The policy of a run.

        Raises:
            UnknownClassError: if the sweep's environment or learner is a class that this program does not know.
            InputError: for a run that has none, or a damaged file.
        """
        found = self._places.get(run)
        if found is None:
            raise no_policy(run, sum(len(group.runs) for group in self._made.groups))
        if self._chunk[0] != found.chunk:
            path = policy_path(self._directory.path, found.chunk)
            self._chunk = found.chunk, load_tree(path, policy_shapes(found.group, found.runs))
        params = jax.tree.map(lambda leaf: leaf[found.place], self._chunk[1])
        return Policy(found.run.env, found.run.algorithm, params, found.run.env_params)

    @functools.cached_property
    def _made(self) -> Plan:
        return self._plan()

    @functools.cached_property
    def _places(self) -> dict[int, _Place]:
        """Of every run whose chunk is finished."""
        finished = checked_document(self._directory).get("chunks", {})
        return {
            run.index: _Place(run, group, name, len(chunk), place)
            for index, group in enumerate(self._made.groups)
            for name, chunk in zip(chunk_names(index, group), group.chunks, strict=True)
            if name in finished
            for place, run in enumerate(chunk)
        }


def no_policy(run: int, runs: int) -> InputError:
    """The line about a run without a trained policy."""
    return InputError(f"run={run} has no trained policy; valid: 0 to {runs - 1} of a finished sweep")


def check_files(directory: RunDirectory, plan: Plan, finished: Mapping[str, Any]) -> None:
    """Whether the metrics and the finished chunks are those of the plan, before anything is computed or removed.

    Raises:
        InputError: for a file or an entry that belongs to no chunk.
    """
    sizes = {
        name: len(chunk)
        for index, group in enumerate(plan.groups)
        for name, chunk in zip(chunk_names(index, group), group.chunks, strict=True)
    }
    for name, entry in finished.items():
        if sizes.get(name) != len(entry["diverged"]):
            raise damaged_section(directory, "chunks", f"{name} with {len(entry['diverged'])} runs is not in the plan")
    for part in directory.parts():
        if split_part(directory, part)[0] not in sizes:
            raise InputError(f"{directory.part_path(part)} is no part of this sweep; move it away")
