"""The ledger says what the data say, and a verdict follows from the numbers."""

import dataclasses
import json
import shlex
from pathlib import Path

import pytest

from jaxvf import cli, scripts
from jaxvf.cli_parse import parse
from jaxvf.commands.run import together
from jaxvf.errors import InputError
from jaxvf.reproduction import ledger
from jaxvf.reproduction.ledger import Claim, Found
from jaxvf.reproduction.parts import parse_only
from jaxvf.reproduction.prediction import counted_kernels, predict_or_say

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
ROWS = [
    {"learner": "qmix", "game": "A", "optimal": [0.1, 0.05, 0.2], "curve": [1.0, 2.0]},
    {"learner": "pow_qmix", "game": "A", "optimal": [0.9, 0.8, 0.95], "curve": [3.0, 4.0]},
]


def claim(*checks, **find):
    """A claim about `ROWS`."""
    return Claim("paper", "statement", "game A", "QMIX", "jaxvf reproduce x", "rows", find, checks)


def optimal(learner):
    return {"learner": learner, "game": "A", "field": "optimal"}


def test_the_committed_ledger_is_what_its_data_say(tmp_path):
    assert ledger.write(tmp_path / "LEDGER.md").read_text() == (EXPERIMENTS / "LEDGER.md").read_text()


def test_every_claim_names_a_command_that_there_is():
    claims = ledger.read_claims(EXPERIMENTS / "claims.toml")
    assert len(claims) >= 40
    for each in claims:
        call = parse(cli.COMMANDS, shlex.split(each.whole_command)[1:], prog="jaxvf", description="")
        assert each.experiment in scripts.available("experiments")
        module = scripts.load("experiments", each.experiment)
        part = parse_only(each.experiment, module, together(call.keywords["only"]))
        assert part == {name: tuple(values) for name, values in each.only.items()}


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        (("qmix < pow", "pow > 0.7"), "confirmed"),
        (("qmix < 0.2",), "undecided"),  # its interval ends there
        (("qmix < 0.21", "pow > 0.85"), "undecided"),
        (("qmix > pow",), "refuted"),
        (("qmix < pow", "pow < 0.5"), "refuted"),
        (("qmix == qmix",), "confirmed"),
        (("qmix == 0.15",), "undecided"),
        (("qmix == pow",), "refuted"),
    ],
)
def test_a_verdict_follows_from_intervals(checks, expected):
    made = claim(*checks, qmix=optimal("qmix"), pow=optimal("pow_qmix"))
    numbers = {name: number for name, (number, _) in ledger.look_up(made, ROWS).items()}
    assert numbers["qmix"] == Found(0.1, 0.05, 0.2)
    assert ledger.verdict(made, numbers) == expected


def test_a_number_of_a_list_is_an_entry_of_it():
    made = claim("last == 4", last={"learner": "pow_qmix", "field": "curve", "entry": -1})
    assert ledger.look_up(made, ROWS)["last"][0] == Found(4.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"statment": '"s"'}, "field of claim 1 'statment'; did you mean 'statement'"),
        ({"environment": '""'}, "claim 1 of claims.toml has no environment"),
        ({"command": '"jaxvf run"'}, "command='jaxvf run' of claim 1 is not 'jaxvf reproduce EXPERIMENT'"),
        ({"command": '"jaxvf reproduce"'}, "command='jaxvf reproduce' of claim 1 is not 'jaxvf reproduce EXPERIMENT'"),
        ({"command": '"jaxvf reproduce combt"'}, "unknown experiment of claim 1 'combt'; did you mean 'combat'"),
        ({"data": '"rows"'}, "data and find belong together"),
        ({"checks": '["a < 1"]'}, "data and find belong together, and checks need them"),
        ({}, "is not decided by any check and says not why"),
        ({"data": '"rows"', "find.a": '{field = "optimal"}'}, "is not decided by any check and says not why"),
    ],
)
def test_a_claim_that_says_too_little_is_refused(fields, message, tmp_path):
    whole = dict.fromkeys(ledger.NEEDED, '"x"') | {"command": '"jaxvf reproduce combat"'} | fields
    path = tmp_path / "claims.toml"
    path.write_text("[[claim]]\n" + "".join(f"{name} = {value}\n" for name, value in whole.items()))
    with pytest.raises(InputError, match=message):
        ledger.read_claims(path)


