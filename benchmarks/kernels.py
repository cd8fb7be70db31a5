"""Kernels that an iteration launches on an H100 and a TPU v5e, and bytes a run, from compiling without either.

Every learner on a one-step game, QMIX and HAPPO on a battle and on predator-prey, QMIX on a box to push, a crossing and
a football academy, HAPPO on JaxMARL's spread, a battle of SMAX and a body of brax. All numbers are counts of what the
compiler made, none is a measurement; so is the number of runs up to which launching kernels takes an H100 longer than
its arithmetic and its memory do. `python benchmarks/kernels.py FILE` prints the Markdown table of a result.
"""

import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax

from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.errors import InputError
from jaxvf.trust_region import TrustRegion


class Chip(NamedTuple):
    """A chip to compile for: the extra with its compiler, a module that it brings, and what JAX reads at its start."""

    extra: str
    module: str
    variables: Mapping[str, str]


CHIPS: Mapping[str, Chip] = MappingProxyType(
    {
        "h100": Chip(
            "aot-h100",
            "jax_plugins.xla_cuda13",
            # Kernels are chosen by timing them, for which there is no device.
            {"XLA_FLAGS": "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"},
        ),
        "v5e": Chip(
            "aot-tpu",
            "libtpu",
            # What a TPU's host would be asked for.
            {
                "TPU_SKIP_MDS_QUERY": "1",
                "TPU_ACCELERATOR_TYPE": "v5litepod-4",
                "TPU_WORKER_ID": "0",
                "TPU_WORKER_HOSTNAMES": "localhost",
            },
        ),
    }
)
VALUE_GAME, TEAM_GAME = "matrix_game/A", "gaussian_team"
LONG = (
    *((env, algorithm) for env in ("combat/3m", "predator_prey") for algorithm in ("qmix", "happo")),
    *((env, "qmix") for env in ("box_pushing/4", "intersection", "football/academy_3_vs_1_with_keeper")),
    *((env, "happo") for env in ("jaxmarl/MPE_simple_spread_v3", "smax/3m", "brax/halfcheetah_6x1")),
)
RUNS, RUNS_LONG = 64, 2  # a replay of long episodes leaves room for two in a v5e's 16 GB
# NVIDIA H100 Tensor Core GPU, data sheet, SXM5: 67 TFLOP/s in fp32, 3.35 TB/s of HBM3.
PEAK_FLOPS, PEAK_BYTES = 67e12, 3.35e12
LAUNCH_SECONDS = (2e-6, 5e-6)  # of one kernel in a compiled program, usual values
COLUMNS = (
    "runs", "compile, CPU s", "kernels", "products", "copies", "scatters / sorts / conditionals",
    "loops, passes × kernels", "state / temporary / planned, MB a run", "launch-bound until, runs",
)  # fmt: skip


def bench(*, quick: bool = False) -> dict[str, Any]:
    """A row per chip and cell; `quick` is QMIX alone.

    Raises:
        InputError: where neither chip's compiler is installed.
    """
    cells = [(VALUE_GAME, "qmix", RUNS)] if quick else all_cells()
    rows = [compile_cell(chip, *cell) for chip in installed_chips() for cell in cells]
    return {
        # Without its devices: asking for them would look for the chips themselves.
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "jax": jax.__version__},
        "kind": "counts from compiling without a device, not measurements",
        "h100": {"flops_per_second": PEAK_FLOPS, "bytes_per_second": PEAK_BYTES, "launch_seconds": LAUNCH_SECONDS},
        "rows": rows,
    }


def all_cells() -> list[tuple[str, str, int]]:
    """Environment, algorithm and runs of every row."""
    short = [(TEAM_GAME if isinstance(make(name), TrustRegion) else VALUE_GAME, name, RUNS) for name in ALGORITHMS]
    return [*short, *((env, algorithm, RUNS_LONG) for env, algorithm in LONG)]


