"""Workers as submitit's jobs: processes of this machine, or one SLURM job array."""

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxvf.errors import InputError
from jaxvf.signals import stop_asked
from jaxvf.sweeps.launch.crew import Crew, Start, missing
from jaxvf.sweeps.launch.worker import Worker

FOREVER_MINUTES = 10 * 365 * 24 * 60  # submitit gives every local job a time
REQUEUES = 1000  # of a SLURM job that runs out of time; submitit's own default is 3
CLOSE_SECONDS, LOOK_SECONDS = 30.0, 0.1


@dataclasses.dataclass(frozen=True)
class Requeued:
    """A worker that goes on in a new job when it runs out of time: submitit calls it, and its `checkpoint`."""

    worker: Worker

    def __call__(self) -> None:
        from submitit import JobEnvironment

        environment = JobEnvironment()
        if environment.cluster == "local":
            os.setpgid(0, 0)  # Ctrl-C in the terminal is the launcher's; SLURM keeps track of its processes by group
        number = getattr(signal, f"SIG{environment.USR_SIG}")
        requeue, timed_out = signal.getsignal(number), []

        # submitit's handler would leave at once, in the middle of a segment or of a file.
        def stop(*_: Any) -> None:
            timed_out.append(True)
            if not stop_asked():  # SLURM sends a job that it preempts a SIGTERM first
                signal.raise_signal(signal.SIGTERM)

        signal.signal(number, stop)
        try:
            self.worker()
        except KeyboardInterrupt:  # the segment is saved
            if timed_out and callable(requeue):
                requeue(number, None)

    def checkpoint(self) -> Any:
        """What the next job calls. Nothing is kept here: the directory has it all."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Jobs:
    """A crew of submitit's jobs."""

    def __init__(self, jobs: Sequence[Any], folder: Path, outlives: str | None):
        self._jobs, self.log, self.outlives = jobs, str(folder), outlives

    def alive(self) -> int:
        return sum(not job.done() for job in self._jobs)

    def stop(self) -> None:
        # Not by submitit's `cancel`, which kills after a second.
        for job in self._jobs:
            if not job.done():
                os.kill(int(job.job_id), signal.SIGTERM)  # of a local job: its process, which passes it on

    def last_words(self) -> str:
        said = [line for job in self._jobs for line in (job.stderr() or "").splitlines() if line.strip()]
        return said[-1].strip() if said else ""

    def close(self) -> None:
        deadline = time.monotonic() + CLOSE_SECONDS
        while self.outlives is None and self.alive() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)


def local(folder: Path) -> Start:
    """Starts processes on this machine.

    Args:
        folder: for submitit's files and the workers' logs.

    Raises:
        InputError: if submitit is not installed.
    """
    submitit = _submitit("local")

    def start(workers: Sequence[Worker]) -> Crew:
        executor = submitit.LocalExecutor(folder)
        executor.update_parameters(timeout_min=FOREVER_MINUTES)
        with _deaf_to_ctrl_c():
            jobs = [executor.submit(Requeued(worker)) for worker in workers]
        return Jobs(jobs, folder, None)

    return start


def slurm(folder: Path, options: dict[str, Any]) -> Start:
    """Starts a job array.

    Args:
        folder: as `local`; on a file system that the nodes share.
        options: of sbatch, by submitit's names, and `max_num_timeout`: how often a job is queued again.

    Raises:
        InputError: if submitit is not installed, or this machine knows no SLURM.
    """
    submitit = _submitit("slurm")
    parameters = {"job_name": "jaxvf", **options}
    requeues = parameters.pop("max_num_timeout", REQUEUES)
    try:
        executor = submitit.SlurmExecutor(folder, max_num_timeout=requeues)
    except RuntimeError as error:
        raise InputError("--launch slurm: there is no `srun` here; start it on a machine of the cluster") from error
    executor.update_parameters(**parameters)

    def start(workers: Sequence[Worker]) -> Crew:
        with executor.batch():
            jobs = [executor.submit(Requeued(worker)) for worker in workers]
        return Jobs(jobs, folder, f"scancel {jobs[0].job_id.partition('_')[0]}")

    return start


def _submitit(how: str) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise missing("submitit", how, "slurm") from error
    return submitit


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes begun in the block do not hear a terminal's Ctrl-C: submitit's would soon kill their workers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
