"""Committed figures are drawn again from committed numbers, and each says what it shows."""

import json
import re
from pathlib import Path

import pytest

from jaxvf import scripts
from jaxvf.reproduction import OWN
from jaxvf.results import plots

FIGURES = Path(__file__).parents[1] / "experiments" / "figures"
DRAWN = {
    "matrix_games_small": ("matrix_games", {"answer", "fractions", "tables"}),
    "matrix_games": ("matrix_games", {"fractions"}),
    "matrix_games_uniform": ("matrix_games", {"fractions", "tables"}),
    "matrix_games_annealed": ("matrix_games", {"fractions", "tables"}),
    "game_a_uniform": ("matrix_games", {"fractions"}),
    "game_a_annealed": ("matrix_games", {"fractions"}),
    "basin_atlas_small": (
        "basin_atlas",
        {"non_monotonicity_3_agents_3_actions_annealed", "deviation_penalty_3_agents_3_actions_annealed"},
    ),
    "basin_atlas": (
        "basin_atlas",
        {"non_monotonicity_2_agents_3_actions_annealed", "deviation_penalty_2_agents_3_actions_annealed"},
    ),
    "basin_atlas_3x3": (
        "basin_atlas",
        {"non_monotonicity_3_agents_3_actions_annealed", "deviation_penalty_3_agents_3_actions_annealed"},
    ),
    "stable_points": ("stable_points", {"stable", "confusion"}),
    "risk_reward": ("risk_reward", {"optimal"}),
    "risk_reward_improving": ("risk_reward", {"optimal"}),
    "spread_gap_recurrent": ("spread_gap", {"recurrent"}),
    "smax_recipes": ("smax_recipes", {"smax_3m", "smax_2s3z"}),
    "trust_region_brax": ("trust_region_tasks", {"ant_4x2_spring", "halfcheetah_6x1_spring"}),
    "football": ("football", {"academy_3_vs_1_with_keeper_won", "academy_3_vs_1_with_keeper_return"}),
    "intersection_small": ("intersection", {"intersection_won", "intersection_return"}),
    "gradient_flow_small": ("gradient_flow", {"curvature", "portraits"}),
    "expressiveness": ("expressiveness", {"least_error"}),
    "trust_region_games_draws": ("trust_region_games", {"scores"}),
    "self_correction": ("self_correction", {"levels", "search"}),
    "self_correction_b": ("self_correction", {"levels"}),  # without a search
    "expressiveness_small": ("expressiveness", {"least_error"}),
    "trust_region_games": ("trust_region_games", {"scores"}),
    "advantage_variance": ("advantage_variance", {"by_position"}),
}

# What a row is of, and what the rows of a scale are of.
COMPARED = {
    "matrix_games": (
        lambda row: (row["protocol"], row["game"], row["learner"], row["env_steps"]),
        lambda scale: (
            (cell.protocol, game, learner, scale.steps_of(cell.protocol))
            for cell in scale.cells
            for game in cell.games
            for learner in cell.learners
        ),
    ),
    "basin_atlas": (
        lambda row: (row["learner"], row["protocol"], row["env_steps"]),
        lambda scale: ((learner, "annealed", scale.steps_of()) for learner in scale.learners),
    ),
    "risk_reward": (
        lambda row: (row["game"], re.sub(" (wide|close)$", "", row["learner"]), row["env_steps"]),
        lambda scale: ((game, learner, scale.steps_of()) for game in scale.games for learner in scale.learners),
    ),
    "trust_region_games": (
        lambda row: (
            row["game"],
            row["step"],
            row["agents"],
            row["batch"],
            row["size"],
            row["rule"],
            row["iterations"],
        ),
        lambda scale: (
            (study.game, study.step, study.agents, study.batch, size, rule, study.iterations)
            for study in scale.studies
            for size in study.sizes
            for rule in study.rules
        ),
    ),
}


def rows_of(summary):
    content = json.loads((FIGURES / f"{summary}_summary.json").read_text())
    return content["rows"] if isinstance(content, dict) else content


