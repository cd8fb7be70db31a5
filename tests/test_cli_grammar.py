"""The grammar of sweeps on the command line: files, described values, the plan and its measured estimate."""

import json

import pytest
from test_cli import RUN, TINY, elsewhere, files, refused  # noqa: F401  # a fixture

from jaxvf import cli
from jaxvf.results.store import RunDirectory
from jaxvf.sweeps import estimate, log

FILE = """
env = "matrix_game/A"
seeds = 2
env_steps = 20
test_interval = 10
test_episodes = 1
out = "sweep"

[[algorithms]]
name = "vdn"
agent = "tabular"
num_envs = 2
buffer_size = 16
batch_size = 4
last_action = false
agent_id = false

[grid]
learning_rate = "log_uniform(0.01, 0.1, 2)"
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "sweep.toml").write_text(FILE)
    return "sweep.toml"


def test_a_sweep_of_a_file_is_exported_and_runs_again(capsys, tmp_path, file):
    cli.main(["run", file])
    first = RunDirectory("sweep").read_runs()
    assert len({run["learning_rate"] for run in first}) == 2
    capsys.readouterr()
    cli.main(["export", "sweep"])
    out, err = capsys.readouterr()
    assert err == ""
    (tmp_path / "again.toml").write_text(out)
    cli.main(["run", "again.toml", "--out", "again"])
    assert RunDirectory("again").read_runs() == first
    assert RunDirectory("again").read_json()["config"]["fields"]["grid"] == RunDirectory("sweep").read_json()[
        "config"]["fields"]["grid"]  # fmt: skip
    metrics = [RunDirectory(name).read_metrics() for name in ("sweep", "again")]
    assert all((metrics[0][column] == metrics[1][column]).all() for column in ("run", "metric"))


def planned(capsys, arguments):
    cli.main([*arguments, "--dry-run", "--json"])
    return json.loads(capsys.readouterr().out)


def test_flags_go_before_the_file(capsys, tmp_path, file):
    (group,) = planned(capsys, ["run", file])
    assert (group["runs"], group["algorithm"]["fields"]["batch_size"]) == (4, 4)
    (group,) = planned(capsys, ["run", file, "--seeds", "3", "--set", "learning_rate=0.5", "batch_size=8",
                                "--chunk", "2", "--env-steps", "50"])  # fmt: skip
    assert (group["runs"], group["chunk"], group["segments"]) == (3, 2, 5)
    assert group["algorithm"]["fields"]["learning_rate"] == 0.5
    assert group["algorithm"]["fields"]["batch_size"] == 8
    assert files(tmp_path).keys() == {file}


def test_a_flag_that_is_repeated_adds_to_what_it_said(capsys):
    once = [*RUN, "--env", "matrix_game/B", "--set", "batch_size=4", "--set", "learning_rate=0.5", "discount=0.5"]
    (group,) = planned(capsys, once)
    fields = group["algorithm"]["fields"]
    assert (group["runs"], fields["batch_size"], fields["learning_rate"], fields["discount"]) == (2, 4, 0.5, 0.5)
    assert "discount is given twice" in refused(capsys, [*once, "--set", "discount=1"])


def test_described_values_are_planned(capsys):
    cli.main([*TINY, "learning_rate=log(1e-3,1e-1,3)", "discount=0.5,lin(0.7,0.9,3)", "--dry-run"])
    head, swept, _ = capsys.readouterr().out.splitlines()
    assert head == "24 runs in 1 group(s), one program each"
    assert swept == "  sweep: seed 0, 1; learning_rate 0.001, 0.01, 0.1; discount 0.5, 0.7, 0.8, 0.9"
    assert log(1e-3, 1e-1, 3) == [1e-3, 1e-2, 1e-1]
    cli.main([*TINY, "learning_rate,discount=sobol(log_uniform(1e-4,1e-2),uniform(0.5,1),8)", "--dry-run"])
    assert capsys.readouterr().out.startswith("16 runs in 1 group(s)")


def test_a_measured_dry_run_times_every_group_and_writes_nothing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(estimate.pilot, "TIMED_SECONDS", 0.05)
    arguments = [*TINY, "--out", "sweep", "--no-cache", "--dry-run", "--measure"]
    cli.main(arguments)
    *_, group, total = capsys.readouterr().out.splitlines()
    assert group.startswith("  group 0: compiled in ")
    assert " steps a second, " in group
    assert total.startswith("about ")
    assert total.endswith(" in all, on this device")
    cli.main([*arguments, "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["runs"] == 2
    assert row["run_seconds"] == pytest.approx(2 * row["segment_seconds"])
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--algorithm", "vdn"], "--env is missing; give --env NAME, a file (jaxvf run sweep.toml), or --preset"),
        (["--env", "matrix_game/A"], "--algorithm is missing; give --algorithm NAME, a file (jaxvf run "
                                     "sweep.toml), or --preset"),
        (["none.toml"], "cannot read none.toml: No such file or directory"),
        (["."], "cannot read .: Is a directory"),
        ([*RUN[1:], "--measure"], "--measure belongs to --dry-run; a sweep that runs shows how long it still takes"),
        ([*RUN[1:], "--seeds", "2", "--seeds=3"], "--seeds is given 2 times; give it once"),
        ([*RUN[1:], "--env-steps", "9", "--env_steps", "9"], "--env-steps is given 2 times; give it once"),
        ([*RUN[1:], "--algorithm", "vdn", "vdn"], "algorithm names 'vdn' twice; their runs would be equal"),
        ([*RUN[1:], "--seeds", "3000000000"], "seeds=3000000000 must be at most 10,000,000"),
        ([*RUN[1:], "--set", "learning_rate=1e-3,0.001"], "sweep over learning_rate: 0.001 and 0.001 are the same "
                                                          "value; their runs would be counted twice"),
        ([*RUN[1:], "--set", "seed=1,1"], "sweep over seed: 1 and 1 are the same value; their runs would be counted "
                                          "twice"),
        ([*RUN[1:], "--set", "learning_rate=10^400"], "learning_rate='10^400' is not a number"),
        ([*RUN[1:], "--set", "learning_rate=log(1e-2,1e-4,8)"], "learning_rate=log(1e-2,1e-4,8): low=0.01 is not "
                                                                "below high=0.0001"),
        ([*RUN[1:], "--set", "learning_rate=log_uniform(0,1,8)"], "learning_rate=log_uniform(0,1,8): low=0 is not "
                                                                  "above 0, and has no logarithm"),
        ([*RUN[1:], "--set", "learning_rate=log(1e-4,1e-2)"], "learning_rate=log(1e-4,1e-2): write log(low,high,n)"),
        ([*RUN[1:], "--set", "learning_rate=logg(1e-4,1e-2,3)"], "learning_rate=logg(1e-4,1e-2,3): unknown function "
                                                                 "'logg'; did you mean 'log'?"),
        ([*RUN[1:], "--set", "batch_size=uniform(8,64,3)"], "sweep over batch_size: a static field compiles a program "
                                                            "a value; list the values"),
        ([*RUN[1:], "--set", "seed=uniform(0,9,3)"], "sweep over seed: seeds are not drawn; say how many there are, or "
                                                     "list them"),
        ([*RUN[1:], "--set", "discount=uniform(0,1)"], "sweep over discount: Uniform(low=0, high=1, n=None) does not "
                                                       "say how many values (n)"),
        ([*RUN[1:], "--set", "discount=uniform(0,2,9)"], "discount="),
        ([*RUN[1:], "--set", "discount,td_lambda=zip([1],[0,1])"], "discount,td_lambda=zip([1],[0,1]): zip: takes two "
                                                                   "or more columns of one length, not of [1, 2]"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_one_line_and_nothing_is_written(capsys, tmp_path, arguments, line):
    assert refused(capsys, ["run", *arguments, "--out", "sweep"]).startswith(line)
    assert files(tmp_path) == {}


def test_a_directory_without_a_sweep_is_not_exported(capsys):
    assert refused(capsys, ["export", "nowhere"]) == "nowhere is not a run directory: run.json is missing"
