"""What a sweep reports to its sinks: numbers of conditions, each once, whatever the cut into chunks."""

import numpy as np
import pytest
from made_results import made, with_metric

from jaxvf.errors import InputError
from jaxvf.results import sinks
from jaxvf.results.sinks import Destination, SweepLog, parse
from jaxvf.results.tensorboard_log import TensorboardSink, markdown, tag

RETURNS = {"vdn": [[1, 2], [3, 4]], "qmix": [[5, 6], [7, float("nan")]]}
RESULT = made(RETURNS, status=["finished"] * 3 + ["diverged"])


class Kept:
    """Keeps what it is told; fails from the call on that `broken` counts."""

    def __init__(self, broken: int = 1000):
        self.said, self.runs, self.left = [], None, broken

    def scalars(self, env_steps, values):
        self.left -= 1
        if self.left <= 0:
            raise ConnectionError("no network\nand more")
        self.said.append((env_steps, values))

    def finish(self, runs):
        self.runs = runs


def feed(log: SweepLog, rows, evaluation: int) -> None:
    step = int(RESULT.env_steps[evaluation])
    log.log(step, {"test_return": RESULT.metric("test_return")[rows, evaluation]}, np.asarray(rows))


def test_a_condition_is_reported_when_all_its_runs_have_come():
    kept = Kept()
    log = SweepLog([kept], RESULT.runs)
    feed(log, [0], 0)
    assert kept.said == []
    feed(log, [1, 2], 0)
    assert kept.said == [(100, {"test_return/vdn": 2.0, "diverged_runs/vdn": 0.0})]
    feed(log, [3], 0)
    assert kept.said[1] == (100, {"test_return/qmix": 6.0, "diverged_runs/qmix": 0.0})


def test_what_is_left_is_reported_at_the_end_and_nothing_twice():
    """A chunk of an earlier process was never seen here."""
    kept = Kept()
    log = SweepLog([kept], RESULT.runs)
    feed(log, [0, 1], 0)
    log.close(RESULT)
    assert [(step, next(iter(values))) for step, values in kept.said] == [
        (100, "test_return/vdn"), (200, "test_return/vdn"), (100, "test_return/qmix"), (200, "test_return/qmix"),
    ]  # fmt: skip
    assert kept.said[-1][1] == {"test_return/qmix": 6.0, "diverged_runs/qmix": 1.0}
    assert kept.runs == RESULT.runs
    assert not log.active


def test_goals_are_reported_as_fractions():
    kept = Kept()
    result = with_metric(RESULT, "test_optimal", [[0, 1]] * 3 + [[0, float("nan")]])
    SweepLog([kept], result.runs).close(result)
    assert kept.said[1][1]["fraction_optimal/vdn"] == 1.0
    assert kept.said[3][1]["fraction_optimal/qmix"] == 0.5  # a diverged run is at no optimum


def test_a_sink_that_fails_leaves_the_others_alone(capsys):
    broken, whole = Kept(broken=2), Kept()
    SweepLog([broken, whole], RESULT.runs).close(RESULT)
    assert len(broken.said) == 1
    assert len(whole.said) == 4
    assert capsys.readouterr().err == "jaxvf: Kept failed, logging to it stops (no network)\n"


def test_hundreds_of_conditions_have_a_table_and_no_curves(capsys):
    many = made({f"learner{place}": [[0, 0]] for place in range(101)})
    kept = Kept()
    SweepLog([kept], many.runs).close(many)
    assert kept.said == []
    assert kept.runs is not None
    assert len(kept.runs) == 101
    assert "101 conditions are too many for curves" in capsys.readouterr().err


def test_what_a_user_may_give():
    kept = Kept()
    assert parse(None) == []
    assert parse(["tensorboard", kept]) == [Destination("tensorboard", {}), kept]
    (found,) = parse("wandb:project=mine,name=first,group=study,tags=a+b,mode=offline")
    assert found.options == {
        "project": "mine", "name": "first", "group": "study", "tags": ["a", "b"], "mode": "offline",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("tensorbord", "unknown log 'tensorbord'; did you mean 'tensorboard'?"),
        ("wandb:projct=x", "unknown option of wandb 'projct'; did you mean 'project'?"),
        ("wandb:mode=onlin", "unknown wandb mode 'onlin'; did you mean 'online'?"),
        ("wandb:project", "log='wandb:project' is not wandb[:OPTION=VALUE,...], each option once"),
        ("wandb:name=a,name=b", "log='wandb:name=a,name=b' is not wandb[:OPTION=VALUE,...], each option once"),
        (3, "log=3 is neither a destination such as 'tensorboard', nor a sink"),
    ],
)
def test_what_is_wrong_is_one_line(log, line):
    with pytest.raises(InputError) as caught:
        parse(log)
    assert str(caught.value) == line


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setattr(sinks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"log=tensorboard needs tensorboardX: pip install 'jaxvf\[tensorboard\]'"):
        parse("tensorboard")


def test_tensorboard_has_the_curves_and_the_runs(tmp_path):
    pytest.importorskip("tensorboardX")
    SweepLog([TensorboardSink(tmp_path)], RESULT.runs).close(RESULT)
    (written,) = tmp_path.iterdir()
    content = written.read_bytes()
    for name in (b"test_return/vdn", b"test_return/qmix", b"diverged_runs/qmix", b"runs/text_summary"):
        assert name in content


def test_names_and_tables_are_plain_for_tensorboard():
    assert tag("loss/qmix, learning_rate 0.1 (é)") == "loss/qmix_learning_rate_0.1_é_"
    table = markdown([{"env": "a|b\n<script>", "seed": 1}, {"env": "c", "rate": 0.1}]).splitlines()
    assert table == ["| env | seed | rate |", "| --- | --- | --- |", r"| a\|b &lt;script> | 1 | None |",
                     "| c | None | 0.1 |"]  # fmt: skip
    assert markdown([{"run": row} for row in range(201)]).endswith("and 1 more runs: see runs.parquet")
