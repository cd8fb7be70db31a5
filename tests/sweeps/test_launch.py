"""Launchers: real workers of each kind, one of which is killed; and what a launcher refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_sweeps import tiny

import jaxvf
from jaxvf import cli, scripts
from jaxvf.errors import InputError
from jaxvf.sweeps import unit_run
from jaxvf.sweeps.launch.launching import shared_out

RUNS, SEGMENTS = 8, 40
# A process of its own, for what launchers start may outlive a test: `LAUNCH HOW OUT FAULT`, and the first worker is
# killed in the middle of its first unit, or told that its time is over, or every worker is killed that shows up.
LAUNCH = """
import json, os, signal, sys, threading, time
from pathlib import Path
from jaxvf.errors import InputError
from jaxvf.sweeps import lease
from test_launch import described

how, out, fault = sys.argv[1], Path(sys.argv[2]), sys.argv[3]

def disturb():
    hit = set()
    while fault == "kill all" or not hit:
        for path in (out / "units").glob("*.lease"):
            holder = lease.holder_of(path)
            if holder is not None and holder.process not in hit and holder.process != os.getpid():
                hit.add(holder.process)
                os.kill(holder.process, signal.SIGUSR2 if fault == "time-out" else signal.SIGKILL)
                break
        time.sleep(0.002)

if how == "ray":
    import ray
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
threading.Thread(target=disturb, daemon=True).start()
try:
    described().launch(out, how=how, workers=1 if fault == "time-out" else 2, chunk=1, progress="none")
except InputError as error:
    print("jaxvf:", error)
"""


def described():
    """Eight runs, each a unit of forty segments when it is launched by one at a time."""
    return tiny(seeds=RUNS, rates=(0.1,), env_steps=10 * SEGMENTS)


def launched(how: str, out: Path, fault: str) -> str:
    """What launching said, of a sweep whose workers were disturbed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(jaxvf.__file__).parents[1]), str(Path(__file__).parent)]),
    }
    command = [sys.executable, "-W", "ignore", "-c", LAUNCH, how, str(out), fault]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return "".join(line for line in done.stdout.splitlines() if line.startswith("jaxvf: "))  # Ray has its own to say


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same sweep by one process."""
    out = tmp_path_factory.mktemp("alone") / "sweep"
    described().run(out, chunk=1, progress="none")
    return out


@pytest.fixture
def same(alone):
    return lambda out: scripts.load("benchmarks", "chaos").compare(out, alone)


@pytest.mark.parametrize("how", ["local", "ray"])
def test_two_workers_one_of_them_killed_give_what_one_process_gives(tmp_path, same, how):
    pytest.importorskip({"local": "submitit"}.get(how, how))
    assert launched(how, tmp_path / "sweep", "kill") == ""
    same(tmp_path / "sweep")


def test_a_worker_out_of_time_saves_its_segment_and_is_started_again(tmp_path, same):
    pytest.importorskip("submitit")
    assert launched("local", tmp_path / "sweep", "time-out") == ""
    log = next((tmp_path / "sweep.workers").glob("*.out")).read_text() + "".join(
        path.read_text() for path in (tmp_path / "sweep.workers").glob("*.err")
    )
    assert log.count("Requeued job") == 1 and "stopping" in log
    same(tmp_path / "sweep")


def test_when_all_workers_are_killed_one_line_says_how_to_go_on(tmp_path, same):
    pytest.importorskip("submitit")
    out = tmp_path / "sweep"
    line = launched("local", out, "kill all")
    assert (
        line.startswith("jaxvf: all workers ended with ") and f"`jaxvf work {out}`" in line and "sweep.workers" in line
    )
    described().launch(out, how="none", progress="none")
    jaxvf.sweeps.work(out, progress="none")
    same(out)
