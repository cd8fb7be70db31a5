"""What the page of a large report costs: bytes, seconds to make, first draw and brushing in headless Chromium.

2,000 made-up runs of 50 evaluations: four learners, five learning rates, two values each of two other fields, 25 seeds.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from jaxvf import scripts
from jaxvf.errors import InputError
from jaxvf.report import write

made_runs = scripts.part("benchmarks", "_made_runs")
browser = scripts.part("benchmarks", "_browser")

LEARNERS = ("vdn", "qmix", "qplex", "pow_qmix")
GRID = {"learning_rate": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], "epsilon_end": [0.05, 0.1], "agent": ["gru", "feed_forward"]}
SEEDS, EVALUATIONS = 25, 50
OPENED, BRUSHED = 5, 30  # times

# From a new value in a filter to the frame that shows it, in milliseconds; the last filter is lifted again.
BRUSH = """
const done = arguments[arguments.length - 1], times = [];
const input = document.querySelector('input[aria-label="test return from"]');
const step = (left) => {
  const begun = performance.now();
  input.value = left ? 6 + 8 * Math.random() : "";
  input.dispatchEvent(new Event("change"));
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      times.push(performance.now() - begun);
      if (left) setTimeout(() => step(left - 1), 20);
      else done(times);
    };
    channel.port2.postMessage(null);
  });
};
step(arguments[0]);
"""
# With these in sight: what is out of sight is painted later.
SIGHTS = ("parallel-figure", "curves-figure")
DRAWN = "return performance.getEntriesByName('report-drawn')[0]?.startTime"
# Of the page's main thread, in seconds since it was opened: what drawing takes where nothing else computes.
BUSY = "TaskDuration"
PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def bench(*, quick: bool = False) -> dict[str, Any]:
    """Make the directory and its report, and open it several times."""
    if not browser.available():
        raise InputError("report_page measures in a browser: install chromium and chromium-driver")
    seeds = 5 if quick else SEEDS
    with tempfile.TemporaryDirectory() as folder:
        runs = made_runs.make(
            Path(folder) / "runs", learners=LEARNERS, grid=GRID, seeds=seeds, evaluations=EVALUATIONS, diverged=(0, 7)
        )
        begun = time.perf_counter()
        page = write([runs], replays=False)
        seconds = time.perf_counter() - begun
        size = page.stat().st_size
        opened = [_open(page) for _ in range(2 if quick else OPENED)]
    return {
        "cores": os.cpu_count(),
        "runs": len(LEARNERS) * 20 * seeds,
        "evaluations": EVALUATIONS,
        "bytes": size,
        "seconds_to_make": round(seconds, 1),
        "first_paint_ms": [round(one["painted_ms"]) for one in opened],
        "all_drawn_ms": [round(one["drawn_ms"]) for one in opened],
        "main_thread_ms": {
            "until_all_is_drawn": [round(one["busy_ms"]) for one in opened],
            "a_brush": {name: [round(one[f"busy_{name}_ms"], 1) for one in opened] for name in SIGHTS},
        },
        "brush_ms": {name: _spread([value for one in opened for value in one[name]]) for name in SIGHTS},
        "load_average_of_the_last_minute": round(os.getloadavg()[0], 1),
    }


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    at = {"median": statistics.median(ordered), "p95": ordered[int(0.95 * (len(ordered) - 1))], "worst": ordered[-1]}
    return {"times": len(ordered), **{name: round(value, 1) for name, value in at.items()}}


def _open(page: Path) -> dict[str, Any]:
    with browser.opened(page) as driver:
        driver.set_script_timeout(120)
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        driver.refresh()  # now that the main thread's time is counted
        found: dict[str, Any] = {"drawn_ms": _told(driver, DRAWN), "painted_ms": _told(driver, PAINTED)}
        found["busy_ms"] = _busy(driver)
        for name in SIGHTS:
            driver.execute_script("document.getElementById(arguments[0]).scrollIntoView()", name)
            time.sleep(0.5)
            before = _busy(driver)
            found[name] = driver.execute_async_script(BRUSH, BRUSHED)
            found[f"busy_{name}_ms"] = (_busy(driver) - before) / len(found[name])
        return found


def _told(driver: Any, script: str) -> float:
    """What a script says, once it says anything."""
    deadline = time.monotonic() + 60
    while (said := driver.execute_script(script)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError("the page was not drawn within a minute")
        time.sleep(0.1)
    return float(said)


def _busy(driver: Any) -> float:
    """Milliseconds of the main thread's own time."""
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return 1000 * next(one["value"] for one in metrics if one["name"] == BUSY)
