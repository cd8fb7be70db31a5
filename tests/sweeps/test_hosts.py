"""One program over the devices of two processes, which `jax.distributed` joins on loopback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_sweeps import SEGMENTS, tiny

import jaxvf
from jaxvf import scripts
from jaxvf.errors import InputError
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import processes, resume

# `HOST PORT NUMBER OUT WHAT`: each process has two of four devices. "stop": the second process is asked to, and it
# alone, in its third segment.
HOST = """
import sys, jax
port, number, out, what = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
jax.config.update("jax_num_cpu_devices", 2)
jax.distributed.initialize(f"127.0.0.1:{port}", 2, number)
import numpy as np
from jaxvf.errors import InputError
from jaxvf.sweeps import Interrupted, resume, rhythm, unit_run
from tiny_sweeps import tiny

rhythm.CHECKPOINT_SECONDS, rhythm.CHECKPOINT_SHARE = 0.0, np.inf
piece = unit_run.UnitRun._piece

def stopping(self):
    piece(self)
    self.stop.asked |= what == "stop" and number == 1 and self.pieces.done == 3

unit_run.UnitRun._piece = stopping
try:
    if what == "resume":
        resume(out, progress="none")
    else:
        result = tiny().run(out, chunk=4, progress="none", cache=False)
        print("said: sum", result.metric("loss").sum().item())
except Interrupted as error:
    print("said:", error)
except InputError as error:
    print("said:", error)
"""


def hosts(out: Path, what: str) -> list[str]:
    """What each of the two processes said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    paths = [str(Path(jaxvf.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", HOST, port, str(number), str(out), what],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(2)
    ]  # fmt: skip
    try:
        ends = [process.communicate(timeout=60) for process in started]
    finally:
        for process in started:
            process.kill()
    assert all(process.returncode == 0 for process in started), [end[1] for end in ends]
    return [line for out, _ in ends for line in out.splitlines() if line.startswith("said: ")]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The same by one process with four devices."""
    out = tmp_path_factory.mktemp("one") / "sweep"
    saving = "from jaxvf.sweeps import rhythm; rhythm.CHECKPOINT_SECONDS = 0.0"
    command = f"{saving}; from tiny_sweeps import tiny; tiny().run({str(out)!r}, chunk=4, progress='none')"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "JAX_NUM_CPU_DEVICES": "4"}
    root = str(Path(jaxvf.__file__).parents[1])
    subprocess.run([sys.executable, "-c", command], env=environment, cwd=root, check=True, timeout=120)
    return out


def test_two_processes_give_what_one_with_as_many_devices_gives(tmp_path, one):
    sums = hosts(tmp_path / "sweep", "run")
    assert len(sums) == 2 and sums[0] == sums[1]
    scripts.load("benchmarks", "chaos").compare(tmp_path / "sweep", one)


def test_both_stop_where_one_is_asked_to_and_single_processes_go_on(tmp_path, one):
    out = tmp_path / "sweep"
    said = hosts(out, "stop")
    assert f"What is done is saved; continue with `jaxvf resume {out}`." in said[0] and len(said) == 2
    assert [part.rpartition("-s")[2] for part in RunDirectory(out).parts()] == ["000001", "000002", "000003"]
    said = hosts(out, "resume")
    assert len(said) == 2 and all("for single processes to go on with" in line for line in said)
    assert resume(out, progress="none").metric("test_return").shape == (6, SEGMENTS)


@pytest.mark.parametrize(("chunk", "line"), [(None, "the same chunk=RUNS"), (1, "chunk=1 leaves some of 2 devices")])
def test_a_chunk_that_processes_could_not_share_is_refused(monkeypatch, tmp_path, chunk, line):
    monkeypatch.setattr(processes, "several", lambda: True)
    with pytest.raises(InputError, match=line):
        tiny().run(tmp_path / "sweep", chunk=chunk, progress="none")
    assert not list(tmp_path.iterdir())
