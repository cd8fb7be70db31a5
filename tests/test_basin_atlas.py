"""The atlas of basins at its smallest size: its numbers are those of the stored runs, and mean what they say."""

import dataclasses
import json

import numpy as np
import pytest

import jaxvf
from jaxvf import scripts
from jaxvf.envs.payoff_families import RandomGame, random_games

GAMES, SEEDS, PILOTS = 30, 2, 10  # 10 pilots of 6 step sizes are as many runs as the atlas has: one program


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    """Thirty games of two agents with three actions; the rows of the summary by what they are about."""
    out = tmp_path_factory.mktemp("atlas")
    module = scripts.load("experiments", "basin_atlas")
    options = {"shapes": {(2, 3): GAMES}, "learners": ("vdn",), "env_steps": 6_000, "pilots": PILOTS}
    module.reproduce(seeds=SEEDS, yes=True, out=out, **options)
    rows = json.loads((out / "summary.json").read_text())["rows"]
    found = {(row["learner"], row["shape"], row["family"], row["measure"], row["bin"]): row for row in rows}
    assert len(found) == len(rows)
    return module, out, found, options


def test_the_summary_is_what_the_stored_runs_say(atlas):
    """Read back from the files: games, seeds of their own, and the fraction of runs that end at the optimum."""
    _, out, found, _ = atlas
    result = jaxvf.load(out / "vdn-2x3")
    assert [run["seed"] for run in result.runs] == list(range(GAMES * SEEDS))
    assert [run["env.payoff"] for run in result.runs[::SEEDS]] == random_games(2, 3, GAMES)
    row = found["vdn", "2 agents, 3 actions", "climbing", "all", None]
    runs = [place for place, run in enumerate(result.runs) if run["env.payoff"].family == "climbing"]
    assert (row["games"], row["runs"]) == (6, 12)
    reached = [
        np.asarray(run["env.payoff"])[tuple(greedy(result.policy(place)))] == 10.0
        for place, run in enumerate(result.runs)
        if place in runs
    ]
    assert row["optimal"][0] == round(np.mean(reached), 5)


def test_every_end_is_the_greedy_joint_action(atlas):
    """One character a run, in the order of games and seeds; the optimum's where the run is counted as optimal."""
    module, out, _, _ = atlas
    kept = json.loads((out / "ends.json").read_text())
    ends = kept["ends"]["vdn-2x3 annealed"]
    assert (kept["seeds"], kept["games"], len(ends["last"]), len(ends["before"])) == (SEEDS, {"2x3": GAMES}, 60, 60)
    result = jaxvf.load(out / "vdn-2x3")
    places = [module.cells_of.SYMBOLS.index(end) for end in ends["last"]]
    for run in range(0, 60, 7):
        first, second = greedy(result.policy(run))
        payoff = np.asarray(result.runs[run]["env.payoff"])
        assert payoff.flat[places[run]] == payoff[first, second]
    optimal = [random.payoff().argmax() for random in random_games(2, 3, GAMES) for _ in range(SEEDS)]
    np.testing.assert_array_equal(np.equal(places, optimal), result.metric("test_optimal")[:, -1] == 1)


def test_the_step_size_is_the_best_of_the_pilots(atlas):
    """Six step sizes on ten games that the atlas does not hold; every run of the atlas has the chosen one."""
    out = atlas[1]
    rows = json.loads((out / "pilots.json").read_text())
    assert [row["games"] for row in rows] == [PILOTS] * 6
    (best,) = (row for row in rows if row["chosen"])
    assert best["optimal"] == max(row["optimal"] for row in rows)
    result = jaxvf.load(out / "vdn-2x3")
    np.testing.assert_allclose([run["learning_rate"] for run in result.runs], best["learning_rate"], rtol=1e-6)
    pilots = jaxvf.load(out / "pilots" / "vdn")
    assert {run["env.payoff"] for run in pilots.runs}.isdisjoint(run["env.payoff"] for run in result.runs)
    chosen = pilots.select(learning_rate=lambda rate: np.isclose(rate, best["learning_rate"]))
    assert np.mean(pilots.metric("test_optimal")[chosen, -1] == 1) == pytest.approx(best["optimal"])


