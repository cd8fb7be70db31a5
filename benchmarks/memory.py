"""Memory of a run as planned before anything compiles, beside what XLA takes of the compiled program.

Registered defaults throughout. Nothing runs: `memory_analysis()` of the compiled chunk says what it takes, arguments
and temporary arrays together, with eight runs on every device. `python benchmarks/memory.py FILE` prints the Markdown
table of a result.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax

from jaxvf import scripts
from jaxvf.sweeps import Sweep, devices
from jaxvf.sweeps.compile import compile_group

throughput = scripts.load("benchmarks", "throughput")
RUNS = 8  # a device
WITHIN = (0.8, 1.15)  # planned over taken, of the programs in `PROMISED`
PROMISED = (
    ("matrix_game/A", "qmix"),
    ("predator_prey", "qmix"),
    ("combat/3m", "qmix"),
    ("smax/3m", "qmix"),
    ("gaussian_team", "happo"),
    ("gaussian_team", "hatrpo"),
)
OTHERS = (
    ("matrix_game/A", "qtran"),
    ("matrix_game/A", "mrvf"),
    ("matrix_game/A", "pow_qmix"),
    ("gaussian_team", "mappo"),
)


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per program; `quick` is QMIX on a matrix game alone."""
    devices.use_cores()
    rows = [measure(*cell) for cell in (PROMISED[:1] if quick else PROMISED + OTHERS)]
    missed = [
        f"{row['algorithm']} on {row['env']}"
        for row in rows
        if (row["env"], row["algorithm"]) in PROMISED and not WITHIN[0] <= row["ratio"] <= WITHIN[1]
    ]
    return {"machine": throughput.machine(), "within": WITHIN, "missed": missed, "rows": rows}


def measure(env: str, algorithm: str) -> dict[str, Any]:
    """Plan and compile one program."""
    print(f"compiling {algorithm} on {env}", file=sys.stderr)
    runs = RUNS * len(jax.devices())
    # A chunk that is given in a list is taken as it is, whatever this machine holds: nothing runs.
    (group,) = Sweep(env, algorithm, seeds=runs).plan(chunk=[runs], cache=False).groups
    begun = time.process_time()
    planned = group.predict()
    planning = time.process_time() - begun
    compiled = compile_group(group)
    state = jax.eval_shape(group.program.init, *group.stack(group.chunks[0]))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) // runs
    return {
        "env": env,
        "algorithm": algorithm,
        "runs": runs,
        "state": held,
        "planned": planned,
        "taken": compiled.bytes_per_run,
        "ratio": round(planned / compiled.bytes_per_run, 3),
        "ratio_beside_state": round((planned - held) / (compiled.bytes_per_run - held), 3),
        "planning_cpu_seconds": round(planning, 2),
    }


def table(result: dict[str, Any]) -> str:
    """The rows of a result as the Markdown table of `README.md`."""
    head = "| program | state, MB a run | planned | taken | planned / taken | beside the state | planning, CPU s |"
    lines = [head, "|" + "---|" * 7]
    for row in result["rows"]:
        sizes = " | ".join(f"{row[name] / 1e6:.2f}" for name in ("state", "planned", "taken"))
        lines.append(
            f"| `{row['algorithm']}` on `{row['env']}` | {sizes} | {row['ratio']:.2f} | "
            f"{row['ratio_beside_state']:.2f} | {row['planning_cpu_seconds']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
