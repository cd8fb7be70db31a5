"""Stops small sweeps at random moments and compares what resuming makes of them with undisturbed ones, bitwise.

Every process is one of: killed at a file operation, killed at a random time, sent SIGTERM, sent SIGINT twice. It is a
fork of this one, which has imported everything and started no JAX: a sweep then takes a second or two.
"""

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvf import Sweep, resume
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.results.store import RunDirectory
from jaxvf.signals import INTERRUPTED, interrupt_on_signal
from jaxvf.sweeps import rhythm
from jaxvf.value import QLearning

STOPS, QUICK = 200, 10
DEVICES = (1, 2, 8)
FAULTS = ("kill at a file operation", "kill", "SIGTERM", "SIGINT twice")
FILE_OPERATIONS = 630  # so that about one kill in four comes when the sweep is over
AT_ONCE_SECONDS = 1.0  # in which a second signal must end a process
FAILED = 3


class Ending(NamedTuple):
    """How a disturbed process ended: exit code (negative for a signal), and seconds after the last signal."""

    code: int
    seconds: float


def bench(*, quick: bool = False, stops: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Stop sweeps `stops` times (by default 200; `quick` 10) and compare; raises what a process raised."""
    wanted, chance = stops or (QUICK if quick else STOPS), random.Random(seed)
    endings: Counter[str] = Counter()
    begun, slowest, sweeps = time.monotonic(), 0.0, 0
    with tempfile.TemporaryDirectory() as root:
        os.environ["XDG_CACHE_HOME"] = str(Path(root) / "cache")
        quiet, seconds = {}, {}
        for devices in DEVICES:
            quiet[devices] = Path(root) / f"quiet{devices}"
            ended(forked(lambda devices=devices: sweep(quiet[devices], devices)))  # its programs are cached then
            shutil.rmtree(quiet[devices])
            start = time.monotonic()
            ended(forked(lambda devices=devices: sweep(quiet[devices], devices)))
            seconds[devices] = time.monotonic() - start
        while sum(endings.values()) < wanted:
            devices, out = DEVICES[sweeps % len(DEVICES)], Path(root) / f"sweep{sweeps}"
            sweeps += 1
            for _ in range(chance.randint(1, 4)):
                fault = chance.choice(FAULTS)
                ending = _disturbed(out, devices, fault, seconds[devices], chance)
                endings[f"{fault}: {_named(ending.code)}"] += 1
                if fault == "SIGINT twice":
                    slowest = max(slowest, ending.seconds)
            assert ended(forked(lambda devices=devices, out=out: sweep(out, devices))) == 0
            compare(out, quiet[devices])
            shutil.rmtree(out)
    assert slowest < AT_ONCE_SECONDS, f"the second SIGINT ended a process after {slowest:.2f} s"
    return {
        "stops": sum(endings.values()),
        "sweeps": sweeps,
        "devices": list(DEVICES),
        "endings": dict(sorted(endings.items())),
        "slowest_end_after_second_sigint_seconds": round(slowest, 3),
        "seconds": round(time.monotonic() - begun, 1),
        "equal": True,  # or `compare` would have raised
    }


def sweep(out: Path, devices: int) -> None:
    """Start a sweep of 6 runs in two units, or go on with it; every segment is saved."""
    jax.config.update("jax_num_cpu_devices", devices)
    rhythm.CHECKPOINT_SECONDS, rhythm.CHECKPOINT_SHARE = 0.0, np.inf
    if RunDirectory(out).exists():
        resume(out, progress="none")
        return
    described().run(out, chunk=4, progress="none")


def described() -> Sweep:
    """Six runs of ten segments."""
    learner = QLearning(
        mixer=VdnMixer(), agent=TabularAgent(), num_envs=2, buffer_size=16, batch_size=4,
        last_action=False, agent_id=False,
    )  # fmt: skip
    return Sweep(
        "matrix_game/A", learner, seeds=3, grid={"learning_rate": [0.01, 0.1]},
        env_steps=100, test_interval=10, test_episodes=1,
    )  # fmt: skip


def forked(work: Callable[[], None]) -> int:
    """A process that does `work`; its exit code is the command line's, or FAILED where it raises anything else."""
    waiting = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, waiting)  # what comes too early is not for this process's handlers
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, waiting)
        return process
    code = FAILED
    try:
        signal.set_wakeup_fd(-1)
        with interrupt_on_signal():  # as the command line does
            signal.pthread_sigmask(signal.SIG_UNBLOCK, waiting)
            work()
        code = 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _disturbed(out: Path, devices: int, fault: str, seconds: float, chance: random.Random) -> Ending:
    """Let a process work on `out` and stop it by `fault`, at a moment that `chance` draws."""
    number = chance.randint(1, FILE_OPERATIONS)

    def work() -> None:
        if fault == "kill at a file operation":
            _kill_at_operation(number)
        sweep(out, devices)

    process = forked(work)
    time.sleep(0 if fault == "kill at a file operation" else chance.uniform(0, seconds))
    sent = {"kill": [signal.SIGKILL], "SIGTERM": [signal.SIGTERM], "SIGINT twice": [signal.SIGINT] * 2}
    for each in sent.get(fault, []):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, each)
        time.sleep(0.05)
    last = time.monotonic()
    return Ending(ended(process), time.monotonic() - last)


def _kill_at_operation(number: int) -> None:
    """Let this process die before its `number`-th operation on the names or the contents of files."""
    left = [number]

    def dying(operation: Callable[..., Any]) -> Callable[..., Any]:
        def count_and_do(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*arguments, **options)

        return count_and_do

    for name in ("replace", "rename", "link", "unlink", "rmdir", "mkdir", "fsync"):
        setattr(os, name, dying(getattr(os, name)))


def ended(process: int) -> int:
    """The exit code of a process; raises where it failed in a way that nobody asked for."""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code not in (0, INTERRUPTED, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        raise RuntimeError(f"a process of the sweep ended with {code}; its traceback stands above")
    return code


def compare(out: Path, quiet: Path) -> None:
    """Raise unless two sweeps hold the same rows, runs, policies and files; the cut into parts may differ."""
    tables = [_sorted_metrics(path) for path in (out, quiet)]
    for name, values in tables[0].items():
        np.testing.assert_array_equal(values, tables[1][name])
    assert RunDirectory(out).read_runs() == RunDirectory(quiet).read_runs()
    names = [{str(file.relative_to(path)) for file in path.rglob("*")} for path in (out, quiet)]
    extra = {name for name in names[0] ^ names[1] if not name.startswith("metrics/")}
    assert not extra, f"files of one sweep and not of the other: {extra}"
    for policy in (quiet / "policies").iterdir():
        assert (out / "policies" / policy.name).read_bytes() == policy.read_bytes(), policy


def _sorted_metrics(path: Path) -> dict[str, np.ndarray]:
    columns = RunDirectory(path).read_metrics()
    order = np.lexsort((columns["metric"].astype(str), columns["env_steps"], columns["run"]))
    table = {name: column[order] for name, column in columns.items()}
    return {**table, "value": table["value"].view(np.uint32)}


def _named(code: int) -> str:
    return {0: "had finished", INTERRUPTED: "saved and stopped"}.get(code, f"ended by signal {-code}")
