"""Work units: the chunks of a sweep, each named by what it computes, and who may compute it."""

from typing import NamedTuple, Protocol

from jaxvf.errors import InputError
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps.lease import Holder, Lease, holder_of
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.space import Run

SHARE = "wait for it to end, or let several processes share a sweep by `jaxvf work DIR`"


class Unit(NamedTuple):
    """A chunk of runs that share a program.

    Attributes:
        name: of its files; it ends with a hash of all that its numbers depend on.
        group: number of its group in the plan.
        runs: its runs.
    """

    name: str
    group: int
    runs: tuple[Run, ...]


def units_of(index: int, group: Group) -> list[Unit]:
    """The units of a group, in order."""
    return [
        Unit(f"g{index:03d}-c{number:03d}-{digest}", index, runs)
        for number, (runs, digest) in enumerate(zip(group.chunks, group.digests, strict=True))
    ]


def planned_units(plan: Plan) -> list[tuple[Unit, Group]]:
    """Every unit of a plan, with its group."""
    return [(unit, group) for index, group in enumerate(plan.groups) for unit in units_of(index, group)]


class Claims(Protocol):
    """Says which units this process may compute."""

    def take(self, unit: Unit) -> "Claim | None":
        """The right to compute a unit, or None while another process has it."""
        ...


class Claim(Protocol):
    """The right to compute a unit."""

    def held(self) -> bool:
        """Whether it still is this process's."""
        ...

    def release(self) -> None:
        """Let others have it."""
        ...


class Alone:
    """All units are this process's: it owns the directory, or there is none.

    Args:
        owner: its lease of the directory.
    """

    def __init__(self, owner: Lease | None = None):
        self._owner = owner

    def take(self, unit: Unit) -> Claim:
        return self

    def held(self) -> bool:
        return self._owner is None or self._owner.held()

    def release(self) -> None: ...


class Shared:
    """Units are taken one by one, each by a lease of its own, beside any number of other processes.

    Args:
        directory: of the sweep.
        plan: how this process cuts it.
    """

    def __init__(self, directory: RunDirectory, plan: Plan):
        self._directory, self._chunks = directory, [group.chunk for group in plan.groups]

    def take(self, unit: Unit) -> Claim | None:
        taken = Lease.take(self._directory.lease(unit.name))
        if isinstance(taken, Holder):
            return None
        # First the lease, then this look: whoever wants the whole directory locks it first and then looks for leases.
        # Another worker may have locked it just now, to merge what is finished.
        try:
            owned = holder_of(self._directory.lock) is not None
            if not owned:
                self._check_cut()
        except BaseException:
            taken.release()
            raise
        if owned:
            taken.release()
            return None
        return taken

    def _check_cut(self) -> None:
        """Raise InputError where an owner has cut the sweep into other units since this process read its plan."""
        stored = [group["chunk"] for group in self._directory.read_json().get("plan", [])]
        if stored != self._chunks:
            raise InputError(f"{self._directory.path} was cut into other units a moment ago; start this worker again")


def own(directory: RunDirectory) -> Lease:
    """Lock a whole directory.

    Raises:
        InputError: if another process owns it, or works on one of its units.
    """
    owner = Lease.take(directory.lock)
    if isinstance(owner, Holder):
        raise InputError(f"{directory.path} is in use by {owner}; {SHARE}")
    try:
        workers = [worker for path in directory.leases() if (worker := holder_of(path)) is not None]
    except BaseException:
        owner.release()
        raise
    if workers:
        owner.release()
        raise InputError(f"{directory.path} is shared by {len(workers)} worker(s), e.g. {workers[0]}; end them first")
    return owner
