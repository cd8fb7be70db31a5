"""Results as data frames: one row a run, or one for every evaluation that there really was."""

import sys

import numpy as np
import pytest
from made_results import made, with_metric

import jaxvf
from jaxvf.errors import InputError
from jaxvf.results import fraction_interval
from jaxvf.results.frames import rows_frame

pandas = pytest.importorskip("pandas")
RESULT = with_metric(made({"vdn": [[1, 2], [3, 4]]}, payoff=[[1, 0], [0, 1]]), "loss", [[0.5, 0.25], [0.5, 0.125]])


def test_runs_with_their_last_numbers():
    frame = RESULT.to_pandas()
    assert list(frame.columns) == ["run", "env", "algorithm", "seed", "payoff", "status", "env_steps", "loss",
                                   "test_return"]  # fmt: skip
    assert frame["test_return"].tolist() == [2, 4]
    assert frame["env_steps"].tolist() == [200, 200]
    assert len(frame.groupby("payoff")) == 1  # a table can be grouped by


def test_curves_have_a_row_for_every_evaluation():
    short = made({"qmix": [[7]]}, steps=(50,))
    frame = jaxvf.concat([RESULT, short]).to_pandas("curves", ["test_return"])
    assert frame[["algorithm", "env_steps", "test_return"]].to_numpy().tolist() == [
        ["vdn", 100, 1], ["vdn", 200, 2], ["vdn", 100, 3], ["vdn", 200, 4], ["qmix", 50, 7],
    ]  # fmt: skip
    assert "loss" not in frame


def test_intervals_take_three_columns():
    frame = rows_frame([{"method": "vdn", "fraction_won": fraction_interval(1, 2)}])
    assert list(frame.columns) == ["method", "fraction_won", "fraction_won_low", "fraction_won_high"]
    np.testing.assert_allclose(frame.iloc[0, 1:].astype(float), fraction_interval(1, 2))


@pytest.mark.usefixtures("unchecked")
def test_a_wrong_name_and_a_missing_pandas_are_one_line(monkeypatch):
    with pytest.raises(InputError, match="unknown table 'curve'; did you mean 'curves'"):
        RESULT.to_pandas("curve")
    with pytest.raises(InputError, match="unknown metric 'los'; did you mean 'loss'"):
        RESULT.to_pandas(metrics=["los"])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"needs pandas: pip install 'jaxvf\[pandas\]'"):
        RESULT.to_pandas()
