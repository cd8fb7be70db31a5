"""What many runs in one program save: whole commands of one seed against one command of 256 seeds.

QMIX (GRU 64, batch 128, Adam) on matrix game A, 20,000 steps a run. Whole-process seconds include Python's start,
imports and compilation; compile and run seconds are those that the command itself reports in `run.json`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jaxvf.sweeps import devices

SEEDS = 256
LONE_COMMANDS = 4
ENV_STEPS = 20_000
SETTINGS = ("optimizer=adam", "learning_rate=1e-3", "batch_size=128", "updates_per_episode=0.125", "last_action=False")


def bench(*, quick: bool = False) -> dict[str, Any]:
    """Lone commands before and after the command of many seeds, so that a drift of the machine shows."""
    seeds, lone = (32, 2) if quick else (SEEDS, LONE_COMMANDS)
    before = [command("1") for _ in range(lone // 2)]
    many = command(str(seeds))
    before += [command("1") for _ in range(lone - lone // 2)]
    alone = {key: statistics.median(row[key] for row in before) for key in before[0]}
    return {
        "device": devices.describe(),
        "seeds": seeds,
        "env_steps": ENV_STEPS,
        "lone": before,
        "many": many,
        "ratios": {
            "command_of_all_seeds_over_as_many_lone_commands": many["process_seconds"]
            / (alone["process_seconds"] * seeds),
            "run_seconds_per_run_over_lone": many["run_seconds"] / seeds / alone["run_seconds"],
            "compile_seconds_over_lone": many["compile_seconds"] / alone["compile_seconds"],
        },
    }


def command(seeds: str) -> dict[str, float]:
    """One `jaxvf run`: whole-process seconds, and what its `run.json` says."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        arguments = [sys.executable, "-m", "jaxvf.cli", "run", "--env", "matrix_game/A", "--algorithm", "qmix"]
        # Without the user's cache, which would spare the second command its compilation.
        arguments += ["--no-cache", "--seeds", seeds, "--env-steps", str(ENV_STEPS), "--out", str(out)]
        arguments += ["--set", *SETTINGS]
        begun = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        (timing,) = json.loads((out / "run.json").read_text())["timing"]
    return {
        "process_seconds": round(seconds, 2),
        "compile_seconds": round(timing["compile_seconds"], 2),
        "run_seconds": round(timing["run_seconds"], 3),
    }
