"""The policies in a run directory, read unit by unit when they are asked for."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxvf.errors import InputError
from jaxvf.results.policy import Policy
from jaxvf.results.sections import read_unit
from jaxvf.results.store import RunDirectory
from jaxvf.results.stored import split_part
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.unit_files import UnitFiles
from jaxvf.sweeps.units import Unit, planned_units


class _Place(NamedTuple):
    """Where the parameters of a run are."""

    unit: Unit
    group: Group
    place: int  # of the run in the unit


class StoredPolicies:
    """Gives the policy of a run; the plan is made when the first is asked for, and one unit is kept in memory.

    Args:
        directory: of the sweep.
        plan: makes its plan.
    """

    def __init__(self, directory: RunDirectory, plan: Callable[[], Plan]):
        self._directory, self._plan = directory, plan
        self._files = UnitFiles(directory)
        self._read: tuple[str, Any] = ("", None)  # the unit that was read last, and its parameters

    def __call__(self, run: int) -> Policy:
        """The policy of a run.

        Raises:
            UnknownClassError: if the sweep's environment or learner is a class that this program does not know.
            InputError: for a run that has none, or a damaged file.
        """
        found = self._places.get(run)
        if found is None:
            raise no_policy(run, sum(len(group.runs) for group in self._made.groups))
        if self._read[0] != found.unit.name:
            self._read = found.unit.name, self._files.params(found.unit, found.group)
        params = jax.tree.map(lambda leaf: leaf[found.place], self._read[1])
        of = found.unit.runs[found.place]
        return Policy(of.env, of.algorithm, params, of.env_params)

    @functools.cached_property
    def _made(self) -> Plan:
        return self._plan()

    @functools.cached_property
    def _places(self) -> dict[int, _Place]:
        """Of every run whose unit is finished."""
        return {
            run.index: _Place(unit, group, place)
            for unit, group in planned_units(self._made)
            if self._files.is_finished(unit)
            for place, run in enumerate(unit.runs)
        }


def no_policy(run: int, runs: int) -> InputError:
    """The line about a run without a trained policy."""
    return InputError(f"run={run} has no trained policy; valid: 0 to {runs - 1} of a finished sweep")


def check_files(directory: RunDirectory, plan: Plan) -> None:
    """Whether the metrics and the finished units are those of the plan, before anything is computed or removed.

    Raises:
        InputError: for a file that belongs to no unit, or where a directory should be.
    """
    for path in (directory.path / name for name in ("metrics", "checkpoints", "policies", "units")):
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file where a directory should be; move it away")
    sizes = {unit.name: len(unit.runs) for unit, _ in planned_units(plan)}
    for path in directory.unit_records():
        if sizes.get(path.stem) != len(read_unit(path)["diverged"]):
            raise InputError(f"{path} is no unit of this sweep; move it away")
    for part in directory.parts():
        if split_part(directory, part)[0] not in sizes:
            raise InputError(f"{directory.part_path(part)} is no part of this sweep; move it away")
