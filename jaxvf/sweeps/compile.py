"""Compiles the programs of a chunk: its runs split over the devices, each device's share on its own."""

import contextlib
import dataclasses
import functools
import gc
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf.errors import InputError
from jaxvf.one_run import compile_for_one_run
from jaxvf.sweeps import devices
from jaxvf.sweeps.chunk_size import LOWER, no_run_fits
from jaxvf.sweeps.plan import Group, start_clock


class Split(NamedTuple):
    """Which arguments and results of a function have a runs axis, and whether its first argument is used up."""

    given: tuple[Any, ...]
    returned: Any
    donated: bool


_R, _S = devices.RUNS, devices.SHARED
INIT = Split((_R, _R, _R), _R, donated=False)  # algorithm, environment parameters, seeds -> runs
ADVANCE = Split((_R, _R, _R, _S, _S), (_R, _S), donated=True)  # runs, ..., clock, iterations -> runs, clock
FINISH = Split((_R, _R, _R, _S), (_R, _R), donated=True)  # runs, ..., clock -> runs, metrics


@dataclasses.dataclass(frozen=True)
class Executable:
    """The compiled programs of a group.

    Attributes:
        init: algorithm, environment parameters, seeds -> runs.
        advance: runs (donated), algorithm, environment parameters, clock, iterations -> runs, clock.
        finish: runs (donated), algorithm, environment parameters, clock -> runs, metrics [runs, metric].
        iterations: of a segment, which `advance` may do at once or in several calls.
        metrics: their names; one that is a vector of each run is several, `name/0`, `name/1`, ...
        seconds: what compiling took.
        bytes_per_run: memory of a run while a segment runs, as XLA laid it out.
        cost: FLOPs and bytes of a segment per run, for `run.json`.
    """

    init: Any
    advance: Any
    finish: Any
    iterations: int
    metrics: tuple[str, ...]
    seconds: float
    bytes_per_run: int
    cost: dict[str, float]

    def segment(self, runs: Any, algorithm: Any, env_params: Any, clock: Any) -> tuple[Any, Any, Any]:
        """A whole segment: the runs (donated) and the clock to go on from, metrics [runs, metric]."""
        runs, clock = self.advance(runs, algorithm, env_params, clock, np.int32(self.iterations))
        runs, metrics = self.finish(runs, algorithm, env_params, clock)
        return runs, clock, metrics

    def described(self) -> dict[str, float]:
        """What compiling said, for the record of a unit."""
        return {"compile_seconds": self.seconds, "measured_bytes_per_run": self.bytes_per_run, **self.cost}


def compile_group(group: Group) -> Executable:
    """Compile the programs of a group for its chunk size."""
    begun = time.monotonic()
    with _no_garbage_collection(), ThreadPoolExecutor(max_workers=1) as beside:
        lowered = lowered_init(group)
        init = beside.submit(compile_for_one_run, lowered)  # while the rest is traced and compiled
        state = jax.tree.map(lambda leaf: _placed(leaf, devices.placement(group.chunk)), lowered.out_info)
        arguments = (state, *group.stack(group.chunks[0])[:2], start_clock(group))
        names: list[str] = []
        program, count = group.program, np.int32(group.program.iterations)
        ending = spread(_with_packed_metrics(program.finish, names), group.chunk, FINISH).lower(*arguments)
        finish = beside.submit(ending.compile)
        advance = spread(program.advance, group.chunk, ADVANCE).lower(*arguments, count).compile()
    seconds, share = time.monotonic() - begun, devices.width(group.chunk) // devices.mesh(group.chunk).size
    parts = advance, finish.result()
    bytes_per_run = max(math.ceil(_bytes(part) / share) for part in parts)
    cost = _cost(parts, share)
    return Executable(init.result(), *parts, program.iterations, tuple(names), seconds, bytes_per_run, cost)


