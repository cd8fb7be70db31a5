"""Who holds what: one holder at a time, and none that is dead."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jaxvf.errors import InputError
from jaxvf.sweeps import lease
from jaxvf.sweeps.lease import Holder, Lease, holder_of

HOLD = """
import sys, time
from pathlib import Path
from jaxvf.sweeps.lease import Lease
assert isinstance(Lease.take(Path(sys.argv[1])), Lease)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "units" / "one.lease"


@pytest.fixture
def elsewhere(path):
    """A lease that a process of its own holds."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def taken(path: Path) -> Lease:
    found = Lease.take(path)
    assert isinstance(found, Lease)
    return found


def test_a_lease_has_one_holder_and_says_who(path, elsewhere):
    found = Lease.take(path)
    assert isinstance(found, Holder) and isinstance(holder_of(path), Holder)
    assert found.process == elsewhere.pid
    assert str(elsewhere.pid) in str(found) and found.host in str(found)
    assert [entry.name for entry in path.parent.iterdir()] == ["one.lease"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_lease_of_a_dead_process_is_taken_over(path, elsewhere, how):
    elsewhere.send_signal(how)
    elsewhere.wait()
    assert path.exists() and holder_of(path) is None
    mine = taken(path)
    assert json.loads(path.read_bytes())["process"] == os.getpid()
    mine.release()
    assert list(path.parent.iterdir()) == []


def test_a_released_lease_is_free(path):
    first = taken(path)
    assert first.held()
    first.release()
    assert not path.exists() and holder_of(path) is None
    taken(path).release()


def test_of_many_takers_at_once_one_succeeds(path):
    """Threads stand for processes: each opens the file for itself, so their locks exclude each other."""
    with ThreadPoolExecutor(max_workers=8) as takers:
        for _ in range(20):
            found = list(takers.map(Lease.take, [path] * 8))
            (holder,) = [one for one in found if isinstance(one, Lease)]
            holder.release()


@pytest.mark.parametrize(("age", "lives"), [(0, True), (lease.DEAD_SECONDS / 2, True), (2 * lease.DEAD_SECONDS, False)])
def test_another_hosts_lease_lives_as_long_as_its_holder_touches_it(path, age, lives):
    path.parent.mkdir()
    path.write_text(json.dumps({"host": "another", "process": 1, "command": "jaxvf work", "since": "today"}))
    os.utime(path, (time.time() - age,) * 2)
    assert (holder_of(path) is not None) == lives
    found = Lease.take(path)
    assert isinstance(found, Holder) == lives
    if isinstance(found, Lease):
        found.release()
        assert list(path.parent.iterdir()) == []


def test_a_holder_touches_its_lease(path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    mine = taken(path)
    os.utime(path, (1, 1))
    deadline = time.monotonic() + 10
    while path.stat().st_mtime < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.stat().st_mtime > 2
    mine.release()


def test_a_holder_that_was_taken_for_dead_notices_and_removes_nothing(path):
    mine = taken(path)
    path.rename(path.with_name("aside"))
    path.write_text("another's")
    assert not mine.held()
    mine.release()
    assert path.read_text() == "another's"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot lock"):
        Lease.take(tmp_path / "file" / "one.lease")


def test_of_many_takers_at_once_one_succeeds_where_a_file_has_one_name(path, monkeypatch):
    """FAT and some file systems of a network refuse hard links."""

    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with ThreadPoolExecutor(max_workers=8) as takers:
        for _ in range(20):
            found = list(takers.map(Lease.take, [path] * 8))
            holders = [one for one in found if isinstance(one, Lease)]
            assert len(holders) == 1 and holders[0].held()
            holders[0].release()
    assert list(path.parent.iterdir()) == []


def test_the_age_of_another_hosts_lease_is_by_the_clock_of_the_file_system(path, monkeypatch):
    """This host's clock goes an hour ahead; the holder has touched its lease a moment ago."""
    path.parent.mkdir()
    path.write_text(json.dumps({"host": "another", "process": 1, "command": "jaxvf work", "since": "today"}))
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 3600)
    assert holder_of(path) is not None and isinstance(Lease.take(path), Holder)


def test_a_lease_that_another_process_has_just_made_is_not_removed_as_the_dead_one(path):
    path.parent.mkdir()
    path.write_text("dead")
    descriptor = os.open(path, os.O_RDWR)
    path.unlink()
    path.write_text("living")
    lease._remove_dead(path, descriptor)
    assert path.read_text() == "living" and [entry.name for entry in path.parent.iterdir()] == [path.name]
    os.close(descriptor)
