"""The plan as text: what differs is said, and what is equal is said once."""

import dataclasses

import numpy as np
import pytest
from tiny_sweeps import TINY, tiny

from jaxvf.envs import MatrixGame
from jaxvf.mixers import QmixMixer
from jaxvf.sweeps import estimate, plan_text


def lines(**described):
    return tiny(**described).plan(chunk=2).lines()


@pytest.fixture
def memory_is_known(monkeypatch):
    """Of every program's run, so that none is traced for it."""
    monkeypatch.setattr("jaxvf.sweeps.plan.predict_bytes", lambda *_: 1000)


@pytest.mark.usefixtures("memory_is_known")
def test_groups_are_told_apart_by_the_fields_that_differ():
    head, swept, each, *groups = lines(grid={"buffer_size": list(range(16, 50, 2)), "learning_rate": [0.1, 0.2]})
    assert head == "102 runs in 17 group(s), one program each"
    assert swept == "  sweep: seed 0, 1, 2; buffer_size 16 to 48 (17 values); learning_rate 0.1, 0.2"
    assert "vdn on matrix_game/A, 6 runs, 3 chunk(s) of 2 (given), replay of episodes of 1 step" in each
    assert "6 evaluations of 10 steps" in each
    assert [line.split(",")[0] for line in groups] == [
        *(f"  group {index}: buffer_size={size}" for index, size in enumerate(range(16, 30, 2))),
        "  ... and 9 more like these (--json lists them)",
        "  group 16: buffer_size=48",
    ]
    assert not any("runs" in line for line in groups)


@pytest.mark.usefixtures("memory_is_known")
def test_groups_that_read_alike_share_a_line():
    *_, line = lines(
        env={"a game": MatrixGame(np.eye(2))}, algorithms={"one": TINY, "two": dataclasses.replace(TINY, num_envs=4)}
    )
    assert line.startswith("  group 1: two on a game, num_envs=4")
    assert plan_text._numbered(["x", "", "", "", "y", "y"]) == [
        "  group 0: x", "  groups 1 to 3: as above", "  groups 4, 5: y",
    ]  # fmt: skip


def test_one_group_is_one_line_with_everything():
    head, swept, group = lines(grid={}, seeds=2)
    assert head == "2 runs in 1 group(s), one program each"
    assert swept == "  sweep: seed 0, 1"
    assert group.startswith("  group 0: vdn on matrix_game/A, 2 runs, 1 chunk(s) of 2 (given), ")
    assert "MiB a run (" in group
    assert group.endswith(" MiB at once)")


@pytest.mark.usefixtures("memory_is_known")
def test_configured_objects_are_told_apart_though_no_field_is_swept():
    """The labels alone, qmix#0 and qmix#1, would not say how they differ."""
    mixers = [QmixMixer(embed=8), QmixMixer(embed=16)]
    learners = [dataclasses.replace(TINY, mixer=mixer) for mixer in mixers]
    groups = [line for line in lines(algorithms=learners, grid={}) if "group " in line]
    assert ["mixer.embed=8" in groups[0], "mixer.embed=16" in groups[1]] == [True, True]


@pytest.mark.usefixtures("memory_is_known")
def test_fields_of_other_classes_are_not_compared():
    """Of two learners, or two mixers, dozens of fields differ, and the name says it."""
    groups = lines(algorithms=[TINY, "ippo"], grid={})[2:]
    assert not any("=" in line for line in groups)
    mixed = lines(grid={"mixer": ["vdn", "qmix"]})[2:]
    assert "mixer=VdnMixer" in mixed[1]
    assert "mixer." not in "".join(mixed)


def test_durations_are_said_in_the_unit_people_would_use():
    said = [estimate.duration(seconds) for seconds in (0.26, 42, 300, 3 * 3600, 5 * 86400)]
    assert said == ["0.3 s", "42 s", "5 min", "3.0 h", "5.0 days"]


def test_an_estimate_is_of_all_segments_of_all_chunks(compiled_once, monkeypatch):
    monkeypatch.setattr(estimate.pilot, "TIMED_SECONDS", 0.05)
    plan = tiny().plan(chunk=4)  # six runs in two chunks, six segments of ten steps
    (one,) = estimate.measure(plan, keep=False)
    assert one.run_seconds == pytest.approx(one.segment_seconds * 6 * 2)
    assert one.env_steps_per_second * one.run_seconds == pytest.approx(6 * 60)
    assert one.segment_seconds > 0
    assert one.compile_seconds > 0


@pytest.mark.usefixtures("memory_is_known")
@pytest.mark.parametrize(("env_steps", "warned"), [(2, True), (4, False)])
def test_a_budget_in_which_nothing_learns_is_said(env_steps, warned):
    """Two environments and a batch of four: the second iteration is the first that updates."""
    said = [line for line in lines(env_steps=env_steps, test_interval=2) if line.startswith("warning")]
    assert said == ["warning: vdn learns nothing: its first update would come after 4 steps"] * warned
