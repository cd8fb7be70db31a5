"""The page in headless Chromium: it complains of nothing, asks for nothing, and its parts follow each other."""

import time

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from jaxvf import scripts
from jaxvf.envs.pictures import Circle, Frame, Scene, Text
from jaxvf.report import policies, write
from jaxvf.results import replay_page

browser = scripts.part("benchmarks", "_browser")
pytestmark = pytest.mark.skipif(not browser.available(), reason="needs Chromium and its driver")


@pytest.fixture(scope="module")
def page(swept, tmp_path_factory):
    return write([swept], tmp_path_factory.mktemp("page") / "report.html", replays=False)


@pytest.fixture(scope="module")
def shown(page):
    with browser.opened(page) as driver:
        yield driver


@pytest.fixture(autouse=True)
def all_selected(request):
    """Every test begins with all runs selected."""
    if "shown" in request.fixturenames:
        driver = request.getfixturevalue("shown")
        driver.execute_script(
            "if (!document.getElementById('clear').disabled) document.getElementById('clear').click()"
        )
        frame(driver)


def frame(driver):
    """Wait until what changed is drawn."""
    driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))")


def wait(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def text(driver, identifier):
    return driver.execute_script("return document.getElementById(arguments[0]).textContent", identifier)


def column(driver, place):
    script = "return [...document.querySelectorAll('#runs-body tr')].map((row) => row.cells[arguments[0]].textContent)"
    return driver.execute_script(script, place)


def drag(driver, axis, start, end):
    """Drag a stretch of an axis of the parallel coordinates, from one share of its height to another."""
    overlay = driver.find_element(By.CSS_SELECTOR, f'.brush[data-axis="{axis}"] .overlay')
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", overlay)
    height = overlay.rect["height"]
    down, up = (round((share - 0.5) * height) for share in (start, end))
    chain = ActionChains(driver).move_to_element_with_offset(overlay, 0, down).click_and_hold()
    chain.move_by_offset(0, up - down).release().perform()
    frame(driver)


def test_the_page_is_drawn_without_complaint_and_asks_for_nothing_but_itself(page):
    with browser.opened(page) as driver:
        assert driver.execute_script("return document.documentElement.dataset.drawn") == "true"
        assert driver.execute_script("return document.querySelectorAll('figure svg').length") >= 6
        assert browser.complaints(driver) == []
        assert browser.requests(driver) == [page.as_uri()]


def test_texts_of_a_directory_do_nothing_in_a_browser(make):
    hostile = ('"\'><img src=x onerror="document.title=1">', "</script><script>document.title=2</script>", "a&b<!--")
    path = make(envs=hostile[:1], learners=hostile[1:], grid={hostile[2]: list(hostile[1:])}, seeds=2)
    with browser.opened(write([path], replays=False)) as driver:
        assert driver.title == "sweep: jaxvf report"
        assert browser.complaints(driver) == [] and len(browser.requests(driver)) == 1
        driver.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        driver.execute_script("document.querySelector('#runs-body button').click()")
        assert driver.execute_script("return document.querySelectorAll('img').length") == 0
        assert hostile[1] in text(driver, "run-title") and driver.title == "sweep: jaxvf report"
        assert browser.complaints(driver) == []


def test_brushing_an_axis_cuts_the_table_and_is_said_in_words(shown):
    assert text(shown, "runs-range") == "Runs 1 to 25 of 32"
    drag(shown, "algorithm", 0.02, 0.45)  # the upper half: qmix
    assert text(shown, "runs-range") == "Runs 1 to 16 of 16"
    assert set(column(shown, 1)) == {"qmix"}
    assert text(shown, "selection-status").startswith("16 of 32 runs selected; ")


def test_a_filter_form_selects_what_a_brush_does(shown):
    shown.execute_script(
        "document.querySelector('#selection details').open = true;"
        "const box = document.querySelector('#filter-form input[type=checkbox]'); box.click()"
    )
    frame(shown)
    assert set(column(shown, 1)) == {"qmix"}


def test_the_button_of_a_condition_selects_its_runs_and_a_second_time_all(shown):
    click = "document.querySelector('[data-condition=\"1\"]').click()"
    shown.execute_script(click)
    frame(shown)
    assert text(shown, "runs-range") == "Runs 1 to 8 of 8" and set(column(shown, 2)) == {"0.0005"}
    shown.execute_script(click)
    frame(shown)
    assert text(shown, "runs-range") == "Runs 1 to 25 of 32"


def test_the_table_is_sorted_by_the_keyboard_and_what_diverged_stands_last(shown):
    header = shown.find_element(By.CSS_SELECTOR, '#runs-head th[data-key="last:test_return"]')
    button = header.find_element(By.TAG_NAME, "button")
    last = shown.execute_script("return document.querySelectorAll('#runs-head th').length") - 2
    for order, signed in (("ascending", 1), ("descending", -1)):
        button.send_keys(Keys.ENTER)
        assert header.get_attribute("aria-sort") == order
        values = [signed * float(value.replace("−", "-")) for value in column(shown, last)]
        assert values == sorted(values)
    shown.execute_script("document.getElementById('runs-on').click()")
    assert column(shown, last)[-1] == "–" and column(shown, last - 1)[-1] == "✕ diverged"


def test_a_run_opens_and_closes_by_the_keyboard(shown):
    button = shown.find_element(By.CSS_SELECTOR, "#runs-body button")
    button.send_keys(Keys.ENTER)
    assert shown.execute_script("return document.getElementById('run-dialog').open")
    assert "jaxvf render" in text(shown, "run-body")
    shown.find_element(By.ID, "run-close").send_keys(Keys.ENTER)
    assert not shown.execute_script("return document.getElementById('run-dialog').open")
    assert shown.execute_script("return document.activeElement === arguments[0]", button)


def test_the_episode_of_a_run_is_stepped_through_in_a_frame_of_its_own(swept, tmp_path, monkeypatch):
    """Its script runs under the page's policy, and reaches nothing outside its frame."""
    scenes = [Scene(2, 1, (Circle(x, 0.5, 0.3), Text(x, 0.5, "</script>"))) for x in (0.5, 1.5)]
    shown = replay_page.page([Frame(scene, f"moment {at}") for at, scene in enumerate(scenes)], "an episode")
    monkeypatch.setattr(policies, "replays", lambda *_: ([policies.Replay(2, 0, shown.decode())], []))
    with browser.opened(write([swept], tmp_path / "report.html")) as driver:
        driver.execute_script("document.querySelectorAll('#runs-body button')[2].click()")
        wait(lambda: driver.execute_script("return document.querySelector('iframe')?.srcdoc.length > 0"))
        driver.switch_to.frame(0)
        wait(lambda: "moment 0" in driver.execute_script("return document.body.textContent"))
        slider = driver.find_element(By.CSS_SELECTOR, "input[type=range]")
        slider.send_keys(Keys.ARROW_RIGHT)
        wait(lambda: "moment 1" in driver.execute_script("return document.body.innerText"))
        driver.switch_to.default_content()
        assert browser.complaints(driver) == []
        assert {address.partition(":")[0] for address in browser.requests(driver)} <= {"file", "about"}


def test_every_figure_has_words_and_buttons_of_its_own_name(shown):
    figures = shown.execute_script(
        "return [...document.querySelectorAll('figure')].map((figure) => [figure.querySelector('.plots').getAttribute("
        "'aria-label'), [...figure.querySelectorAll('.buttons button')].map((one) => one.getAttribute('aria-label'))])"
    )
    assert len(figures) == 5
    assert all(words.strip() and len(words) > 40 for words, _ in figures)
    names = [name for _, buttons in figures for name in buttons]
    assert len(names) == len(set(names)) == 10


def test_headings_and_tables_can_be_found_by_a_screen_reader(shown):
    levels = shown.execute_script(
        "return [...document.querySelectorAll('main h2, main h3, h1')].map((one) => one.tagName)"
    )
    assert levels.count("H1") == 1 and levels[0] == "H1" and levels[1] == "H2"
    missing = "return [...document.querySelectorAll('table')].filter((table) => !table.caption).length"
    assert shown.execute_script(missing) == 0
    nameless = """return [...document.querySelectorAll("button, input, select")].filter(
      (one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).length"""
    assert shown.execute_script(nameless) == 0


def test_figures_are_saved_as_svg_and_csv(shown):
    """What would be saved is read from the link that saves it."""
    script = """
      const done = arguments[arguments.length - 1], made = [];
      const click = HTMLAnchorElement.prototype.click;
      HTMLAnchorElement.prototype.click = function () { made.push([this.download, this.href]); };
      document.querySelectorAll("figure .buttons button").forEach((button) => button.click());
      HTMLAnchorElement.prototype.click = click;
      Promise.all(made.map(async ([name, href]) => [name, await new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.readAsText(blobs.get(href));
      })])).then(done);
    """
    keep = """
      window.blobs = new Map();
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { const url = make(blob); blobs.set(url, blob); return url; };
    """
    shown.execute_script(keep)
    saved = dict(shown.execute_async_script(script))
    assert len(saved) == 10
    assert saved["curves-figure.svg"].startswith("<svg") and "<image" in saved["curves-figure.svg"]
    rows = saved["curves-figure.csv"].splitlines()
    assert rows[0] == "condition,metric,env_steps,estimate,low,high" and len(rows) == 1 + 4 * 20


def test_a_change_of_the_theme_leaves_brushes_where_they_are(shown):
    drag(shown, "algorithm", 0.02, 0.45)
    height = (
        """return +(document.querySelector('.brush[data-axis="algorithm"] .selection').getAttribute('height') ?? 0)"""
    )
    before = shown.execute_script(height)
    shown.execute_script("document.getElementById('theme').click()")
    frame(shown)
    assert shown.execute_script(height) == before > 50
    assert text(shown, "runs-range") == "Runs 1 to 16 of 16"


def test_figures_show_first_whether_the_goal_is_reached(shown):
    chosen = "return ['curve-metric', 'seeds-metric', 'profile-metric'].map((id) => document.getElementById(id).value)"
    assert shown.execute_script(chosen) == ["test_optimal"] * 3
    for identifier in ("seeds-metric", "profile-metric"):
        shown.execute_script(
            "const list = document.getElementById(arguments[0]); list.value = 'test_return'; list.onchange()",
            identifier,
        )
    words = "return document.querySelector('#profiles-figure .plots').getAttribute('aria-label')"
    assert "test return" in shown.execute_script(words)
    assert browser.complaints(shown) == []


def test_tables_are_saved_with_numbers_for_their_intervals(shown):
    """What would be saved is caught before it becomes a file."""
    script = """
      const made = [], Real = Blob;
      window.Blob = class extends Real { constructor(parts, options) { super(parts, options); made.push(parts[0]); } };
      document.querySelectorAll("[data-table-csv]").forEach((button) => button.click());
      window.Blob = Real;
      return made;
    """
    answer, by_goal, by_return = (table.splitlines() for table in shown.execute_script(script))
    share = "fraction of runs that reach the optimum"
    assert answer[0].startswith(f'condition,{share},"{share}, low","{share}, high",IQM of test_return,')
    cells = answer[1].replace('"', "").split(",")
    assert all(0 <= float(cell) <= 1 for cell in cells[2:5])  # the name of a condition has a comma
    assert by_goal[0].startswith('row beats column,"vdn, learning_rate 0.001",')
    assert by_goal[1].startswith('"vdn, learning_rate 0.001",,,,')
    assert by_return[0] == by_goal[0] and by_return[1] != by_goal[1]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_themes(page, theme):
    with browser.opened(page, width=390, height=800) as driver:
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        frame(driver)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 25, 29)"}[theme]
        driver.execute_script("document.getElementById('theme').click()")  # light
        driver.execute_script("document.getElementById('theme').click()")  # dark
        assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(22, 25, 29)"
        assert browser.complaints(driver) == []
