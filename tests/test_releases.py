"""Releases: their settings reach the learner, every number says where it is from, and the page shows what differs."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from jaxvf import cli, releases, scripts
from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.errors import InputError
from jaxvf.hyperparameters import field_at
from jaxvf.serialize import to_json
from jaxvf.sweeps.space import expand
from jaxvf.sweeps.sweep_file import read

ROOT = Path(__file__).parents[1]
FILES = sorted(releases.DIRECTORY.glob("*.toml"))
SETTING = re.compile(r"^[\w.]+ = ")


def settings_lines(path):
    """The lines of a file that set a field; what stands under [unlike] are sentences."""
    above = path.read_text().partition("[unlike]")[0].splitlines()
    return [line for line in above if SETTING.match(line) and not line.startswith("source")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_release_reaches_the_learner_on_the_environment_that_it_names(path):
    """Every setting is in the field that it names, and learner and environment agree."""
    words = shlex.split(path.read_text().splitlines()[0].removeprefix("# "))
    env, shown = words[words.index("--env") + 1], words[words.index("--algorithm") + 1]
    names = [name for name in releases.available() if name.endswith(f"@{path.stem}")]
    assert words[:2] == ["jaxvf", "run"] and shown in names
    for run, name in zip(expand(env, names, {}, 1), names, strict=True):
        assert run.labels["algorithm"] == name
        for field, value in releases.settings(path.stem, name.partition("@")[0]).items():
            declared, made = field_at(run.algorithm, field)
            registry = declared.metadata.get("registry")
            assert type(made) is type(registry[value]()) if registry else made == value, (name, field)


# What a battle, which rewards the team alone and has discrete actions, does not allow of a release.
NOT_IN_BATTLES = {
    "iql@jaxmarl": ("reward", "team"),
    "ippo@jaxmarl": ("reward", "team"),
    "mappo@jaxmarl": ("reward", "team"),
    "ippo@jaxmarl_ff": ("reward", "team"),
    "clip_happo@low_variance": ("entropy_reduction", "mean"),
}


def test_a_release_goes_with_any_environment_or_says_which_setting_does_not():
    for name in releases.available():
        if name in NOT_IN_BATTLES:
            field, value = NOT_IN_BATTLES[name]
            with pytest.raises(InputError, match=f"{field}=.*use {field}='{value}'"):
                expand("combat/3m", name, {}, 1)
            expand("combat/3m", name, {field: [value]}, 1)
        else:
            expand("combat/3m", name, {}, 1)


def test_jaxmarl_s_mappo_is_the_recipe_of_the_experiment_but_for_its_size():
    """spread_gap runs the recipe of 2023: 128 environments, 2 million steps; the release is that of today."""
    recipe = scripts.load("experiments", "spread_gap").configured("jaxmarl", "recurrent", 2_000_000)
    there, here = (to_json(one)["fields"] for one in (recipe, make("mappo@jaxmarl")))
    sizes = {"num_envs", "learning_rate", "critic_learning_rate", "learning_rate_anneal"}
    assert {field for field in there if there[field] != here[field]} == sizes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_beside_every_setting_stands_where_it_is_from(path):
    lines = settings_lines(path)
    assert lines and all(re.search(r"  # \w.{4,}", line) for line in lines)
    assert not [line for line in lines if len(line) > 132]
    release = releases.releases()[path.stem]
    for cited in (r"arXiv \d{4}\.\d{5}", r"github\.com/\S+ at [0-9a-f]{7}"):
        assert re.search(cited, release.source)


# Numbers as they stand in the released files, written down a second time.
RELEASED = {
    "qmix@pymarl": {"optimizer": "rmsprop", "learning_rate": 5e-4, "batch_size": 32, "num_envs": 1, "td_lambda": 0,
                    "updates_per_episode": 1, "loss_factor": 1, "epsilon_anneal": 50_000, "mixer.embed": 32},
    "qmix@pymarl2": {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 128, "num_envs": 8, "td_lambda": 0.6,
                     "updates_per_episode": 1 / 8, "loss_factor": 0.5, "epsilon_anneal": 100_000, "buffer_size": 5000},
    "iql@epymarl": {"learning_rate": 3e-4, "agent.hidden": 128, "epsilon_anneal": 200_000, "standardize": "rewards"},
    "qmix@epymarl": {"optimizer": "adam", "learning_rate": 5e-4, "standardize": "rewards", "last_action": False},
    "iql@pymarl2": {"learning_rate": 5e-4, "batch_size": 32, "td_lambda": 0, "loss_factor": 0.5},
    "qtran@pymarl2": {"learning_rate": 5e-4, "batch_size": 128, "td_lambda": 0, "loss_factor": 1},
    "qplex@pymarl2": {"mixer.num_kernel": 4, "mixer.adv_hypernet_layers": 2, "loss_factor": 0.5},
    "cw_qmix@pymarl2": {"central_coefficient": 0.5, "total_coefficient": 1, "loss_factor": 1, "td_lambda": 0.6},
    "ow_qmix@wqmix": {"central_coefficient": 1, "total_coefficient": 1, "alpha": 0.1, "td_lambda": 0,
                      "optimizer": "rmsprop", "learning_rate": 5e-4, "epsilon_anneal": 50_000},
    "qplex@qplex_matrix": {"mixer.num_kernel": 10, "mixer.adv_hypernet_layers": 3, "epsilon_end": 1},
    "qplex_qatten@qplex_starcraft": {"updates_per_episode": 2, "target_update_interval": 100, "learning_starts": 100},
    "q_plus_fix_sum@qfix": {"mixer.adv_stop_grad": False, "loss_factor": 0.5, "learning_rate": 1e-3},
    "qfix_mono@qfix": {"mixer.monotone.hypernet_layers": 1, "mixer.additive": False},
    "s2q@s2q": {"successors": 2, "temperature": 0.1, "alpha": 0.9, "agent_id": False, "loss_factor": 1},
    "pqn_vdn@purejaxql": {"learning_rate": 2.5e-4, "td_lambda": 0.85, "reward_scale": 10, "minibatches": 16},
    "happo@harl": {"entropy_weight": 0.01, "clip": 0.2, "actor_epochs": 5, "truncation": "zero", "num_envs": 20},
    "hatrpo@harl": {"kl_radius": 0.01, "backtrack": 0.8, "kl": "unweighted_k3", "entropy_weight": 0},
    "mappo@harl": {"entropy_weight": 0.01, "parameters": "shared", "normalization": "joint", "agent_id": False},
    "clip_happo@low_variance": {"weight_high": 1, "entropy_weight": 0.01, "entropy_reduction": "sum_over_batch"},
    "clip_hatrpo@low_variance": {"weight_high": 1, "kl_radius": 0.005, "truncation": "zero"},
    "mappo@jaxmarl": {"num_envs": 16, "minibatches": 4, "clip": 0.2, "max_grad_norm": 0.5, "value_norm": False,
                      "value_loss": "squared", "value_weight": 0.5, "normalization": "minibatch", "reward": "agents",
                      "minibatch_agents": "apart", "actor.head_gain": 2, "critic.gru_init": "flax"},
    "ippo@jaxmarl": {"num_envs": 16, "minibatches": 2, "clip": 0.3, "parameters": "shared", "reward": "agents"},
    "ippo@jaxmarl_ff": {"actor.hidden": 64, "actor.activation": "tanh", "minibatches": 4, "clip": 0.2},
    "ippo@jaxmarl_smax": {"num_envs": 128, "clip": 0.05, "max_grad_norm": 0.25, "entropy_weight": 0.01},
    "mappo@jaxmarl_smax": {"num_envs": 128, "clip": 0.2, "max_grad_norm": 0.25, "entropy_weight": 0},
    "qmix@jaxmarl": {"optimizer": "radam", "learning_rate": 5e-3, "discount": 0.9, "mixer.hypernet_embed": 128,
                     "updates_per_episode": 1 / 8, "target_update_interval": 1600, "max_grad_norm": 25},
    "qmix@jaxmarl_smax": {"learning_rate": 5e-5, "agent.hidden": 512, "mixer.embed": 64, "mixer.hypernet_embed": 256,
                          "updates_per_episode": 0.5, "target_update_interval": 160, "sequence_length": 128},
    "pqn_vdn@jaxmarl": {"discount": 0.9, "td_lambda": 0.3, "num_envs": 256, "rollout_length": 16},
}  # fmt: skip


@pytest.mark.parametrize("name", RELEASED)
def test_numbers_are_the_release_s(name):
    made = make(name)
    assert {field: field_at(made, field)[1] for field in RELEASED[name]} == RELEASED[name]


def test_the_page_is_what_the_files_say():
    """docs/release_tables.py writes it: run that when a file has changed."""
    script = runpy.run_path(str(ROOT / "docs" / "release_tables.py"))
    _, mark, below = script["PAGE"].read_text().partition(script["BELOW"])
    assert mark and below == script["tables"]()
    assert "| `standardize` | none | rewards | none | none | none | none |" in below  # jaxvf, epymarl, jaxmarl, ...
    for name, release in releases.releases().items():
        assert all(f"| `{name}` | {of} |" in below for of in release.unlike)


def test_a_name_with_a_release_stands_where_an_algorithm_s_name_does(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text('algorithms = ["vdn", "vdn@pymarl"]\n')
    assert read(file)["algorithms"] == ["vdn", "vdn@pymarl"]
    file.write_text('[[algorithms]]\nname = "qmix@pymarl2"\nbatch_size = 16\n')
    (changed,) = read(file)["algorithms"]
    assert (changed.batch_size, changed.td_lambda) == (16, 0.6)
    command = ["run", "--env", "matrix_game/A", "--dry-run"]
    cli.main([*command, "--algorithm", "vdn@pymarl2:batch_size=16", "old=vdn@pymarl"])
    said = capsys.readouterr().out
    assert "vdn@pymarl2 on matrix_game/A" in said and "old on matrix_game/A" in said and "batch_size=16" in said
    cli.main([*command, "--preset", "vdn@pymarl"])
    assert capsys.readouterr().out.startswith("1 runs in 1 group(s)")


def test_names_with_releases_are_listed_with_their_source(capsys):
    cli.main(["list", "presets"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("qmix@pymarl2 ") and "github.com/hijkzzz/pymarl2 at 8ccac7c" in line for line in lines)
    assert {name.partition("@")[0] for name in releases.available()} <= set(ALGORITHMS)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--algorithm", "qmix@pymarl3"], "unknown release 'pymarl3'; did you mean 'pymarl'?"),
        (["--algorithm", "nm_qmix@pymarl"], "unknown algorithm of pymarl 'nm_qmix'; did you mean 'qmix'?"),
        (["--algorithm", "mappo@wqmix"], "unknown algorithm of wqmix 'mappo'; valid: cw_qmix, ow_qmix"),
        (["--algorithm", "qmx@pymarl2"], "unknown algorithm 'qmx@pymarl2'; did you mean 'qmix@pymarl2'?"),
        (["--algorithm", "harl"], "unknown algorithm 'harl'; did you mean 'mappo@harl'?"),
        (["--algorithm", "qmix@"], "unknown release ''; valid: epymarl, "),
        (["--preset", "qmix@pymarl3"], "unknown release 'pymarl3'; did you mean 'pymarl'?"),
        (["--preset", "happo@hral"], "unknown release 'hral'; did you mean 'harl'?"),
        (["--preset", "wqmix"], "unknown preset 'wqmix'; did you mean 'ow_qmix@wqmix'?"),
        (["--algorithm", "hatrpo@low_variance"], "unknown algorithm of low_variance 'hatrpo'; did you mean"),
        (["--algorithm", "clip_happo@low_variance"], "entropy_reduction='sum_over_batch' is of continuous actions"),
    ],
)
def test_what_is_not_released_is_one_line_and_nothing_is_written(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "--env", "matrix_game/A", *arguments, "--out", "mine"])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"jaxvf: {line}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
