"""QMIX on SMAX's 3m: environment steps really taken per CPU second, beside an older jaxvf and JaxMARL's script.

The setting of the peer: 16 environments and 101 frames an iteration, then 8 updates on 32 sequences of 101 frames, GRU
64, mixer 32/64, replay of 256 sequences; one run and eight in one program. Each program is a process of its own; they
take turns, round after round. `JAXVF_BEFORE=DIRECTORY` adds the jaxvf of another checkout, `JAXMARL=DIRECTORY` the
QMIX of a checkout of JaxMARL (which needs `pip install flashbax hydra-core`).
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax

import jaxvf
from jaxvf.algorithms import make
from jaxvf.errors import InputError
from jaxvf.sweeps import Sweep
from jaxvf.training import Clock

NUM_ENVS, FRAMES, UPDATES = 16, 101, 8  # of an iteration
ITERATIONS = {1: 20, 8: 4}  # of a segment, by runs in the program
TIMED = 2  # segments, after one that fills replay
ROUNDS = 3
# Eight seeds of JaxMARL's script fell asleep on two cores and did not return in nine minutes (README).
RUNS_OF = {"jaxmarl": (1,)}
# Random play throughout: how long battles last, and so how much a padded episode wastes, is not to change on the way.
LEARNER = {"num_envs": NUM_ENVS, "buffer_size": 256, "batch_size": 32, "epsilon_end": 1.0}
# Where replay holds sequences; before, it held episodes, and the ratio was one of updates to episodes.
SEQUENCES = {"replay": "sequences", "sequence_length": FRAMES, "updates_per_step": UPDATES / (NUM_ENVS * FRAMES)}
EPISODES = {"updates_per_episode": UPDATES / NUM_ENVS}


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per program, runs and round, and the median ratios of the present code to the others.

    Raises:
        InputError: for an environment variable that names no checkout.
    """
    programs = {"now": Path(jaxvf.__file__).parents[1], **others()}
    counts, rounds = ((1,), 1) if quick else (tuple(ITERATIONS), ROUNDS)
    rows = [
        {"program": name, "round": number, **one_process(name, checkout, runs)}
        for runs in counts
        for number in range(rounds)
        for name, checkout in programs.items()
        if runs in RUNS_OF.get(name, ITERATIONS)
    ]
    setting = {"env": "smax/3m", "frames": FRAMES, "updates": UPDATES, **LEARNER}
    machine = {"cores": os.cpu_count(), "jax": jax.__version__}
    return {"machine": machine, "setting": setting, "rounds": rounds, "rows": rows, "ratios": ratios(rows)}


def others() -> dict[str, Path]:
    """The checkouts that environment variables name, by the name of their program."""
    found = {}
    for name, variable, inside in (
        ("before", "JAXVF_BEFORE", "jaxvf/__init__.py"),
        ("jaxmarl", "JAXMARL", "baselines/QLearning/qmix_rnn.py"),
    ):
        if directory := os.environ.get(variable):
            if not (Path(directory) / inside).is_file():
                raise InputError(f"{variable}={directory!r} is not a checkout with {inside}")
            found[name] = Path(directory).resolve()
    return found


def one_process(name: str, checkout: Path, runs: int) -> dict[str, Any]:
    """What a process of one program reports."""
    print(f"{name}: {runs} run(s)", file=sys.stderr)
    here = Path(__file__)
    if name == "jaxmarl":
        command, variables = [str(here.with_name("_jaxmarl_qmix.py")), str(checkout), str(runs)], {}
    else:
        command, variables = [str(here), str(runs)], {"PYTHONPATH": str(checkout)}
    # Compile seconds are to be those of compiling.
    variables = {**os.environ, **variables, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"}
    done = subprocess.run([sys.executable, *command], env=variables, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Steps per CPU second of the present code over another program's: the median of the rounds' own ratios."""
    rates = {(row["program"], row["runs"], row["round"]): row["steps_per_cpu_second"] for row in rows}
    found: dict[tuple[str, int], list[float]] = {}
    for (name, runs, number), rate in rates.items():
        if name != "now":
            found.setdefault((name, runs), []).append(rates["now", runs, number] / rate)
    return [
        {"program": name, "runs": runs, "now_over_it": round(statistics.median(values), 2)}
        for (name, runs), values in found.items()
    ]


def measure(runs: int) -> dict[str, Any]:
    """Compile and time the jaxvf that this process imports, whichever that is."""
    fields = {field.name for field in dataclasses.fields(make("qmix"))}
    replay = SEQUENCES if "replay" in fields else EPISODES
    algorithm = dataclasses.replace(make("qmix"), **LEARNER, **replay)
    iterations = ITERATIONS[runs]
    interval = iterations * NUM_ENVS * FRAMES
    sweep = Sweep("smax/3m", algorithm, seeds=runs, env_steps=interval, test_interval=interval, test_episodes=1)
    group = sweep.plan(chunk=runs).groups[0]
    configured, params, seeds = group.stack(group.chunks[0])
    begun = time.process_time(), time.perf_counter()
    state, clock = jax.jit(group.program.init)(configured, params, seeds), Clock.start()
    segment = jax.jit(group.program.segment, donate_argnums=0).lower(state, configured, params, clock).compile()
    compile_cpu, compile_wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
    spent, taken = [], []
    for _ in range(1 + TIMED):
        # A compiled program takes its arguments only where it wants them, which is how it gave them back or not.
        arguments = jax.device_put((state, configured, params, clock), segment.input_shardings[0])
        begun_cpu = time.process_time()
        state, clock, metrics = jax.block_until_ready(segment(*arguments))
        spent.append(time.process_time() - begun_cpu)
        taken.append(float(metrics["steps_taken"][: len(group.runs)].sum()))
    memory: Any = segment.memory_analysis()
    return report(
        runs=runs,
        steps=taken[-1] - taken[0],
        cpu_seconds=sum(spent[1:]),
        iterations=TIMED * iterations,
        compile_cpu_seconds=round(compile_cpu, 1),
        compile_seconds=round(compile_wall, 1),
        temporary_megabytes_per_run=round(memory.temp_size_in_bytes / runs / 1e6, 1),
    )


def report(*, runs: int, steps: float, cpu_seconds: float, iterations: int, **facts: Any) -> dict[str, Any]:
    """The rates of a program; an iteration is that of one run."""
    return {
        "runs": runs,
        "steps_per_cpu_second": round(steps / cpu_seconds),
        "steps_per_iteration": round(steps / runs / iterations),
        "cpu_seconds_per_iteration": round(cpu_seconds / runs / iterations, 4),
        **facts,
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
