"""Presets: every one is planned as it is, says where it is from, and is what its experiment trains."""

import tomllib

import pytest

from jaxvf import cli, presets, releases, scripts
from jaxvf.errors import InputError
from jaxvf.serialize import to_json
from jaxvf.sweeps import Sweep
from jaxvf.sweeps.space import expand
from jaxvf.sweeps.sweep_file import read

NAMES = tuple(presets.available())


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_expands_to_its_runs_and_names_its_source(name):
    """Fields exist, values are in range and the environment can be made; one learner, one environment."""
    fields = read(presets.path_of(name))
    sweep = Sweep(**fields)
    runs = expand(sweep.env, sweep.algorithms, sweep.grid, sweep.seeds)
    assert len(runs) == fields["seeds"] and len({run.seed for run in runs}) == len(runs)
    assert len(presets.available()[name]) > 10
    assert presets.path_of(name).read_text().startswith(f"# jaxvf run --preset {name}\n")


@pytest.mark.parametrize(
    ("name", "experiment", "arguments"),
    [
        ("combat/3m:qmix", "combat", ("qmix", 100_000)),
        ("combat/2s3z:pow_qmix", "combat", ("pow_qmix", 400_000)),
        ("predator_prey:pow_qmix", "predator_prey", ("pow_qmix", 5_050_000, False)),
        ("predator_prey:resq", "predator_prey", ("resq", 5_050_000, False)),
        ("mpe/spread_jaxmarl:mappo", "trust_region_tasks", ("mappo", "spread, JaxMARL", 2_000_000)),
        ("combat/corridor:hatrpo", "trust_region_tasks", ("hatrpo", "corridor", 10_000_000)),
        ("combat/3s5z_vs_3s6z:clip_happo", "trust_region_tasks", ("clip_happo", "3s5z_vs_3s6z", 10_000_000)),
    ],
)
def test_a_preset_is_what_its_experiment_trains(name, experiment, arguments):
    (algorithm,) = read(presets.path_of(name))["algorithms"]
    configured = scripts.load("experiments", experiment).configured(*arguments)
    assert to_json(algorithm) == to_json(configured)


def test_matrix_presets_are_the_cells_of_the_experiment():
    module = scripts.load("experiments", "matrix_games")
    setting = module.SCALES["medium"]
    for game, protocol, learner in (("A", "uniform", "cw_qmix"), ("D", "annealed", "qmix")):
        preset = Sweep(**read(presets.path_of(f"matrix_game/{game}:{learner}")))
        sweep = module.sweep_of(learner, module.Cell(protocol, (game,), (learner,)), setting)
        runs = [expand(one.env, one.algorithms, one.grid, 1)[0] for one in (preset, sweep)]
        assert to_json(runs[0].algorithm) == to_json(runs[1].algorithm)
        assert (preset.env_steps, preset.test_interval) == (sweep.env_steps, sweep.test_interval)


def test_flags_beside_a_preset_go_before(capsys):
    command = ["run", "--preset", "matrix_game/A:vdn", "--seeds", "3", "--env-steps", "2000", "--dry-run"]
    cli.main([*command, "--set", "learning_rate=1e-2,1e-3"])
    said = capsys.readouterr().out
    assert said.startswith("6 runs in 1 group(s)") and "learning_rate 0.01, 0.001" in said
    assert "2 evaluations of 1,000 steps" in said


def test_presets_are_listed_with_their_source(capsys):
    cli.main(["list", "presets"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NAMES) + len(releases.available())
    assert any(line.startswith("combat/3m:qmix ") and "reproduce combat" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--preset", "combat/3m:qmx"], "unknown preset 'combat/3m:qmx'; did you mean 'combat/3m:qmix'?"),
        (
            ["sweep.toml", "--preset", "combat/3m:qmix"],
            "--preset and a file exclude each other; copy the preset's file",
        ),
    ],
)
def test_a_preset_that_is_not_there_is_one_line_and_nothing_is_written(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", *arguments, "--out", "mine"])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"jaxvf: {line}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_a_text(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("source = 3\n")
    with pytest.raises(InputError, match="source is not a text"):
        read(file)
    assert "source" in tomllib.loads(presets.path_of("combat/3m:qmix").read_text())