def test_a_reduced_run_is_shown_and_decides_nothing(tmp_path):
    """Numbers without checks, and the reason why not."""
    (tmp_path / "rows_summary.json").write_text(json.dumps([{**ROWS[0], "scale": "small", "runs": 2}]))
    made = dataclasses.replace(claim(qmix=optimal("qmix")), because="too short")
    text = ledger.markdown([made], tmp_path, {"rows": []})
    assert (
        "scale small, 2 runs a cell" in text and "| qmix 0.1 [0.05, 0.2] | – | – | **undecided**: too short |" in text
    )


def test_rows_and_comparisons_that_there_are_not_are_refused():
    with pytest.raises(InputError, match=r"2 rows of rows have {'game': 'A'}; a claim needs one"):
        ledger.look_up(claim("a < 1", a={"game": "A", "field": "optimal"}), ROWS)
    with pytest.raises(InputError, match="check 'a below b' is not a comparison"):
        ledger.outcome("a below b", {})
    with pytest.raises(InputError, match="number 'qmx'"):
        ledger.outcome("qmx < 1", {"qmix": Found(1, 1, 1)})


def test_hours_are_launches_or_work_whichever_is_longer():
    """1,000 iterations of 1 to 2.5 ms of launching; 100 runs of 20 µs each are 2 ms of work."""
    row = {"chip": "h100", "env": "e", "algorithm": "a", "launch_microseconds": [1000, 2500]}
    row |= {"arithmetic_microseconds_per_run": 20.0, "memory_microseconds_per_run": 3.0}
    cost = {"env": "e", "algorithm": "a", "env_steps": 8000, "steps": 8}
    kernels = {"rows": [row, {**row, "chip": "v5e"}]}
    assert ledger.h100_hours({**cost, "runs": 1}, kernels) == pytest.approx((1 / 3600, 2.5 / 3600))
    assert ledger.h100_hours({**cost, "runs": 100}, kernels) == pytest.approx((2 / 3600, 2.5 / 3600))
    assert ledger.h100_hours({**cost, "runs": 1, "programs": 3}, kernels) == pytest.approx((3 / 3600, 7.5 / 3600))


def test_hours_of_what_is_undecided_are_those_of_its_part():
    """Programs and seconds, compilation left out: as experiments plan themselves."""
    found, kernels = {}, counted_kernels()
    cells = {(row["env"], row["algorithm"]): row for row in kernels["rows"] if row["chip"] == "h100"}
    left = [each for each in ledger.read_claims(EXPERIMENTS / "claims.toml") if not each.checks]
    assert len(left) > 20 and all(each.h100 for each in left)
    for each in left:
        asked = each.experiment, json.dumps(each.only)
        if asked not in found:
            only = {name: tuple(values) for name, values in each.only.items()}
            found[asked] = predict_or_say(scripts.load("experiments", each.experiment), "paper", kernels, **only)
        if found[asked].missing:
            assert "needs brax" in found[asked].missing  # it is no part of the tests' installation
            assert each.h100["programs"] == len(each.only["tasks"]) * len(each.only["learners"])
            continue
        assert each.h100["programs"] == found[asked].programs, each.statement
        compiling = found[asked].programs * cells[each.h100["env"], each.h100["algorithm"]]["compile_cpu_seconds"]
        seconds = 3600 * ledger.h100_hours(each.h100, kernels)[1]
        assert seconds == pytest.approx(found[asked].high - compiling, rel=0.02), each.statement


def test_a_changed_number_changes_the_text(tmp_path):
    """What a test above relies on: the table holds numbers, intervals, scale and runs of the data."""
    path = tmp_path / "rows_summary.json"
    made = claim("qmix < 0.5", qmix=optimal("qmix"))
    texts = []
    for runs in (64, 65):
        path.write_text(json.dumps([{**ROWS[0], "scale": "small", "runs": runs}]))
        texts.append(ledger.markdown([made], tmp_path, {"rows": []}))
    assert "scale small, 64 runs a cell" in texts[0] and "| qmix 0.1 [0.05, 0.2] | qmix < 0.5 |" in texts[0]
    assert texts[0].startswith("1 claims: 1 confirmed, 0 refuted, 0 undecided.") and texts[0] != texts[1]
