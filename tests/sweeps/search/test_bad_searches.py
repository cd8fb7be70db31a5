"""What a search refuses: one line that names the field, before anything is written."""

import pytest
from small_searches import RATES, searched
from tiny_sweeps import refuse, tiny

from jaxvf import Halving, InputError, LogUniform, Optuna, Population, cli
from jaxvf.sweeps import work

STATIC = {"batch_size": [4, 8], "learning_rate": [0.1, 0.2]}


@pytest.mark.parametrize(
    "made, named",
    [
        (lambda: Halving(factor=1), "factor=1"),
        (lambda: Halving(factor=2.5), "factor=2.5"),
        (lambda: Halving(budget=0), "budget=0"),
        (lambda: Population(fraction=0), "fraction=0"),
        (lambda: Population(fraction=0.6), "fraction=0.6"),
        (lambda: Population(fraction=float("nan")), "fraction=nan"),
        (lambda: Population(every=0), "every=0"),
        (lambda: Population(resample=1.5), "resample=1.5"),
        (lambda: Optuna(trials=0), "trials=0"),
        (lambda: Optuna(generations=True), "generations=True"),
        (lambda: Optuna(sampler="tpee"), "did you mean 'tpe'"),
    ],
)
def test_settings_out_of_range(made, named):
    with pytest.raises(InputError) as caught:
        made()
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "method, described, named",
    [
        (Halving(), {"grid": STATIC}, "batch_size"),
        (Population(), {"grid": STATIC}, "batch_size"),
        (Halving(), {"env": ["matrix_game/A", "two_step_game"]}, "one environment"),
        (Halving(), {"rates": (0.1,), "seeds": 4}, "one configuration"),
        (Halving(), {"env_steps": 20}, "evaluations"),
        (Halving(metric="test_retrun"), {}, "did you mean 'test_return'"),
        (Population(metric="los"), {}, "did you mean 'loss'"),
        (Population(every=6), {}, "every=6"),
        (Population(), {"rates": (0.1,)}, "no traced field"),
        (Population(), {"grid": {"env.payoff": [[[1, 2, 3]] * 3, [[3, 2, 1]] * 3]}}, "no traced field"),
        (Optuna(), {}, "no range"),
        (Optuna(), {"grid": {"learning_rate": LogUniform(1e-3, 1, 5)}}, "leave out the number"),
        (Optuna(metric="nothing"), {"grid": {"learning_rate": LogUniform(1e-3, 1)}}, "unknown metric 'nothing'"),
        (Halving(), {"grid": {"learning_rate": LogUniform(1e-3, 1)}}, "does not say how many"),
        ("halving", {}, "search='halving'"),
    ],
)
def test_sweeps_that_cannot_be_searched(tmp_path, method, described, named):
    refuse(lambda out: searched(method, out, **described), tmp_path / "out", named)
    assert not (tmp_path / "out").exists()


def test_more_runs_than_memory_holds_at_once(tmp_path, monkeypatch):
    """Sixteen runs where ten fit: a sweep would take them in chunks, a search cannot."""
    monkeypatch.setattr("jaxvf.sweeps.plan.predict_bytes", lambda *_: 2**30)
    monkeypatch.setattr("jaxvf.sweeps.devices.memory_budget", lambda: 10 * 2**30)
    refuse(
        lambda out: searched(Halving(), out, env="matrix_game/G", test_episodes=3),
        tmp_path / "out",
        "its 16 runs in one program, of about 1 GiB each, and memory holds 10; take fewer values or seeds",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options, described, named",
    [
        ({"within": 0}, {}, "within=0"),
        ({"within": -1.0}, {}, "within=-1"),
        ({"within": float("nan")}, {}, "within=nan"),
        ({"within": 1, "until_width": 0}, {}, "until_width=0"),
        ({"until_width": 0.1}, {}, "until_width"),
        ({"within": 1, "log": "wandb:mode=offline"}, {}, "within"),
        ({"within": 1}, {"seeds": [1, 2]}, "seeds as a count"),
        ({"within": 1}, {"seeds": 0}, "seeds=0"),
        ({"within": 1}, {"seeds": 1, "grid": {"seed": [1, 2]}}, "seeds as a count"),
    ],
)
def test_rounds_that_cannot_be(tmp_path, options, described, named):
    refuse(lambda out: tiny(**described).run(out, progress="none", **options), tmp_path / "out", named)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--search", "halfing"], "did you mean 'halving'"),
        (["--search", "halving(factr=2)"], "did you mean 'factor'"),
        (["--search", "halving(2)"], "say what its numbers are"),
        (["--search", "halving(factor=1)"], "factor=1"),
        (["--search", "halving(factor=os)"], "not a method"),
        (["--search", "("], "not a method"),
        (["--search", "halving", "--within", "1m"], "--within and --search"),
        (["--within", "10x"], "--within '10x'"),
        (["--within", "0"], "within=0"),
        (["--within", "infh"], "within=inf"),
        (["--until-width", "0.1"], "until_width"),
    ],
)
def test_the_command_line_exits_with_2(tmp_path, capsys, flags, named):
    sweep = ["--env", "matrix_game/A", "--algorithm", "vdn", "--set", "learning_rate=0.1,0.2"]
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", *sweep, "--out", str(tmp_path / "out"), *flags])
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert named in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_search_needs_a_directory(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", "--env", "matrix_game/A", "--algorithm", "vdn", "--search", "halving"])
    assert stopped.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_another_search_is_not_written_into_a_directory_nor_shared(tmp_path, compiled_once):
    out = tmp_path / "search"
    searched(Population(every=5), out)
    refuse(lambda out: searched(Population(every=4), out), out, "every is 5 there, 4 here")
    refuse(lambda out: searched(Halving(), out), out, "another configuration")
    refuse(lambda out: searched(Population(every=5), out, rates=RATES[:4]), out, "another configuration")
    refuse(lambda out: tiny().run(out, progress="none"), out, "another configuration")
    refuse(lambda out: tiny().run_or_resume(out, progress="none"), out, "another configuration")
    refuse(work, out, "holds a search")
