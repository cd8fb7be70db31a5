"""Where runs are placed: how many fit, and how the runs axis is laid over several devices."""

import os
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# On a CPU batching gains until parameters fall out of the cache; on an accelerator until memory is full.
CPU_CHUNK = 64
USABLE = 0.8  # of a device's memory; the rest is for what XLA allocates beside our arrays


def memory_budget() -> int:
    """Bytes that a program may occupy on each device."""
    device = jax.devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] * USABLE)
    pages = os.sysconf("SC_AVPHYS_PAGES") if hasattr(os, "sysconf") else 2**20
    return int(pages * os.sysconf("SC_PAGE_SIZE") * USABLE)


def largest_chunk(bytes_per_run: int) -> int:
    """Most runs of one program: what memory holds, and on a CPU no more than the cache likes; 0 if none fits."""
    devices = jax.devices()
    fitting = memory_budget() // max(bytes_per_run, 1)
    if devices[0].platform == "cpu":
        return min(fitting, CPU_CHUNK * len(devices))
    return fitting * len(devices)


def place_runs(tree: Any, chunk: int) -> Any:
    """Spread the leading axis of every leaf over all devices when it divides evenly; else everything on the first."""
    devices = jax.devices()
    if len(devices) == 1 or chunk % len(devices):
        return jax.device_put(tree, devices[0])
    return jax.device_put(tree, NamedSharding(Mesh(devices, ("runs",)), PartitionSpec("runs")))


def describe() -> dict[str, Any]:
    """The devices, for `run.json`."""
    devices = jax.devices()
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}
