"""Directories that hold several sweeps: drawn one by one, compared by label, and named where one is asked for."""

import json
import shutil

import pytest
from tiny_sweeps import tiny

from jaxvf import cli
from jaxvf.errors import InputError
from jaxvf.results import fraction_interval
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import to_json
from jaxvf.sweeps import load
from jaxvf.sweeps.execution import started

pytestmark = pytest.mark.usefixtures("compiled_once")


@pytest.fixture
def experiment(tmp_path, reference, monkeypatch):
    """Two sweeps below one directory, which is the present one's `study`."""
    for name in ("qmix", "deep/er"):
        shutil.copytree(reference[1], tmp_path / "study" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "study"


def refused(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_plot_draws_every_sweep_of_an_experiment(experiment, capsys):
    cli.main(["plot", "study"])
    written = capsys.readouterr().out.split()
    assert written == [f"study/{name}/figures/fraction_optimal.png" for name in ("deep/er", "qmix")]
    assert all((experiment.parent / path).stat().st_size > 1000 for path in written)


@pytest.mark.parametrize("kind", ["profile", "improvement"])
def test_plot_draws_other_kinds(experiment, capsys, kind):
    cli.main(["plot", "study/qmix", "--kind", kind, "--metric", "test_return"])
    assert capsys.readouterr().out.strip() == f"study/qmix/figures/{kind}_test_return.png"


def test_load_names_the_sweeps_there_are(experiment, capsys):
    line = "study is no sweep but holds some; name one: study/deep/er, study/qmix"
    assert line in refused(capsys, "resume", "study")
    with pytest.raises(InputError, match="holds some; name one"):
        load(experiment)


def test_compare_puts_directories_beside_each_other(experiment, capsys):
    cli.main(["compare", "old=study/qmix", "new=study/deep/er", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [row["method"] for row in found["rows"]] == [
        f"{label}, learning_rate {rate}" for label in ("old", "new") for rate in (0.01, 0.1)
    ]
    assert found["metric"] == "fraction_optimal"
    assert found["improvement"]["estimate"][0][2] == 0.5  # they are copies
    cli.main(["compare", "study/qmix"])
    assert "P(learning_rate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("plot", "study", "--metric", "los"), "study/deep/er: unknown metric 'los'; did you mean 'loss'?"),
        (("plot", "nowhere"), "nowhere is not a run directory: run.json is missing"),
        (("compare",), "compare needs a directory"),
        (("compare", "study/qmix", "study/qmix"), "one directory or label is given twice"),
        (("compare", "study/qmix", "--at", "5"), "at=5: some runs have no evaluation up to there"),
        (("compare", "study/qmix", "study/deep/er", "--metric", "los"), "unknown metric 'los'; did you mean 'loss'?"),
    ],
)
def test_what_cannot_be_drawn_or_compared_is_one_line(experiment, capsys, arguments, line):
    assert line in refused(capsys, *arguments)
    assert not list(experiment.rglob("figures"))


def test_export_for_marl_eval(experiment, capsys):
    cli.main(["export", "study/qmix", "--format", "marl-eval", "--metric", "test_return", "loss"])
    algorithms = json.loads(capsys.readouterr().out)["matrix_game"]["matrix_game/A"]
    assert list(algorithms) == ["learning_rate 0.01", "learning_rate 0.1"]
    run = algorithms["learning_rate 0.1"]["seed_2"]
    assert list(run) == [*(f"step_{place}" for place in range(1, 7)), "absolute_metrics"]
    assert run["step_6"]["step_count"] == 60
    assert set(run["absolute_metrics"]) == {"return", "loss"}
    cli.main(["export", "study/qmix"])
    assert capsys.readouterr().out.startswith("# written by jaxvf")
    assert "is in two of the results" in refused(capsys, "export", "study", "--format", "marl-eval")


def test_a_sweep_that_has_only_begun_has_nothing_to_draw(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = tiny()
    with started(RunDirectory(tmp_path / "begun"), to_json(sweep), sweep.plan()):
        pass
    assert "no run has been evaluated; go on with `jaxvf resume DIR`" in refused(capsys, "plot", "begun")
    assert repr(load("begun")).startswith("Result: 6 runs, 6 unfinished on matrix_game/A")
    assert "no run has been evaluated" in refused(capsys, "compare", "begun")


def test_a_sweep_that_was_stopped_is_drawn_as_far_as_it_got(stopped, capsys):
    cli.main(["plot", str(stopped)])
    assert (stopped / "figures" / "fraction_optimal.png").stat().st_size > 1000
    first, second = load(stopped).summary()  # of six runs the first four are finished, in a chunk of their own
    assert (first["runs"], first.get("unfinished")) == (3, None)
    assert (second["runs"], second["unfinished"]) == (3, 2)
    assert second["fraction_optimal"] in (fraction_interval(0, 1), fraction_interval(1, 1))  # one run, not three
