"""wandb logging of a sweep: an offline run is written, and no failure reaches the caller."""

import sys
import time
import types

import numpy as np
import pytest

from jaxvf.errors import InputError
from jaxvf.results.wandb_log import WandbLog, open_wandb

RUNS = [{"seed": 0, "learning_rate": 0.1, "payoff": np.eye(2)}, {"seed": np.int64(1), "mixer": "qmix"}]
METRICS = {"test_return": np.array([1.0, 2.0, np.nan, 3.0, 10.0]), "loss": np.full(5, np.nan)}


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


def use(log: WandbLog) -> None:
    log.log(100, METRICS, np.arange(5))
    log.log(200, METRICS, np.arange(5))
    log.close(RUNS)


def test_offline_run_writes_its_directory(tmp_path, capfd):
    log = open_wandb("offline", config={"env": "matrix_game"}, directory=tmp_path / "sweep")
    assert log.active
    use(log)
    (written,) = (tmp_path / "sweep" / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 10  # wandb's own process writes the last bytes a moment after `finish`
    while b"test_return/iqm, runs 0-4" not in written.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "jaxvf" not in capfd.readouterr().err


def test_rows_hold_the_statistics_of_the_runs_that_are_left(monkeypatch, tmp_path):
    run = FakeRun()
    install(monkeypatch, lambda **_: run)
    use(open_wandb("online", config={}, directory=tmp_path))
    assert run.finished
    assert run.rows[0] == {
        "env_steps": 100,
        "test_return/valid, runs 0-4": 4,
        "test_return/iqm, runs 0-4": 2.5,
        "test_return/mean, runs 0-4": 4.0,
        "loss/valid, runs 0-4": 0,
    }
    table = run.rows[-1]["runs"]
    assert table["columns"] == ["seed", "learning_rate", "payoff", "mixer"]
    assert table["data"] == [[0, 0.1, "[[1.0, 0.0], [0.0, 1.0]]", None], [1, None, None, "qmix"]]


def test_no_network_goes_on_offline(monkeypatch, tmp_path, capsys):
    run = FakeRun()

    def init(*, mode, **_):
        if mode == "online":
            raise ConnectionError("no network\nand a long explanation")
        return run

    install(monkeypatch, init)
    use(open_wandb("online", config={}, directory=tmp_path))
    assert len(run.rows) == 3
    assert capsys.readouterr().err == "jaxvf: wandb is not reachable, logging offline (no network)\n"


@pytest.mark.parametrize(("mode", "lines"), [("offline", 1), ("online", 2)])
def test_a_wandb_that_cannot_start_logs_nothing(monkeypatch, tmp_path, capsys, mode, lines):
    def init(**_):
        raise RuntimeError

    install(monkeypatch, init)
    log = open_wandb(mode, config={}, directory=tmp_path)
    assert not log.active
    use(log)
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_a_missing_wandb_logs_nothing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    use(open_wandb("offline", config={}, directory=tmp_path))


@pytest.mark.parametrize("broken", [1, 2, 3, 4, 5])
def test_whichever_call_fails_it_is_said_once(monkeypatch, tmp_path, capsys, broken):
    install(monkeypatch, lambda **_: FakeRun(broken))
    use(open_wandb("offline", config={}, directory=tmp_path))
    (line,) = capsys.readouterr().err.splitlines()
    assert "no network" in line


def test_a_broken_row_stops_the_logging_only(capsys, unchecked):
    log = WandbLog(FakeRun())
    log.log(0, {"loss": np.array(["text"])}, np.arange(1))
    assert not log.active
    assert "logging stops" in capsys.readouterr().err


def test_a_wrong_mode_is_named(tmp_path, unchecked):
    with pytest.raises(InputError, match="did you mean 'online'"):
        open_wandb("onlin", config={}, directory=tmp_path)
