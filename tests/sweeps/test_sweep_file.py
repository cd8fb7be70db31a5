"""A sweep as a file: what TOML says is what is meant, a directory gives its own sweep back, and errors are one line."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from jaxvf import algorithms
from jaxvf.envs import ENVIRONMENTS, MatrixGame, PredatorPrey
from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.mixers import QmixMixer
from jaxvf.networks import TabularAgent
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import to_json
from jaxvf.sweeps import LogUniform, Sobol, Sweep, Uniform
from jaxvf.sweeps.export import export
from jaxvf.sweeps.sweep_file import read
from jaxvf.value import QLearning

FILE = """
env = ["matrix_game/A", {name = "predator_prey", grid_size = 6, n_prey = 2}]
seeds = 32
env_steps = 1e5
out = "runs/pp"
chunk = 64

[[algorithms]]
name = "vdn"

[[algorithms]]
name = "qmix"
batch_size = 64
agent.hidden = 16
mixer = {name = "qplex", transformation = "attention"}

[grid]
env.limit = [10, 20]
discount = 0.9
td_lambda = "lin(0, 1, 3)"
optimizer = ["adam", "rmsprop"]
learning_rate = "log_uniform(1e-4, 1e-2, 16)"
"epsilon_start,epsilon_end" = [[1.0, 0.1], [0.5, 0.5]]
"""


def written(tmp_path, text):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return path


def test_a_file_says_what_python_would(tmp_path):
    found = read(written(tmp_path, FILE))
    assert (found.pop("out"), found.pop("chunk")) == (Path("runs/pp"), 64)
    qplex = replace(replace(algorithms.make("qmix"), "mixer", "qplex"), "mixer.transformation", "attention")
    wanted = Sweep(
        env=["matrix_game/A", PredatorPrey(grid_size=6, n_prey=2)],
        algorithms=["vdn", replace(replace(qplex, "batch_size", 64), "agent.hidden", 16)],
        seeds=32,
        env_steps=1e5,
        grid={
            "env.limit": [10, 20],
            "discount": [0.9],
            "td_lambda": [0, 0.5, 1],
            "optimizer": ["adam", "rmsprop"],
            "learning_rate": LogUniform(1e-4, 1e-2, 16),
            "epsilon_start,epsilon_end": [[1.0, 0.1], [0.5, 0.5]],
        },
    )
    assert to_json(Sweep(**found).listed()) == to_json(wanted.listed())
    assert found["grid"]["learning_rate"] == wanted.grid["learning_rate"]


SWEEPS = {
    "names": Sweep(["matrix_game/A", "two_step_game"], ("vdn", "qmix"), seeds=4, env_steps=1e4),
    "drawn": Sweep(
        "predator_prey",
        "pow_qmix",
        grid={"learning_rate,env.penalty": Sobol([LogUniform(1e-4, 1e-2), Uniform(-5, 0)], 32)},
        root_seed=7,
    ),
    "configured": Sweep(
        PredatorPrey(grid_size=6),
        [QLearning(mixer=QmixMixer(embed=8), agent=TabularAgent(), learning_rate=3e-4), "iql"],
        seeds=[3, 5],
        test_interval=500,
    ),
    "game": Sweep(MatrixGame(np.arange(9.0).reshape(3, 3)), "vdn", grid={"env.payoff,seed": [(np.eye(3), 1)]}),
    "objects": Sweep("matrix_game/A", "vdn", grid={"mixer": [QmixMixer(embed=8), "qplex"], "agent_id": [True, False]}),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_directory_gives_its_sweep_back(tmp_path, name):
    config = to_json(SWEEPS[name].listed())
    RunDirectory(tmp_path / "sweep").create(config)
    text = export(tmp_path / "sweep")
    again = to_json(Sweep(**read(written(tmp_path, text))))
    for part in ("env", "algorithms"):  # one entry and a list of one are the same sweep
        config["fields"][part] = listed(config["fields"][part])
    assert json.dumps(again, sort_keys=True) == json.dumps(config, sort_keys=True)


def listed(entry):
    return list(entry) if isinstance(entry, list | tuple) else [entry]


def test_an_export_names_what_is_registered_and_says_what_differs(tmp_path):
    RunDirectory(tmp_path / "sweep").create(to_json(SWEEPS["configured"]))
    text = export(tmp_path / "sweep")
    assert '[[env]]\nname = "predator_prey"\ngrid_size = 6\n' in text
    assert '[[algorithms]]\nname = "qmix"\nagent = "tabular"\nlearning_rate = 0.0003\nmixer = {embed = 8}\n' in text
    assert '[[algorithms]]\nname = "iql"\n' in text


@pytest.mark.parametrize("names", [{"algorithms": list(algorithms.ALGORITHMS)}, {"env": list(ENVIRONMENTS)}])
def test_everything_registered_is_exported_by_name(tmp_path, names):
    ((key, registered),) = names.items()
    made = [{"env": ENVIRONMENTS, "algorithms": algorithms.ALGORITHMS}[key][name]() for name in registered]
    RunDirectory(tmp_path / "sweep").create(to_json(Sweep(**{"env": "two_step_game", "algorithms": "vdn", key: made})))
    found = read(written(tmp_path, export(tmp_path / "sweep")))[key]
    assert to_json([one if not isinstance(one, str) else registry_make(key, one) for one in found]) == to_json(made)


def registry_make(key, name):
    return {"env": ENVIRONMENTS, "algorithms": algorithms.ALGORITHMS}[key][name]()


def test_a_given_chunk_is_exported(tmp_path):
    directory = RunDirectory(tmp_path / "sweep")
    directory.create(to_json(SWEEPS["names"]))
    directory.update_json(plan=[{"chunk": 4, "chunk_reason": "given"}, {"chunk": 3, "chunk_reason": "given"}])
    assert read(written(tmp_path, export(directory.path)))["chunk"] == 4
    directory.update_json(plan=[{"chunk": 4, "chunk_reason": "default"}])
    assert "chunk" not in read(written(tmp_path, export(directory.path)))


def test_none_is_left_out_where_it_is_a_default_and_refused_where_it_is_not(tmp_path):
    directory = RunDirectory(tmp_path / "sweep")
    own = {
        "class": "mine:Env",
        "fields": {"size": 3, "map": None, "rule": {"class": "mine:Rule", "fields": {"x": None}}},
    }
    directory.create({"class": "jaxvf.sweeps.sweep:Sweep", "fields": {"env": [own], "algorithms": "vdn"}})
    assert tomllib.loads(export(directory.path))["env"] == [
        {"class": "mine:Env", "fields": {"size": 3, "rule": {"class": "mine:Rule", "fields": {}}}}
    ]
    config = to_json(SWEEPS["configured"])
    config["fields"]["algorithms"][0]["fields"]["learning_rate"] = None
    directory.update_json(config=config)
    with pytest.raises(InputError, match="learning_rate is None"):
        export(directory.path)


@pytest.mark.parametrize("text", ['a"b', "back\\slash", "ü😀", "tab\tand\x7f", "line\nbreak"])
def test_any_string_survives(tmp_path, text):
    RunDirectory(tmp_path / "sweep").create(to_json(Sweep(text, "vdn")))
    assert read(written(tmp_path, export(tmp_path / "sweep")))["env"] == [text]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("env = ", " is not TOML: Invalid value (at end of document)"),
        ("\x00", " is not TOML: "),
        ("algorithm = 'qmix'", "unknown key of PATH 'algorithm'; did you mean 'algorithms'?"),
        ("grad = 1", "unknown key of PATH 'grad'; did you mean 'grid'?"),
        ("grid = 3", "PATH: grid=3 is not a table of fields and their values"),
        ("chunk = '4'", "PATH: chunk='4' is not a whole number"),
        ("chunk = true", "PATH: chunk=True is not a whole number"),
        ("out = 3", "PATH: out=3 is not a path"),
        ("[[env]]\ngrid_size = 6", "PATH: env: {'grid_size': 6} has no name"),
        ("[[env]]\nname = 'predatorprey'", "PATH: unknown environment 'predatorprey'; did you mean 'predator_prey'?"),
        ("[[env]]\nname = 'predator_prey'\ngridsize = 6", "PATH: unknown field of predator_prey 'gridsize'; did you "
                                                          "mean 'grid_size'?"),
        ("[[env]]\nname = 'predator_prey'\npenalty = -3", "PATH: penalty is a number of predator_prey and no part of "
                                                          "it: give env.penalty in the grid"),
        ("[[algorithms]]\nname = 'qmx'", "PATH: unknown algorithm 'qmx'; did you mean 'qmix'?"),
        ("[[algorithms]]\nname = 3", "PATH: algorithm=3 is neither a registered name nor a learner"),
        ("[[algorithms]]\nname = 'qmix'\nmixr = 'vdn'", "PATH: unknown field of QLearning 'mixr'; did you mean "
                                                        "'mixer'?"),
        ("[[algorithms]]\nname = 'qmix'\nmixer.embd = 3", "PATH: unknown field of QmixMixer 'embd'; did you mean "
                                                          "'embed'?"),
        ("[[algorithms]]\nname = 'qmix'\nmixer = {name = 'qplx'}", "PATH: unknown mixer 'qplx'; did you mean "
                                                                   "'qplex'?"),
        ("[[algorithms]]\nname = 'qmix'\nnothing.is = 3", "PATH: None has no field 'is'"),
        ("[[algorithms]]\nname = 'qmix'\ndiscount = 2", "PATH: discount=2 is above its largest valid value 1"),
        ("[grid]\nlearning_rate = 'lag(1,2,3)'", "PATH: learning_rate=lag(1,2,3): unknown function 'lag'; did you "
                                                 "mean 'log'?"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line(tmp_path, text, line):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(line.replace("PATH", str(path)) if "PATH" in line else f"{path}{line}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*: No such file or directory"):
        read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"env = '\xff'")
    with pytest.raises(InputError, match="is not TOML: 'utf-8' codec"):
        read(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    "sections",
    [
        {"config": None},
        {"config": 3},
        {"config": {"class": "jaxvf.sweeps.sweep:Sweep", "fields": 3}},
        {"config": {"class": "jaxvf.sweeps.sweep:Sweep", "fields": {"env": [None], "algorithms": []}}},
        {"config": {"class": "os:system", "fields": {"command": "true"}}},
        {"plan": [3]},
        {"plan": "all"},
        {"versions": 3},
    ],
)
def test_a_damaged_directory_is_one_line(tmp_path, sections):
    directory = RunDirectory(tmp_path / "sweep")
    directory.create(to_json(SWEEPS["names"]))
    directory.update_json(**sections)
    with pytest.raises(InputError, match=r"run\.json describes no sweep that TOML can hold: "):
        export(directory.path)
