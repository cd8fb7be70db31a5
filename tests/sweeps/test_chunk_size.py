"""How many runs are in a program at once: by default, remembered, measured, and cut to what memory really holds."""

import dataclasses
import json
from collections.abc import Iterator

import jax
import numpy as np
import pytest
from tiny_sweeps import SEGMENTS, assert_same_curves, assert_same_files, run, stop_at, tiny

from jaxvf.errors import InputError
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import chunk_size, compile, devices, execution, load, pilot, resume
from jaxvf.sweeps.chunk_size import ChunkSize
from jaxvf.sweeps.measurements import Measured, Measurements
from jaxvf.sweeps.progress import Silent

pytestmark = pytest.mark.usefixtures("compiled_once")


class Notes(Silent):
    """Collects what is noted, and counts steps as a bar does."""

    def __init__(self):
        self.lines, self.left = [], 0

    def note(self, text):
        self.lines.append(text)

    def start(self, total_steps):
        self.left += total_steps

    def advance(self, steps, headline):
        self.left -= steps

    def skip(self, steps):
        self.left -= steps


@pytest.fixture
def notes(monkeypatch) -> Iterator[list[str]]:
    shown = Notes()
    monkeypatch.setattr(execution, "make_progress", lambda mode: shown)
    yield shown.lines
    assert shown.left == 0  # a bar that ends at 100 %, whatever was done twice


# --- chosen before anything compiles -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "runs", "chosen"),
    [
        ({}, 1000, ChunkSize(125, "default")),  # 64 on each of two devices at most, in equal chunks
        ({64: 3.0, 16: 1.0, 4: 2.0}, 64, ChunkSize(32, "remembered")),
        ({64: 3.0, 16: 1.0, 4: 2.0}, 6, ChunkSize(6, "remembered")),  # three a device, as more are faster
        ({1: 1.0, 4: 2.0}, 64, ChunkSize(2, "remembered")),
        ({1: 2.0, 4: 1.0}, 8, ChunkSize(8, "remembered")),
        ({1: 2.0, 4: 1.0}, 64, ChunkSize(64, "default")),  # 16 a device were not tried and may be faster
        ({64: 1.0, 16: 2.0}, 1000, ChunkSize(125, "remembered")),
    ],
)
def test_the_fastest_size_that_was_measured_is_taken(seconds, runs, chosen):
    assert chunk_size.choose(runs, bytes_per_run=1, seconds=seconds, wanted=None) == chosen
    assert chunk_size.choose(runs, bytes_per_run=1, seconds=seconds, wanted=3) == ChunkSize(3, "given")


def test_sizes_to_try_are_smaller_than_the_present_one():
    assert chunk_size.smaller_sizes(128) == [16, 4, 1]
    assert chunk_size.smaller_sizes(12) == [4, 1]
    assert chunk_size.smaller_sizes(2) == []


def test_what_is_remembered_comes_back(user_cache):
    Measurements().remember("one", bytes_per_run=100)
    Measurements().remember("one", seconds={4: 0.5})
    Measurements().remember("one", seconds={1: 0.25})
    Measurements().remember("two", bytes_per_run=7)
    assert Measurements().of("one") == Measured(100, {4: 0.5, 1: 0.25})
    assert Measurements().of("three") == Measurements(remembered=False).of("one") == Measured()
    for damaged in ("", "[]", '{"one": 3}', '{"one": {"seconds": {"a": 1}}}'):
        (user_cache / "programs.json").write_text(damaged)
        assert Measurements().of("one") == Measured()
    Measurements().remember("one", bytes_per_run=5)
    assert Measurements().of("one").bytes_per_run == 5


def test_programs_that_differ_in_traced_numbers_alone_share_what_is_known():
    keys = {tiny(rates=(rate,)).plan().groups[0].key for rate in (0.1, 0.2)}
    assert len(keys) == 1
    assert tiny(test_episodes=2).plan().groups[0].key not in keys


def test_the_next_plan_knows_what_a_run_took(tmp_path):
    sweep = tiny()
    (before,) = sweep.plan(chunk=4).groups
    result = run(sweep, tmp_path / "sweep", chunk=4)
    (after,) = sweep.plan(chunk=4).groups
    (timing,) = result.timing
    assert timing["predicted_bytes_per_run"] == before.bytes_per_run == before.predict()
    assert timing["measured_bytes_per_run"] == after.bytes_per_run == after.measured_bytes
    assert RunDirectory(tmp_path / "sweep").read_json()["timing"] == [timing]
    assert sweep.plan(chunk=4, cache=False).groups[0].measured_bytes is None


# --- measured at the start -----------------------------------------------------------------------------------


def test_only_a_long_sweep_tries_other_sizes(tiny_group):
    group = dataclasses.replace(tiny_group, size=ChunkSize(4, "default"))
    # Two chunks of 6 segments: 11 are left. Two sizes cost about 2 * (3 + 2) seconds, a tenth of 100.
    assert pilot.worth_trying(group, segment_seconds=10.0, compile_seconds=3.0) == [2, 1]
    assert pilot.worth_trying(group, segment_seconds=9.0, compile_seconds=3.0) == []
    assert pilot.worth_trying(tiny_group, segment_seconds=10.0, compile_seconds=3.0) == []  # its chunk was given