def _with_packed_metrics(finish: Any, names: list[str]) -> Any:
    """`finish` whose metrics are one array, which the host reads at once; tracing it fills `names`."""

    @functools.wraps(finish)  # whose name the compiled program and its file in the cache bear
    def packed(*arguments: Any) -> tuple[Any, Array]:
        runs, metrics = finish(*arguments)
        names.clear()
        columns = []
        for name, values in sorted(metrics.items()):
            vector = values.ndim > 1
            columns.append(values if vector else values[:, None])
            names.extend([f"{name}/{place}" for place in range(values.shape[1])] if vector else [name])
        return runs, jnp.concatenate(columns, axis=1)

    return packed


def metric_names(group: Group) -> tuple[str, ...]:
    """The metrics of a group's program, which is traced for them but not compiled."""
    arguments, clock = group.stack(group.chunks[0]), start_clock(group)
    names: list[str] = []
    state = jax.eval_shape(group.program.init, *arguments)
    jax.eval_shape(_with_packed_metrics(group.program.finish, names), state, *arguments[:2], clock)
    return tuple(names)


def lowered_init(group: Group) -> Any:
    """The program that begins a chunk's runs, not compiled yet."""
    return spread(group.program.init, group.chunk, INIT).lower(*group.stack(group.chunks[0]))


def spread(function: Any, chunk: int, split: Split) -> Any:
    """A function of a program, jitted: every device runs it on its share of the runs.

    By `shard_map` and not by XLA's partitioner, because no run needs another's numbers: so nothing is exchanged.
    """
    mapped = jax.shard_map(
        function, mesh=devices.mesh(chunk), in_specs=split.given, out_specs=split.returned, check_vma=False
    )
    # Donated: the runs' state is updated in place, never held twice.
    return jax.jit(mapped, donate_argnums=0 if split.donated else ())


def _placed(leaf: Any, placement: devices.Placement) -> jax.ShapeDtypeStruct:
    """The array of runs that `init` gives; an empty one, such as the memory of a network without any, XLA repeats."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placement.runs if leaf.size else placement.shared)


def fitting_chunk(executable: Executable, chunk: int) -> int:
    """`chunk`, or the half, quarter, ... of it that fits into memory by the measured bytes of a run.

    Raises:
        InputError: if one run does not fit.
    """
    fitting = devices.fitting_runs(executable.bytes_per_run)
    while chunk > 1 and devices.width(chunk) > fitting:
        chunk = math.ceil(chunk / 2)
    if devices.width(chunk) > fitting:
        raise no_run_fits(executable.bytes_per_run)
    return chunk


def out_of_memory(error: Exception, group: Group) -> InputError | None:
    """The one line for XLA's own report that memory is exhausted; None if `error` is another one."""
    if "RESOURCE_EXHAUSTED" not in str(error) and "out of memory" not in str(error).lower():
        return None
    half = math.ceil(group.chunk / 2)
    fitting = min(half, devices.fitting_runs(group.bytes_per_run))
    advice = f"chunk={max(fitting, 1)} should fit" if group.chunk > 1 else LOWER
    return InputError(f"the device ran out of memory with {group.chunk} runs at once; {advice}")


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Tracing makes many small objects that live on; looking for garbage among them takes a fifth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _bytes(compiled: Any) -> int:
    """Memory of a device while the program runs; an output that takes an argument's place is counted once."""
    memory = compiled.memory_analysis()
    if memory is None:  # the platform does not say
        return 0
    held = memory.argument_size_in_bytes + memory.temp_size_in_bytes + memory.output_size_in_bytes
    return held - memory.alias_size_in_bytes


def _cost(parts: Sequence[Any], share: int) -> dict[str, float]:
    """FLOPs and bytes of a segment per run, as XLA counts them (loop bodies once), and the programs' memory."""
    analyses = [part.cost_analysis() or {} for part in parts]
    cost = {
        name: sum(float(analysis.get(counted, float("nan"))) for analysis in analyses) / share
        for name, counted in (("flops_counted_per_run", "flops"), ("bytes_counted_per_run", "bytes accessed"))
    }
    memories = [memory for part in parts if (memory := part.memory_analysis()) is not None]
    if memories:
        cost["state_bytes_per_run"] = max(memory.argument_size_in_bytes for memory in memories) / share
        cost["temporary_bytes_per_run"] = max(memory.temp_size_in_bytes for memory in memories) / share
    return cost
