"""What `jaxvf list` prints: every registered name, sizes of environments, and JSON of all."""

from pathlib import Path

import pytest
from strict_json import strict_json

import jaxvf
from jaxvf import algorithms, cli
from jaxvf.envs import ENVIRONMENTS


@pytest.mark.parametrize(("what", "names"), [("envs", ENVIRONMENTS), ("algorithms", algorithms.ALGORITHMS)])
def test_list_names_everything_that_is_registered(capsys, what, names):
    cli.main(["list", what, "--json"])
    rows = strict_json(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(names)
    assert all(row["description"] for row in rows)
    fields = rows[0]["params" if what == "envs" else "fields"]
    assert {"name", "kind", "default", "doc"} <= fields[0].keys()
    cli.main(["list", what])
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if not line.startswith("  ")] if what == "envs" else []
    assert sorted(line.split()[0] for line in lines if line not in heads) == sorted(names)
    assert len(heads) == len({row["description"] for row in rows} if what == "envs" else ())  # no sentence is repeated


def test_environments_are_listed_with_their_sizes(capsys):
    cli.main(["list", "envs"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "two_step_game 2 agents 2 actions 2 steps" in lines
    assert "matrix_game/A 2 agents 3 actions 1 step" in lines
    assert "gaussian_team 4 agents 1 real number 1 step" in lines


def test_list_names_every_experiment_and_runs_none(capsys):
    cli.main(["list", "experiments", "--json"])
    rows = strict_json(capsys.readouterr().out)
    scripts = Path(jaxvf.__file__).parents[1] / "experiments"
    assert [row["name"] for row in rows] == sorted(p.stem for p in scripts.glob("*.py") if not p.name.startswith("_"))
    assert all(row["description"] for row in rows)
