"""How long a sweep will take, measured: its programs compiled, some segments of each timed, nothing written."""

import dataclasses
from collections.abc import Iterator, Sequence

import jax

from jaxvf.sweeps import cache, compile, pilot
from jaxvf.sweeps.measurements import Measurements
from jaxvf.sweeps.plan import Plan


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What one group takes.

    Attributes:
        compile_seconds: of its program; little where the user's cache has it.
        segment_seconds: of one chunk's segment, evaluation included, once updates have begun.
        run_seconds: of all segments of all chunks.
        env_steps_per_second: of all runs of a chunk together.
    """

    compile_seconds: float
    segment_seconds: float
    run_seconds: float
    env_steps_per_second: float


def measure(plan: Plan, *, keep: bool = True) -> Iterator[Estimate]:
    """Time every group of a plan, one after another.

    Args:
        plan: the plan.
        keep: keep the compiled programs, and the memory that they take, in the user's cache.

    Raises:
        InputError: if memory does not hold a chunk.
    """
    measurements = Measurements(keep)
    for group in plan.groups:
        try:
            with cache.compiled_programs(lambda _: None, keep=keep):
                executable = compile.compile_group(group)
            measurements.remember(group.key, bytes_per_run=executable.bytes_per_run)
            seconds = pilot.time_segments(executable, group, lambda: False)
        except jax.errors.JaxRuntimeError as error:
            raise compile.out_of_memory(error, group) or error from error
        segment = seconds * group.chunk * group.program.segment_steps
        whole = segment * group.segments * len(group.chunks)
        steps = len(group.runs) * group.segments * group.program.segment_steps
        yield Estimate(executable.seconds, segment, whole, steps / whole)


def line(index: int, estimate: Estimate) -> str:
    """One group's estimate as a user reads it."""
    return (
        f"  group {index}: compiled in {duration(estimate.compile_seconds)}, "
        f"{estimate.env_steps_per_second:,.0f} steps a second, {duration(estimate.run_seconds)} for its runs"
    )


def total(estimates: Sequence[Estimate]) -> str:
    """The whole sweep's as a user reads it."""
    compiling = sum(one.compile_seconds for one in estimates)
    return f"about {duration(compiling + sum(one.run_seconds for one in estimates))} in all, on this device"


def duration(seconds: float) -> str:
    """`seconds` in the unit that people would use."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