def installed_chips() -> list[str]:
    """The chips whose compiler is here; of one that is missing, a line on standard error says which extra brings it.

    Raises:
        InputError: where there is none.
    """
    missing = {name: chip.extra for name, chip in CHIPS.items() if not _installed(chip.module)}
    wanted = ", ".join(f"pip install 'jaxvf[{extra}]' for {name}" for name, extra in missing.items())
    if len(missing) == len(CHIPS):
        raise InputError(f"no compiler for chip={'/'.join(CHIPS)} is installed; {wanted}")
    if missing:
        print(f"left out: {wanted}", file=sys.stderr)
    return [name for name in CHIPS if name not in missing]


def compile_cell(chip: str, env: str, algorithm: str, runs: int) -> dict[str, Any]:
    """One row, by a process of its own; with the last line of its complaint where it does not compile."""
    cell = {"chip": chip, "env": env, "algorithm": algorithm, "runs": runs}
    print(f"compiling {algorithm} on {env} for {chip}", file=sys.stderr)
    variables = {
        **os.environ,
        **CHIPS[chip].variables,
        "JAX_PLATFORMS": "cpu",  # the chip is compiled for, never looked for
        "JAX_ENABLE_COMPILATION_CACHE": "false",  # or compile seconds would be those of reading a file
    }
    script = str(Path(__file__).with_name("_aot.py"))
    done = subprocess.run(
        [sys.executable, script, json.dumps(cell)], env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {**cell, "error": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
    row = json.loads(done.stdout.splitlines()[-1])
    if chip != "h100":  # a TPU launches programs, not kernels
        return row
    return {**row, **launch_bound(row["kernels"], row["flops_per_run"], row["bytes_moved_per_run"])}


def launch_bound(kernels: int, flops: float, nbytes: float) -> dict[str, Any]:
    """Until how many runs launching an iteration's kernels takes longer than its arithmetic and its memory do.

    Args:
        kernels: kernels of an iteration; their number does not depend on the runs.
        flops: FLOPs of an iteration and run.
        nbytes: bytes that it moves.

    Returns:
        Microseconds at the chip's published peaks, and the runs for a launch of 2 and of 5 µs.
    """
    arithmetic, memory = flops / PEAK_FLOPS, nbytes / PEAK_BYTES
    launching = [kernels * seconds for seconds in LAUNCH_SECONDS]
    return {
        "launch_microseconds": [round(seconds * 1e6) for seconds in launching],
        "arithmetic_microseconds_per_run": round(arithmetic * 1e6, 3),
        "memory_microseconds_per_run": round(memory * 1e6, 3),
        "launch_bound_until_runs": [round(seconds / max(arithmetic, memory)) for seconds in launching],
    }


def table(result: dict[str, Any]) -> str:
    """The rows of a result as the Markdown tables of `README.md`, one for each chip."""
    tables = []
    for chip in dict.fromkeys(row["chip"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["chip"] == chip]
        head = f"| {' | '.join((chip, *COLUMNS))} |\n|{'---|' * (1 + len(COLUMNS))}"
        tables.append("\n".join([head, *map(_line, rows)]))
    return "\n\n".join(tables)


def _line(row: dict[str, Any]) -> str:
    cell = f"`{row['algorithm']}` on `{row['env']}`"
    if "error" in row:
        return f"| {cell} | {row['runs']} | does not compile: {row['error'].replace('|', '/')} |"
    kinds, holding = row["kinds"], row["holding"]
    sizes = (row[f"{kind}_bytes_per_run"] / 1e6 for kind in ("state", "temporary", "planned"))
    values = (
        row["runs"],
        f"{row['compile_cpu_seconds']:.0f}",
        f"{row['kernels']:,}",
        f"{holding.get('dot', 0):,}",
        f"{sum(number for kind, number in kinds.items() if kind.startswith('copy')):,}",
        f"{holding.get('scatter', 0):,} / {holding.get('sort', 0)} / {kinds.get('conditional', 0)}",
        " + ".join(f"{loop['trips'] or '?'} × {loop['kernels']:,}" for loop in row["loops"]) or "–",
        " / ".join(f"{size:.2f}" for size in sizes),
        " to ".join(f"{runs:,}" for runs in row.get("launch_bound_until_runs", ())) or "–",
    )
    return f"| {cell} | {' | '.join(map(str, values))} |"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package that it would be in
        return False


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
