"""The page of a replay: it stands alone, draws what the scenes say, and tells what every agent chose and why."""

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import jax
import numpy as np
import pytest
from PIL import Image

from jaxvf.envs import MatrixGame
from jaxvf.envs.pictures import BLUE, ORANGE, PALE, Choice, Circle, Frame, Key, Line, Names, Rectangle, Scene, Text
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.results import film
from jaxvf.results.policy import Policy
from jaxvf.results.render import Episode, frames, play
from jaxvf.results.replay_page import page
from jaxvf.value import QLearning

STILL = Rectangle(0, 0, 4, 1, PALE)
NASTY = "</script><!--<script><b>&"
SHOWN = [
    Frame(Scene(4, 2, (STILL, Circle(1, 0.5, 0.25, BLUE, edge=ORANGE, edge_width=0.1))), "one · step"),
    Frame(Scene(4, 2, (STILL, Line(0, 0, 4, 2, ORANGE, 0.5), Text(2, 1, NASTY, 0.4))), NASTY),
]


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text of the script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside == "script" and data.strip():
            self.scripts.append(data)


def replay(shown, title="a title"):
    parsed = Tags(page(shown, title).decode())
    (script,) = parsed.scripts
    stored, beside = (re.search(rf"^const {name} = (.*);$", script, re.MULTILINE) for name in ("frames", "beside"))
    return parsed.tags, json.loads(stored[1]), json.loads(beside[1])


def test_a_page_stands_alone():
    text = page(SHOWN, NASTY).decode()
    tags, _, beside = replay(SHOWN, NASTY)
    assert beside is None  # nobody chose anything
    assert not re.search(r"https?:|src=|href=|url\(|@import|fetch\(", text)
    assert {"svg", "input", "button", "script"} <= {tag for tag, _ in tags}
    assert "b" not in {tag for tag, _ in tags}
    slider = next(attributes for tag, attributes in tags if tag == "input")
    assert (slider["type"], slider["min"], slider["max"]) == ("range", "0", "1")


def test_frames_are_svg_with_y_downwards_and_what_never_changes_is_stored_once():
    tags, stored, _ = replay(SHOWN)
    box = next(attributes for tag, attributes in tags if tag == "svg")["viewbox"]
    assert box == "0 0 1000 500"
    assert [caption for _, caption, _ in stored] == ["one · step", NASTY]
    (disc,), (line, text) = ([*ElementTree.fromstring(f"<svg>{drawn}</svg>")] for drawn, _, _ in stored)
    assert disc.attrib == {
        "cx": "250", "cy": "375", "r": "50", "fill": BLUE, "stroke": ORANGE, "stroke-width": "25",
    }  # fmt: skip
    assert [line.get(name) for name in ("x1", "y1", "x2", "y2")] == ["0", "500", "1000", "0"]
    assert text.text == NASTY
    still = [attributes for tag, attributes in tags if tag == "rect"]
    assert still == [{"x": "0", "y": "250", "width": "1000", "height": "250", "fill": PALE}]


def test_the_page_says_what_every_agent_chose_and_how_it_valued_its_actions():
    """Both agents' Q values of three actions, the largest chosen; actions are letters."""
    learner = QLearning(mixer=VdnMixer(), agent=TabularAgent(), agent_id=False, last_action=False)
    game = MatrixGame(np.zeros((3, 3)))
    policy = Policy(game, learner, learner.init(jax.random.key(0), game.spec).params)
    episode = play(policy, jax.random.key(1))
    shown = frames(episode, lambda state, actions: Scene(1, 1, ()), policy.env.names(episode.states[0]))
    _, stored, beside = replay(shown)
    assert beside == {"agents": ["0", "1"], "actions": [["A", "B", "C"]] * 2, "measure": "Q"}
    chosen, values = stored[0][2]
    assert chosen == episode.actions[0].tolist() == np.argmax(values, axis=1).tolist()
    local = policy.params.agent["params"]["table"][:, 0]
    np.testing.assert_allclose(values, local, rtol=5e-3)
    assert stored[1][2] is None  # nothing is chosen in the last state


def test_values_of_unavailable_actions_are_left_out():
    names = Names.alike(1, ("a", "b"))
    episode = Episode([0, 1], np.array([[1]]), np.zeros(1), True, np.array([[[False, True]]]), np.ones((1, 1, 2)), "Q")
    first, last = frames(episode, lambda state, actions: Scene(1, 1, ()), names)
    assert first.choice == Choice((1,), ((None, 1.0),)) and last.choice is None
    assert first.caption == "step 1 of 1 · b · reward 0 · return 0"


def test_a_legend_says_what_marks_mean_in_both_forms(tmp_path):
    legend = (Key("disc", BLUE, "one of <us>"), Key("cross", ORANGE, "fallen"), Key("text", PALE, "Ma marine"))
    shown = [Frame(Scene(4, 2, (), legend=legend), "a")]
    text = page(shown, "t").decode()
    assert "one of &lt;us&gt;</li>" in text and text.count("<li>") == 3
    (tmp_path / "film.gif").write_bytes(film.gif(shown))
    with Image.open(tmp_path / "film.gif") as image:
        assert image.height > 240 + film.STRIP
        colours = {image.convert("RGB").getpixel((x, 240 + film.STRIP + 10)) for x in range(4, 14)}
    assert any(blue > red + 60 for red, _, blue in colours)  # the disc


# Presses keys and notes the caption after each; what went wrong is noted too.
PRESSED = """
<script>
const noted = [];
window.onerror = message => { noted.push(message); };
for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", " ", " "]) {
  document.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
  noted.push(document.getElementById("caption").textContent + " " + document.getElementById("play").textContent);
}
const heads = [...document.querySelectorAll("thead th")].map(head => head.textContent);
const chosen = [...document.querySelectorAll("td.chosen")].map(cell => cell.title);
document.title = JSON.stringify([noted, heads, chosen]);
</script>
"""


def test_keys_step_and_play_in_a_browser(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    names, choice = Names.alike(1, ("a<b", "c")), Choice((1,), ((0.25, 1.0),))
    shown = [Frame(Scene(1, 1, ()), text, choice, names, "Q") for text in ("one", "two", "three")]
    text = page(shown, "keys").decode().replace("</body>", f"{PRESSED}</body>")
    (tmp_path / "page.html").write_text(text)
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--dump-dom",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=1000", "--enable-logging=stderr",
        f"file://{tmp_path / 'page.html'}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    noted, heads, chosen = json.loads(html.unescape(title[1]))
    steps = ["two", "three", "three", "two", "three", "one"]
    assert noted == [*(f"{step} play" for step in steps), "one pause", "one play"]
    assert (heads, chosen) == (["agent", "chooses", "a<b", "c"], ["c: 1"])
    assert "CONSOLE" not in done.stderr
