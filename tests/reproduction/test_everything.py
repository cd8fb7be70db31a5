"""`jaxvf reproduce all`: what is left, best first, within a time; with experiments that are made up here."""

import json
import time
import types

import pytest

from jaxvf import algorithms, cli, scripts
from jaxvf.envs import make
from jaxvf.errors import InputError, MissingPackageError
from jaxvf.reproduction import everything, ledger, prediction
from jaxvf.reproduction.everything import Part, minutes, ordered, parts, reproduce_all
from jaxvf.reproduction.ledger import CONFIRMED, UNDECIDED, Claim
from jaxvf.reproduction.parts import only_text, parse_only
from jaxvf.reproduction.plan import Planned, agree, planning, train
from jaxvf.reproduction.prediction import Prediction, nearest, of_sweeps, predict
from jaxvf.reproduction.scale import Scale, choose
from jaxvf.sweeps import Sweep

SCALES = {"small": Scale(minutes=0.05, seeds=1)}
WITHOUT_SWEEPS = (
    "advantage_variance", "expressiveness", "gradient_flow", "self_correction", "stable_points", "trust_region_bounds",
)  # fmt: skip


def experiment(action):
    """A module that asks as experiments do and then acts."""

    def reproduce(*, out, scale="small", yes=False, **only):
        agree(choose(SCALES, scale), yes=yes)
        action(out, **only)

    return types.SimpleNamespace(reproduce=reproduce, SCALES=SCALES)


@pytest.fixture
def made_up(monkeypatch):
    """Experiments by name, in place of those of the repository; returns the calls that were made."""
    calls = []

    def noted(name, act=lambda: None):
        def action(out, **only):
            calls.append((name, only))
            act()
            out.mkdir(parents=True)

        return experiment(action)

    def fails():
        raise InputError("no such map")

    def stopped_at_first():
        if len(calls) == 1:
            raise KeyboardInterrupt

    def lacks(*, out, scale="small", yes=False):
        raise MissingPackageError("brax/ant needs brax:\npip install '.[brax]'")

    modules = {"lacks": types.SimpleNamespace(reproduce=lacks, SCALES=SCALES)}
    modules |= {"short": noted("short"), "fails": noted("fails", fails), "long": noted("long", lambda: time.sleep(60))}
    modules["stopped"] = noted("stopped", stopped_at_first)
    monkeypatch.setattr(scripts, "load", lambda kind, name: modules[name])
    return calls


def claim(command, **only):
    return Claim("paper", "statement", "where", "who", command, because="not run", only=only)


def test_claims_that_need_the_same_are_one_part():
    """Two undecided claims of one map, a decided one of another; an experiment that no claim names comes along."""
    combat = "jaxvf reproduce combat --scale paper"
    claims = [claim(combat, maps=[name]) for name in ("MMM2", "MMM2", "2s3z")]
    found = parts(claims, [UNDECIDED, UNDECIDED, CONFIRMED], ["combat", "gradient_flow"])
    assert [(part.name, part.claims) for part in found] == [
        ("combat-MMM2", 2), ("combat-2s3z", 0), ("gradient_flow", 0)
    ]  # fmt: skip
    assert found[0].only == {"maps": ("MMM2",)} and found[2].only == {}


def test_most_claims_per_second_come_first():
    """2 in 100 s before 1 in 60 s before none in 5 s before what nobody has counted."""
    seconds = {"a": (1, 60.0), "b": (2, 100.0), "c": (0, 5.0), "d": (3, None)}
    found = [Part(name, name, {}, claims) for name, (claims, _) in seconds.items()]
    predictions = {name: Prediction(high, high) for name, (_, high) in seconds.items()}
    assert [part.name for part in ordered(found, predictions)] == ["b", "a", "c", "d"]


def test_what_is_done_is_not_run_again_and_a_failure_stops_nothing(tmp_path, made_up, capsys):
    found = [Part("fails-x", "fails", {"maps": ("x",)}, 3), Part("short", "short", {}, 1)]
    for _ in range(2):  # as on another machine, to which the directory was carried
        times = reproduce_all(tmp_path, "small", found=found)
        assert made_up == [("fails", {"maps": ("x",)}), ("short", {})]
        rows = {row["name"]: row for row in json.loads((tmp_path / "timing.json").read_text())["rows"]}
        assert [rows[name]["status"] for name in ("fails-x", "short")] == ["failed", "done"]
        assert rows["fails-x"]["message"] == "no such map" and len(rows["short"]["sessions"]) == 1
        assert rows["short"]["predicted_seconds"] == [3.0, 3.0] and times.rows == rows
    assert "| short | 1 | – | – | 0.05 on two CPU cores |" in (tmp_path / "timing.md").read_text()
    with pytest.raises(InputError, match="holds scale small, not medium"):
        everything.Times.at(tmp_path, "medium", [], {})