def captions_of(experiment, rows, out, monkeypatch):
    """What stands below each figure that an experiment draws of these rows."""
    captions, save = {}, plots.save

    def kept(figure, path, **options):
        captions[Path(path).stem] = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
        return save(figure, path, **options)

    monkeypatch.setattr(plots, "save", kept)
    scripts.load("experiments", experiment).draw(rows, out)
    return captions


@pytest.mark.parametrize("summary", list(DRAWN))
def test_a_figure_is_drawn_from_its_summary_and_stands_alone(summary, tmp_path, monkeypatch):
    """Its caption names the scale, how many seeds, and an interval or that there is none."""
    experiment, names = DRAWN[summary]
    rows = rows_of(summary)
    captions = captions_of(experiment, rows, tmp_path, monkeypatch)
    assert captions.keys() == names
    for name, said in captions.items():
        scale = rows[0]["scale"]
        assert ("Own setting" if scale == OWN else f"Scale {scale};") in said, said
        counted = r"\d+ seeds? of (each|[\w, ]+, \d+ of every other)|best of \d+ restarts|[\d,]+ games"
        assert re.search(counted, said) or "exact, no interval" in said, said
        assert "cell" not in said.replace("The darker a cell", ""), said  # a word of the code
        assert "interval" in said or name == "tables", said
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_a_task_s_caption_speaks_of_its_own_steps_and_episodes(tmp_path, monkeypatch):
    rows = rows_of("trust_region_brax")
    rows += [{**row, "task": "spread", "env_steps": 400_000} for row in rows if row["task"] == "ant_4x2, spring"]
    captions = captions_of("trust_region_tasks", rows, tmp_path, monkeypatch)
    for name, episodes, steps in (("ant_4x2_spring", 5, "500,000"), ("spread", 20, "400,000")):
        assert f"mean of {episodes} episodes" in captions[name], captions[name]
        assert f"; {steps} environment steps a run" in captions[name], captions[name]


def test_the_answer_is_drawn_only_of_those_of_whom_its_caption_speaks(tmp_path):
    """Not of one learner, nor of a budget of one's own, for which what it says need not be true."""
    rows = json.loads((FIGURES / "matrix_games_small_summary.json").read_text())
    draw = scripts.load("experiments", "matrix_games").draw
    alone = [row for row in rows if row["learner"] == "vdn"]
    for others in (alone, [row | {"scale": OWN} for row in rows]):
        assert {path.stem for path in draw(others, tmp_path)} == {"fractions", "tables"}


@pytest.mark.parametrize("path", sorted(FIGURES.glob("*_summary.json")), ids=lambda path: path.stem)
def test_a_scale_is_named_only_for_the_runs_of_that_scale(path):
    """As many seeds, as long, and nothing else compared: all that differs is an own setting."""
    content = json.loads(path.read_text())
    rows = content.get("rows", []) if isinstance(content, dict) else content
    rows = [row for row in rows if row.get("scale", OWN) != OWN]
    if not rows:
        return
    (name,) = (name for name in scripts.available("experiments") if path.stem.startswith(name))
    scale = scripts.load("experiments", name).SCALES[rows[0]["scale"]]
    assert {row.get("seeds") or row.get("restarts") or row.get("runs", scale.seeds) for row in rows} == {scale.seeds}
    if name in COMPARED:
        of_row, of_scale = COMPARED[name]
        assert {of_row(row) for row in rows} == set(of_scale(scale))


def test_every_picture_of_the_readmes_is_there_and_no_other():
    text = "".join((FIGURES.parents[1] / page).read_text() for page in ("README.md", "experiments/README.md"))
    shown = set(re.findall(r"figures/([\w.]+\.(?:png|gif))", text))
    assert shown == {path.name for path in FIGURES.iterdir() if path.suffix in (".png", ".gif")}
    for name in shown - {"combat_3m.gif"}:  # drawn from a policy
        assert any(name.startswith((summary, experiment)) for summary, (experiment, _) in DRAWN.items()), name
