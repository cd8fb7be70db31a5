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

# `HOST PORT NUMBER ROOT`: each process has two of four devices. They run a sweep into ROOT/sweep; run it into
# ROOT/stopped, where the second process is asked to stop, and it alone, in its third segment; and resume that.
HOST = """
import sys, jax
port, number, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
jax.config.update("jax_num_cpu_devices", 2)
jax.distributed.initialize(f"127.0.0.1:{port}", 2, number)
import numpy as np
from jaxvf.errors import InputError
from jaxvf.sweeps import Interrupted, compile, resume, rhythm, unit_run
from tiny_sweeps import tiny

rhythm.CHECKPOINT_SECONDS, rhythm.CHECKPOINT_SHARE = 0.0, np.inf
piece, compile_group, compiled = unit_run.UnitRun._piece, compile.compile_group, []
compile.compile_group = lambda group: (compiled or compiled.append(compile_group(group)) or compiled)[0]

def stopping(self):
    piece(self)
    self.stop.asked |= number == 1 and self.pieces.done == 3

print("said: sum", tiny().run(f"{root}/sweep", chunk=4, progress="none", cache=False).metric("loss").sum().item())
unit_run.UnitRun._piece = stopping
try:
    tiny().run(f"{root}/stopped", chunk=4, progress="none", cache=False)
except Interrupted as error:
    print("said:", error)
try:
    resume(f"{root}/stopped", progress="none")
except InputError as error:
    print("said:", error)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> tuple[Path, list[list[str]]]:
    """The directory of two processes, and what each of them said: of the sweep, of its stop, of resuming."""
    root = tmp_path_factory.mktemp("hosts")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    paths = [str(Path(jaxvf.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", HOST, port, str(number), str(root)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(2)
    ]  # fmt: skip
    try:
        ends = [process.communicate(timeout=120) for process in started]
    finally:
        for process in started:
            process.kill()
    assert all(process.returncode == 0 for process in started), [end[1] for end in ends]
    return root, [[line for line in out.splitlines() if line.startswith("said: ")] for out, _ in ends]


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


def test_two_processes_give_what_one_with_as_many_devices_gives(said, one):
    root, (first, second) = said
    assert len(first) == len(second) == 3 and first[0] == second[0]
    scripts.load("benchmarks", "chaos").compare(root / "sweep", one)


def test_both_stop_where_one_is_asked_to_and_single_processes_go_on(said):
    root, (first, second) = said
    out = root / "stopped"
    assert f"What is done is saved; continue with `jaxvf resume {out}`." in first[1]
    assert all("for single processes to go on with" in lines[2] for lines in (first, second))
    assert [part.rpartition("-s")[2] for part in RunDirectory(out).parts()] == ["000001", "000002", "000003"]
    assert resume(out, progress="none").metric("test_return").shape == (6, SEGMENTS)


@pytest.mark.parametrize(("chunk", "line"), [(None, "the same chunk=RUNS"), (1, "chunk=1 leaves some of 2 devices")])
def test_a_chunk_that_processes_could_not_share_is_refused(monkeypatch, tmp_path, chunk, line):
    monkeypatch.setattr(processes, "several", lambda: True)
    with pytest.raises(InputError, match=line):
        tiny().run(tmp_path / "sweep", chunk=chunk, progress="none")
    assert not list(tmp_path.iterdir())
