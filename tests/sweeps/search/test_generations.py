"""Optuna by generations: what is asked and told, and that a study goes on as if nothing had happened."""

import builtins

import numpy as np
import pytest
from small_searches import Killed
from tiny_sweeps import assert_same_curves, tiny

from jaxvf import InputError, LogUniform, Optuna, Uniform, load, resume
from jaxvf.sweeps import Sweep
from jaxvf.sweeps.search import generations

pytestmark = pytest.mark.usefixtures("compiled_once")
optuna = pytest.importorskip("optuna")
OPTUNA = Optuna(trials=4, generations=3)
RANGES = {"learning_rate": LogUniform(1e-3, 1.0), "td_lambda": Uniform(0, 1)}


def searched(out, method=OPTUNA, **described):
    return tiny(**{"seeds": 2, "grid": RANGES, **described}).search(method, out, progress="none")


def study(out):
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(out / "study.journal")))
    return optuna.load_study(study_name="jaxvf", storage=storage)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return tmp_path_factory.mktemp("optuna") / "quiet"


@pytest.fixture
def result(quiet, compiled_once):
    return searched(quiet)


def test_a_trial_is_told_the_mean_over_its_runs(quiet, result):
    trials = [trial for trial in study(quiet).trials if trial.state.name == "COMPLETE"]
    assert len(trials) == 12
    assert len(result.runs) == 24
    last = result.last("test_return").reshape(12, 2).mean(axis=1)  # trials in order, their two seeds beside each other
    np.testing.assert_allclose([trial.value for trial in trials], last)
    assert study(quiet).best_value == pytest.approx(last.max())


def test_values_lie_in_their_ranges_and_reach_the_runs(result):
    rates, traces = (np.asarray([run[name] for run in result.runs]) for name in RANGES)
    assert ((rates >= 1e-3) & (rates <= 1)).all()
    assert ((traces >= 0) & (traces <= 1)).all()
    assert len(set(rates)) == len(set(traces)) == 12


def test_later_generations_depend_on_what_the_earlier_were_told(tmp_path, monkeypatch, result, quiet):
    """The first generation is drawn without knowledge; told the opposite, TPE asks for something else after it."""
    monkeypatch.setattr(generations.Result, "last", lambda self, name, last=generations.Result.last: -last(self, name))
    method = Optuna(trials=12, generations=2)  # TPE draws at random until it has ten trials
    other = searched(tmp_path / "other", method)
    monkeypatch.undo()
    plain = searched(tmp_path / "plain", method)
    rates = [np.asarray([run["learning_rate"] for run in one.runs]) for one in (plain, other)]
    np.testing.assert_array_equal(rates[0][:24], rates[1][:24])
    assert (rates[0][24:] != rates[1][24:]).any()


@pytest.mark.parametrize(
    "home, name, call",
    [
        (generations, "write_atomically", 2),  # asked, but not written down
        (Sweep, "run", 2),  # written down, and no sweep begun
        (generations, "_tell", 2),  # trained, and not told
        (optuna.Study, "tell", 6),  # told in part
    ],
)
def test_a_study_that_was_killed_goes_on_with_the_same_trials(tmp_path, monkeypatch, quiet, result, home, name, call):
    out, function, left = tmp_path / "killed", getattr(home, name), [call]

    def dies(*arguments, **named):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return function(*arguments, **named)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(home, name, dies)
        searched(out)
    again = resume(out, progress="none")
    assert_same_curves(again, result)
    assert again.runs == result.runs == load(out).runs
    values = [[t.value for t in study(one).trials if t.state.name == "COMPLETE"] for one in (out, quiet)]
    assert values[0] == values[1]


def test_without_optuna_one_line_says_what_to_install(tmp_path, monkeypatch):
    imported = builtins.__import__

    def missing(name, *arguments, **named):
        if name == "optuna":
            raise ImportError(name)
        return imported(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"pip install 'jaxvf\[optuna\]'"):
        searched(tmp_path / "out")
    assert not (tmp_path / "out").exists()
