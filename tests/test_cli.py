"""The command line: what is wrong is one line and exit code 2, what is asked for as JSON is JSON, help is light."""

import errno
import json
import os
import shlex
from pathlib import Path

import jax
import pytest
from shared_programs import remember
from strict_json import strict_json

from jaxvf import cli
from jaxvf.results import store
from jaxvf.results.store import RunDirectory

pytestmark = pytest.mark.usefixtures("compiled_once")
RUN = ["run", "--env", "matrix_game/A", "--algorithm", "vdn"]
TINY = [
    *RUN, "--seeds", "2", "--env-steps", "20", "--test-interval", "10", "--test-episodes", "1", "--set",
    "agent=tabular", "num_envs=2", "buffer_size=16", "batch_size=4", "last_action=False", "agent_id=False",
]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Whatever is written by mistake is then found in `tmp_path`."""
    monkeypatch.chdir(tmp_path)


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def refused(capsys, arguments) -> str:
    """The only line on standard error of a command that exits with 2 and prints nothing else."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("jaxvf: ")
    return err.removeprefix("jaxvf: ").rstrip("\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, programs):
    """A finished sweep of two runs. Not to be written to, but for figures."""
    out = tmp_path_factory.mktemp("cli") / "sweep"
    with pytest.MonkeyPatch.context() as patch:
        remember(patch, programs)
        cli.main([*TINY, "--out", str(out)])
    return out


def test_a_directory_keeps_the_command_that_began_it(finished):
    assert RunDirectory(finished).read_json()["command"] == shlex.join(["jaxvf", *TINY, "--out", str(finished)])


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--env", "predatorprey", "--algorithm", "vdn"], "unknown environment 'predatorprey'; did you mean "
                                                          "'predator_prey'?"),
        (["--env", "matrix_game/A", "--algorithm", "qmx"], "unknown algorithm 'qmx'; did you mean 'qmix'?"),
        ([*RUN[1:], "--set", "learning_rat=1"], "unknown field of QLearning 'learning_rat'; did you mean "
                                                "'learning_rate'?"),
        ([*RUN[1:], "--set", "mixer=qmx"], "unknown mixer 'qmx'; did you mean 'qmix'?"),
        ([*RUN[1:], "--set", "env.payof=1"], "unknown field of matrix_game 'payof'; did you mean 'payoff'?"),
        ([*RUN[1:], "--set", "env.payoff=[[1,2],[3,4]]"], "env.payoff has shape (2, 2); matrix_game takes (3, 3)"),
        ([*RUN[1:], "--set", "env.payoff=[[1,2,3],[4,5,6]]"], "env.payoff has shape (2, 3); matrix_game takes (3, 3)"),
        ([*RUN[1:], "--set", "env.payoff=[[1,2],[3]]"], "env.payoff=[[1, 2], [3]] is not a number, nor a rectangular "
                                                        "table of them"),
        ([*RUN[1:], "--set", "learning_rate=-1"], "learning_rate=-1 is below its smallest valid value 0"),
        ([*RUN[1:], "--set", "discount=0.5,2"], "discount=2 is above its largest valid value 1"),
        ([*RUN[1:], "--set", "learning_rate=fast"], "learning_rate='fast' is not a number"),
        ([*RUN[1:], "--set", "learning_rate"], "--set 'learning_rate' is not FIELD=VALUE[,VALUE...]"),
        ([*RUN[1:], "--set", "learning_rate="], "--set 'learning_rate=' is not FIELD=VALUE[,VALUE...]"),
        ([*RUN[1:], "--set", "discount=1", "discount=0"], "--set discount is given twice; write discount=VALUE,VALUE"),
        ([*RUN[1:], "--seeds", "-3"], "seeds=-3 must be at least 1"),
        ([*RUN[1:], "--seeds", "0"], "seeds=0 must be at least 1"),
        ([*RUN[1:], "--seeds=-1,3"], "seeds=[-1, 3] must lie between 0 and 2147483647"),
        ([*RUN[1:], "--seeds", "1,1"], "seeds: 1 and 1 are the same seed; their runs would be counted "
                                            "twice"),
        ([*RUN[1:], "--seeds", "many"], "seeds='many' is neither a count (32) nor a list (3,7,11)"),
        ([*RUN[1:], "--env-steps", "0"], "env_steps=0 must be at least 1"),
        ([*RUN[1:], "--env-steps", "-1e3"], "env_steps=-1000 must be at least 1"),
        ([*RUN[1:], "--env-steps", "10.5"], "env_steps=10.5 is not a whole number"),
        ([*RUN[1:], "--env-steps", "inf"], "env_steps=inf is not a whole number"),
        ([*RUN[1:], "--test-interval", "0"], "test_interval=0 must be at least 1"),
        ([*RUN[1:], "--test-episodes", "0"], "test_episodes=0 must be at least 1"),
        ([*RUN[1:], "--root-seed", "-1"], "root_seed=-1 must be at least 0"),
        ([*RUN[1:], "--chunk", "0"], "chunk=0 must be at least 1"),
        ([*RUN[1:], "--set", "buffer_size=33"], "buffer_size=33 is not a multiple of num_envs=8; the nearest valid "
                                                "one is 32"),
        ([*RUN[1:], "--set", "batch_size=6000"], "batch_size=6000 exceeds buffer_size=5000"),
    ],
)  # fmt: skip
def test_bad_input_of_a_run_is_one_line_and_nothing_is_written(capsys, tmp_path, arguments, line):
    assert refused(capsys, ["run", *arguments, "--out", "sweep"]) == line
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["resume", "nowhere"], "nowhere is not a run directory: run.json is missing"),
        (["plot", "nowhere"], "nowhere is not a run directory: run.json is missing"),
        (["reproduce", "matrix_gams"], "unknown experiment 'matrix_gams'; did you mean 'matrix_games'?"),
        (["reproduce", "../setup"], "unknown experiment '../setup'; "),
        (["reproduce", "matrix_games", "--seeds", "0"], "seeds=0 must be at least 1"),
        (["reproduce", "box_pushing", "--env-steps", "0.5"], "env_steps=0.5 is not a whole number from 1 on"),
        (["reproduce", "expressiveness", "--env-steps", "10"], "this experiment has no env_steps to set"),
    ],
)
def test_bad_input_of_the_other_commands(capsys, tmp_path, arguments, line):
    assert refused(capsys, arguments).startswith(line)
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        [*RUN, "--env-steps", "many"],
        [*RUN, "--sets", "a=1"],
        ["lst"],
        ["list", "envz"],
        [*RUN, "--log", "wandb:mode=onlin"],
    ],
)
def test_a_wrong_option_exits_with_two(capsys, tmp_path, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert err
    assert out == ""
    assert files(tmp_path) == {}


MANY = [word for word in TINY if not word.startswith("buffer_size")] + [
    "buffer_size=" + ",".join(str(2 * size) for size in range(8, 25))
]


@pytest.fixture
def memory_is_known(monkeypatch):
    """Of every program's run, so that none is traced for it."""
    monkeypatch.setattr("jaxvf.sweeps.plan.predict_bytes", lambda *_: 1000)


@pytest.mark.usefixtures("memory_is_known")
def test_many_programs_are_asked_for(capsys, tmp_path):
    assert refused(capsys, [*MANY, "--out", "sweep"]) == (
        "the sweep varies static fields and needs 17 programs (more than 16); "
        "sweep traced fields instead, or agree with yes=True (--yes)"
    )
    assert files(tmp_path) == {}


def test_a_directory_of_another_configuration_is_left_alone(capsys, finished):
    before = files(finished)
    line = refused(capsys, [*TINY, "--root-seed", "1", "--out", str(finished)])
    assert line == (
        f"out: {finished} holds another configuration (fields.root_seed is 0 there, 1 here); name another directory"
    )
    line = refused(capsys, [*TINY, "--out", str(finished)])
    assert line == f"out: {finished} holds this sweep, finished; use `jaxvf resume {finished}` to see its results"
    assert files(finished) == before


def test_a_directory_of_something_else_is_left_alone(capsys, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    assert refused(capsys, [*TINY, "--out", "thesis"]) == (
        "out: thesis is not empty and holds no sweep; name a new directory"
    )
    line = refused(capsys, [*TINY, "--out", "thesis/chapter.tex"])
    assert line == "out: thesis/chapter.tex is a file; name a directory"
    assert files(tmp_path) == {"thesis/chapter.tex": b"mine"}


@pytest.mark.parametrize("command", ["resume", "plot"])
@pytest.mark.parametrize("name", ["metrics/*-s000002.parquet", "run.json"])
def test_a_truncated_file_is_named_and_nothing_is_lost(capsys, finished, command, name):
    (path,) = finished.glob(name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    before = files(finished)
    try:
        assert str(path) in refused(capsys, [command, str(finished)])
        assert files(finished) == before
    finally:
        path.write_bytes(whole)


def test_a_full_disk_ends_with_one_line(capsys, monkeypatch, tmp_path):
    replace = os.replace

    def full(source, target):
        if str(target).endswith(".npz"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(store.os, "replace", full)
    with pytest.raises(SystemExit) as caught:
        cli.main([*TINY, "--out", "sweep"])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("jaxvf: no space to write sweep/policies/g000-c000-")
    monkeypatch.setattr(store.os, "replace", replace)
    cli.main(["resume", "sweep"])
    assert RunDirectory("sweep").read_json()["status"] == "finished"


# --- what is printed -------------------------------------------------------------------------------------------


def test_a_dry_run_prints_the_plan_and_compiles_nothing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_, **__: pytest.fail("a dry run compiled"))
    cli.main([*TINY, "learning_rate=0.1,0.2", "--out", "sweep", "--dry-run"])
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "4 runs in 1 group(s), one program each"
    assert "vdn on matrix_game/A, 4 runs, 1 chunk(s) of 4 (default), replay of episodes of 1 step" in out
    assert "2 evaluations of 10 steps" in out
    assert err == ""
    cli.main([*TINY, "--dry-run", "--json"])
    (group,) = json.loads(capsys.readouterr().out)
    assert (group["runs"], group["chunks"], group["segments"]) == (2, 1, 2)
    assert files(tmp_path) == {}


@pytest.mark.usefixtures("memory_is_known")
def test_a_dry_run_of_many_programs_needs_no_agreement(capsys):
    cli.main([*MANY, "--dry-run"])
    assert capsys.readouterr().out.splitlines()[0] == "34 runs in 17 group(s), one program each"


@pytest.mark.parametrize("rates", ["0.1", "0.1,3e38"])
def test_the_summary_as_json_is_all_of_standard_output(capsys, rates):
    """A diverged run has no number to report: null, as NaN is no JSON."""
    cli.main([*TINY, f"learning_rate={rates}", "--json"])
    out, err = capsys.readouterr()
    rows = strict_json(out)
    assert [row["diverged"] for row in rows] == [0, 2][: len(rows)]
    assert rows[0]["runs"] == 2
    assert len(rows[0]["test_return"]) == 3
    assert rows[-1]["test_return"][0] == (None if len(rows) == 2 else rows[0]["test_return"][0])
    assert "2 evaluations of 10 steps" in err


def test_the_summary_for_people(capsys, finished):
    cli.main(["resume", str(finished)])
    out, err = capsys.readouterr()
    assert out.startswith("fraction_optimal ")
    assert "  test_return " in out
    assert "algorithm=vdn" in out
    figure = finished / "figures" / "fraction_optimal.png"
    assert err.strip() == str(figure)
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_plot_draws_the_metric_that_was_asked_for(capsys, finished):
    cli.main(["plot", str(finished), "--metric", "loss"])
    assert capsys.readouterr().out.strip() == str(finished / "figures" / "loss.png")
    assert (finished / "figures" / "loss.png").stat().st_size > 1000
    assert refused(capsys, ["plot", str(finished), "--metric", "los"]) == "unknown metric 'los'; did you mean 'loss'?"
