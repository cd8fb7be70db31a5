"""Stopping and resuming a sweep: whatever happens, the numbers are those of one quiet run."""

import dataclasses
import shutil
import signal

import jax
import numpy as np
import pytest
from tiny_sweeps import (
    TINY,
    assert_same_curves,
    assert_same_files,
    during,
    files,
    named,
    run,
    stop_at,
    tiny,
)

from jaxvf.errors import InputError
from jaxvf.networks import RecurrentAgent
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import to_json
from jaxvf.sweeps import Interrupted, execution, load, resume, rhythm, runner
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.lease import Lease
from jaxvf.sweeps.progress import Silent
from jaxvf.sweeps.unit_files import UnitFiles
from jaxvf.trust_region import Recurrent, TrustRegion

ITERATIONS = 5  # of a segment of the tiny sweep
MEMORY = Recurrent(hidden=4, layers=0, layer_norm=False)  # nothing but what is remembered
pytestmark = pytest.mark.usefixtures("compiled_once")


@pytest.mark.parametrize("segment", [1, 4, 6, 9])
def test_an_interrupted_sweep_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch, reference, segment):
    """Stopped in the first chunk, at its end and in the second one (whose fourth place is filled up)."""
    result, quiet = reference
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, segment, chunk=4)
    assert RunDirectory(out).read_json()["status"] == "unfinished"
    assert list((out / "checkpoints").glob("*/*.json"))
    assert_same_curves(resume(out, progress="none"), result)
    assert_same_files(out, quiet)
    assert not list((out / "checkpoints").glob("*/*"))


@pytest.mark.parametrize("piece", [1, 4, 5, 33])
def test_a_sweep_that_was_stopped_within_a_segment_goes_on_bitwise(tmp_path, monkeypatch, reference, piece):
    """Pieces of one or two iterations, of five in a segment: however it is cut and wherever it stops."""
    result, quiet = reference
    out = tmp_path / "sweep"
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: min(left, 1 + piece % 2))
    stop_at(monkeypatch, tiny(), out, piece, chunk=4)
    assert_same_curves(resume(out, progress="none"), result)
    assert_same_files(out, quiet)


@pytest.mark.parametrize("piece", [1, 3, 7, 8])
def test_a_run_that_diverges_within_a_segment_goes_back_to_where_the_segment_began(tmp_path, monkeypatch, piece):
    """However the segment is cut: half of these runs have a learning rate that no number survives."""
    sweep, out, quiet = tiny(rates=(0.01, 3e38)), tmp_path / "sweep", tmp_path / "quiet"
    expected = run(sweep, quiet, chunk=6)
    assert [record["status"] for record in expected.runs] == ["finished"] * 3 + ["diverged"] * 3
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: 1)
    stop_at(monkeypatch, sweep, out, piece, chunk=6)
    assert_same_curves(resume(out, progress="none"), expected)
    assert_same_files(out, quiet)


def test_steps_told_of_are_those_of_the_plan_wherever_a_sweep_stops(tmp_path, monkeypatch):
    """Within a segment too: what an earlier process told is skipped, and nothing is told twice."""

    class Counting(Silent):
        def __init__(self, stop_after):
            self.told, self.left = 0, stop_after

        def start(self, total_steps):
            self.total = total_steps

        def skip(self, steps):
            self.total -= steps

        def advance(self, steps, headline):
            self.told, self.left = self.told + steps, self.left - 1
            if self.left == 0:
                signal.raise_signal(signal.SIGTERM)

    seen = [Counting(8), Counting(-1)]
    shown = iter(seen)
    monkeypatch.setattr(execution, "make_progress", lambda mode: next(shown))
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: min(left, 2))
    with pytest.raises(Interrupted):
        run(tiny(), tmp_path / "sweep", chunk=4)
    resume(tmp_path / "sweep")
    assert seen[0].told + seen[1].told == seen[0].total == 6 * 60
    assert seen[1].told == seen[1].total


def test_a_checkpoint_within_a_segment_is_numbered_by_its_iterations(tmp_path, monkeypatch):
    out = tmp_path / "sweep"
    monkeypatch.setattr(rhythm.Rhythm, "iterations", lambda self, left: 1)
    stop_at(monkeypatch, tiny(), out, 7, chunk=4)
    assert Checkpoints(out / "checkpoints" / named(out, "g000-c000")).steps() == [6, 7]
    assert [part.rpartition("-s")[2] for part in RunDirectory(out).parts()] == ["000001"]


@pytest.mark.parametrize(
    "learner",
    [
        dataclasses.replace(TINY, agent=RecurrentAgent(hidden=4), replay="sequences", sequence_length=3),
        TrustRegion(
            actor=MEMORY, critic=MEMORY, num_envs=2, rollout_length=3, chunk_length=3,
            actor_epochs=1, critic_epochs=1,
        ),
    ],
    ids=["sequences", "rollouts"],
)  # fmt: skip
def test_what_goes_on_between_segments_is_kept(tmp_path, monkeypatch, learner):
    """Stopped after 3 of 6 segments of 3 steps, in the middle of an episode of 2: environments and memories go on."""
    sweep = tiny(seeds=2, rates=[0.1], algorithms=learner, env="two_step_game", env_steps=36, test_interval=6)
    out, quiet = tmp_path / "sweep", tmp_path / "quiet"
    stop_at(monkeypatch, sweep, out, 3, chunk=2)
    assert_same_curves(resume(out, progress="none"), run(sweep, quiet, chunk=2))
    assert_same_files(out, quiet)


