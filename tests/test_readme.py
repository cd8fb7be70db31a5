"""The README says what is true: its Python runs, its commands are planned, its files, names and numbers are there."""

import json
import re
import shlex
import tomllib
import types
from pathlib import Path

import pytest

import jaxvf
from jaxvf import cli, presets, scripts
from jaxvf.cli_parse import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(README) if kind == language]


def commands() -> list[list[str]]:
    """The command lines that call jaxvf, without comments."""
    lines = [part.strip() for line in "\n".join(blocks("bash")).splitlines() for part in line.split("&&")]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["jaxvf"]]


def quoted() -> list[list[str]]:
    """Commands in running text, with their arguments."""
    found = [shlex.split(text) for text in re.findall(r"`jaxvf ([^`]+)`", README)]
    return [words for words in found if len(words) > 1]


def test_the_sections_that_ci_refers_to_are_there():
    assert {"Start here", "Develop"} <= set(re.findall(r"^## (.+)$", README, re.MULTILINE))


def test_the_python_is_ten_lines_and_runs(monkeypatch, capsys):
    """As written but for fewer seeds and steps; it prints one line a condition, and its plot answers its question."""
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 14
    run, made = jaxvf.run, []

    def shorter(**options):
        assert options["seeds"] * options["env_steps"] <= 64_000  # as written it is to end within a minute
        made.append(run(**options | {"seeds": 2, "env_steps": 64}))
        return made[-1]

    monkeypatch.setattr(jaxvf, "run", shorter)
    exec(compile(code, "README.md", "exec"), types.ModuleType("readme").__dict__)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(made[0].conditions()) == 8
    panels = made[0].plot().axes
    assert len(panels) == 4 and all("optimum" in axes.get_ylabel().lower() for axes in panels)  # one a game


def test_every_command_is_one_that_jaxvf_has():
    assert len(commands()) >= 5 and len(quoted()) >= 3
    for words in [*commands(), *quoted()]:
        parse(cli.COMMANDS, [word for word in words if word != "..."], prog="jaxvf", description="")


def test_the_sweeps_are_planned_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    planned = [words for words in commands() if words[0] == "run"]
    assert planned
    for words in planned:
        cli.main([*words, "--dry-run"])
        assert "128 runs in 2 group(s)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_first_command_is_the_small_scale_and_takes_what_is_said():
    assert ["reproduce", "matrix_games"] in commands()
    module = scripts.load("experiments", "matrix_games")
    small = module.SCALES["small"]
    runs = sum(len(cell.games) * len(cell.learners) for cell in small.cells) * small.seeds
    assert f"{runs} runs" in README
    words = {2: "two", 3: "three"}
    assert f"about {words[small.minutes]} minutes on two idle CPU cores" in README.replace("\n", " ")
    paper = module.SCALES["paper"]
    whole = sum(len(cell.games) * len(cell.learners) for cell in paper.cells) * paper.seeds
    assert f"{whole:,} runs of {paper.env_steps:,} steps" in README.replace("\n", " ")


def test_links_pictures_extras_and_presets_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for wanted in re.findall(r"pip install (?:-e )?'\.\[([\w,-]+)\]'", README):
        assert set(wanted.split(",")) <= set(extras), wanted
    table = README[README.index("| extra |") : README.index("## Gallery")]
    for line in table.splitlines()[2:]:
        assert set(re.findall(r"`([\w-]+)`", line.split("|")[1] if "|" in line else "")) <= set(extras)
    for name in re.findall(r"--preset (\S+?)`", README):
        assert presets.path_of(name).is_file()


@pytest.mark.parametrize("package", ["wandb", "jaxmarl", "brax", "pandas", "optuna", "ray", "submitit"])
def test_what_is_an_extra_is_no_dependency_and_is_not_imported_at_first(package):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [one for one in project["dependencies"] if one.startswith(package)]
    assert [one for extra in project["optional-dependencies"].values() for one in extra if one.startswith(package)]


def test_the_summary_beside_the_picture_is_of_the_same_scale():
    """What the first command writes: `test_claims` compares its numbers with what is said."""
    rows = json.loads((ROOT / "experiments/figures/matrix_games_small_summary.json").read_text())
    assert {row["scale"] for row in rows} == {"small"}
    assert (ROOT / "experiments/figures/matrix_games_answer.png").is_file()
