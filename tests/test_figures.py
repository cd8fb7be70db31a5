"""Committed figures are drawn again from committed numbers, and each says what it shows."""

import json
import re
from pathlib import Path

import pytest

from jaxvf import scripts
from jaxvf.results import plots

FIGURES = Path(__file__).parents[1] / "experiments" / "figures"
DRAWN = {
    "matrix_games_small": ("matrix_games", {"answer", "fractions", "tables"}),
    "matrix_games": ("matrix_games", {"fractions"}),
    "game_a_uniform": ("matrix_games", {"fractions"}),
    "game_a_annealed": ("matrix_games", {"fractions"}),
    "basin_atlas_small": (
        "basin_atlas",
        {"non_monotonicity_3_agents_3_actions_annealed", "deviation_penalty_3_agents_3_actions_annealed"},
    ),
    "risk_reward": ("risk_reward", {"optimal"}),
    "expressiveness_small": ("expressiveness", {"least_error"}),
    "trust_region_games": ("trust_region_games", {"scores"}),
    "advantage_variance": ("advantage_variance", {"by_position"}),
}


@pytest.mark.parametrize("summary", list(DRAWN))
def test_a_figure_is_drawn_from_its_summary_and_stands_alone(summary, tmp_path, monkeypatch):
    """Its caption names the scale, how many seeds, and an interval or that there is none."""
    experiment, names = DRAWN[summary]
    content = json.loads((FIGURES / f"{summary}_summary.json").read_text())
    rows = content["rows"] if isinstance(content, dict) else content
    captions, save = {}, plots.save

    def kept(figure, path, **options):
        captions[Path(path).stem] = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
        return save(figure, path, **options)

    monkeypatch.setattr(plots, "save", kept)
    scripts.load("experiments", experiment).draw(rows, tmp_path)
    assert captions.keys() == names
    for name, said in captions.items():
        assert re.search(r"Scale (small|medium|paper);", said), said
        assert re.search(r"\d+ (to \d+ )?seeds a (cell|game)|best of \d+ restarts", said), said
        assert "interval" in said or name == "tables", said
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_every_picture_of_the_readmes_is_there_and_no_other():
    text = "".join((FIGURES.parents[1] / page).read_text() for page in ("README.md", "experiments/README.md"))
    shown = set(re.findall(r"figures/([\w.]+\.(?:png|gif))", text))
    assert shown == {path.name for path in FIGURES.iterdir() if path.suffix in (".png", ".gif")}
