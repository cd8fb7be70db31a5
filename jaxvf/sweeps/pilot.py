"""Finds the fastest number of runs in a program by trying a few; on a CPU alone, whose caches decide it."""

import dataclasses
import time
from collections.abc import Callable

import jax

from jaxvf.sweeps import chunk_size, devices
from jaxvf.sweeps.chunk_size import ChunkSize
from jaxvf.sweeps.compile import Executable, compile_group
from jaxvf.sweeps.plan import Group, start_clock
from jaxvf.training import make_program

TIMED_SECONDS = 1.0  # a trial is timed for at least so long
WARM_UP_SECONDS = 10.0  # a trial waits at most so long for the first update
WORTH = 10.0  # trials may cost this part of the time that a sweep is expected to take
SLOWER = 1.1  # fewer runs a device that are so much slower end the trials: still fewer are slower still


def worth_trying(group: Group, segment_seconds: float, compile_seconds: float) -> list[int]:
    """Sizes to try, in runs a device, once the first segment of a sweep is done; none where it would cost too much.

    Args:
        group: the group, whose chunk is the default.
        segment_seconds: what the segment took.
        compile_seconds: what compiling took.
    """
    if group.size.reason != "default" or not devices.on_cpu():
        return []
    present = chunk_size.per_device(group.chunk)
    sizes = [present, *chunk_size.smaller_sizes(group.chunk)]
    left = segment_seconds * (group.segments * len(group.chunks) - 1)
    if len(sizes) == 1 or left < WORTH * len(sizes) * (compile_seconds + 2 * TIMED_SECONDS):
        return []
    # The state that has been computed stays in memory beside that of a trial.
    return sizes if 2 * group.chunk * group.bytes_per_run < devices.memory_budget() else []


def time_sizes(group: Group, sizes: list[int], segment_seconds: float, stop: Callable[[], bool]) -> dict[int, float]:
    """Seconds of a run and environment step by runs a device, of those sizes that were tried.

    Args:
        group: the group.
        sizes: runs a device, from the most to the fewest.
        segment_seconds: what a segment of the first of them takes.
        stop: whether to stop trying.
    """
    found: dict[int, float] = {}
    for size in sizes:
        if stop() or (found and list(found.values())[-1] > SLOWER * min(found.values())):
            break
        found[size] = _time(_trial(group, size, segment_seconds), stop)
    return found


def _trial(group: Group, size: int, segment_seconds: float) -> Group:
    """The group with `size` runs a device, and with segments of about a second."""
    shorter = max(1, round(segment_seconds / TIMED_SECONDS))
    program, run = group.program, group.runs[0]
    short = make_program(
        run.env,
        run.algorithm,
        env_steps=group.segments * program.segment_steps,
        test_interval=max(1, program.segment_steps // shorter),
        test_episodes=max(1, program.test_episodes // shorter),
        root=program.root,
    )
    runs = min(len(group.runs), size * len(jax.devices()))
    return dataclasses.replace(group, program=short, size=ChunkSize(runs, "default"))


def _time(group: Group, stop: Callable[[], bool]) -> float:
    return time_segments(compile_group(group), group, stop)


def time_segments(executable: Executable, group: Group, stop: Callable[[], bool]) -> float:
    """Seconds of a run and environment step, once updates have begun; the runs start anew and are thrown away.

    Args:
        executable: the compiled programs of the group.
        group: the group, of which the first chunk is timed.
        stop: whether to stop, after the present segment.
    """
    algorithm, env_params, seeds = group.stack(group.chunks[0])
    state, clock = executable.init(algorithm, env_params, seeds), start_clock(group)
    begun, segments, learning = time.monotonic(), 0, False
    while not stop():
        state, clock, metrics = executable.segment(state, algorithm, env_params, clock)
        jax.block_until_ready(metrics)
        segments += 1
        elapsed = time.monotonic() - begun
        if not learning and (int(clock.updates) > 0 or elapsed > WARM_UP_SECONDS):
            learning, begun, segments = True, time.monotonic(), 0  # from here on
        elif learning and elapsed > TIMED_SECONDS:
            break
    elapsed = time.monotonic() - begun
    return elapsed / max(segments, 1) / (group.program.segment_steps * group.chunk)
