"""Exclusive holds by files: who holds what, on which host, and whether that process still lives.

A lease is a file that its holder keeps locked (`flock`), so that the kernel lets it go when the process dies, however
that happens. Where another host wrote it, its lock may not reach this one (NFS without a lock service): there the
holder touches the file every few seconds, and who has not done so for long counts as dead.
"""

import contextlib
import dataclasses
import errno
import fcntl
import itertools
import json
import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from jaxvf.errors import InputError
from jaxvf.results.parsing import parse_json

BEAT_SECONDS = 10.0  # a holder touches its leases so often
DEAD_SECONDS = 120.0  # another host's holder that has not done so for so long is dead; more than NFS caches a time
TRIES = 3  # to make a lease
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # a file has one name here
LOOKS, LOOK_SECONDS = 5, 0.02

_numbers = itertools.count()


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who holds a lease."""

    host: str
    process: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} (`{self.command}`, since {self.since})"

    @staticmethod
    def myself() -> "Holder":
        """This process."""
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
        return Holder(socket.gethostname(), os.getpid(), command, time.strftime("%Y-%m-%d %H:%M:%S"))


_UNREADABLE = Holder(socket.gethostname(), 0, "unreadable", "an unknown time")


class Lease:
    """A hold on a path, until `release` or the end of the process. Make one by `take`."""

    def __init__(self, path: Path, descriptor: int):
        self.path, self._descriptor = path, descriptor
        self._released = threading.Event()
        threading.Thread(target=self._beat, name=f"lease {path.name}", daemon=True).start()

    @staticmethod
    def take(path: Path) -> "Lease | Holder":
        """The lease on `path`, or who holds it.

        Raises:
            InputError: if the file system refuses it.
        """
        for left in reversed(range(TRIES)):
            try:
                return _take(path)
            except FileNotFoundError as error:  # another process cleared up what it took for left behind
                if not left:
                    raise InputError(f"cannot lock {path}: {error.strerror}") from error
            except OSError as error:
                raise InputError(f"cannot lock {path}: {error.strerror}") from error
        raise AssertionError("unreachable")

    def held(self) -> bool:
        """Whether this process still holds it: one that was stopped for minutes may have been taken for dead."""
        return _same_file(self.path, self._descriptor)

    def release(self) -> None:
        """Let it go, and remove the file."""
        self._released.set()
        if self.held():
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
        os.close(self._descriptor)

    def _beat(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):  # taken over, or a network file system that is away for a while
                if self.held():
                    os.utime(self.path)


def _take(path: Path) -> Lease | Holder:
    # Made whole and locked under a name of its own, then linked: whoever finds the lease finds it complete.
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}.tmp")
    descriptor = os.open(mine, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    try:
        _lock(descriptor)
        _write_holder(descriptor)
        while True:
            try:
                os.link(mine, path)
                return Lease(path, descriptor)
            except FileExistsError:
                found = _take_over(path, now=os.stat(mine).st_mtime)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                found = _take_without_links(path, now=os.stat(mine).st_mtime)
            if found is not None:
                os.close(descriptor)
                return found
    finally:
        mine.unlink(missing_ok=True)


def _take_without_links(path: Path, now: float) -> Lease | Holder | None:
    """A lease where a file has one name: for a moment it is there and not locked yet, so the lock decides."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    except FileExistsError:
        return _take_over(path, now)
    if _lock(descriptor) is False or not _same_file(path, descriptor):  # another process took it in that moment
        os.close(descriptor)
        return None
    try:
        _write_holder(descriptor)
    except OSError:  # a full disk: nobody would know whose it is
        path.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return Lease(path, descriptor)


def _take_over(path: Path, now: float) -> Lease | Holder | None:
    """The lease of a dead holder, or the living one; None if it has just been let go.

    Args:
        path: the lease.
        now: by the file system's own clock.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    holder = _read_holder(descriptor)
    locked = None if _is_elsewhere(holder) else _lock_soon(descriptor)
    if locked is None:
        dead = now - os.fstat(descriptor).st_mtime > DEAD_SECONDS
        if dead:
            _remove_dead(path, descriptor)
        os.close(descriptor)
        return None if dead else holder or _UNREADABLE
    if not locked:
        os.close(descriptor)
        return holder or _UNREADABLE
    if not _same_file(path, descriptor):  # it was let go, and removed, before the lock was ours
        os.close(descriptor)
        return None
    _write_holder(descriptor)
    return Lease(path, descriptor)


def _remove_dead(path: Path, descriptor: int) -> None:
    """Remove the lease behind `descriptor`, unless another process was first and `path` is a new one."""
    aside = path.with_name(f".{path.name}.dead.{socket.gethostname()}.{os.getpid()}.tmp")
    if not _same_file(path, descriptor):
        return
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        if not _same_file(aside, descriptor):
            _put_back(aside, path)
        aside.unlink(missing_ok=True)


def _put_back(aside: Path, path: Path) -> None:
    """Give a living lease its name again, unless a newer one has it."""
    try:
        os.link(aside, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if not path.exists():
            os.rename(aside, path)


def holder_of(path: Path) -> Holder | None:
    """Who holds the lease, if a living process does; it is not taken."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read the lock {path}: {error.strerror}; move it away") from error
    try:
        holder = _read_holder(descriptor)
        locked = None if _is_elsewhere(holder) else _lock(descriptor, shared=True)
        if locked is None:
            locked = _now(path.parent) - os.fstat(descriptor).st_mtime > DEAD_SECONDS
        return None if locked else holder or _UNREADABLE
    finally:
        os.close(descriptor)


def _now(directory: Path) -> float:
    """The time by the file system's clock, which may differ from this host's; this one's where one cannot write."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"now")
            file.flush()
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _is_elsewhere(holder: Holder | None) -> bool:
    return holder is not None and holder.host != socket.gethostname()


def _lock_soon(descriptor: int) -> bool | None:
    """`_lock`, tried again for a moment: who only looks (`holder_of`) locks it for as long."""
    for _ in range(LOOKS):
        locked = _lock(descriptor)
        if locked is not False:
            return locked
        time.sleep(LOOK_SECONDS)
    return False


def _lock(descriptor: int, *, shared: bool = False) -> bool | None:
    """Lock an open file unless another process has; None where the file system knows no locks."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            raise
        return None
    return True


def _write_holder(descriptor: int) -> None:
    data = json.dumps(dataclasses.asdict(Holder.myself())).encode()
    # Over what a dead holder wrote, and not after emptying the file: whoever reads it meanwhile reads one of the two.
    os.pwrite(descriptor, data.ljust(os.fstat(descriptor).st_size), 0)


def _read_holder(descriptor: int) -> Holder | None:
    """Who wrote the lease; None if it is unreadable, as while another process takes it over."""
    try:
        said = parse_json(os.pread(descriptor, 4096, 0))
        holder = Holder(str(said["host"]), int(said["process"]), str(said["command"]), str(said["since"]))
    except (ValueError, TypeError, KeyError):
        return None
    return holder


def _same_file(path: Path, descriptor: int) -> bool:
    try:
        there, here = os.stat(path), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