def test_the_area_of_a_measure_by_hand(atlas):
    """Runs at the optimum have 1 and 2, the others 2 and 3: of four pairs three are in order and one is a tie."""
    area = atlas[0].cells_of.area
    value, optimal = np.array([1.0, 2.0, 2.0, 3.0]), np.array([[True], [True], [False], [False]])
    assert area(value, optimal) == 3.5 / 4
    assert area(-value, optimal) == 0.5 / 4
    assert area(np.zeros(2), np.array([[True, False], [False, True]])) == 0.5
    assert np.isnan(area(value, np.ones((4, 1), bool)))


def greedy(policy):
    """The joint action that a policy plays in a one-step game."""
    actions, _ = policy.act(np.eye(2)[[0, 0]], np.ones((2, 3), bool), policy.start())
    return np.asarray(actions)


def test_every_game_is_in_one_bin_of_either_measure(atlas):
    _, _, found, _ = atlas
    for measure in ("non_monotonicity", "deviation_penalty"):
        rows = [row for key, row in found.items() if key[:4] == ("vdn", "all", "all", measure)]
        assert sum(row["games"] for row in rows) == GAMES
    assert found["vdn", "all", "monotonic", "all", None]["games"] == GAMES // 5


def test_vdn_solves_monotonic_games_and_not_climbing_ones(atlas):
    """A sum of local values ranks the optimum first where others' choices change no preference; not where they do."""
    _, _, found, _ = atlas
    assert found["vdn", "all", "monotonic", "all", None]["optimal"][0] >= 0.9
    assert found["vdn", "all", "climbing", "all", None]["optimal"][0] <= 0.5


def test_files_hold_the_description_of_a_game_not_its_table(atlas):
    """One program a learner; `run.json` names family and seed of every game."""
    _, out, _, _ = atlas
    described = json.loads((out / "vdn-2x3" / "run.json").read_text())
    assert len(described["plan"]) == 1
    game, seed = described["config"]["fields"]["grid"]["env.payoff,seed"][3]
    assert game["class"].endswith(":RandomGame") and game["fields"]["family"] == "interaction" and seed == 3
    assert (out / "non_monotonicity_2_agents_3_actions_annealed.png").is_file()


def test_the_same_command_again_trains_nothing(atlas, capfd):
    module, out, _, options = atlas
    capfd.readouterr()
    module.reproduce(seeds=SEEDS, yes=True, out=out, **options)
    assert "compiling" not in capfd.readouterr().err


def test_the_interval_is_over_games(atlas):
    """Repeating the runs of every game adds no games, so it narrows nothing; more games do."""
    module, _, _, _ = atlas
    one = np.arange(20)[:, None] % 2 == 0
    interval = module.games_interval(one)
    assert interval == module.games_interval(np.repeat(one, 10, axis=1))
    assert interval.estimate == 0.5 and interval.low < 0.35 and interval.high > 0.65
    many = module.games_interval(np.repeat(one, 100, axis=0))
    assert many.high - many.low < 0.06


def test_ten_thousand_games_are_planned(atlas):
    """The full run: at least 10,000 different games for every learner, in one group for each shape."""
    module, _, _, _ = atlas
    assert sum(module.SCALES["paper"].shapes.values()) >= 10_000
    games = random_games(2, 3, 1200)
    assert len(set(games)) == 1200 and isinstance(games[0], RandomGame)


@pytest.mark.parametrize(("learner", "agent"), [("pow_qmix", "tabular"), ("pow_vdn", "recurrent")])
def test_a_recognizer_is_small_where_there_is_one(learner, agent):
    module = scripts.load("experiments", "basin_atlas")
    setting = dataclasses.replace(module.SCALES["small"], agent=agent)
    algorithm = module.sweep_of(learner, random_games(2, 3, 1), setting).algorithms
    assert (algorithm.recognizer.width, algorithm.recognizer.embed) == (32, 16)


@pytest.mark.parametrize("name", ["basin_atlas", "matrix_games"])
@pytest.mark.parametrize("learner", ["pqn_vdn", "pqn_qmix"])
def test_a_learner_without_replay_updates_as_often_and_on_as_many_episodes(name, learner):
    module = scripts.load("experiments", name)
    asked = {
        "basin_atlas": lambda: (random_games(2, 3, 1), module.SCALES["medium"]),
        "matrix_games": lambda: (module.Cell("uniform", ("A",), (learner,)), module.SCALES["medium"]),
    }[name]()
    algorithm = module.sweep_of(learner, *asked).algorithms
    episodes = algorithm.num_envs * algorithm.rollout_length
    assert algorithm.epochs * algorithm.minibatches / episodes == module.SETTING["updates_per_episode"]
    assert episodes / algorithm.minibatches == module.SETTING["batch_size"]
