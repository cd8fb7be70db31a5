"""Where runs are placed: how many fit, and how the runs axis is laid over several devices."""

import contextlib
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# On a CPU batching gains until parameters fall out of the cache (benchmarks/results/throughput_cpu2.json: 64 runs are
# faster than 16 or 256); on an accelerator until memory is full.
CPU_CHUNK = 64
USABLE = 0.8  # of a device's memory; the rest is for what XLA allocates beside our arrays
RUNS, SHARED = PartitionSpec("runs"), PartitionSpec()


def use_cores(count: int | None = None) -> None:
    """Make cores of a CPU devices of their own, unless the user has decided or JAX has started already.

    Args:
        count: how many: as many as a sweep began with, so that it goes on bitwise; None for all.
    """
    decided = jax_setting("jax_num_cpu_devices") != -1 or "device_count" in os.environ.get("XLA_FLAGS", "")
    if not decided:
        with contextlib.suppress(RuntimeError):  # JAX has its devices: an array was made before
            jax.config.update("jax_num_cpu_devices", count or cores())


def jax_setting(name: str) -> Any:
    """What the user, the environment or JAX's default says of one of JAX's settings."""
    return getattr(jax.config, name)


def on_cpu() -> bool:
    """Whether programs run on the CPU, whose devices share one memory and have caches."""
    return jax.devices()[0].platform == "cpu"


def memory_budget() -> int:
    """Bytes that a program may occupy on each device; on a CPU on all of them together."""
    device = jax.devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] * USABLE)
    return int(_available_bytes() * USABLE)


def fitting_runs(bytes_per_run: int) -> int:
    """Most runs that the memory of all devices holds at once; 0 if not even one fits."""
    # The devices of a CPU share one memory.
    memories = 1 if on_cpu() else len(jax.devices())
    return memory_budget() // max(bytes_per_run, 1) * memories


def largest_chunk(bytes_per_run: int) -> int:
    """Most runs of one program: what memory holds, and on a CPU no more than the cache likes; 0 if none fits."""
    fitting, count = fitting_runs(bytes_per_run), len(jax.devices())
    largest = min(fitting, CPU_CHUNK * count) if on_cpu() else fitting
    # A chunk is padded to a multiple of the devices, and what it is padded with takes memory too.
    return largest // count * count if largest >= count else largest


class Placement(NamedTuple):
    """Where the arrays of a chunk are: those with a leading runs axis, and those that all runs share."""

    runs: NamedSharding
    shared: NamedSharding


def mesh(chunk: int) -> Mesh:
    """The devices that a chunk is spread over: all, or as many as it has runs."""
    return Mesh(jax.devices()[:chunk], ("runs",))


def width(chunk: int) -> int:
    """Runs in the program of a chunk: as many more as make every device's share equal."""
    return math.ceil(chunk / mesh(chunk).size) * mesh(chunk).size


def placement(chunk: int) -> Placement:
    """Runs spread evenly over the devices of a chunk; what runs share is on each of them."""
    over = mesh(chunk)
    return Placement(NamedSharding(over, RUNS), NamedSharding(over, SHARED))


def describe() -> dict[str, Any]:
    """The devices, for `run.json`."""
    devices = jax.devices()
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _available_bytes() -> int:
    """Main memory that programs can get; the cache of files counts, as the system gives it back."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        return int(meminfo.read_text().partition("MemAvailable:")[2].split()[0]) * 1024  # it counts in kB
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
