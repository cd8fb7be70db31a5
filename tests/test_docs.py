"""The pages of docs/ say what is true: their Python runs, their commands parse, their links and extras are there."""

import contextlib
import json
import re
import shlex
import shutil
import sys
import tomllib
import types
from importlib.util import find_spec
from pathlib import Path

import pytest
from shared_programs import remember

from jaxvf import cli, load
from jaxvf.cli_parse import parse
from jaxvf.envs import ENVIRONMENTS
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.sweeps import Sweep
from jaxvf.value import QLearning

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BESIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
BESIDE += [ROOT / folder / "README.md" for folder in ("experiments", "benchmarks", "policies")]
ELSEWHERE = {"docs/launching.md": "needs a second host"}  # whose Python can only be compiled here
CHEAP = ("list", "plot", "export", "export-policy", "report", "compare", "eval", "render")
LEARNER = QLearning(mixer=VdnMixer(), agent=TabularAgent(), agent_id=False, last_action=False, batch_size=8)
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(page.read_text()) if kind == language]


def commands(page: Path) -> list[list[str]]:
    """The command lines of a page that call jaxvf, without what a shell makes of redirections and comments."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    words = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    words = [line[line.index("jaxvf") :] if line[:2] == ["docker", "run"] else line for line in words if line]
    words += spans(page)
    called = [line[1:] for line in words if line[0] == "jaxvf"]
    return [line[: line.index(">")] if ">" in line else line for line in called]


def spans(page: Path) -> list[list[str]]:
    """Commands within the text that are whole: those that only name a command, or leave something out, are not."""
    found = re.findall(r"`(jaxvf \w[^`\n]*)`", FENCE.sub("", page.read_text()))
    split = [shlex.split(span) for span in found if "..." not in span]
    return [words for words in split if len(words) > 2]


def cheap() -> dict[Path, list[list[str]]]:
    """Commands that train nothing, each at the first page that has it."""
    found: dict[tuple[str, ...], Path] = {}
    for page in [*PAGES, *BESIDE]:
        for words in commands(page):
            if words[0] in CHEAP and not (words[-1].endswith(".mp4") and find_spec("imageio_ffmpeg") is None):
                found.setdefault(tuple(words), page)
    return {page: [list(words) for words, at in found.items() if at == page] for page in found.values()}


def written(folder: Path) -> set[tuple[Path, int]]:
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def of_pages(found, pages=PAGES):
    return [pytest.param(page, id=named(page)) for page in pages if found(page)]


@pytest.fixture(scope="module")
def first(tmp_path_factory, programs):
    """The directory that pages call runs/first: four runs of a tabular learner."""
    out = tmp_path_factory.mktemp("docs") / "first"
    with pytest.MonkeyPatch.context() as patch:
        remember(patch, programs)
        Sweep("two_step_game", LEARNER, seeds=4, env_steps=160).run(out, progress="none")
    return out


@pytest.fixture(scope="module")
def second(tmp_path_factory, programs):
    """The directory that pages call runs/second: two learning rates."""
    out = tmp_path_factory.mktemp("docs") / "second"
    grid = {"learning_rate": [1e-2, 1e-3]}
    with pytest.MonkeyPatch.context() as patch:
        remember(patch, programs)
        Sweep("two_step_game", LEARNER, seeds=2, grid=grid, env_steps=160).run(out, progress="none")
    return out


@pytest.fixture
def elsewhere(tmp_path, monkeypatch, first, unchecked, compiled_once):
    """A directory with runs/first and a module of the user's; what a page imports or registers is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "my_module.py").touch()
    shutil.copytree(first, tmp_path / "runs" / "first")
    before = dict(ENVIRONMENTS)
    yield tmp_path
    ENVIRONMENTS.clear()
    ENVIRONMENTS.update(before)
    sys.modules.pop("my_module", None)


@pytest.mark.parametrize("page", of_pages(lambda page: blocks(page, "python")))
def test_the_python_of_a_page_runs_from_top_to_bottom(page, elsewhere, monkeypatch):
    name = f"page_{page.stem}"
    module = types.ModuleType(name)  # classes of the page are found in it, as in a script
    monkeypatch.setitem(sys.modules, name, module)
    with contextlib.redirect_stdout(None):
        for number, text in enumerate(blocks(page, "python")):
            code = compile(text, f"{named(page)}, block {number}", "exec")
            if named(page) not in ELSEWHERE:
                exec(code, module.__dict__)


