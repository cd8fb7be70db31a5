"""Functions of the page's scripts that need no page, asked by Node."""

import importlib.resources
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from jaxvf.reproduction.captions import percent
from jaxvf.results.statistics import iqm

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")


def asked(expression, *names, given=""):
    """The value of an expression over functions of the scripts, by their names.

    Args:
        expression: of JavaScript, whose value JSON can hold.
        names: "file.js:function" or "file.js:constant", of the top level.
        given: what else they need.
    """
    parts = [given]
    for file, name in (name.split(":") for name in names):
        text = importlib.resources.files("jaxvf.report").joinpath("js", file).read_text()
        pattern = rf"^(?:function {name}\(.*?^}}|const {name} = .*?;(?= *(?://[^\n]*)?$))"
        found = re.search(pattern, text, re.DOTALL | re.MULTILINE)
        assert found is not None, name
        parts.append(found[0])
    script = "\n".join([*parts, f"console.log(JSON.stringify({expression}))"])
    assert NODE is not None
    done = subprocess.run([NODE, "-e", script], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


CSV = ("figure.js:csv", "figure.js:csvTable", "figure.js:csvCell")


def test_a_text_that_a_spreadsheet_would_compute_stays_a_text():
    cells = ["=1+1", "+2", "-3", "@x", "plain", 'a "quote", twice']
    text = asked(f"csvTable(['name'], {json.dumps([[cell] for cell in cells])})", *CSV)
    assert text.split("\r\n") == ["name", "'=1+1", "'+2", "'-3", "'@x", "plain", '"a ""quote"", twice"']
    assert asked("csvTable(['n'], [[-3.5], [NaN]])", *CSV) == "n\r\n-3.5\r\n"


def test_columns_keep_their_order_whatever_they_are_called():
    """Numbered columns of a large matrix stand after the names of its rows."""
    assert asked("csvTable(['row', '1', '2'], [['vdn', 0.5, 1]])", *CSV) == "row,1,2\r\nvdn,0.5,1"


@pytest.mark.parametrize("count", [1, 2, 5, 8, 11])
def test_the_iqm_of_a_selection_is_that_of_the_package(count):
    values = np.random.default_rng(count).normal(size=count).tolist()
    assert asked(f"iqm({values})", "selection.js:iqm") == pytest.approx(float(iqm(np.asarray(values))))


def test_shares_are_written_as_in_captions():
    shares = [0, 1 / 256, 0.3, 255 / 256, 1]
    assert asked(f"{shares}.map(percent)", "data.js:percent") == [percent(share) for share in shares]


def test_the_csv_of_runs_holds_the_selected_ones_in_the_order_of_the_table():
    given = """
      const data = { sources: ["here"] }, runs = { source: [0, 0, 0] }, selected = [1, 0, 1];
      const shownRuns = { key: "run", ascending: false };
      const columns = [{ key: "run", title: "run", value: (row) => row },
        { key: "a", title: "7", value: (row) => `long ${row}` }];
    """
    text = asked("runsCsv()", "runs.js:runsCsv", "runs.js:orderedRows", *CSV[1:], given=given)
    assert text.split("\r\n") == ["directory,run,7", "here,2,long 2", "here,0,long 0"]


def test_ticks_leave_room_for_their_texts_and_keep_both_ends():
    """From -12 to 8 over 240 pixels, 7.9 and 8 are a pixel apart."""
    kept = asked("apart([-12, 0, 7.9, 8], (value) => 12 * value)", "parallel.js:apart", "parallel.js:TICK")
    assert kept == [-12, 0, 8]


def test_a_brush_shows_the_filter_of_its_axis():
    scale = "Object.assign((value) => 10 * value, { domain: () => [0, 5] })"
    brushed = ("parallel.js:brushedBy",)
    assert asked(f"brushedBy({{}}, {scale}, [1, Infinity])", *brushed) == [50, 10]
    assert asked(f"brushedBy({{levels: []}}, {scale}, new Set([1, 2]))", *brushed) == [24.5, 5.5]
    assert asked(f"brushedBy({{levels: []}}, {scale}, new Set([0, 2])) ?? null", *brushed) is None


def test_a_value_of_a_profile_has_the_place_of_its_tick():
    d3 = "const d3 = { bisectLeft: (list, value) => list.filter((one) => one < value).length };"
    values = "[-13, -12, 7.9, 8, 9].map((value) => profilePlace({few: [-12, 7.9, 8]}, value))"
    assert asked(values, "profiles.js:profilePlace", given=d3) == [-0.6, 0, 1, 2, 2.6]