def test_interrupted_twice(tmp_path, monkeypatch, reference):
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 2, chunk=4)
    during(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        resume(out, progress="none")
    assert Checkpoints(out / "checkpoints" / named(out, "g000-c000")).steps() == [3 * ITERATIONS, 4 * ITERATIONS]
    monkeypatch.undo()
    resume(out, progress="none")
    assert_same_files(out, reference[1])


def test_an_unfinished_directory_loads_with_nan_for_the_rest(tmp_path, monkeypatch, reference):
    result, _ = reference
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 8, chunk=4)
    before = files(out)
    partial = load(out)
    assert files(out) == before
    assert [record["status"] for record in partial.runs] == ["finished"] * 4 + ["unfinished"] * 2
    assert [record["status"] for record in RunDirectory(out).read_runs()] == ["unfinished"] * 6
    loss = partial.metric("loss")
    np.testing.assert_array_equal(loss[:4], result.metric("loss")[:4])
    np.testing.assert_array_equal(loss[4:, :2], result.metric("loss")[4:, :2])
    assert np.isnan(loss[4:, 2:]).all()
    np.testing.assert_array_equal(partial.env_steps, result.env_steps)
    assert [row["diverged"] for row in partial.summary()] == [0, 0]
    assert np.isfinite(jax.tree.leaves(partial.policy(3).params)[0]).all()
    with pytest.raises(InputError, match="run=5 has no trained policy"):
        partial.policy(5)


def test_resuming_a_finished_sweep_only_loads(tmp_path, monkeypatch, reference):
    result, quiet = reference
    out = shutil.copytree(quiet, tmp_path / "sweep")
    before = files(out)
    monkeypatch.setattr(runner.Runner, "run", lambda self: pytest.fail("nothing is left to run"))
    assert_same_curves(resume(out), result)
    assert files(out) == before


def test_one_call_begins_goes_on_and_loads(tmp_path, monkeypatch, reference):
    result, _ = reference
    out = tmp_path / "sweep"
    sweep = tiny(seeds=2)
    during(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        sweep.run_or_resume(out)
    monkeypatch.setattr(execution, "make_progress", lambda mode: Silent())
    assert_same_curves(sweep.run_or_resume(out), result, others=[0, 1, 3, 4])
    before = files(out)
    sweep.run_or_resume(out)
    with pytest.raises(InputError, match="holds another configuration"):
        tiny(seeds=3).run_or_resume(out)
    assert files(out) == before


def test_the_rate_after_a_resume_is_of_the_steps_that_this_process_took(tmp_path, monkeypatch):
    """Four runs for the second half of their segments, and two for all of them."""
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 3, chunk=4)
    (timing,) = resume(out, progress="none").timing
    assert timing["env_steps_per_second"] * timing["run_seconds"] == pytest.approx(4 * 30 + 2 * 60)


def test_an_owner_whose_directory_was_taken_over_stops_and_writes_no_more(tmp_path, monkeypatch, reference):
    """As a process that was suspended for minutes finds it: another host has taken its lock for a dead one's."""
    out = tmp_path / "sweep"
    during(monkeypatch, 3, lambda: (out / ".lock").unlink())
    with pytest.raises(InputError, match="was taken over by another process"):
        run(tiny(), out, chunk=4)
    assert Checkpoints(out / "checkpoints" / named(out, "g000-c000")).steps() == [ITERATIONS, 2 * ITERATIONS]
    monkeypatch.undo()
    resume(out, progress="none")
    assert_same_files(out, reference[1])


def test_what_dead_processes_left_is_cleared_and_what_living_ones_hold_is_not(stopped):
    files_of, plan = UnitFiles(RunDirectory(stopped)), tiny().plan(chunk=4)
    dead = [stopped / "units" / "dead.lease", stopped / "metrics" / ".part.parquet.tmp", stopped / ".run.json.tmp"]
    for path in dead:
        path.write_bytes(b"{}")
    lease = Lease.take(stopped / "units" / "living.lease")
    assert isinstance(lease, Lease)
    files_of.clear_leftovers(plan)
    assert lease.held() and not any(path.exists() for path in dead)
    lease.release()


def test_an_interruption_without_a_directory_says_that_nothing_is_saved(monkeypatch):
    during(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="Nothing is saved"):
        run(tiny(), chunk=4)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_that_died_when_it_had_written_run_json_left_a_sweep_to_resume(tmp_path, reference):
    """The first write says all: the chunk that was asked for is not forgotten."""
    out = tmp_path / "sweep"
    with execution.started(RunDirectory(out), to_json(tiny()), tiny().plan(chunk=4)):
        assert files(out).keys() == {"run.json", "runs.parquet"}
    (out / "runs.parquet").unlink()
    resume(out, progress="none")
    assert_same_files(out, reference[1])


@pytest.mark.parametrize("when", ["before the checkpoint", "before its list", "while it is removed"])
def test_a_part_without_its_checkpoint_is_computed_again_not_twice(tmp_path, monkeypatch, reference, when):
    """The process died after it wrote the part of segment 4, or had just begun to tidy up."""
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 4, chunk=4)
    stored = out / "checkpoints" / named(out, "g000-c000")
    assert Checkpoints(stored).steps() == [15, 20]
    if when == "before the checkpoint":
        (stored / "20").rename(stored / "20.orbax-checkpoint-tmp")
        (stored / "20.json").unlink()
    elif when == "before its list":
        (stored / "20.json").unlink()
    else:
        shutil.rmtree(stored / "20")
    assert f"{named(out, 'g000-c000')}-s000004" in RunDirectory(out).parts()
    resume(out, progress="none")
    assert_same_files(out, reference[1])