@pytest.mark.parametrize("page", of_pages(commands, [*PAGES, *BESIDE]))
def test_the_commands_of_a_page_are_ones_that_jaxvf_has(page):
    for words in commands(page):
        parse(cli.COMMANDS, words, prog="jaxvf", description="")


@pytest.mark.parametrize("page", of_pages(lambda page: page in cheap(), [*PAGES, *BESIDE]))
def test_the_cheap_commands_of_a_page_run_as_written(page, elsewhere, first, second, capsys):
    """On small directories, whatever a page calls its own, and fewer episodes; each says or writes something."""
    for words in cheap()[page]:
        for name in re.findall(r"\b(?:runs/\w+|DIR\b)", " ".join(words)):
            shutil.copytree(second if name == "runs/second" else first, name, dirs_exist_ok=True)
        for name in re.findall(r"\bpolicies/\w+", " ".join(words)):
            if words[0] == "export-policy" and name == words[2]:
                shutil.rmtree(name, ignore_errors=True)  # what the page writes
            elif (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, name, dirs_exist_ok=True)
            elif not Path(name).exists():
                load(first).policy(3).save(name)
        if words[0] == "export-policy" and words[1].startswith("runs/") and "--run" not in words:
            words += ["--run", "0"]  # the page's own directory holds one run, this one four
        if "--episodes" in words:
            words[words.index("--episodes") + 1] = "4"
        before = written(elsewhere)
        cli.main(words)
        assert capsys.readouterr().out or written(elsewhere) - before, words


@pytest.mark.parametrize("page", of_pages(lambda page: any("--dry-run" in words for words in commands(page))))
def test_the_plans_of_a_page_can_be_made(page, elsewhere, capsys):
    for words in commands(page):
        if words[0] == "run" and "--dry-run" in words and "--measure" not in words:
            cli.main(words)
            assert "runs" in capsys.readouterr().out


@pytest.mark.parametrize("page", of_pages(lambda page: "pip install" in page.read_text(), [*PAGES, *BESIDE]))
def test_the_extras_that_a_page_installs_are_there(page):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for wanted in re.findall(r"pip install [^\n]*?(?:\.|jaxvf)\[([\w,-]+)\]", page.read_text()):
        assert set(wanted.split(",")) <= set(extras), wanted


@pytest.mark.parametrize("page", of_pages(lambda page: True, [*PAGES, *BESIDE]))
def test_the_links_of_a_page_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("https://", "http://")):
            assert (page.parent / target).exists(), target


@pytest.mark.usefixtures("unchecked", "compiled_once")
@pytest.mark.parametrize("page", PAGES + BESIDE, ids=named)
def test_a_heading_does_not_end_a_table(page):
    """Without an empty line between, it would be one more row of it."""
    assert not re.findall(r"^\|[^\n]*\n#+ [^\n]*", page.read_text(), re.MULTILINE)


def test_the_tutorial_runs_from_top_to_bottom(monkeypatch, capsys):
    """Its code in one process, as a kernel runs it; pictures are drawn and thrown away."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text())["cells"]
    module = types.ModuleType("tutorial")
    monkeypatch.setitem(sys.modules, "tutorial", module)
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            text = "".join(cell["source"])
            exec(compile(text, f"docs/tutorial.ipynb, cell {number}", "exec"), module.__dict__)
    plt.close("all")
    assert "optimal" in capsys.readouterr().out


@pytest.mark.parametrize("family", sorted({name.partition("/")[0] for name in ENVIRONMENTS}))
def test_every_environment_is_told_of_and_drawn(family):
    """A row that says what it is, and a picture that `docs/draw_pictures.py` draws."""
    told, shown = (ROOT / "docs" / "environments.md").read_text().split("## What they look like")
    assert f"`{family}`" in told or f"`{family}/" in told
    drawn = re.findall(rf"^\| `{family}[`/].*\(pictures/(\w+)\.png\)", shown, re.MULTILINE)
    script = (ROOT / "docs" / "draw_pictures.py").read_text()
    assert drawn
    for name in drawn:
        assert (ROOT / "docs" / "pictures" / f"{name}.png").is_file() and f'"{name}": ' in script
