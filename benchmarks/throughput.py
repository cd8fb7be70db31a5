"""Throughput of the whole training program: runs x environments, compile seconds apart, bytes and FLOPs beside.

Every number is the median of several timed segments after one that warms up. The machine is named in the output;
numbers of different machines do not compare.
"""

import dataclasses
import os
import platform
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxvf
from jaxvf.envs import PAYOFFS, MatrixGame
from jaxvf.sweeps import devices
from jaxvf.training import Clock, make_program

RUNS = (1, 4, 16, 64, 256)
ENVS = (8, 32)
TIMED = 5
ITERATIONS = 125
# QMIX with GRU 64 and batch 128 on a one-step game, 8 episodes collected per update: the design's reference case.
REFERENCE = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 128, "last_action": False}
ADAM_BYTES = 28  # read parameter, gradient and both moments, write parameter and both moments: 7 x 4 bytes


def bench(*, quick: bool = False) -> dict[str, Any]:
    """Rows over runs x environments, and the time that Adam's memory traffic alone takes on the same device."""
    runs, envs = ((1, 16), (8,)) if quick else (RUNS, ENVS)
    rows = [measure(count, num_envs) for num_envs in envs for count in runs]
    lone = {row["num_envs"]: row for row in rows if row["runs"] == 1}
    for row in rows:
        micros = row["microseconds_per_iteration_and_run"]
        row.update(optimizer_traffic(row["runs"], row["parameters"]))
        row["iteration_over_moving_optimizer_bytes"] = round(micros / row["moving_optimizer_bytes_microseconds"], 2)
        row["iteration_over_lone_run"] = round(micros / lone[row["num_envs"]]["microseconds_per_iteration_and_run"], 2)
        row["compile_over_lone_run"] = round(row["compile_seconds"] / lone[row["num_envs"]]["compile_seconds"], 2)
    return {"machine": machine(), "rows": rows}


def measure(runs: int, num_envs: int) -> dict[str, Any]:
    """One cell: `runs` runs with `num_envs` environments each, one update per iteration."""
    algorithm = dataclasses.replace(
        jaxvf.algorithms.make("qmix"), num_envs=num_envs, updates_per_episode=1 / num_envs, **REFERENCE
    )
    algorithm = dataclasses.replace(algorithm, buffer_size=num_envs * 625)
    env, steps = MatrixGame(PAYOFFS["A"]), ITERATIONS * num_envs
    program = make_program(env, algorithm, env_steps=steps, test_interval=steps, test_episodes=32, root=0)
    configured, params = spread(algorithm, runs), spread(env.default_params(), runs)
    begun = time.perf_counter()
    init = jax.jit(program.init).lower(configured, params, jnp.arange(runs)).compile()
    state, clock = init(configured, params, jnp.arange(runs)), Clock.start()
    segment = jax.jit(program.segment, donate_argnums=0).lower(state, configured, params, clock).compile()
    compile_seconds = time.perf_counter() - begun
    seconds = []
    for _ in range(TIMED + 1):
        begun = time.perf_counter()
        state, clock, metrics = segment(state, configured, params, clock)
        jax.block_until_ready(metrics)
        seconds.append(time.perf_counter() - begun)
    spent = statistics.median(seconds[1:])
    cost = segment.cost_analysis() or {}
    return {
        "runs": runs,
        "num_envs": num_envs,
        "compile_seconds": round(compile_seconds, 2),
        "microseconds_per_iteration_and_run": round(spent / ITERATIONS / runs * 1e6, 1),
        "env_steps_per_second": round(ITERATIONS * num_envs * runs / spent),
        "updates_per_second": round(ITERATIONS * runs / spent),
        "parameters": count_parameters(state),
        "state_bytes_per_run": sum(leaf.nbytes for leaf in jax.tree.leaves(state)) // runs,
        # XLA counts a loop's body once: collection, one update and one evaluation.
        "flops_counted_per_run": float(cost.get("flops", float("nan"))) / runs,
        "bytes_counted_per_run": float(cost.get("bytes accessed", float("nan"))) / runs,
    }


def optimizer_traffic(runs: int, parameters: int) -> dict[str, float]:
    """Microseconds per run of moving Adam's bytes, and of an Adam step over one array of all parameters.

    Moving: a pass that reads and writes an array in place (8 bytes an element), scaled to Adam's 28 bytes.
    """
    values, gradients = jnp.ones((runs, parameters)), jnp.full((runs, parameters), 1e-3)

    def move(p: jax.Array, _: None) -> tuple[jax.Array, None]:
        return p + 1.0, None

    def step(carried: tuple[jax.Array, ...], _: None) -> tuple[tuple[jax.Array, ...], None]:
        p, m, v, g = carried
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return (p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), m, v, g), None

    moments = (values, jnp.zeros_like(values), jnp.zeros_like(values), gradients)
    return {
        "moving_optimizer_bytes_microseconds": round(time_loop(move, values + 0, runs) * ADAM_BYTES / 8, 1),
        "adam_alone_microseconds": round(time_loop(step, moments, runs), 1),
    }


def time_loop(step: Any, carried: Any, runs: int) -> float:
    """Median microseconds per run of one `step`, in a loop that updates its arrays in place."""
    loop = jax.jit(lambda carried: jax.lax.scan(step, carried, None, length=ITERATIONS)[0], donate_argnums=0)
    carried = jax.block_until_ready(loop(carried))
    seconds = []
    for _ in range(TIMED):
        begun = time.perf_counter()
        carried = jax.block_until_ready(loop(carried))
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds) / ITERATIONS / runs * 1e6


def spread(tree: Any, runs: int) -> Any:
    """The same hyperparameters for every run."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(jnp.asarray(leaf, jnp.float32), (runs, *np.shape(leaf))), tree)


def count_parameters(state: Any) -> int:
    """Parameters of one run's networks."""
    return sum(int(np.prod(leaf.shape[1:])) for leaf in jax.tree.leaves(state.learner.params))


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        **devices.describe(),
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "jax": jax.__version__,
    }
