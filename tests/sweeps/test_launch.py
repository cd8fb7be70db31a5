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
from jaxvf.sweeps.launch import launching
from jaxvf.sweeps.launch.launching import shared_out
from jaxvf.sweeps.launch.worker import Worker

RUNS, SEGMENTS = 8, 40
# A process of its own, for what launchers start may outlive a test: `LAUNCH HOW OUT FAULT`. The first worker is killed
# in the middle of its first unit, or it is sent what SLURM sends where time is over; or every worker is killed.
LAUNCH = """
import json, os, signal, sys, threading, time
from pathlib import Path
from jaxvf.errors import InputError
from jaxvf.sweeps import lease
from test_launch import described

SIGNALS = {"time-out": [signal.SIGUSR2], "preempted": [signal.SIGTERM, signal.SIGUSR2]}
how, out, fault = sys.argv[1], Path(sys.argv[2]), sys.argv[3]

def disturb():
    hit = set()
    while fault == "kill all" or not hit:
        for path in (out / "units").glob("*.lease"):
            holder = lease.holder_of(path)
            # Process 0 would be this whole group: a lease is unreadable for as long as it is made.
            if holder is not None and holder.process not in {0, os.getpid(), *hit}:
                hit.add(holder.process)
                for number in SIGNALS.get(fault, [signal.SIGKILL]):
                    os.kill(holder.process, number)
                    time.sleep(0.05)
                break
        time.sleep(0.002)

if how == "ray":
    import ray
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
threading.Thread(target=disturb, daemon=True).start()
try:
    options = {"partition": "long", "time": "240"} if how == "slurm" else {}
    workers = 1 if fault == "time-out" else 2
    described().launch(out, how=how, workers=workers, options=options, chunk=1, progress="none")
except InputError as error:
    print("jaxvf:", error)
"""


# The commands of a SLURM cluster that runs every job at once, here, and writes down what it was told.
CLUSTER = {
    "sbatch": """
cp "$1" "$CLUSTER/script"; last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
for task in $(seq 0 "$last"); do
  SLURM_JOB_ID=$((101 + task)) SLURM_ARRAY_JOB_ID=100 SLURM_ARRAY_TASK_ID=$task \\
    setsid bash "$CLUSTER/script" > /dev/null 2>&1 < /dev/null &
done
echo Submitted batch job 100""",
    "srun": """while [ "$1" != -u ]; do previous=$1; shift; done; exec "$previous" "$@" >> "$CLUSTER/log" 2>&1""",
    "scontrol": """
echo "$@" >> "$CLUSTER/requeued"
SLURM_ARRAY_TASK_ID=${2#*_} setsid bash "$CLUSTER/script" > /dev/null 2>&1 < /dev/null &""",
    "sacct": "",
}


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir()
    for name, script in CLUSTER.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("CLUSTER", str(folder))
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    return folder


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
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, start_new_session=True)
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


def test_a_slurm_job_that_is_preempted_saves_its_segment_and_is_queued_again(tmp_path, same, cluster):
    pytest.importorskip("submitit")
    assert launched("slurm", tmp_path / "sweep", "preempted") == ""
    script, said = (cluster / "script").read_text(), (cluster / "log").read_text()
    assert "--array=0-1%2" in script and "--partition=long" in script and "--time=240" in script
    assert (cluster / "requeued").read_text() in ("requeue 100_0\n", "requeue 100_1\n")
    assert said.count("stopping") == 1 and "stopped at once" not in said
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


def test_every_group_is_cut_into_a_unit_for_each_worker():
    sweep = tiny(seeds=5, rates=(0.1,), algorithms=["vdn", "qmix"])
    chunks = [[len(runs) for runs in group.chunks] for group in shared_out(sweep.plan(chunk=5), 3).groups]
    assert chunks == [[2, 2, 1], [2, 2, 1]]
    assert shared_out(sweep.plan(chunk=1), 3).groups[0].size.reason == "given"  # small enough: as it was


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"how": "locale"}, "unknown launcher 'locale'; did you mean 'local'?"),
        ({"workers": 0}, "workers=0 must be at least 1"),
        ({"how": "slurm", "options": {"partitoin": "gpu"}}, "did you mean 'partition'?"),
        ({"how": "slurm", "options": {"time": "4h"}}, "launch option time='4h' is not a whole number from 1 on"),
        ({"how": "slurm", "options": {"time": 0}}, "launch option time=0 is not a whole number from 1 on"),
        ({"how": "slurm"}, "there is no `srun` here"),
        ({"how": "local", "options": {"partition": "gpu"}}, "unknown option of --launch local 'partition'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, arguments, line):
    pytest.importorskip("submitit")
    with pytest.raises(InputError) as error:
        tiny().launch(tmp_path / "sweep", **{"how": "local", **arguments})
    assert line in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--launch", "local"], "--launch needs --out DIR"),
        (["--workers", "2"], "belong to --launch"),
        (["--launch", "local", "--out", "x", "--log", "tensorboard"], "--log and --launch exclude each other"),
        (["--launch", "slurm", "--out", "x", "--launch-options", "time"], "'time' is not NAME=VALUE"),
        (["--launch", "slurm", "--out", "x", "--launch-options", "time=1", "time=2"], "time is given twice"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(flags, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        cli.main(["run", "--env", "matrix_game/A", "--algorithm", "vdn", *flags])
    assert end.value.code == 2 and line in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "package", "extra"), [("local", "submitit", "slurm"), ("slurm", "submitit", "slurm"), ("ray", "ray", "ray")]
)
def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch, how, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"--launch {how} needs .*: pip install 'jaxvf\[{extra}\]'"):
        tiny().launch(tmp_path / "sweep", how=how)
    assert not list(tmp_path.iterdir())


def test_without_workers_the_directory_is_written_and_their_command_printed(tmp_path, capsys):
    out = tmp_path / "a b"
    cli.main([
        "run", "--env", "matrix_game/A", "--algorithm", "vdn", "--seeds", "4", "--env-steps", "40",
        "--out", str(out), "--launch", "none", "--workers", "2",
    ])  # fmt: skip
    assert f"2 units wait in {out}" in capsys.readouterr().out


def test_each_local_worker_has_an_accelerator_of_its_own(monkeypatch, tmp_path):
    """As CUDA names them; a worker says so before JAX can look for devices."""
    monkeypatch.setattr(launching.devices, "on_cpu", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5f")
    workers = launching._with_devices([Worker(str(tmp_path)), Worker(str(tmp_path))])
    assert [worker.device for worker in workers] == ["3", "GPU-5f"]
    with pytest.raises(InputError, match="workers=3: this machine has 2 accelerators"):
        launching._with_devices([Worker(str(tmp_path))] * 3)
    seen = []
    monkeypatch.setattr("jaxvf.sweeps.stored.work", lambda *_, **__: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]))
    workers[1]()
    assert seen == ["GPU-5f"]
