"""The table of probes: rows are kept and not made again, the page is made of them, bad input is one line."""

import json
import re
from pathlib import Path

import pytest

from jaxvf import cli
from jaxvf.commands import probe as command
from jaxvf.envs import ENVIRONMENTS
from jaxvf.errors import InputError
from jaxvf.probes import ProbeSettings, ProbeTable, page
from jaxvf.probes.table import HEADER

ROOT = Path(__file__).parents[2]
RECORD = {
    "returns": {name: [2.0, 1.0, 3.0] for name in ("history", "memoryless", "open_loop", "random")},
    "memory_gap": [0.0, -1.0, 1.0],
    "memory_share": [0.25, 0.0, 0.5],
    "open_loop_share": None,
    "information": {"OAR": {"bits": 1.0, "share": 0.9, "null": 0.04}},
}


def cells(text, name):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_is_written_read_and_shown(tmp_path):
    path = tmp_path / "probes.json"
    ProbeTable.at(path, ProbeSettings(seeds=3)).add("two_step_game", RECORD)
    table = ProbeTable.at(path)
    assert table.rows["two_step_game"]["memory_share"] == [0.25, 0.0, 0.5] and table.settings.seeds == 3
    text = page(table, ["two_step_game", "predator_prey"], Path("docs/probes.md"))
    assert "1 of 2 environments" in text and "3 seeds" in text
    shown = cells(text, "two_step_game")
    assert shown[1:7] == ["2 [1, 3]"] * 4 + ["0.25 [0.00, 0.50]", "–"]
    assert shown[7:] == ["0.90 (0.04)", "–", "–", "–", "–"]
    assert cells(text, "predator_prey")[1:] == ["–"] * (len(HEADER) - 1)


def test_the_page_says_where_whole_intervals_lie_on_one_side(tmp_path):
    table = ProbeTable.at(tmp_path / "probes.json", ProbeSettings(seeds=3))
    names = ["two_step_game", "predator_prey", "box_pushing/4"]
    for name, gap, share in zip(
        names,
        ([1.0, 0.5, 2.0], [-1.0, -2.0, -0.1], [0.1, -0.5, 0.5]),
        ([0.95, 0.91, 1.0], None, [0.5, 0.2, 0.8]),
        strict=True,
    ):
        table.add(name, {**RECORD, "memory_gap": gap, "open_loop_share": share})
    text = page(table, names, Path("docs/probes.md"))
    assert "- history earns more than no history: 1 of 3 (`two_step_game`)." in text
    assert "- history earns less, after so few steps: 1 of 3 (`predator_prey`)." in text
    assert "- open loop reaches at least 90% of what looking does: 1 of 2 (`two_step_game`)." in text
    assert "- open loop reaches less than 90%: 1 of 2 (`box_pushing/4`)." in text
    assert "not measured yet" not in text  # none is left
    assert "not measured yet" in page(table, [*names, "intersection"], Path("docs/probes.md"))


def test_a_table_knows_how_it_was_made(tmp_path):
    """Also its learner, so that rows are added without saying again how."""
    path, settings = tmp_path / "probes.json", ProbeSettings("qmix", seeds=3, env_steps=50)
    ProbeTable.at(path, settings).add("two_step_game", RECORD)
    again = ProbeTable.at(path).settings
    assert (again.seeds, again.env_steps, again.test_episodes) == (3, 50, 64)
    ProbeTable.at(path, again)


def test_a_table_of_other_settings_and_what_is_none_are_refused(tmp_path):
    path = tmp_path / "probes.json"
    ProbeTable.at(path, ProbeSettings(seeds=3)).add("two_step_game", RECORD)
    with pytest.raises(InputError, match=r"was made with seeds=3, not 4") as raised:
        ProbeTable.at(path, ProbeSettings(seeds=4))
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="was made with algorithm="):
        ProbeTable.at(path, ProbeSettings("qmix", seeds=3))
    path.write_text("[]")
    with pytest.raises(InputError, match="is no table of probes"):
        ProbeTable.at(path)


@pytest.fixture
def counted(monkeypatch):
    """Probes that take no time, and the names of those that were made."""
    import jaxvf.probes

    made = []

    def instead(name, settings, **options):
        made.append(name)
        return {**RECORD, "env": name}

    monkeypatch.setattr(jaxvf.probes, "probe", instead)
    return made


def test_rows_that_are_there_are_not_made_again_and_the_page_follows(tmp_path, counted, capsys):
    table, out = tmp_path / "t.json", tmp_path / "p.md"
    cli.main(["probe", "two_step_game", "--table", str(table)])
    cli.main(["probe", "two_step_game", "predator_prey", "--table", str(table), "--page", str(out)])
    assert counted == ["two_step_game", "predator_prey"]
    assert [row["env"] for row in json.loads(table.read_text())["rows"]] == counted
    assert f"2 of {len(ENVIRONMENTS)} environments" in out.read_text()
    said = capsys.readouterr().out
    assert "with history" in said and "nothing was learned beyond random play" in said


def test_after_the_time_is_up_no_environment_is_begun(tmp_path, counted, capsys):
    cli.main(["probe", "all", "--table", str(tmp_path / "t.json"), "--within", "0s"])
    assert counted == []
    assert f"{len(ENVIRONMENTS)} environments are left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["two_step_gam"], "unknown environment 'two_step_gam'; did you mean 'two_step_game'?"),
        ([], "name an environment"),
        (["two_step_game", "--page", "p.md"], "is written from a table"),
        (["two_step_game", "--seeds", "0"], "seeds=0 must be at least 1"),
        (["two_step_game", "--env-steps", "1.5"], "env_steps=1.5 is not a whole number"),
        (["two_step_game", "--algorithm", "mapo"], "unknown algorithm 'mapo'; did you mean 'mappo'?"),
        (["two_step_game", "--within", "soon"], "--within 'soon' is no time"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["probe", *words])
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert line in said and "\n" not in said
    assert list(tmp_path.iterdir()) == []


def test_the_committed_page_is_that_of_the_committed_table():
    """For the environments that it lists; one that is registered since has no row until the page is made again."""
    table = ProbeTable.at(ROOT / "benchmarks/results/probes.json")
    assert set(table.rows) <= set(ENVIRONMENTS)
    table.path, text = Path("benchmarks/results/probes.json"), (ROOT / "docs/probes.md").read_text()
    listed = re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE)
    assert page(table, listed, Path("docs/probes.md")) == text


def test_lines_say_what_a_record_holds():
    said = command.lines("x", {**RECORD, "open_loop_share": [0.5, 0.4, 0.6]})
    assert said[0].startswith("x: mean return")
    assert any("open loop reaches 0.5 [0.4, 0.6]" in line for line in said)
