"""What a worker may take of a sweep that it shares, and how it waits for who owns the whole."""

import threading

import pytest
from tiny_sweeps import assert_same_files, named, stop_at, tiny

from jaxvf.errors import InputError
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import devices, execution, resume, rhythm, unit_run, work
from jaxvf.sweeps.lease import Lease, holder_of
from jaxvf.sweeps.units import Shared, planned_units
from jaxvf.sweeps.versions import differences, versions

pytestmark = pytest.mark.usefixtures("compiled_once")


@pytest.fixture
def unit(stopped):
    return next(unit for unit, _ in planned_units(tiny().plan(chunk=4)))


def lock(directory: RunDirectory) -> Lease:
    lease = Lease.take(directory.lock)
    assert isinstance(lease, Lease)
    return lease


def test_a_worker_takes_no_unit_while_another_process_owns_the_directory(stopped, unit):
    directory = RunDirectory(stopped)
    claims, owner = Shared(directory, tiny().plan(chunk=4)), lock(directory)
    assert claims.take(unit) is None and holder_of(directory.lease(unit.name)) is None
    owner.release()
    claim = claims.take(unit)
    assert claim is not None and claims.take(unit) is None
    claim.release()


def test_a_worker_whose_cut_is_not_the_directorys_any_more_says_so(stopped, unit):
    """A resume that owned the directory has cut the sweep anew since the worker read its plan."""
    directory = RunDirectory(stopped)
    claims = Shared(directory, tiny().plan(chunk=2))
    with pytest.raises(InputError, match="cut into other units"):
        claims.take(unit)
    assert holder_of(directory.lease(unit.name)) is None


def test_a_worker_waits_for_the_owner_and_no_longer_than_it_must(stopped, monkeypatch, reference):
    owner = lock(RunDirectory(stopped))
    monkeypatch.setattr(execution, "START_SECONDS", 0.3)
    with pytest.raises(InputError, match="is in use by process"):
        work(stopped, progress="none")
    monkeypatch.setattr(execution, "START_SECONDS", 60.0)
    threading.Timer(0.5, owner.release).start()
    work(stopped, progress="none")
    assert_same_files(stopped, reference[1])


def test_a_finished_sweep_is_returned_when_who_finished_it_has_let_go(tmp_path, monkeypatch):
    """It is waited for, though not for ever, and its lock is left alone; a lock of nobody's is cleared away."""
    out = tmp_path / "sweep"
    tiny().run(out, progress="none")
    directory = RunDirectory(out)
    monkeypatch.setattr(execution, "START_SECONDS", 0.3)
    owner = lock(directory)
    resume(out, progress="none")
    assert owner.held()
    monkeypatch.setattr(execution, "START_SECONDS", 60.0)
    released = threading.Event()
    threading.Timer(1.0, lambda: (released.set(), owner.release())).start()
    resume(out, progress="none")
    assert released.is_set() and holder_of(directory.lock) is None
    directory.lock.write_text("{}")
    resume(out, progress="none")
    assert not directory.lock.exists()


def test_curves_do_not_wait_in_memory_for_a_save_that_is_not_due(tmp_path, monkeypatch):
    """With two segments a part at most, four of six make two parts before anybody asks for a save."""
    monkeypatch.setattr(rhythm, "CHECKPOINT_SECONDS", 1e9)
    monkeypatch.setattr(unit_run, "PART_SEGMENTS", 2)
    stop_at(monkeypatch, tiny(), tmp_path / "sweep", 5, chunk=4)
    parts = [name.rpartition("-s")[2] for name in RunDirectory(tmp_path / "sweep").parts()]
    assert parts == ["000002", "000004", "000005"]


def test_a_resume_says_which_versions_and_devices_are_others():
    here = {"versions": versions(), "device": devices.describe()}
    assert differences(here) == []
    there = {"versions": {**here["versions"], "jax": "0.0.1"}, "device": {**here["device"], "kind": "abacus"}}
    (line,) = differences(there)
    assert "jax 0.0.1 (now " in line and "device kind abacus (now " in line and "not bitwise" in line


def test_a_group_with_a_checkpoint_keeps_its_cut_though_memory_is_scarcer(tmp_path, monkeypatch, reference):
    """Also within its first segment, of which no curves are stored yet."""
    out = tmp_path / "sweep"
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: 1)
    stop_at(monkeypatch, tiny(), out, 3, chunk=4)
    assert (out / "checkpoints" / named(out, "g000-c000") / "3.json").exists()
    monkeypatch.setattr("jaxvf.sweeps.compile.fitting_chunk", lambda executable, chunk: 1)
    resume(out, progress="none")
    assert_same_files(out, reference[1])
