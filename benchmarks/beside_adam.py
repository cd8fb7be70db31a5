"""QMIX's whole iteration on a matrix game beside a bare Adam step on the same parameters: CPU time, in one process.

64 runs, 8 episodes collected and one update of batch 128 an iteration. Segments and Adam loops take turns, so that a
drift of the machine meets both alike; the ratio is the median of the rounds' own ratios.
"""

import statistics
import time
from typing import Any

import jax
import optax

from jaxvf import scripts
from jaxvf.sweeps import Sweep
from jaxvf.training import Clock

throughput = scripts.load("benchmarks", "throughput")
RUNS, ITERATIONS, ROUNDS = 64, 250, 9
GRID = {"batch_size": [128], "updates_per_episode": [1 / 8], "optimizer": ["adam"], "last_action": [False]}


def bench(*, quick: bool = False) -> dict[str, Any]:
    """Microseconds of CPU time per run of an iteration and of Adam, and their ratio; `quick` is two rounds."""
    steps = 8 * ITERATIONS
    sweep = Sweep("matrix_game/A", "qmix", seeds=RUNS, grid=GRID, env_steps=steps, test_interval=steps, test_episodes=1)
    group = sweep.plan(chunk=RUNS).groups[0]
    configured, params, seeds = group.stack(group.chunks[0])
    state, clock = jax.jit(group.program.init)(configured, params, seeds), Clock.start()
    segment = jax.jit(group.program.segment, donate_argnums=0)
    adam = jax.jit(adam_steps, donate_argnums=(0, 1))
    weights = jax.tree.map(lambda leaf: leaf + 0, state.learner.params)
    moments = jax.vmap(optax.adam(1e-3).init)(weights)
    rows = []
    for _ in range(1 + (2 if quick else ROUNDS)):
        begun = time.process_time()
        state, clock, _ = jax.block_until_ready(segment(state, configured, params, clock))
        middle = time.process_time()
        weights, moments = jax.block_until_ready(adam(weights, moments))
        rows.append((middle - begun, time.process_time() - middle))
    iteration, alone = zip(*rows[1:], strict=True)  # the first compiles
    micros = 1e6 / ITERATIONS / RUNS
    return {
        "machine": throughput.machine(),
        "rounds": len(iteration),
        "iteration_cpu_microseconds": round(statistics.median(iteration) * micros, 1),
        "adam_cpu_microseconds": round(statistics.median(alone) * micros, 1),
        "iteration_over_adam": round(statistics.median(a / b for a, b in rows[1:]), 2),
    }


def adam_steps(weights: Any, moments: Any) -> tuple[Any, Any]:
    """As many Adam steps of all runs as a segment has iterations; the gradient is the parameters themselves."""
    rule = optax.adam(1e-3)

    def step(_: Any, carried: tuple[Any, Any]) -> tuple[Any, Any]:
        weights, moments = carried
        updates, moments = jax.vmap(rule.update)(weights, moments)
        return jax.vmap(optax.apply_updates)(weights, updates), moments

    return jax.lax.fori_loop(0, ITERATIONS, step, (weights, moments))
