"""Sweeps in processes of their own, ended by signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_sweeps import (
    assert_same_files,
)

import jaxvf
from jaxvf import cli
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import resume, rhythm

pytestmark = pytest.mark.usefixtures("compiled_once")


LONG = [
    "run", "--env", "matrix_game/A", "--algorithm", "vdn", "--seeds", "3", "--env-steps", "4000", "--chunk", "4",
    "--test-interval", "4", "--test-episodes", "1", "--set", "learning_rate=0.01,0.1", "agent=tabular", "num_envs=2",
    "buffer_size=16", "batch_size=4", "last_action=False", "agent_id=False", "--out",
]  # fmt: skip


def start(script: list[str], out: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(jaxvf.__file__).parents[1])}
    command = [sys.executable, *script, *LONG, str(out)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(scope="module")
def long_reference(tmp_path_factory):
    """A thousand segments, seconds of work: long enough to be hit by a signal."""
    out = tmp_path_factory.mktemp("quiet") / "long"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rhythm, "CHECKPOINT_SECONDS", 1e9)
        cli.main([*LONG, str(out)])
    return out


def test_sigterm_saves_and_resume_is_bitwise_the_same(tmp_path, monkeypatch, long_reference, capsys):
    out = tmp_path / "sweep"
    with start(["-m", "jaxvf.cli"], out) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "running g000-c000" in line:
                break
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == cli.INTERRUPTED
    assert said.strip().splitlines()[-1] == (
        f"jaxvf: stopped. What is done is saved; continue with `jaxvf resume {out}`."
    )
    (checkpoint,) = (int(path.stem) for path in (out / "checkpoints").glob("*/*.json"))
    assert 0 < checkpoint < 2000  # iterations
    monkeypatch.setattr(rhythm, "CHECKPOINT_SECONDS", 1e9)
    cli.main(["resume", str(out), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["runs"] == 3
    assert_same_files(out, long_reference)


def test_kill_nine_loses_only_what_came_after_the_checkpoint(tmp_path, monkeypatch, long_reference):
    out = tmp_path / "sweep"
    script = (
        "import jaxvf.sweeps.rhythm as r; r.CHECKPOINT_SECONDS, r.CHECKPOINT_SHARE = 0.0, 0.5; "
        "from jaxvf.cli import main; main()"
    )
    with start(["-c", script], out) as process:
        deadline = time.monotonic() + 60
        while not list((out / "checkpoints").glob("*/*.json")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert RunDirectory(out).read_json()["status"] == "unfinished"
    monkeypatch.setattr(rhythm, "CHECKPOINT_SECONDS", 1e9)
    resume(out, progress="none")
    assert_same_files(out, long_reference)
