"""wandb logging of a sweep: an offline run is written, and no failure reaches the caller."""

import sys
import time
import types

import numpy as np
import pytest

from jaxvf.results.sinks import SweepLog
from jaxvf.results.wandb_log import open_wandb

RUNS = [{"seed": 0, "learning_rate": 0.1, "payoff": np.eye(2)}, {"seed": np.int64(1), "mixer": "qmix"}]
VALUES = {"test_return/qmix": 2.5}


class FakeRun:
    """Keeps what is logged; from call number `broken` on it raises."""

    def __init__(self, broken: int = 1000):
        self.rows, self.calls, self.broken, self.finished = [], 0, broken, False

    def _call(self):
        self.calls += 1
        if self.calls >= self.broken:
            raise ConnectionError("no network\nand a long explanation")

    def define_metric(self, *_, **__):
        self._call()

    def log(self, row):
        self._call()
        self.rows.append(row)

    def finish(self):
        self._call()
        self.finished = True


class FakeSettings:
    model_fields = ("init_timeout",)

    def __init__(self, **_):
        pass


def install(monkeypatch, init):
    wandb = types.ModuleType("wandb")
    wandb.init, wandb.Settings, wandb.Table = init, FakeSettings, lambda **table: table
    monkeypatch.setitem(sys.modules, "wandb", wandb)


def use(sink) -> None:
    """What a sweep does with it."""
    log = SweepLog([] if sink is None else [sink], [])
    for step in (100, 200):
        log._each(lambda one, step=step: one.scalars(step, VALUES))
    log._each(lambda one: one.finish(RUNS))


def test_offline_run_writes_its_directory(tmp_path, capfd):
    sink = open_wandb(mode="offline", config={"env": "matrix_game"}, directory=tmp_path / "sweep")
    assert sink is not None
    use(sink)
    (written,) = (tmp_path / "sweep" / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 10  # wandb's own process writes the last bytes a moment after `finish`
    while b"test_return/qmix" not in written.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "jaxvf" not in capfd.readouterr().err


def test_rows_and_one_table_of_runs(monkeypatch, tmp_path):
    run, given = FakeRun(), {}
    install(monkeypatch, lambda **options: given.update(options) or run)
    use(open_wandb(config={}, directory=tmp_path, project="mine", name="first", group="study", tags=["a", "b"]))
    assert run.finished
    assert run.rows[:2] == [{"env_steps": step, **VALUES} for step in (100, 200)]
    table = run.rows[-1]["runs"]
    assert table["columns"] == ["seed", "learning_rate", "payoff", "mixer"]
    assert table["data"] == [[0, 0.1, "[[1.0, 0.0], [0.0, 1.0]]", None], [1, None, None, "qmix"]]
    named = {name: given[name] for name in ("project", "name", "group", "tags", "mode")}
    assert named == {"project": "mine", "name": "first", "group": "study", "tags": ["a", "b"], "mode": "online"}


def test_no_network_goes_on_offline(monkeypatch, tmp_path, capsys):
    run = FakeRun()

    def init(*, mode, **_):
        if mode == "online":
            raise ConnectionError("no network\nand a long explanation")
        return run

    install(monkeypatch, init)
    use(open_wandb(config={}, directory=tmp_path))
    assert len(run.rows) == 3
    assert capsys.readouterr().err == "jaxvf: wandb is not reachable, logging offline (no network)\n"


@pytest.mark.parametrize(("mode", "lines"), [("offline", 1), ("online", 2)])
def test_a_wandb_that_cannot_start_logs_nothing(monkeypatch, tmp_path, capsys, mode, lines):
    def init(**_):
        raise RuntimeError

    install(monkeypatch, init)
    assert open_wandb(mode=mode, config={}, directory=tmp_path) is None
    assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize("broken", [2, 3, 4, 5])
def test_whichever_call_fails_it_is_said_once(monkeypatch, tmp_path, capsys, broken):
    install(monkeypatch, lambda **_: FakeRun(broken))
    use(open_wandb(mode="offline", config={}, directory=tmp_path))
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "jaxvf: WandbSink failed, logging to it stops (no network)"
