"""The file that a report is: whole, alone, and without a word that a run directory could have it execute."""

import html.parser
import json
import re

import numpy as np
import pytest

from jaxvf import cli
from jaxvf.errors import InputError
from jaxvf.report import page, write
from jaxvf.report.page import SCRIPTS

HOSTILE = ("\"'><img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "<!--<script>", "{{ 7 * 7 }}")


class Elements(html.parser.HTMLParser):
    """What a browser would see: elements with their attributes, and the texts of scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        inside = self.get_starttag_text() or ""
        (self.scripts if inside.startswith("<script") else self.words).append(data)


@pytest.fixture(scope="module")
def written(swept, tmp_path_factory):
    return write([swept], tmp_path_factory.mktemp("page") / "report.html", replays=False)


def test_the_page_asks_for_nothing(written):
    elements = Elements(written.read_text()).elements
    assert not [tag for tag, _ in elements if tag in ("link", "img", "object", "embed", "iframe", "base")]
    assert not [at for tag, at in elements for name in at if name in ("src", "srcset", "action", "ping", "background")]
    assert all(at["href"].startswith("#") for tag, at in elements if tag == "a")


def test_nothing_runs_but_the_scripts_of_the_page(written):
    """Every inline script is allowed by its digest, and nothing else is."""
    elements = Elements(written.read_text()).elements
    (policy,) = (at["content"] for tag, at in elements if at.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert policy.count("'sha256-") == 3 == sum(tag == "script" and not at for tag, at in elements)
    assert not [name for _, at in elements for name in at if name.startswith("on")]


def test_texts_of_a_directory_are_texts_of_the_page(make):
    path = make(envs=HOSTILE[:1], learners=HOSTILE[1:3], grid={HOSTILE[2]: list(HOSTILE[2:])})
    text = write([path], replays=False).read_text()
    found = Elements(text)
    assert sum(tag == "script" for tag, _ in found.elements) == 4  # the data, two libraries, the page's own
    assert not [tag for tag, _ in found.elements if tag == "img"]
    assert not any(re.search(r"\b49\b", head) for head in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", text, re.DOTALL))
    words = " ".join(found.words)
    assert all(name in words for name in HOSTILE)
    data = json.loads(found.scripts[0])
    assert {one["learner"] for one in data["conditions"]} == set(HOSTILE[1:3])
    assert {one["env"] for one in data["conditions"]} == {HOSTILE[0]}


def test_the_answer_stands_in_the_page_without_scripts(written):
    words = " ".join(" ".join(Elements(written.read_text()).words).split())
    assert "runs that reach the optimum, 95 % score interval" in words
    assert "IQM of test_return, 95 % bootstrap interval" in words
    assert "1 of 32 runs diverged" in words


def test_every_script_of_the_package_is_part_of_the_page():
    import importlib.resources

    folder = importlib.resources.files("jaxvf.report").joinpath("js")
    assert {path.name for path in folder.iterdir()} == set(SCRIPTS)


def test_a_search_or_a_directory_without_a_plan_shows_its_description(make):
    """A description that is no sweep is shown as it is."""
    path = make()
    document = json.loads((path / "run.json").read_text())
    document["config"]["class"] = "elsewhere:Other"
    (path / "run.json").write_text(json.dumps(document))
    assert "The sweep as JSON" in write([path], replays=False).read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("there.html", "--force"),
        ("page.pdf", "page.html"),
        ("folder.html", "folder.html/report.html"),
        (".html", "the nearest name is {}/report.html"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_and_nothing_is(swept, tmp_path, name, said, capsys):
    (tmp_path / "there.html").write_text("mine")
    (tmp_path / "folder.html").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", str(swept), "--out", str(tmp_path / name)])
    line = capsys.readouterr().err
    assert caught.value.code == 2 and line.count("\n") == 1 and said.format(tmp_path) in line
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "there.html").read_text() == "mine"


def test_a_report_is_written_beside_its_runs_and_overwritten_when_told(make, capsys):
    path = make()
    for force in ([], ["--force"]):
        cli.main(["report", str(path), "--no-replays", *force])
        assert capsys.readouterr().out.strip() == str(path / "report.html")
    with pytest.raises(InputError, match="overwrite it with --force"):
        write([path])


def test_a_wrong_metric_leaves_the_old_report_as_it_was(make):
    path = make()
    old = write([path], replays=False).read_bytes()
    with pytest.raises(InputError, match="did you mean 'test_return'"):
        write([path], metrics=["test_retrun"], force=True)
    assert (path / "report.html").read_bytes() == old


def test_the_metrics_that_are_named_are_shown_first_one_first(make):
    path = make(metrics=("test_return", "test_optimal", "loss"))
    text = page.page(page.gather(page.read([path], ["loss", "test_return"]), replays=False))
    data = json.loads(Elements(text).scripts[0])
    assert (data["main"], data["metrics"]) == ("loss", ["loss", "test_return", "test_optimal"])
    assert "IQM of loss" in text


@pytest.mark.parametrize("shape", [{"learners": ("qmix",), "seeds": 1}, {"done": 1}, {"done": 3, "seeds": 1}])
def test_a_single_run_and_an_unfinished_sweep_have_a_report(make, shape):
    text = write([make(**shape)], replays=False).read_text()
    assert ("are not finished" in text) == ("done" in shape)
    assert '<h2 id="answer-title">Answer</h2>' in text


def test_conditions_are_the_best_first_within_an_environment(make, tmp_path):
    """Whichever directories hold them; the title is the name of the place where many lie."""
    for learner in ("vdn", "qmix", "qplex", "mrvf"):
        make(f"study/{learner}", learners=(learner,), envs=("a", "b"), seeds=4)
    content = page.gather(page.read([tmp_path / "study"]), replays=False)
    assert content.title == "study"
    envs = [content.data["conditions"][line.place]["env"] for line in content.headlines]
    assert envs == ["a"] * 4 + ["b"] * 4
    reached = [(line.answer.goal.estimate, line.answer.score.estimate) for line in content.headlines]
    assert reached[:4] == sorted(reached[:4], reverse=True) and reached[4:] == sorted(reached[4:], reverse=True)


def test_a_sweep_of_which_every_run_diverged_has_a_report(make):
    text = write([make(seeds=2, diverged=[0, 1, 2, 3])], replays=False).read_text()
    assert "4 of 4 runs diverged" in text


def test_of_conditions_that_reach_the_goal_equally_often_the_higher_return_is_first(make):
    study = page.read([make(learners=("vdn", "qmix", "qplex"), seeds=2)])
    study.last["test_optimal"][:] = 1.0
    study.last["test_return"][:] = [1, 1, 3, 3, 2, 2]
    content = page.gather(study, replays=False)
    assert [line.label for line in content.headlines] == ["qmix", "qplex", "vdn"]


def test_a_percentage_is_100_only_of_all_and_0_only_of_none():
    shares = (0, 1 / 256, 0.125, 255 / 256, 1)
    assert [page._number(share, True) for share in shares] == ["0 %", "1 %", "12 %", "99 %", "100 %"]


def test_a_number_has_four_digits_and_a_true_minus():
    assert [page._number(value, False) for value in (7.9, 7.96, -12.0, 0.12345, float("nan"))] == [
        "7.9", "7.96", "−12", "0.1235", "–",
    ]  # fmt: skip


def test_intervals_are_numbers_for_the_csv_of_their_table(written):
    """Estimate and ends, under names of their own; of a matrix the rows keep the names of their conditions."""
    elements = Elements(written.read_text()).elements
    assert "IQM of test_return" in [at["data-interval"] for _, at in elements if "data-interval" in at]
    cells = [at["data-numbers"].split(",") for tag, at in elements if tag == "td" and "data-numbers" in at]
    assert len(cells) == 4 * 2 + 2 * 4 * 4  # two answers of four conditions, and a matrix by each
    low, high = ([float(cell[end]) for cell in cells if cell[0]] for end in (1, 2))
    assert all(0 <= left <= right for left, right in zip(low, high, strict=True))
    assert sum(cell == ["", "", ""] for cell in cells) == 2 * 4


def test_runs_are_compared_by_the_goal_and_by_the_return(written):
    headings = re.findall("<h3>(Probability of improvement.*?)</h3>", written.read_text())
    assert headings == [
        "Probability of improvement on game, by runs that reach the optimum",
        "Probability of improvement on game, by test_return",
    ]
    data = json.loads(Elements(written.read_text()).scripts[0])
    assert [profile["metric"] for profile in data["profiles"]] == ["test_return", "test_optimal"]


def test_names_are_cut_on_the_page_and_whole_in_its_data(make):
    long = "a learner whose name is much longer than there is room for"
    data = page.gather(page.read([make(learners=("vdn", long), seeds=1)]), replays=False).data
    (field,) = data["fields"]
    assert field["texts"] == ["vdn", long] and field["levels"][1].endswith("… (no. 2)")


def test_runs_that_a_search_dropped_are_said_with_their_steps(make):
    study = page.read([make(learners=("qmix",), seeds=4)])
    for row in (1, 2):
        study.records[row]["status"] = "dropped"
        study.curves["test_return"][row, 5:] = np.nan
    note = page.gather(study, replays=False).notes[0]
    assert "2 of 4 runs were dropped early by the search, after 5,000 of 20,000 environment steps" in note


def test_the_command_that_began_a_sweep_is_said(written):
    assert "<dt>begun by</dt><dd><code>jaxvf run --env game --algorithm vdn qmix</code></dd>" in written.read_text()
