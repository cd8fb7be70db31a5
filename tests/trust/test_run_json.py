"""A damaged or hostile run.json is one line that names it; nothing is executed, nothing is written."""

import shutil
import sys

import pytest
from trust_cases import FIRST, MARKER, REPLACED, edit, files, hostile, put, refused

from jaxvf import cli
from jaxvf.sweeps import load

JSON = {
    **REPLACED,
    "a list": lambda whole: b"[]",
    "a number": lambda whole: b"3",
    "a huge number": lambda whole: b"9" * 5000,
    "infinity": lambda whole: b"1e999999",
    "NaN": lambda whole: b"NaN",
    "null": lambda whole: b"null",
    "a string": lambda whole: b'"text"',
    "deep lists": lambda whole: b"[" * 100_000,
    "deep lists that end": lambda whole: b'{"config": ' + b"[" * 400 + b"]" * 400 + b"}",
    "deep objects": lambda whole: b'{"config":' * 5000,
    "a name given twice": lambda whole: whole[:-2] + b',\n "status": "finished"}',
    "no section": lambda whole: b"{}",
}


@pytest.mark.parametrize("command", ["plot", "resume"])
@pytest.mark.parametrize("damage", JSON)
def test_a_file_that_is_no_document(here, capsys, command, damage):
    path = here / "stopped" / "run.json"
    path.write_bytes(JSON[damage](path.read_bytes()))
    assert "stopped/run.json" in refused(capsys, here, command, "stopped")


SECTIONS = {
    "config is absent": lambda document: document.pop("config") and None,
    "config is text": put("Sweep", "config"),
    "config is a list": put([], "config"),
    "config is empty": put({}, "config"),
    "config without fields": put({"class": "jaxvf.sweeps.sweep:Sweep"}, "config"),
    "status is a number": put(3, "status"),
    "status of its own": put("done", "status"),
    "status is a list": put([], "status"),
    "plan is text": put("g000", "plan"),
    "plan is a number": put(3, "plan"),
    "plan is empty": put([], "plan"),
    "plan is an object": put({}, "plan"),
    "plan is null": put(None, "plan"),
    "a group is a number": put(3, "plan", 0),
    "a group is empty": put({}, "plan", 0),
    "runs is text": put("4", "plan", 0, "runs"),
    "runs is huge": put(10**30, "plan", 0, "runs"),
    "runs is one more": put(5, "plan", 0, "runs"),
    "runs is true": put(True, "plan", 0, "runs"),
    "chunk is nothing": put(0, "plan", 0, "chunk"),
    "chunk is a fraction": put(1.5, "plan", 0, "chunk"),
    "chunk is NaN": put(float("nan"), "plan", 0, "chunk"),
    "segments is negative": put(-1, "plan", 0, "segments"),
    "segments is text": put("3", "plan", 0, "segments"),
    "segment_steps is nothing": put(0, "plan", 0, "segment_steps"),
    "run_ranges is absent": lambda document: document["plan"][0].pop("run_ranges") and None,
    "run_ranges is text": put("all", "plan", 0, "run_ranges"),
    "run_ranges is backwards": put([[3, 0]], "plan", 0, "run_ranges"),
    "run_ranges is too long": put([[0, 10**9]], "plan", 0, "run_ranges"),
    "run_ranges overlap": put([[0, 0], [0, 2]], "plan", 0, "run_ranges"),
    "run_ranges is one number": put([[3]], "plan", 0, "run_ranges"),
    "timing is text": put("fast", "timing"),
    "timing is numbers": put([3], "timing"),
    "versions is a number": put(3, "versions"),
}


@pytest.mark.parametrize("command", ["plot", "resume"])
@pytest.mark.parametrize("damage", SECTIONS)
def test_a_section_that_jaxvf_does_not_write(here, capsys, command, damage):
    edit(here / "stopped" / "run.json", SECTIONS[damage])
    assert "stopped/run.json" in refused(capsys, here, command, "stopped")


UNITS = {
    "a list": lambda record: [],
    "empty": lambda record: {},
    "diverged is text": put("no", "diverged"),
    "diverged is numbers": put([0, 0], "diverged"),
    "diverged is short": put([False], "diverged"),
    "diverged is absent": lambda record: record.pop("diverged") and None,
    "seconds is text": put("3", "seconds"),
    "steps is a list": put([], "steps"),
}


@pytest.mark.parametrize("command", ["plot", "resume"])
@pytest.mark.parametrize("damage", UNITS)
def test_a_record_of_a_unit_that_jaxvf_does_not_write(here, capsys, command, damage):
    path = here / "stopped" / "units" / f"{FIRST}.json"
    edit(path, UNITS[damage])
    assert f"units/{FIRST}.json" in refused(capsys, here, command, "stopped")


@pytest.mark.parametrize("command", ["plot", "resume"])
@pytest.mark.parametrize("damage", REPLACED)
def test_a_record_of_a_unit_that_is_no_document(here, capsys, command, damage):
    path = here / "stopped" / "units" / f"{FIRST}.json"
    path.write_bytes(REPLACED[damage](path.read_bytes()))
    assert f"units/{FIRST}.json" in refused(capsys, here, command, "stopped")


