"""What programs took is remembered, and gives one estimate of a whole experiment before anything compiles."""

import io
from types import SimpleNamespace

import pytest

import jaxvf
from jaxvf.errors import InputError
from jaxvf.reproduction import Scale, durations, plan, train
from jaxvf.reproduction.durations import Duration, Workload
from jaxvf.reproduction.plan import expected

SCALE = Scale(minutes=30, seeds=2, name="small")


def tiny(seeds, rates=(0.1,), num_envs=2):
    fields = {
        "agent": "tabular", "num_envs": num_envs, "buffer_size": 16, "batch_size": 4, "last_action": False,
        "agent_id": False, "learning_rate": list(rates),
    }  # fmt: skip
    return jaxvf.Sweep("matrix_game/A", "vdn", seeds=seeds, grid=fields, env_steps=40, test_interval=20)


@pytest.fixture
def kept(monkeypatch):
    """A user's cache that is switched on, as it is but in tests."""
    monkeypatch.setattr("jaxvf.sweeps.cache.switched_on", lambda: True)


def test_workloads_are_the_programs_of_the_plan():
    """Two learning rates share a program; two numbers of environments do not."""
    sweep = tiny(3, rates=(0.1, 0.2), num_envs=[2, 4])
    works = durations.workloads(sweep)
    assert [(work.runs, work.steps) for work in works] == [(6, 240), (6, 240)]
    assert [work.key for work in works] == [group.key for group in sweep.plan().groups]


@pytest.mark.usefixtures("compiled_once")
def test_one_estimate_for_all_sweeps_before_anything_compiles(tmp_path, capfd, kept):
    """First the scale's own minutes, then what the same programs took; what is finished is not counted again."""
    sweeps = {"a": tiny(2), "b": tiny(4, num_envs=4)}
    train(sweeps, tmp_path / "first", SCALE)
    said = capfd.readouterr().err
    assert said.startswith("scale small: 6 runs in 2 programs, 240 environment steps in all; about 30 min on two CPU")
    train(sweeps, tmp_path / "second", SCALE)
    assert "as these programs took here before" in capfd.readouterr().err.splitlines()[0]
    train(sweeps | {"c": tiny(2, rates=(0.3,))}, tmp_path / "first", SCALE)
    said = capfd.readouterr().err
    assert said.startswith("scale small: 2 of 3 sweeps are done; 2 runs in 1 program,")
    assert said.count("sweep ") - said.count("  sweep") <= 2
    train(sweeps, tmp_path / "first", SCALE)
    assert "scale" not in capfd.readouterr().err


def test_seconds_add_up(kept, monkeypatch):
    works = {"a": [Workload("x", 2, 100), Workload("y", 2, 10)]}
    monkeypatch.setattr(durations, "read", lambda: {"x": Duration(5.0, 0.1), "y": Duration(1.0, 1.0)})
    assert expected({"a": tiny(2)}, works, 60.0, measured=False)[0] == 5 + 10 + 1 + 10
    assert expected({"a": tiny(2)}, {"a": [Workload("z", 1, 1)]}, 60.0, measured=False) == (60.0, "on two CPU cores")


def test_the_question_is_about_what_is_left_and_expected(tmp_path, monkeypatch):
    """Of 240 steps 80 are done, so two thirds of the scale's 30 minutes are left; what was measured goes before."""
    asked = []

    def no(scale, *, yes, seconds):
        asked.append(seconds)
        raise InputError("no")

    monkeypatch.setattr(plan, "_finished", lambda sweep, out: out.name == "a")
    monkeypatch.setattr(plan, "agree", no)
    sweeps = {"a": tiny(2), "b": tiny(4)}
    (work,) = durations.workloads(sweeps["b"])
    for known, seconds in (({}, 1200.0), ({work.key: Duration(1.0, 100.0)}, 16_001.0)):
        monkeypatch.setattr(durations, "read", lambda known=known: known)
        with pytest.raises(InputError):
            train(sweeps, tmp_path, SCALE)
        assert asked.pop() == pytest.approx(seconds)
    monkeypatch.undo()
    monkeypatch.setattr(durations, "read", lambda: {work.key: Duration(1.0, 100.0)})
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(InputError, match=r"--scale small takes about 4\.4 h"):
        train({"b": sweeps["b"]}, tmp_path, SCALE)
    assert list(tmp_path.iterdir()) == []


def test_what_compiling_takes_is_not_forgotten_when_the_cache_has_it(kept, user_cache):
    work = Workload("x", 2, 80)
    for compiling, rate in ((5.0, 10.0), (0.1, 20.0)):
        durations.remember(
            [work], SimpleNamespace(timing=[{"env_steps_per_second": rate, "compile_seconds": compiling}])
        )
    assert durations.read() == {"x": Duration(5.0, 0.05)}


def test_another_device_is_measured(monkeypatch):
    """Where the scale's minutes mean nothing and nothing is remembered, the programs are compiled and timed."""
    monkeypatch.setattr("jaxvf.sweeps.devices.on_cpu", lambda: False)
    sweep = tiny(2)
    seconds, source = expected({"a": sweep}, {"a": durations.workloads(sweep)}, 60.0, measured=True)
    assert 0 < seconds < 60 and source == "as measured on this device"


def test_a_damaged_memory_is_no_memory(kept, user_cache):
    user_cache.mkdir(parents=True)
    (user_cache / durations.FILE).write_text('{"x": {"compile_seconds": 1, "step_seconds": 2}, "y": 3}')
    assert durations.read() == {"x": Duration(1.0, 2.0)}
    (user_cache / durations.FILE).write_text("not JSON")
    assert durations.read() == {}
