"""PQN-VDN beside QMIX with replayed sequences, on SMAX's 3m: memory a run, steps a CPU second, and how often they win.

QMIX has the setting of `smax_qmix`: 16 environments and 101 frames an iteration, then 8 updates on 32 sequences, out of
a ring of 256. PQN collects the same frames and passes over them 4 times in 4 mini-batches. Compiled segments take turns
in one process, under random play (ε = 1), so that battles last alike. Then both train for as many steps, and QMIX once
more as PyMARL starts it: SMAX's states hold positions in units of the map, up to 32, which its hypernetworks turn into
values that are tens of times the largest return.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxvf
from jaxvf import scripts
from jaxvf.algorithms import make
from jaxvf.mixers import QmixMixer
from jaxvf.sweeps import Sweep
from jaxvf.training import Clock

smax_qmix = scripts.load("benchmarks", "smax_qmix")
throughput = scripts.load("benchmarks", "throughput")
ENV, NUM_ENVS, FRAMES = "smax/3m", smax_qmix.NUM_ENVS, smax_qmix.FRAMES
ITERATIONS, ROUNDS = 4, 5  # of a segment; segments of each program that are timed
TRAINING = {"optimizer": "adam", "learning_rate": 1e-3, "epsilon_anneal": 50_000.0}
# Of the curves: seeds, steps of each, evaluations, battles of an evaluation.
LONG, SHORT = (4, 1_000_000, 20, 64), (1, 100_000, 5, 32)
START = QmixMixer(scheme="orthogonal", gain=0.001)  # as JaxMARL's QMIX starts


def learners() -> dict[str, Any]:
    """Both, at equal sizes of network and iteration."""
    sizes = {"num_envs": NUM_ENVS, "buffer_size": 256, "batch_size": 32, **smax_qmix.SEQUENCES}
    qmix = dataclasses.replace(make("qmix"), mixer=START, **sizes, **TRAINING)
    pqn = dataclasses.replace(
        make("pqn_vdn"), num_envs=NUM_ENVS, rollout_length=FRAMES, epochs=4, minibatches=4, **TRAINING
    )
    return {"qmix": qmix, "pqn_vdn": pqn}


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per learner, PQN's ratios to QMIX, and the curves of both; `quick` trains one seed for a tenth as long."""
    rows = measure()
    by_name = {row["learner"]: row for row in rows}
    rates = zip(by_name["pqn_vdn"]["rounds"], by_name["qmix"]["rounds"], strict=True)
    return {
        "machine": throughput.machine(),
        "setting": {"env": ENV, "num_envs": NUM_ENVS, "frames": FRAMES, **TRAINING},
        "iterations": ITERATIONS,
        "rows": rows,
        "steps_over_qmix": round(statistics.median(pqn / qmix for pqn, qmix in rates), 2),
        "memory_over_qmix": round(by_name["pqn_vdn"]["megabytes_per_run"] / by_name["qmix"]["megabytes_per_run"], 4),
        "curves": curves(*(SHORT if quick else LONG)),
    }


def measure() -> list[dict[str, Any]]:
    """Steps really taken per CPU second, all threads together, in turn; bytes of arguments and temporary arrays."""
    programs = {name: compiled(learner) for name, learner in learners().items()}
    rates: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(1 + ROUNDS):  # the first fills replay
        for name, (segment, _) in programs.items():
            rates[name].append(segment())
    return [
        {
            "learner": name,
            "steps_per_cpu_second": round(statistics.median(rates[name][1:])),
            "rounds": [round(rate) for rate in rates[name][1:]],
            **facts,
        }
        for name, (_, facts) in programs.items()
    ]


def compiled(learner: Any) -> tuple[Callable[[], float], dict[str, Any]]:
    """A function that plays and learns one more segment and gives its rate; and what compiling said."""
    algorithm = dataclasses.replace(learner, epsilon_end=1.0)
    interval = ITERATIONS * NUM_ENVS * FRAMES
    sweep = Sweep(ENV, algorithm, seeds=1, env_steps=interval, test_interval=interval, test_episodes=1)
    group = sweep.plan(chunk=1).groups[0]
    configured, params, seeds = group.stack(group.chunks[0])
    state, clock = jax.jit(group.program.init)(configured, params, seeds), Clock.start()
    begun = time.process_time()
    program = jax.jit(group.program.segment, donate_argnums=0).lower(state, configured, params, clock).compile()
    compile_seconds, memory = time.process_time() - begun, program.memory_analysis()
    now: list[Any] = [state, clock, 0.0]

    def segment() -> float:
        state, clock, taken = now
        arguments = jax.device_put((state, configured, params, clock), program.input_shardings[0])
        begun = time.process_time()
        state, clock, metrics = jax.block_until_ready(program(*arguments))
        spent = time.process_time() - begun
        now[:] = state, clock, float(metrics["steps_taken"][: len(group.runs)].sum())
        return (now[2] - taken) / spent

    found: Any = memory
    size = lambda kind: round(getattr(found, f"{kind}_size_in_bytes") / 1e6, 2)  # noqa: E731
    return segment, {
        "compile_cpu_seconds": round(compile_seconds, 1),
        "state_megabytes": size("argument"),
        "temporary_megabytes": size("temp"),
        "megabytes_per_run": round(size("argument") + size("temp"), 2),
    }


def curves(seeds: int, env_steps: int, evaluations: int, episodes: int) -> dict[str, Any]:
    """A `curve` of both, and of QMIX as PyMARL starts it."""
    trained = learners()
    trained["qmix, PyMARL's start"] = dataclasses.replace(trained["qmix"], mixer=QmixMixer())
    return {name: curve(learner, seeds, env_steps, evaluations, episodes) for name, learner in trained.items()}


def curve(learner: Any, seeds: int, env_steps: int, evaluations: int, episodes: int) -> dict[str, Any]:
    """Share of test battles won by each seed, at the steps taken so far, and the CPU seconds of the whole."""
    begun = time.process_time()
    result = jaxvf.run(
        ENV, learner, seeds=seeds, env_steps=env_steps, test_interval=env_steps // evaluations,
        test_episodes=episodes, progress="none",
    )  # fmt: skip
    return {
        "cpu_seconds": round(time.process_time() - begun, 1),
        "env_steps": np.asarray(result.env_steps).tolist(),
        "won": np.round(result.metric("test_won"), 3).tolist(),
        "return": np.round(result.metric("test_return"), 2).tolist(),
    }
