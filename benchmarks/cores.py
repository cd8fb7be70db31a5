"""What the second core is worth: the same runs on one device and on a device a core, in processes that take turns.

64 runs of QMIX on a matrix game, 8 runs of QMIX with feed-forward agents on predator-prey. Every process compiles,
trains for a segment or two until replay is warm, and then times segments: seconds by the clock, CPU seconds, and the
share of them that the busiest thread took (Linux counts them).
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jaxvf import scripts
from jaxvf.sweeps import devices

throughput = scripts.load("benchmarks", "throughput")
# Environment, runs, what `Sweep` takes beside them, environment steps of a segment, segments that are timed.
PROGRAMS: dict[str, tuple[str, int, dict[str, Any], int, int]] = {
    "matrix_game": (
        "matrix_game/A",
        64,
        {"batch_size": [128], "updates_per_episode": [1 / 8], "optimizer": ["adam"], "last_action": [False]},
        8 * 500,
        6,
    ),
    "predator_prey": ("predator_prey", 8, {"agent": ["feed_forward"]}, 8 * 200, 2),
}
ROUNDS = 2


def bench(*, quick: bool = False) -> dict[str, Any]:
    """Rows of every program and number of devices, and the ratios of all devices to one; `quick` is a matrix game."""
    every = devices.cores()
    names = ["matrix_game"] if quick else list(PROGRAMS)
    found = {}
    for name in names:
        rounds = [{count: in_a_process(name, count) for count in (1, every)} for _ in range(1 if quick else ROUNDS)]
        middle = {
            count: {key: statistics.median(at[count][key] for at in rounds) for key in rounds[0][count]}
            for count in (1, every)
        }
        found[name] = {
            "devices": {str(count): row for count, row in middle.items()},
            "wall_over_one_device": round(statistics.median(at[every]["wall"] / at[1]["wall"] for at in rounds), 3),
            "cpu_over_one_device": round(statistics.median(at[every]["cpu"] / at[1]["cpu"] for at in rounds), 3),
            "busiest_thread_share": round(middle[every]["busiest_thread"] / middle[every]["cpu"], 3),
        }
    return {"machine": throughput.machine(), "rounds": 1 if quick else ROUNDS, "programs": found}


def in_a_process(name: str, count: int) -> dict[str, float]:
    """One measurement in a fresh process with `count` CPU devices."""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(count)}
    command = [sys.executable, str(Path(__file__)), name]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str) -> dict[str, float]:
    """Seconds of the timed segments of a program on this process's devices."""
    import jax

    from jaxvf.sweeps import Sweep
    from jaxvf.sweeps.compile import compile_group
    from jaxvf.sweeps.plan import start_clock

    env, runs, grid, steps, segments = PROGRAMS[name]
    sweep = Sweep(env, "qmix", seeds=runs, grid=grid, env_steps=100 * steps, test_interval=steps, test_episodes=1)
    (group,) = sweep.plan(chunk=[runs]).groups
    executable = compile_group(group)
    algorithm, env_params, seeds = group.stack(group.chunks[0])
    state, clock = executable.init(algorithm, env_params, seeds), start_clock(group)
    while int(clock.updates) == 0:
        state, clock, metrics = executable.segment(state, algorithm, env_params, clock)
    threads, cpu, wall = thread_seconds(), time.process_time(), time.perf_counter()
    for _ in range(segments):
        state, clock, metrics = executable.segment(state, algorithm, env_params, clock)
        jax.block_until_ready(metrics)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    busiest = max(seconds - threads.get(thread, 0.0) for thread, seconds in thread_seconds().items())
    return {"wall": round(wall, 3), "cpu": round(cpu, 3), "busiest_thread": round(busiest, 3)}


def thread_seconds() -> dict[str, float]:
    """CPU seconds of every thread of this process."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for path in Path("/proc/self/task").iterdir():
        fields = (path / "stat").read_text().rpartition(")")[2].split()
        found[path.name] = (int(fields[11]) + int(fields[12])) / tick  # utime and stime
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
