"""How many runs are in a program at once: as many as memory holds, on a CPU as many as its caches like."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

import jax

from jaxvf.errors import InputError
from jaxvf.sweeps import devices

# Runs a core that are tried on a CPU: one keeps a big network in the cache, 64 pay for dispatch once.
PER_CORE = (1, 4, 16, 64)
# Where one run takes too much memory.
LOWER = "lower num_envs, buffer_size, batch_size or test_episodes; in battles env.storage=uint8 needs a quarter"
Reason = Literal["given", "stored", "default", "remembered", "measured", "cut to fit", "shared"]


@dataclasses.dataclass(frozen=True)
class ChunkSize:
    """Runs in a program at once, and why so many.

    Attributes:
        runs: the runs.
        reason: "given" by the user, "stored" by the process that began the sweep, "default" (what memory holds, on a
            CPU at most 64 a core), "measured" by this process as the fastest, "remembered" from an earlier one,
            "cut to fit" into memory, or "shared" among the workers that a launcher starts.
    """

    runs: int
    reason: Reason


def choose(runs: int, bytes_per_run: int, seconds: Mapping[int, float], wanted: int | None) -> ChunkSize:
    """The chunk of a group of `runs` runs.

    Args:
        runs: how many there are.
        bytes_per_run: memory of one.
        seconds: remembered seconds of a run and step, by runs a device holds at once.
        wanted: what the user asks for.

    Raises:
        InputError: if not even one run fits into memory, or `wanted` runs do not.
    """
    largest = devices.largest_chunk(bytes_per_run)
    if largest < 1:
        raise no_run_fits(bytes_per_run)
    if wanted is not None:
        return ChunkSize(_given(runs, bytes_per_run, wanted), "given")
    best = _remembered(seconds, per_device(min(largest, runs)))
    if best is None:
        return ChunkSize(equal_share(runs, largest), "default")
    return ChunkSize(equal_share(runs, min(largest, best * len(jax.devices()))), "remembered")


def smaller_sizes(chunk: int) -> list[int]:
    """Runs a device that are tried beside those of `chunk`, fewer and fewer."""
    return [size for size in reversed(PER_CORE) if size < per_device(chunk)]


def per_device(chunk: int) -> int:
    """Runs of a chunk that a device holds."""
    return devices.width(chunk) // devices.mesh(chunk).size


def equal_share(runs: int, largest: int) -> int:
    """Equal chunks: 100 runs at 64 a chunk are two of 50, not 64 and 36 padded to 64."""
    return math.ceil(runs / math.ceil(runs / largest))


def no_run_fits(bytes_per_run: int) -> InputError:
    """The one line that says that memory is too small for a single run."""
    return InputError(
        f"one run needs about {bytes_per_run / 2**30:.2g} GiB and the device has "
        f"{devices.memory_budget() / 2**30:.2g}; {LOWER}"
    )


def _given(runs: int, bytes_per_run: int, wanted: int) -> int:
    if wanted < 1:
        raise InputError(f"chunk={wanted} must be at least 1")
    fitting = devices.fitting_runs(bytes_per_run)
    if min(wanted, runs) > fitting:
        raise InputError(f"chunk={wanted} does not fit into the device's memory; at most {fitting} runs do")
    return min(wanted, runs)


def _remembered(seconds: Mapping[int, float], allowed: int) -> int | None:
    """The fastest size that was measured; None where a larger one than was tried may be faster still."""
    if not seconds:
        return None
    best = min(seconds, key=lambda size: seconds[size])
    if best == max(seconds) and best < min(allowed, max(PER_CORE)):
        return None
    return min(best, allowed)
