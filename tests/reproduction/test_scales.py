"""Scales of experiments: every experiment has all three, and says before it compiles how long it will take."""

import inspect
import io

import pytest

from jaxvf import cli, scripts
from jaxvf.errors import InputError
from jaxvf.reproduction import OWN, Scale, agree, caption, choose, facts_of, findings, percent, steps_text
from jaxvf.reproduction.captions import seeds_text, tally
from jaxvf.results import Interval

EXPERIMENTS = tuple(scripts.available("experiments"))
SCALES = {"small": Scale(minutes=2, seeds=4, env_steps=100), "medium": Scale(minutes=90, seeds=8, env_steps={"a": 5})}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_three_scales_that_grow(name):
    """Small is minutes; the others are no shorter, and none is cheaper than the one before it."""
    module = scripts.load("experiments", name)
    assert list(module.SCALES) == ["small", "medium", "paper"]
    minutes = [scale.minutes for scale in module.SCALES.values()]
    assert minutes == sorted(minutes) and minutes[0] <= 10
    options = inspect.signature(module.reproduce).parameters
    assert options["scale"].default == "small" and options["yes"].default is False
    assert {"out", "seeds", "env_steps"} <= options.keys()


def test_more_seeds_and_steps_take_longer():
    chosen = choose(SCALES, "small", seeds=8, env_steps=50)
    assert (chosen.name, chosen.seeds, chosen.env_steps, chosen.minutes) == ("small", 8, 50, 2.0)
    assert choose(SCALES, "medium", env_steps=10).minutes == 180
    two = {"medium": Scale(minutes=90, seeds=8, env_steps={"a": 5, "b": 10})}
    assert choose(two, "medium", env_steps=20).minutes == 180  # the longest decides
    assert choose(SCALES, "medium").steps_of("a") == 5 and choose(SCALES, "small").steps_of("a") == 100


def test_runs_are_called_after_a_scale_only_if_all_is_its_own():
    assert choose(SCALES, "small").label == choose(SCALES, "small", seeds=4, env_steps=100).label == "small"
    for given in ({"seeds": 8}, {"env_steps": 50}):
        chosen = choose(SCALES, "small", **given)
        assert (chosen.label, chosen.name) == (OWN, "small")


def test_a_scale_that_is_not_there_is_one_line():
    with pytest.raises(InputError, match="unknown scale 'smal'; did you mean 'small'"):
        choose(SCALES, "smal")
    with pytest.raises(InputError, match="no env_steps"):
        choose({"small": Scale(minutes=1, seeds=1)}, "small", env_steps=3)


def test_more_than_an_hour_is_asked_for(monkeypatch, capsys):
    """Without a terminal the line names --yes; on one, "y" goes on and anything else does not."""
    long = choose(SCALES, "medium")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(InputError, match=r"--scale medium takes about 1\.5 h; agree with --yes"):
        agree(long, yes=False)
    agree(long, yes=True)
    agree(choose(SCALES, "small"), yes=False)
    for answer, goes_on in (("y\n", True), ("\n", False), ("no\n", False)):
        terminal = io.StringIO(answer)
        terminal.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", terminal)
        if goes_on:
            agree(long, yes=False)
        else:
            with pytest.raises(InputError, match="--yes"):
                agree(long, yes=False)
    assert "about 1.5 h on two CPU cores" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--scale", "medum"], "unknown scale 'medum'; did you mean 'medium'?"),
        (["--scale", "paper", "--quick"], "--quick is --scale small; leave it out for --scale paper"),
        (["--scale", "paper"], "--scale paper takes about"),
    ],
)
def test_the_command_line_says_it_in_one_line_and_writes_nothing(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(SystemExit) as caught:
        cli.main(["reproduce", "trust_region_bounds", "--seeds", "400", *arguments])
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"jaxvf: {line}") and len(said) <= 2
    assert list(tmp_path.iterdir()) == []


def test_captions_say_scale_seeds_steps_behaviour_and_interval():
    text = caption(
        "QMIX fails.", scale="small", seeds=[64, 64], steps=steps_text([20_000, 50_000]), behaviour="uniform play",
        interval="95 % score interval",
    )  # fmt: skip
    assert text == (
        "QMIX fails. Scale small; 64 seeds of each; 20,000 or 50,000 environment steps a run; uniform play; 95 % score "
        "interval."
    )
    assert "1 seed of each" in caption("A.", scale="small", seeds=1, steps="", behaviour="", interval="")
    assert "Own setting" in caption("A.", scale=OWN, seeds=1, steps="", behaviour="", interval="")


def test_a_caption_says_who_has_fewer_seeds():
    assert seeds_text({"vdn": 256, "qmix": 256, "duelmix": 64}) == "64 seeds of duelmix, 256 of every other learner"
    assert seeds_text({"vdn": 64, "qmix": 64}) == seeds_text([64, 64]) == "64 seeds of each"
    rows = [{"learner": name, "runs": runs, "scale": "small"} for name, runs in (("vdn", 8), ("qmix", 4), ("iql", 8))]
    assert facts_of(rows, behaviour="", interval="")["seeds"] == {"vdn": 8, "qmix": 4, "iql": 8}


def test_findings_say_who_is_nearly_always_there_and_who_hardly_ever():
    always, never, half = Interval(0.9, 0.8, 1.0), Interval(0.1, 0.0, 0.2), Interval(0.5, 0.4, 0.6)
    assert findings({"A": {"vdn": never, "qmix": half, "resq": always}}) == (
        "Nine of ten seeds or more: resq. One of ten or fewer: vdn."
    )
    assert findings({"A": {"vdn": never, "qmix": never}, "D": {"qmix": half, "vdn": never}}) == (
        "One of ten or fewer: vdn and qmix (A), vdn (D)."
    )
    assert findings({"A": {"vdn": half}}) == ""
    games = {"A": {"vdn": never, "qmix": half, "resq": always, "iql": always}, "D": {"vdn": always, "resq": always}}
    assert tally(games) == "Nine of ten seeds or more: resq in 2 of 2, iql in 1 of 1, vdn in 1 of 2."
    assert tally({"A": {"vdn": never}}) == "Nine of ten seeds or more: nobody."


def test_percentages_never_round_to_all_or_none():
    assert [percent(share) for share in (0.0, 0.001, 0.484, 0.999, 1.0)] == ["0 %", "1 %", "48 %", "99 %", "100 %"]