def test_a_trial_gives_seconds_of_a_run_and_step(tiny_group, monkeypatch):
    monkeypatch.setattr(pilot, "TIMED_SECONDS", 0.01)
    found = pilot.time_sizes(tiny_group, [2, 1], segment_seconds=0.02, stop=lambda: False)
    assert set(found) == {2, 1}
    assert all(0 < seconds < 0.1 for seconds in found.values())
    assert pilot.time_sizes(tiny_group, [2, 1], segment_seconds=0.02, stop=lambda: True) == {}


def test_trials_end_where_fewer_runs_are_slower(tiny_group, monkeypatch):
    speeds = iter([1.0, 1.2, 0.1])
    monkeypatch.setattr(pilot, "_time", lambda group, stop: next(speeds))
    assert pilot.time_sizes(tiny_group, [16, 4, 1], 1.0, stop=lambda: False) == {16: 1.0, 4: 1.2}


@pytest.mark.parametrize(("found", "chunk"), [({3: 2.0, 1: 1.0}, 2), ({3: 1.0, 1: 2.0}, 6)])
def test_the_fastest_size_is_used_and_remembered(tmp_path, monkeypatch, notes, reference, found, chunk):
    monkeypatch.setattr(pilot, "worth_trying", lambda group, *_: [3, 1] if group.size.reason == "default" else [])
    monkeypatch.setattr(pilot, "time_sizes", lambda *_: found)
    out = tmp_path / "sweep"
    result = tiny().run(out)
    assert_same_curves(result, reference[0], rtol=1e-4)
    (group,) = RunDirectory(out).read_json()["plan"]
    assert (group["chunk"], group["chunk_reason"], group["chunks"]) == (chunk, "measured", 6 // chunk)
    assert len(list((out / "policies").iterdir())) == 6 // chunk
    assert any(f"chunks of {chunk}" in line for line in notes)
    assert tiny().plan().groups[0].size == ChunkSize(chunk, "remembered")
    assert_same_curves(load(out), result)


# --- cut to what memory holds --------------------------------------------------------------------------------


@pytest.fixture
def a_run_takes(monkeypatch):
    """Let every compiled run take so many bytes, of 1000."""

    def take(size: int):
        compile_group = compile.compile_group
        monkeypatch.setattr(devices, "memory_budget", lambda: 1000)
        monkeypatch.setattr("jaxvf.sweeps.plan.predict_bytes", lambda *_: 1)
        monkeypatch.setattr(
            "jaxvf.sweeps.runner.Runner._compile",
            lambda self, index, group: dataclasses.replace(compile_group(group), bytes_per_run=size),
        )

    return take


def test_a_chunk_that_takes_more_than_planned_is_cut(tmp_path, notes, reference, a_run_takes):
    """Six runs at 240 of 1000 bytes do not fit, nor do four places for three... four do."""
    a_run_takes(240)
    result = tiny().run(tmp_path / "sweep")
    assert_same_curves(result, reference[0], rtol=1e-4)
    (group,) = RunDirectory(tmp_path / "sweep").read_json()["plan"]
    assert (group["chunk"], group["chunk_reason"], group["chunks"]) == (3, "cut to fit", 2)
    assert sum("3 runs at once instead of 6" in line for line in notes) == 1
    assert tiny().plan().groups[0].chunk == 3  # four fit; two equal chunks


def test_one_run_that_does_not_fit_is_one_line(tmp_path, a_run_takes):
    a_run_takes(1001)
    with pytest.raises(InputError, match=r"one run needs about .* GiB and the device has") as caught:
        run(tiny(), tmp_path / "sweep")
    assert "\n" not in str(caught.value)


def test_what_has_begun_keeps_its_chunks(tmp_path, monkeypatch, reference, a_run_takes):
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 2, chunk=4)
    a_run_takes(500)
    resume(out, progress="none")
    assert RunDirectory(out).read_json()["plan"][0]["chunk"] == 4
    assert_same_files(out, reference[1])


def test_exhausted_memory_names_a_chunk_that_would_fit(tmp_path, monkeypatch):
    def exhausted(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes.\nMore lines.")

    def compile_exhausted(self, index, group):
        return compile.Executable(*[exhausted] * 3, 1, (), 0.0, 1, {})

    monkeypatch.setattr("jaxvf.sweeps.runner.Runner._compile", compile_exhausted)
    with pytest.raises(InputError) as caught:
        run(tiny(), tmp_path / "sweep")
    assert str(caught.value) == "the device ran out of memory with 6 runs at once; chunk=3 should fit"
    assert json.loads((tmp_path / "sweep" / "run.json").read_text())["status"] == "unfinished"


def test_another_error_of_xla_stays_what_it_is(monkeypatch):
    def broken(self, index, group):
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    monkeypatch.setattr("jaxvf.sweeps.runner.Runner._compile", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL: a bug"):
        run(tiny())


def test_measured_bytes_are_those_of_the_state_and_more(tiny_group):
    executable = compile.compile_group(tiny_group)
    state = jax.eval_shape(tiny_group.program.init, *tiny_group.stack(tiny_group.chunks[0]))
    held = sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) / 4
    assert held < executable.bytes_per_run < 20 * held
    assert tiny_group.segments == SEGMENTS
