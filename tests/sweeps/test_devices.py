"""Runs spread over several devices: the results of one device, resumed ones too."""

import json
import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from tiny_sweeps import stop_at

import jaxvf
from jaxvf.sweeps import compile, devices
from jaxvf.sweeps.plan import start_clock
from jaxvf.trust_region import Table, TrustRegion

# A fresh process, because the number of devices is fixed when JAX starts.
PROGRAM = """
import dataclasses, json, sys
import jax, jaxvf
from jaxvf.networks import FeedForwardAgent
from jaxvf.sweeps.unit_run import UnitRun

algorithm = dataclasses.replace(
    jaxvf.algorithms.make("vdn"), agent=FeedForwardAgent(hidden=4), num_envs=2, batch_size=4, buffer_size=16
)
sweep = jaxvf.Sweep("matrix_game/A", algorithm, seeds=12, env_steps=80, test_interval=20, test_episodes=2)
if sys.argv[1:] == ["resume", sys.argv[-1]]:
    result = jaxvf.resume(sys.argv[-1], progress="none")
elif len(sys.argv) > 1:  # stop after the second of four segments
    report = UnitRun._report
    def stop_at_two(self, *of):
        report(self, *of)
        self.stop.asked = self.pieces.done == 2
    UnitRun._report = stop_at_two
    try:
        sweep.run(sys.argv[-1], progress="none")
    except KeyboardInterrupt:
        UnitRun._report = report
    if sys.argv[1] == "stop":
        sys.exit()
    result = jaxvf.resume(sys.argv[-1], progress="none")
else:
    result = sweep.run(progress="none")
print(json.dumps([jax.device_count(), result.metric("loss").tolist(), result.metric("test_return").tolist()]))
"""


def run_on(count: int, *arguments: str, program: str = PROGRAM) -> list:
    """What the program prints on that many CPU devices: device count, losses and test returns."""
    return printed({**os.environ, "JAX_NUM_CPU_DEVICES": str(count)}, *arguments, program=program)


def run_with_cores(count: int, *arguments: str) -> list:
    """The same where nobody has decided on devices, on a machine of that many cores."""
    environment = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}
    program = f"from jaxvf.sweeps import devices\ndevices.cores = lambda: {count}\n{PROGRAM}"
    return printed(environment, *arguments, program=program)


def printed(environment: dict[str, str], *arguments: str, program: str) -> list:
    found = subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1]) if found.stdout else []


def assert_equal_to_rounding(left: list, right: list):
    np.testing.assert_allclose(left[1], right[1], rtol=1e-4)
    np.testing.assert_allclose(left[2], right[2])


def test_any_number_of_devices_gives_the_results_of_one(tmp_path):
    """Twelve runs on 1, on 2, and on 8 devices, which hold two each with four places filled up."""
    one, two, eight = run_on(1), run_on(2), run_on(8)
    assert (one[0], two[0], eight[0]) == (1, 2, 8)
    assert_equal_to_rounding(two, one)
    assert_equal_to_rounding(eight, one)
    assert run_on(8, "stop and resume", str(tmp_path / "out")) == eight  # bitwise


def test_every_core_is_a_device_and_a_resumed_sweep_keeps_those_that_it_began_with(tmp_path):
    """Bitwise so, on a machine of another number of cores."""
    whole = run_with_cores(3)
    assert whole[0] == 3
    run_with_cores(3, "stop", str(tmp_path / "out"))
    assert run_with_cores(2, "resume", str(tmp_path / "out")) == whole


def test_a_sweep_resumes_on_another_number_of_devices(tmp_path):
    """Its checkpoint holds the runs alone, without what a chunk is filled up with."""
    run_on(8, "stop", str(tmp_path / "out"))
    assert_equal_to_rounding(run_on(1, "resume", str(tmp_path / "out")), run_on(1))


def test_agents_that_remember_nothing_run_on_every_device(tmp_path, monkeypatch):
    """Their memory is an array without entries, which XLA places otherwise than the rest; also of resumed runs."""
    algorithm = TrustRegion(actor=Table(), critic=Table(), num_envs=2, rollout_length=1)
    sweep = jaxvf.Sweep("matrix_game/A", algorithm, seeds=2, env_steps=8, test_interval=2, test_episodes=1)
    assert devices.mesh(2).size == 2
    whole = sweep.run(tmp_path / "whole", progress="none")
    with monkeypatch.context() as patched:
        stop_at(patched, sweep, tmp_path / "stopped", 2, chunk=2)
    resumed = jaxvf.resume(tmp_path / "stopped", progress="none")
    np.testing.assert_array_equal(resumed.metric("value_loss"), whole.metric("value_loss"))


@pytest.mark.parametrize(("chunk", "used", "width"), [(1, 1, 1), (2, 2, 2), (3, 2, 4), (12, 2, 12), (13, 2, 14)])
def test_every_device_is_used_as_soon_as_there_are_as_many_runs(chunk, used, width):
    assert jax.device_count() == 2
    assert devices.mesh(chunk).size == used
    assert devices.width(chunk) == width


@pytest.mark.parametrize("name", ["advance", "finish"])
def test_devices_exchange_nothing(tiny_group, name):
    """Runs are independent and every device has its own clock."""
    state = jax.eval_shape(tiny_group.program.init, *tiny_group.stack(tiny_group.chunks[0]))
    arguments = [state, *tiny_group.stack(tiny_group.chunks[0])[:2], start_clock(tiny_group)]
    if name == "advance":
        arguments.append(np.int32(3))
    split = {"advance": compile.ADVANCE, "finish": compile.FINISH}[name]
    part = compile.spread(getattr(tiny_group.program, name), tiny_group.chunk, split)
    text = part.lower(*arguments).compile().as_text()
    assert name == "finish" or "while(" in text
    assert not re.findall(r"all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter", text)


@pytest.mark.parametrize(
    ("environment", "before", "expected"),
    [
        ({}, "", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        ({"JAX_NUM_CPU_DEVICES": "3"}, "", 3),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, "", 3),
        ({}, "jax.numpy.zeros(1)", 1),  # JAX has started: too late, and no error
    ],
)
def test_a_core_is_a_device_unless_the_user_has_decided(environment, before, expected):
    inherited = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}
    program = f"import jax, jaxvf; {before}\njaxvf.Sweep('matrix_game/A', 'vdn').plan(); print(jax.device_count())"
    found = subprocess.run(
        [sys.executable, "-c", program], env={**inherited, **environment}, capture_output=True, text=True, check=True
    )
    assert (found.stdout, found.stderr) == (f"{expected}\n", "")