@pytest.mark.parametrize("command", ["plot", "resume"])
def test_a_record_of_a_unit_of_another_sweep(here, capsys, command):
    units = here / "stopped" / "units"
    shutil.copy(units / f"{FIRST}.json", units / "g009-c000-0123abcd.json")
    assert "g009-c000-0123abcd" in refused(capsys, here, command, "stopped")


LOCKS = {**REPLACED, "a list": lambda whole: b"[]", "a lie": lambda whole: b'{"host": 3, "process": "x"}'}


@pytest.mark.parametrize("damage", LOCKS)
def test_a_lock_that_nobody_holds_is_taken_over_whatever_is_in_it(here, damage):
    (here / "stopped" / ".lock").write_bytes(LOCKS[damage](b'{"host": "here"}'))
    cli.main(["resume", "stopped"])
    assert not (here / "stopped" / ".lock").exists()


CLASSES = {
    "os:system": {"command": f"touch {MARKER}"},
    "posix:system": {"command": f"touch {MARKER}"},
    "subprocess:Popen": {"args": ["touch", MARKER]},
    "subprocess:run": {"args": ["touch", MARKER]},
    "builtins:eval": {"source": f"open('{MARKER}', 'w')"},
    "builtins:open": {"file": MARKER, "mode": "w"},
    "pathlib:Path": {},
    "pathlib:Path.touch": {"self": MARKER},
    "this:d": {},  # whose import prints a poem
    "importlib:import_module": {"name": "this"},
    "shutil:rmtree": {"path": "."},
    "numpy:save": {"file": MARKER, "arr": 0},
    "jaxvf.cli:main": {"arguments": ["list", "envs"]},
    "jaxvf.sweeps.sweep:resume": {"path": "stopped"},
    "jaxvf.sweeps.sweep:Path.cwd": {},
    "jaxvf.results.store:RunDirectory": {"path": "stopped"},
    "jaxvf.envs.protocol:Environment": {},
    "": {},
    "Sweep": {},
    ":Sweep": {},
    "os:": {},
    "os:path:join": {},
    "os:..system": {},
}
NAMES = [3, None, True, [], {}, 1.5]


@pytest.mark.parametrize("place", ["the sweep", "its environment", "a value"])
@pytest.mark.parametrize("name", [*CLASSES, *NAMES], ids=str)
def test_a_class_that_is_no_configuration_is_never_called(here, capsys, place, name):
    """Where a policy or more training needs it that is one line; curves need it not."""
    described = hostile(name, **CLASSES.get(name, {})) if isinstance(name, str) else hostile(name)
    places = {"the sweep": (), "its environment": ("fields", "env"), "a value": ("fields", "grid", "mixer")}
    value = [described] if place == "a value" else described
    edit(here / "stopped" / "run.json", put(value, "config", *places[place]))
    for command in (["resume", "stopped"], ["render", "stopped", "--run", "0"]):
        assert "stopped/run.json" in refused(capsys, here, *command)
    assert load("stopped").metric("test_return").shape == (4, 3)
    assert "this" not in sys.modules
    assert not (here / MARKER).exists()


FIELDS = {
    "env_steps": ["many", -1, float("nan"), float("inf"), 10**400, [], None, True],
    "test_interval": ["often", 0, {}],
    "test_episodes": ["all", 0.5],
    "root_seed": ["x", -1, []],
    "seeds": ["x", 0, -1, 10**30, [1, 1], [0.5], {}, None, [2**31], True],
    "grid": [[], 3, "text", {"learning_rate": []}, {"learning_rate": ["fast"]}, {"no_such_field": [1]}],
    "env": [3, "no_such_game", [], {"a": 1}, hostile("jaxvf.envs.predator_prey:PredatorPrey", grid_size="big")],
    "algorithms": [3, "no_such_learner", [], None, hostile("jaxvf.value.q_learning:QLearning", batch_size="big")],
    "no_such_field": [1],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in FIELDS for value in FIELDS[field]], ids=str)
def test_a_sweep_of_nonsense_is_not_continued(here, capsys, field, value):
    edit(here / "stopped" / "run.json", put(value, "config", "fields", field))
    assert "stopped/run.json" in refused(capsys, here, "resume", "stopped")


def test_a_sweep_that_has_not_begun_has_no_curves(here, capsys):
    edit(here / "stopped" / "run.json", lambda document: document.pop("plan") and None)
    (here / "stopped" / "runs.parquet").unlink()
    assert "stopped holds a sweep that has not begun" in refused(capsys, here, "plot", "stopped")


def test_the_undamaged_directories_are_read(here, capsys):
    """So that every refusal above is due to the damage."""
    before = files(here / "finished")
    cli.main(["plot", "finished"])
    assert before.items() <= files(here / "finished").items()
    cli.main(["resume", "stopped"])
    assert capsys.readouterr().out.count("\n") == 3
    assert [run["status"] for run in load("stopped").runs] == ["finished"] * 4
