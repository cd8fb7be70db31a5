"""What a sweep returns and leaves on disk."""

import signal
import time

import numpy as np
import pytest
from tiny_sweeps import (
    SEGMENTS,
    assert_same_curves,
    files,
    run,
    tiny,
)

from jaxvf.errors import InputError
from jaxvf.networks import TabularAgent
from jaxvf.results import iqm
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import load, resume

pytestmark = pytest.mark.usefixtures("compiled_once")


def test_the_directory_holds_what_was_returned(reference):
    result, out = reference
    assert RunDirectory(out).read_json()["status"] == "finished"
    assert RunDirectory(out).read_runs() == result.runs
    assert [record["status"] for record in result.runs] == ["finished"] * 6
    np.testing.assert_array_equal(result.env_steps, [10, 20, 30, 40, 50, 60])
    loaded = load(out)
    assert loaded.runs == result.runs
    assert_same_curves(loaded, result)
    columns = RunDirectory(out).read_metrics()
    chosen = (columns["metric"] == "loss") & (columns["run"] == 4)
    np.testing.assert_array_equal(columns["value"][chosen], result.metric("loss")[4])
    assert set(columns["seed"][chosen]) == {1}


def test_without_a_directory_nothing_is_written(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert_same_curves(run(tiny(), chunk=4), reference[0])
    assert files(tmp_path) == {}
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers


def test_metric_select_and_summary(reference):
    result, _ = reference
    assert result.metric("test_return").shape == (6, SEGMENTS)
    np.testing.assert_array_equal(result.select(learning_rate=0.1), [3, 4, 5])
    np.testing.assert_array_equal(result.select(learning_rate=0.1, seed=2), [5])
    np.testing.assert_array_equal(result.select(seed=[0, 1], learning_rate=lambda rate: rate < 0.1), [0, 1])
    rows = result.summary()
    assert [(row["learning_rate"], row["runs"], row["diverged"]) for row in rows] == [(0.01, 3, 0), (0.1, 3, 0)]
    last = np.sort(result.metric("test_return")[:3, -1])
    # Of three values n/4 = 0.75: the outer two count with a quarter each.
    assert rows[0]["test_return"].estimate == pytest.approx((0.25 * last[0] + last[1] + 0.25 * last[2]) / 1.5)
    optimal = result.metric("test_optimal")[3:, -1]
    assert rows[1]["fraction_optimal"].estimate == pytest.approx(optimal.mean())
    for call, line in (
        (lambda: result.metric("test_retrun"), "unknown metric 'test_retrun'; did you mean 'test_return'?"),
        (lambda: result.select(learningrate=1), "unknown field of a run 'learningrate'; did you mean 'learning_rate'?"),
        (lambda: result.select(seed=99), "no run has seed=99; the nearest that runs have: 0, 1, 2"),
        (lambda: result.policy(6), "run=6 has no trained policy; valid: 0 to 5 of a finished sweep"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == line


def test_runs_with_fewer_evaluations_are_summed_up_at_their_own_last_one():
    """A static field may stretch the interval: NaN behind a run's last evaluation is no divergence."""
    result = run(tiny(seeds=2, rates=(0.1,), grid={"num_envs": [2, 8]}))
    np.testing.assert_array_equal(result.env_steps_of(0), [10, 20, 30, 40, 50, 60, 60, 60])
    np.testing.assert_array_equal(result.env_steps_of(2), [8, 16, 24, 32, 40, 48, 56, 64])
    rows = result.summary()
    assert [(row["num_envs"], row["diverged"]) for row in rows] == [(2, 0), (8, 0)]
    assert rows[0]["test_return"].estimate == pytest.approx(result.metric("test_return")[:2, 5].mean())
    with pytest.raises(ValueError, match="use env_steps_of"):
        _ = result.env_steps


def test_a_setting_may_be_an_object(tmp_path):
    """It is written as its configuration, and selected by equality."""
    result = run(tiny(seeds=1, grid={"agent": [TabularAgent(), TabularAgent(scale=0.2)]}), tmp_path / "sweep")
    np.testing.assert_array_equal(result.select(agent=TabularAgent(scale=0.2)), [1])
    assert load(tmp_path / "sweep").runs == result.runs
    assert RunDirectory(tmp_path / "sweep").read_runs()[1]["agent"]["fields"] == {"scale": 0.2}


def test_an_offline_wandb_run_is_written(tmp_path, capfd):
    run(tiny(seeds=2), tmp_path / "sweep", chunk=4, log="wandb:mode=offline")
    (log,) = (tmp_path / "sweep" / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 10  # wandb's own process writes the last bytes a moment after `finish`
    while b"test_return/learning_rate 0.1" not in log.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "jaxvf" not in capfd.readouterr().err
    assert RunDirectory(tmp_path / "sweep").read_json()["status"] == "finished"


@pytest.mark.parametrize("option", [{"log": "tensorbord"}, {"log": "wandb:mode=offlin"}, {"progress": "plian"}])
def test_a_wrong_option_is_refused_before_anything_is_written(tmp_path, option):
    with pytest.raises(InputError, match="did you mean"):
        tiny().run(tmp_path / "sweep", **option)
    assert files(tmp_path) == {}


class Kept:
    """A sink that keeps what it is told."""

    def __init__(self):
        self.said, self.runs = [], []

    def scalars(self, env_steps, values):
        self.said.append((env_steps, values))

    def finish(self, runs):
        self.runs = runs


def test_a_sink_of_a_resumed_sweep_has_every_condition_at_every_evaluation_once(stopped):
    """What the process before has computed is reported too, from the files."""
    kept = Kept()
    result = resume(stopped, progress="none", log=kept)
    said = {(step, name): value for step, values in kept.said for name, value in values.items()}
    assert len(said) == sum(len(values) for _, values in kept.said)
    for rate, rows in ((0.01, [0, 1, 2]), (0.1, [3, 4, 5])):
        for place, step in enumerate(result.env_steps):
            expected = float(iqm(result.metric("test_return")[rows, place]))
            assert said[int(step), f"test_return/learning_rate {rate}"] == pytest.approx(expected, abs=1e-6)
    assert kept.runs == result.runs
