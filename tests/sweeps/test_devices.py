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

# A fresh process, because the number of devices is fixed when JAX starts. Its arguments are what it does, in order:
# `run`, `stop=DIR` after the second of four segments, `resume=DIR`; a result of the first and the last is printed.
PROGRAM = """
import dataclasses, json, sys
import jax, jaxvf
from jaxvf.networks import FeedForwardAgent
from jaxvf.sweeps import Interrupted, compile
from jaxvf.sweeps.unit_run import UnitRun

algorithm = dataclasses.replace(
    jaxvf.algorithms.make("vdn"), agent=FeedForwardAgent(hidden=4), num_envs=2, batch_size=4, buffer_size=16
)
sweep = jaxvf.Sweep("matrix_game/A", algorithm, seeds=12, env_steps=80, test_interval=20, test_episodes=2)
report, compile_group, compiled = UnitRun._report, compile.compile_group, {}

def once(group):
    if group.chunk not in compiled:
        compiled[group.chunk] = compile_group(group)
    return compiled[group.chunk]

def stop_at_two(self, *of):
    report(self, *of)
    self.stop.asked = self.pieces.done == 2

found, compile.compile_group = {}, once
for word in sys.argv[1:]:
    what, _, out = word.partition("=")
    if what == "stop":
        UnitRun._report = stop_at_two
        try:
            sweep.run(out, progress="none")
            sys.exit("the sweep did not stop")
        except Interrupted:
            UnitRun._report = report
        continue
    result = sweep.run(progress="none") if what == "run" else jaxvf.resume(out, progress="none")
    found[what] = [jax.device_count(), result.metric("loss").tolist(), result.metric("test_return").tolist()]
print(json.dumps(found))
"""


def run_on(count: int, *arguments: str) -> dict[str, list]:
    """What the program found on that many CPU devices, by what it did: device count, losses and test returns."""
    return printed({**os.environ, "JAX_NUM_CPU_DEVICES": str(count)}, PROGRAM, *arguments)


def run_with_cores(count: int, *arguments: str) -> dict[str, list]:
    """The same where nobody has decided on devices, on a machine of that many cores."""
    program = f"from jaxvf.sweeps import devices\ndevices.cores = lambda: {count}\n{PROGRAM}"
    return printed(undecided(), program, *arguments)


def undecided() -> dict[str, str]:
    """The environment of a user who has not decided on devices."""
    return {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}


def printed(environment: dict[str, str], program: str, *arguments: str) -> dict[str, list]:
    found = subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


def assert_equal_to_rounding(left: list, right: list):
    np.testing.assert_allclose(left[1], right[1], rtol=1e-4)
    np.testing.assert_allclose(left[2], right[2])


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """Twelve runs on eight devices: undisturbed, stopped and resumed, and a directory of theirs that was stopped."""
    root = tmp_path_factory.mktemp("eight")
    found = run_on(8, "run", f"stop={root / 'first'}", f"resume={root / 'first'}", f"stop={root / 'second'}")
    return found, root / "second"


@pytest.fixture(scope="module")
def one(eight):
    """The same on one device; resumed is what eight had begun."""
    return run_on(1, "run", f"resume={eight[1]}")


def test_any_number_of_devices_gives_the_results_of_one(eight, one):
    """Twelve runs on 1, on 2, and on 8 devices, which hold two each with four places filled up."""
    two = run_on(2, "run")
    assert (one["run"][0], two["run"][0], eight[0]["run"][0]) == (1, 2, 8)
    assert_equal_to_rounding(two["run"], one["run"])
    assert_equal_to_rounding(eight[0]["run"], one["run"])
    assert eight[0]["resume"] == eight[0]["run"]  # bitwise


def test_every_core_is_a_device_and_a_resumed_sweep_keeps_those_that_it_began_with(tmp_path):
    """Bitwise so, on a machine of another number of cores."""
    whole = run_with_cores(3, "run", f"stop={tmp_path / 'out'}")["run"]
    assert whole[0] == 3
    assert run_with_cores(2, f"resume={tmp_path / 'out'}")["resume"] == whole


def test_a_sweep_resumes_on_another_number_of_devices(one):
    """Its checkpoint holds the runs alone, without what a chunk is filled up with."""
    assert one["resume"][0] == 1
    assert_equal_to_rounding(one["resume"], one["run"])


@pytest.mark.usefixtures("compiled_once")
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


# A process that forks before JAX starts: each child decides on devices, or JAX has started in it already.
DECIDING = """
import os, sys
import jax, jaxvf

sweep = jaxvf.Sweep("matrix_game/A", "vdn", grid={"agent": ["tabular"], "last_action": [False], "agent_id": [False]})
for before in sys.argv[1:]:
    process = os.fork()
    if not process:
        exec(before)
        sweep.plan()
        print(jax.device_count(), flush=True)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
"""


def devices_after(environment: dict[str, str], *before: str) -> list[int]:
    """How many devices a plan finds in a process of this environment that did each of these before."""
    found = subprocess.run(
        [sys.executable, "-c", DECIDING, *before], env={**undecided(), **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stderr == ""
    return [int(line) for line in found.stdout.splitlines()]


def test_a_core_is_a_device_unless_the_user_has_decided():
    by_flag = "os.environ['XLA_FLAGS'] = '--xla_force_host_platform_device_count=3'"
    too_late = "jax.numpy.zeros(1)"  # JAX has started: no error
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert devices_after({}, "", by_flag, too_late) == [cores, 3, 1]
    assert devices_after({"JAX_NUM_CPU_DEVICES": "3"}, "") == [3]