def test_what_runs_is_stopped_when_the_time_is_over_and_left_for_later(tmp_path, made_up):
    """Asked as a user would ask it: by a signal, in the midst of a minute."""
    begun = time.monotonic()
    found = [Part("long", "long", {}, 1), Part("short", "short", {}, 0)]
    reproduce_all(tmp_path, "small", within=3.5, found=found)
    assert time.monotonic() - begun < 20
    rows = json.loads((tmp_path / "timing.json").read_text())["rows"]
    assert [row["status"] for row in rows] == ["stopped", "left"] and 3 <= rows[0]["seconds"] < 10
    assert made_up == [("long", {})]


def test_a_users_stop_is_no_end_of_time_and_the_same_command_goes_on(tmp_path, made_up):
    """Nothing else is begun, although there is time; then the part that was stopped comes first again."""
    found = [Part("stopped", "stopped", {}, 1), Part("short", "short", {}, 0)]
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        reproduce_all(tmp_path, "small", within=600, found=found)
    assert made_up == [("stopped", {})]
    times = reproduce_all(tmp_path, "small", within=600, found=found)
    assert made_up[1:] == [("stopped", {}), ("short", {})]
    assert [session["status"] for session in times.rows["stopped"]["sessions"]] == ["stopped", "done"]


def test_what_does_not_fit_and_cannot_go_on_is_not_begun(tmp_path, made_up):
    reproduce_all(tmp_path, "small", within=1.0, found=[Part("short", "short", {}, 1)])  # 3 s are predicted
    assert made_up == []


def test_what_needs_a_package_that_is_not_here_is_left_for_another_machine(tmp_path, made_up):
    """The table says which; what other machines noted of the part stays, and what is no such refusal is raised."""
    found = [Part("lacks", "lacks", {}, 2), Part("short", "short", {}, 0)]
    times = reproduce_all(tmp_path, "small", found=found)
    assert made_up == [("short", {})]
    assert [row["status"] for row in times.rows.values()] == ["done", "left"]
    said = "| lacks | 2 | – | – | not counted | – | left: brax/ant needs brax: pip install '.[brax]' |"
    assert said in (tmp_path / "timing.md").read_text()
    elsewhere = everything.Times.at(tmp_path, "small", found, {part.name: Prediction(1.0, 2.0, 3, 4) for part in found})
    assert elsewhere.rows["lacks"]["message"] == "" and elsewhere.rows["lacks"]["programs"] == 3
    elsewhere.add("lacks", "failed", 1.0, "cpu", "no such map")
    kept = reproduce_all(tmp_path, "small", found=found).rows["lacks"]
    assert (kept["status"], kept["message"], kept["programs"]) == ("failed", "no such map", 3)
    with pytest.raises(InputError, match="unknown scale 'smal'"):
        reproduce_all(tmp_path / "new", "smal", found=found[1:])


def test_a_dry_run_prints_predictions_and_writes_nothing(tmp_path, made_up, capsys):
    reproduce_all(tmp_path / "new", "small", dry_run=True, found=[Part("short", "short", {}, 1)])
    said = capsys.readouterr().out
    assert "counted without a device, not measured" in said and "| short | 1 | – | – | 0.05 on two CPU cores |" in said
    assert made_up == [] and not (tmp_path / "new").exists()


def sweep(env, algorithm, seeds, steps):
    return Sweep(env=env, algorithms=algorithm, seeds=seeds, env_steps=steps)


def test_planning_stops_where_training_would_begin(tmp_path):
    sweeps, later = {"a": sweep("matrix_game/A", "vdn", 2, 80)}, {"b": sweep("matrix_game/A", "vdn", 3, 80)}
    with planning(), pytest.raises(Planned) as caught:
        train(sweeps, tmp_path, SCALES["small"], later=later)
    assert caught.value.sweeps == {**sweeps, **later}
    with planning(), pytest.raises(Planned) as caught:
        agree(SCALES["small"], yes=False)
    assert caught.value.sweeps == {} and list(tmp_path.iterdir()) == []


def kernels(**cells):
    """A table of counts in which an iteration launches for 1 to 2.5 ms, and a run moves memory for 10 µs."""
    row = {"chip": "h100", "env": "matrix_game/A", "launch_microseconds": [1000, 2500], "compile_cpu_seconds": 7.0}
    row |= {"arithmetic_microseconds_per_run": 1.0, "memory_microseconds_per_run": 10.0}
    return {"rows": [{**row, "algorithm": name, **cell} for name, cell in cells.items()]}


def test_seconds_are_iterations_of_launches_or_of_work():
    """10 iterations of 8 steps: launches for 3 runs; for 200, 2 ms of memory; each program compiles for 7 s."""
    counted = kernels(qmix={}, vdn={"launch_microseconds": [100, 200]})
    few = of_sweeps([sweep("matrix_game/A", "qmix", 3, 80)], counted)
    assert (few.low, few.high, few.programs, few.runs) == pytest.approx((7.01, 7.025, 1, 3)) and few.resumes
    many = of_sweeps([sweep("matrix_game/E", "qmix", 200, 80), sweep("matrix_game/E", "vdn", 1, 80)], counted)
    assert (many.low, many.high) == pytest.approx((7.02 + 7.001, 7.025 + 7.002))
    slow = kernels(qmix={"arithmetic_microseconds_per_run": 40.0})  # 8 ms of arithmetic, more than of memory
    assert of_sweeps([sweep("matrix_game/A", "qmix", 200, 80)], slow).low == pytest.approx(7.08)


