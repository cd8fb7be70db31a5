"""`jaxvf plot` and `jaxvf compare` on directories with made-up curves."""

import json

import pytest

from jaxvf import cli, scripts

made_runs = scripts.part("benchmarks", "_made_runs")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_runs.make(tmp_path / "runs" / "lr=0.1", seeds=2, evaluations=2)
    return tmp_path


def test_a_labelled_directory_may_have_an_equals_sign_in_its_name(here, capsys):
    cli.main(["compare", "monday=runs/lr=0.1", "--json"])
    assert json.loads(capsys.readouterr().out)["methods"] == ["vdn", "qmix"]
    made_runs.make(here / "other", seeds=2, evaluations=2)
    cli.main(["compare", "monday=runs/lr=0.1", "runs/lr=0.1", "tuesday=other", "--json"])
    methods = json.loads(capsys.readouterr().out)["methods"]
    assert methods[::2] == ["monday, vdn", "runs/lr=0.1, vdn", "tuesday, vdn"]


@pytest.mark.parametrize(
    "arguments", [["plot"], ["compare"], ["report"], ["eval"], ["export"], ["export-policy"], ["render"], ["resume"]]
)
def test_a_wrong_directory_is_refused_with_the_nearest_one(here, capsys, arguments):
    out = ["actor.bin"] if arguments == ["export-policy"] else []
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "nowhere", *out])
    line = capsys.readouterr().err
    assert caught.value.code == 2 and line.count("\n") == 1 and line.strip().endswith("; the nearest: runs/lr=0.1")
    assert sorted(path.name for path in here.iterdir()) == ["runs"]


def test_a_part_of_a_preset_s_name_names_those_that_have_it(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--preset", "3m", "--dry-run"])
    line = capsys.readouterr().err
    assert "those with '3m': combat/3m:" in line and "predator_prey" not in line
