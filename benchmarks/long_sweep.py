"""What a sweep of very many segments costs beside its training: memory that grows, time between segments, saving.

Ten thousand segments of a sweep so small that a segment takes about a millisecond; then twenty segments of QMIX on a
matrix game, which take seconds. Both are saved as often as the share of time that saves may take allows, not every two
minutes alone: the first save, which loads what writes checkpoints, is then among the first segments.
"""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import jax

import jaxvf
from jaxvf import Sweep, scripts
from jaxvf.sweeps import rhythm
from jaxvf.sweeps.compile import Executable
from jaxvf.sweeps.runner import Runner
from jaxvf.sweeps.unit_files import UnitFiles

throughput = scripts.load("benchmarks", "throughput")
SEGMENTS, QUICK, FIRST = 10_000, 1_000, 100


class Watch:
    """Notes what a sweep does: seconds in its compiled segments, seconds of saving, memory after each segment."""

    def __init__(self) -> None:
        self.computing = self.saving = 0.0
        self.saves = 0
        self.memory: list[int] = []

    def compiled(self, executable: Executable) -> Executable:
        """The same, timed."""

        def timed(function: Any) -> Any:
            def call(*arguments: Any) -> Any:
                begun = time.monotonic()
                result = jax.block_until_ready(function(*arguments))
                self.computing += time.monotonic() - begun
                return result

            return call

        def finish(*arguments: Any) -> Any:
            result = timed(executable.finish)(*arguments)
            self.memory.append(resident_bytes())
            return result

        return dataclasses.replace(executable, advance=timed(executable.advance), finish=finish)

    def run(self, sweep: Sweep) -> float:
        """Run a sweep into a directory that is thrown away; returns the seconds from its first segment to its end."""
        compile_, save = Runner._compile, UnitFiles.save
        began: list[float] = []

        def timed_compile(runner: Runner, *of: Any) -> Executable:
            executable = self.compiled(compile_(runner, *of))
            began.append(time.monotonic())
            return executable

        def timed_save(*of: Any) -> None:
            begun = time.monotonic()
            save(*of)
            self.saving += time.monotonic() - begun
            self.saves += 1

        with (
            tempfile.TemporaryDirectory() as directory,
            mock.patch.object(Runner, "_compile", timed_compile),
            mock.patch.object(UnitFiles, "save", timed_save),
            mock.patch.object(rhythm, "CHECKPOINT_SECONDS", 0.0),
        ):
            sweep.run(Path(directory) / "sweep", progress="none")
            return time.monotonic() - began[0]


def bench(*, quick: bool = False) -> dict[str, Any]:
    """Both sweeps; `quick` is a thousand segments of the small one alone."""
    segments = QUICK if quick else SEGMENTS
    learner = jaxvf.value.QLearning(
        mixer=jaxvf.mixers.VdnMixer(), agent=jaxvf.networks.TabularAgent(), num_envs=2, buffer_size=16, batch_size=4,
        last_action=False, agent_id=False,
    )  # fmt: skip
    small = Watch()
    steps = 4 * segments
    small.run(Sweep("matrix_game/A", learner, 8, env_steps=steps, test_interval=4, test_episodes=1))
    found = {
        "machine": throughput.machine(),
        "segments": segments,
        "megabytes_grown_after_the_first_hundred": round((small.memory[-1] - small.memory[FIRST]) / 1e6, 1),
    }
    if quick:
        return found
    long = Watch()
    total = long.run(Sweep("matrix_game/A", "qmix", 64, env_steps=20_000, test_interval=1_000))
    return {
        **found,
        "qmix_seconds_a_segment": round(long.computing / 20, 2),
        "qmix_saves": long.saves,
        "qmix_share_of_saving": round(long.saving / total, 4),
        "qmix_share_between_segments": round((total - long.saving - long.computing) / total, 4),
    }


def resident_bytes() -> int:
    """Main memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
