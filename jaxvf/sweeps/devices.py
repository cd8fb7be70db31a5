"""Where runs are placed: how many fit, and how the runs axis is laid over several devices."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

# On a CPU batching gains until parameters fall out of the cache (benchmarks/results/throughput_cpu2.json: 64 runs are
# faster than 16 or 256); on an accelerator until memory is full.
CPU_CHUNK = 64
USABLE = 0.8  # of a device's memory; the rest is for what XLA allocates beside our arrays


def memory_budget() -> int:
    """Bytes that a program may occupy on each device."""
    device = jax.devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] * USABLE)
    return int(_available_bytes() * USABLE)


def fitting_runs(bytes_per_run: int) -> int:
    """Most runs that the memory of all devices holds at once; 0 if not even one fits."""
    # The devices of a CPU share one memory.
    memories = 1 if jax.devices()[0].platform == "cpu" else len(jax.devices())
    return memory_budget() // max(bytes_per_run, 1) * memories


def largest_chunk(bytes_per_run: int) -> int:
    """Most runs of one program: what memory holds, and on a CPU no more than the cache likes; 0 if none fits."""
    fitting, devices = fitting_runs(bytes_per_run), jax.devices()
    return min(fitting, CPU_CHUNK * len(devices)) if devices[0].platform == "cpu" else fitting


def _available_bytes() -> int:
    """Main memory that programs can get; the cache of files counts, as the system gives it back."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        return int(meminfo.read_text().partition("MemAvailable:")[2].split()[0]) * 1024  # it counts in kB
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class Placement(NamedTuple):
    """Where the arrays of a program are: those with a leading runs axis, and those that all runs share."""

    runs: Sharding
    shared: Sharding


def placement(chunk: int) -> Placement:
    """Runs spread over all devices where they divide evenly; else everything on the first device."""
    devices = jax.devices()
    if len(devices) == 1 or chunk % len(devices):
        return Placement(SingleDeviceSharding(devices[0]), SingleDeviceSharding(devices[0]))
    mesh = Mesh(devices, ("runs",))
    return Placement(NamedSharding(mesh, PartitionSpec("runs")), NamedSharding(mesh, PartitionSpec()))


def describe() -> dict[str, Any]:
    """The devices, for `run.json`."""
    devices = jax.devices()
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}
