"""Many processes on one directory, and processes that are stopped at random moments."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxvf
from jaxvf import scripts

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(jaxvf.__file__).parents[1]), "JAX_NUM_CPU_DEVICES": "-1"}
# As on a user's machine, where jaxvf keeps compiled programs: a process that is killed as it writes one down then
# leaves the half of it in a cache of these tests' own.
ENVIRONMENT.pop("JAX_COMPILATION_CACHE_DIR", None)

# A process of its own, which forks before JAX starts. `shared DIR N`: N workers share a sweep, and the first is killed;
# each unit that is finished is a line. `rivals DIR N`: N processes start one sweep at once; each says how it ended.
CROWD = """
import os, signal, sys, time
from pathlib import Path
from jaxvf import scripts
from jaxvf.errors import InputError
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import execution, rhythm, work
from jaxvf.sweeps.unit_files import UnitFiles

chaos = scripts.load("benchmarks", "chaos")
kind, out, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

def prepare():
    sweep = chaos.described()
    plan = sweep.plan(chunk=1)
    with execution.started(RunDirectory(out), execution.to_json(sweep), plan):
        pass

def worker():
    finish = UnitFiles.finish
    def finish_and_say(self, unit, *rest):
        finish(self, unit, *rest)
        os.write(1, (unit.name + chr(10)).encode())
    UnitFiles.finish = finish_and_say
    rhythm.CHECKPOINT_SECONDS = 0.0
    work(out, progress="none")

def rival():
    try:
        chaos.sweep(out, 1)
        os.write(1, b"ran" + chr(10).encode())
    except InputError as error:
        os.write(1, (str(error) + chr(10)).encode())

if kind == "shared":
    assert chaos.ended(chaos.forked(prepare)) == 0
    processes = [chaos.forked(worker) for _ in range(count)]
    while not list((out / "units").glob("*.lease")):
        time.sleep(0.01)
    os.kill(processes[0], signal.SIGKILL)
else:
    processes = [chaos.forked(rival) for _ in range(count)]
for process in processes:
    chaos.ended(process)
"""


def crowd(kind: str, out: Path, count: int, cache: Path) -> list[str]:
    command = [sys.executable, "-c", CROWD, kind, str(out), str(count)]
    environment = {**ENVIRONMENT, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory, cache):
    out = tmp_path_factory.mktemp("quiet") / "sweep"
    assert len(crowd("shared", out, 2, cache)) in (5, 6)  # the killed one may have finished one and not said so
    return out


def test_workers_share_a_sweep_each_unit_once_though_one_is_killed(tmp_path, quiet, cache):
    finished = crowd("shared", tmp_path / "sweep", 8, cache)
    assert len(set(finished)) == len(finished) and 5 <= len(finished) <= 6
    compare = scripts.load("benchmarks", "chaos").compare
    compare(tmp_path / "sweep", quiet)


def test_of_processes_that_start_one_sweep_at_once_one_runs_it(tmp_path, cache):
    said = crowd("rivals", tmp_path / "sweep", 8, cache)
    assert len(said) == 8 and said.count("ran") == 1
    others = [line for line in said if line != "ran"]
    assert all("is in use by process" in line or "holds this sweep" in line for line in others), others


def test_stops_at_random_moments_leave_no_trace(tmp_path):
    command = [sys.executable, "-m", "jaxvf.cli", "bench", "chaos", "--quick"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stops"] >= 10 and found["equal"]
