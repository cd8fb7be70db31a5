"""Compiles the training segment of one cell for a chip that this machine need not have, and prints its counts as JSON.

`python _aot.py '{"chip": ..., "env": ..., "algorithm": ..., "runs": ...}'`: a process of its own, because the chip
decides environment variables that JAX reads once. Nothing runs; on the CPU only shapes are worked out. For a GPU the
choice of kernels by timing them is off, since it needs the device: products go to cuBLAS.
"""

import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from jaxvf import scripts
from jaxvf.algorithms import make
from jaxvf.envs import make as make_env
from jaxvf.sweeps import Sweep
from jaxvf.training import Clock

hlo = scripts.part("benchmarks", "_hlo")
ENV_STEPS = 100_000  # between two evaluations: many iterations in every environment, so that they are a loop
ONE_STEP = {"num_envs": 250, "rollout_length": 1}  # samples of an iteration, as in the trust-region games


def topology_h100() -> Any:
    """One H100, described by what its driver would say (`h100.txtpb`)."""
    target = Path(__file__).with_name("h100.txtpb").read_text()
    return topologies.get_topology_desc(
        platform="cuda", topology_name="1x1x1", topology="1x1x1", target_config=target
    )  # fmt: skip


def topology_v5e() -> Any:
    """Four TPU v5e chips, the smallest slice there is; the program uses one."""
    return topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2")


TOPOLOGIES: Mapping[str, Callable[[], Any]] = MappingProxyType({"h100": topology_h100, "v5e": topology_v5e})


def row(chip: str, env: str, algorithm: str, runs: int) -> dict[str, Any]:
    """What XLA makes of the segment: seconds, bytes a run, and the counts of one iteration."""
    sweep = Sweep(env=env, algorithms=configured(algorithm, env), env_steps=ENV_STEPS, test_interval=ENV_STEPS)
    group = sweep.plan(chunk=1).groups[0]
    place = SingleDeviceSharding(TOPOLOGIES[chip]().devices[0])
    begun = cpu_seconds()
    compiled = compile_segment(group, runs, place)
    spent = cpu_seconds() - begun
    module = hlo.parse(compiled.as_text())
    counts = hlo.count(module, scan_over_iterations(module))
    memory = compiled.memory_analysis()
    workspace = largest_workspace(module)
    return {
        "chip": chip,
        "env": env,
        "algorithm": algorithm,
        "runs": runs,
        "compile_cpu_seconds": round(spent, 1),
        "kernels": sum(counts.kernels.values()),
        "kinds": dict(counts.kernels.most_common()),
        "holding": dict(counts.holding.most_common()),
        "loops": [loop._asdict() for loop in counts.loops],
        "state_bytes_per_run": memory.argument_size_in_bytes // runs,
        "temporary_bytes_per_run": (memory.temp_size_in_bytes - workspace) // runs,
        "workspace_bytes": workspace,
        "planned_bytes_per_run": group.bytes_per_run,
        "flops_per_run": round(counts.flops / runs),
        "bytes_moved_per_run": round(counts.nbytes / runs),
    }


def configured(name: str, env: str) -> Any:
    """The algorithm with its defaults; one update an iteration, where it has a ratio, and one step in a one-step game.

    One update, because a loop whose length only the clock knows is counted as one pass.
    """
    algorithm = make(name)
    fields = {field.name for field in dataclasses.fields(algorithm)}
    changes: dict[str, Any] = {}
    spec = make_env(env).spec
    if "updates_per_step" in fields and algorithm.replays_sequences(spec):
        changes["updates_per_step"] = 1 / (algorithm.num_envs * algorithm.sequence_length)
    elif "updates_per_episode" in fields:
        changes["updates_per_episode"] = 1 / algorithm.num_envs
    if "rollout_length" in fields and spec.limit_max == 1:
        samples = ONE_STEP["num_envs"]
        changes |= ONE_STEP | {"num_envs": samples - samples % algorithm.minibatches}
    return dataclasses.replace(algorithm, **changes)


def compile_segment(group: Any, runs: int, place: SingleDeviceSharding) -> Any:
    """The segment of a group, compiled for `runs` runs on the device of `place`."""

    def shapes(tree: Any, *, of_runs: bool) -> Any:
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                (runs, *leaf.shape[1:]) if of_runs else leaf.shape, leaf.dtype, sharding=place
            ),
            tree,
        )

    algorithm, params, seeds = (shapes(tree, of_runs=True) for tree in group.stack(group.chunks[0]))
    state = shapes(jax.eval_shape(group.program.init, algorithm, params, seeds), of_runs=True)
    clock = shapes(jax.eval_shape(Clock.start), of_runs=False)
    return jax.jit(group.program.segment, donate_argnums=0).lower(state, algorithm, params, clock).compile()


def scan_over_iterations(module: Any) -> str:
    """The body of the entry's loop that is mapped over nothing: in a segment that is the scan over iterations.

    Raises:
        ValueError: if there is none, as where a segment has one iteration and XLA takes the loop apart.
    """
    loops = [one for one in module.computations[module.entry].values() if one.op == "while"]
    outer = [loop.called("body") for loop in loops if "vmap" not in loop.origin]
    if not outer:
        raise ValueError("no loop over iterations in the compiled segment: it needs two iterations or more")
    return max(outer, key=lambda body: len(module.computations[body]))


def largest_workspace(module: Any) -> int:
    """Bytes of the largest scratch array of a product: all of them share it, however many runs there are."""
    kernels = [one for body in module.computations.values() for one in body.values() if one.op == "custom-call"]
    scratch = [dims for one in kernels for dtype, dims in list(hlo.arrays(one.shape))[1:] if dtype == "s8"]
    return max(map(math.prod, scratch), default=0)


def cpu_seconds() -> float:
    """CPU seconds of this process and of those it waited for: the GPU's assembler is one."""
    return math.fsum(os.times()[:4])


if __name__ == "__main__":
    print(json.dumps(row(**json.loads(sys.argv[1]))))
