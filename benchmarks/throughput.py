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
from jaxvf.training import Clock, Program, for_algorithm, make_pace

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
    return {"machine": machine(), "rows": rows, "optimizer_traffic": [optimizer_traffic(count) for count in runs]}


def measure(runs: int, num_envs: int) -> dict[str, Any]:
    """One cell: `runs` runs with `num_envs` environments each, one update per iteration."""
    algorithm = dataclasses.replace(
        jaxvf.algorithms.make("qmix"), num_envs=num_envs, updates_per_episode=1 / num_envs, **REFERENCE
    )
    algorithm = dataclasses.replace(algorithm, buffer_size=num_envs * 625)
    env = for_algorithm(MatrixGame(PAYOFFS["A"]), algorithm)
    program = Program(env, make_pace(algorithm, env.spec), ITERATIONS, test_episodes=32, root=0)
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


def optimizer_traffic(runs: int) -> dict[str, Any]:
    """Microseconds per run of one Adam step over arrays of the reference network's size, and nothing else.

    All parameters in one array, updated in place in a loop: the least that an update can take on this device.
    """
    parameters = 32_324
    p, g = jnp.ones((runs, parameters)), jnp.full((runs, parameters), 1e-3)

    def step(carried: tuple[jax.Array, ...], _: None) -> tuple[tuple[jax.Array, ...], None]:
        p, m, v, g = carried
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return (p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), m, v, g), None

    loop = jax.jit(lambda carried: jax.lax.scan(step, carried, None, length=ITERATIONS)[0], donate_argnums=0)
    carried = jax.block_until_ready(loop((p, jnp.zeros_like(p), jnp.zeros_like(p), g)))
    seconds = []
    for _ in range(TIMED):
        begun = time.perf_counter()
        carried = jax.block_until_ready(loop(carried))
        seconds.append(time.perf_counter() - begun)
    micros = statistics.median(seconds) / ITERATIONS / runs * 1e6
    return {
        "runs": runs,
        "parameters": parameters,
        "microseconds_per_run": round(micros, 1),
        "gigabytes_per_second": round(ADAM_BYTES * parameters / micros / 1e3, 1),
    }


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