def test_one_of_very_many_values_stands_for_all():
    """300 step sizes by 2 seeds are 600 runs: 6 ms of memory in each of 10 iterations."""
    rates = [1e-4 * (1 + place) for place in range(300)]
    many = Sweep("matrix_game/A", "qmix", grid={"learning_rate": rates}, seeds=2, env_steps=80)
    found = of_sweeps([many], kernels(qmix={}))
    assert (found.programs, found.runs) == (1, 600) and found.high == pytest.approx(7.06)


def test_what_was_not_counted_is_predicted_from_its_family_or_not_at_all():
    counted = kernels(qmix={}, vdn={}, happo={"env": "gaussian_team"})
    env = make("matrix_game/A")
    assert nearest(env, algorithms.make("vdn"), counted)["algorithm"] == "vdn"
    assert nearest(env, algorithms.make("resq"), counted)["algorithm"] == "qmix"
    assert nearest(make("gaussian_team"), algorithms.make("a2po"), counted)["algorithm"] == "happo"
    assert nearest(make("box_pushing/4"), algorithms.make("qmix"), counted) is None
    unknown = of_sweeps([sweep("box_pushing/4", "qmix", 1, 1000)], counted)
    assert unknown.high is None and minutes(unknown.low, unknown.high) == "not counted"


@pytest.mark.parametrize(("name", "programs"), [("matrix_games", 6), ("combat", 1), ("trust_region_bounds", 0)])
def test_an_experiment_is_planned_without_a_change_to_it(name, programs):
    """At the small scale: four learners under uniform play and two under annealed play, a map, exact bounds."""
    found = predict(scripts.load("experiments", name), "small", prediction.counted_kernels())
    assert (found.programs, found.resumes) == (programs, programs > 0) and found.high > 0


@pytest.mark.parametrize("name", list(scripts.available("experiments")))
def test_every_experiment_makes_the_sweeps_of_what_runs_on_two_cores(name):
    """No learner refuses the setting that an experiment gives to all."""
    for scale in ("small", "medium"):
        found = predict(scripts.load("experiments", name), scale, prediction.counted_kernels())
        assert (found.programs == 0) == (name in WITHOUT_SWEEPS)


def test_every_experiment_is_among_the_parts():
    found = parts(*ledger.judged(), list(scripts.available("experiments")))
    assert {part.experiment for part in found} == set(scripts.available("experiments"))
    assert {part.only.get("maps") for part in found if part.experiment == "combat"} > {("3s_vs_5z",), ("corridor",)}


def test_a_part_is_planned_alone(capsys):
    """Two maps, a penalty as a number, a name with a comma."""
    cli.main(["reproduce", "combat", "--dry-run", "--only", "maps=3m,2s3z", "--only", "learners=qmix"])
    assert "8 runs in 2 programs; about 16 minutes on two CPU cores" in capsys.readouterr().out
    tasks = scripts.load("experiments", "trust_region_tasks")
    assert parse_only("tasks", tasks, ["tasks=spread,spread, JaxMARL"]) == {"tasks": ("spread", "spread, JaxMARL")}
    hunts = scripts.load("experiments", "predator_prey")
    assert parse_only("hunts", hunts, ["penalties=-4,-1"]) == {"penalties": (-4.0, -1.0)}
    assert only_text({"penalties": (-4.0, -1.0)}) == "--only penalties=-4,-1" and only_text({}) == ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["all", "--seeds", "3"], "seeds=3 is of one experiment"),
        (["all", "--within", "soon"], "--within 'soon' is no time"),
        (["gradient_flow", "--within", "5m"], "--within belongs to jaxvf reproduce all"),
        (["gradient_flow", "--draws", "3"], "draws=3: gradient_flow has no game that leaves anything open"),
        (["all", "--only", "maps=3m"], "--only maps=3m is of one experiment"),
        (["combat", "--only", "3m"], "--only '3m' is not NAME=VALUE[,VALUE...]"),
        (["combat", "--only", "maps=3m", "--only", "maps=2s3z"], "--only maps is given twice; write maps=VALUE,VALUE"),
        (["combat", "--only", "map=3m"], "unknown --only 'map'; did you mean 'maps'?"),
        (["combat", "--only", "maps=3m,3s_vs_5"], "unknown value of --only maps '3s_vs_5'; did you mean '3s_vs_5z'?"),
        (["combat", "--only", "maps=corridor"], "scale small has no env_steps for 'corridor'; give them"),
        (["matrix_games", "--only", "games=A"], "--only games=A: matrix_games has no parts to name"),
        (["combat", "--only", "env_steps=3m"], "unknown --only 'env_steps'"),
        (["box_pushing", "--only", "sizes=4,6,4"], "--only sizes=4,6,4: 4 is given twice"),
        (["combat", "--only"], "--only names no part"),
    ],
)
def test_options_that_do_not_belong_are_refused(words, line, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["reproduce", *words])
    assert caught.value.code == 2 and line in capsys.readouterr().err
