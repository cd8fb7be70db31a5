"""The ledger says what the data say, and a verdict follows from the numbers."""

import json
import shlex
from pathlib import Path

import pytest

from jaxvf import cli, scripts
from jaxvf.cli_parse import parse
from jaxvf.errors import InputError
from jaxvf.reproduction import ledger
from jaxvf.reproduction.ledger import Claim, Found
from jaxvf.reproduction.prediction import counted_kernels, of_sweeps, predict_or_say
from jaxvf.sweeps import Sweep

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
ROWS = [
    {"learner": "qmix", "game": "A", "optimal": [0.1, 0.05, 0.2], "curve": [1.0, 2.0]},
    {"learner": "pow_qmix", "game": "A", "optimal": [0.9, 0.8, 0.95], "curve": [3.0, 4.0]},
]


def claim(*checks, **find):
    """A claim about `ROWS`."""
    return Claim("paper", "statement", "game A", "QMIX", "jaxvf list envs", "rows", find, checks)


def optimal(learner):
    return {"learner": learner, "game": "A", "field": "optimal"}


def test_the_committed_ledger_is_what_its_data_say(tmp_path):
    assert ledger.write(tmp_path / "LEDGER.md").read_text() == (EXPERIMENTS / "LEDGER.md").read_text()


def test_every_claim_names_a_command_that_there_is():
    claims = ledger.read_claims(EXPERIMENTS / "claims.toml")
    assert len(claims) >= 40
    for each in claims:
        program, *words = each.command.split()
        assert program == "jaxvf"
        parse(cli.COMMANDS, words, prog="jaxvf", description="")
        if words[0] == "reproduce":
            assert words[1] in scripts.available("experiments")


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
    ("text", "message"),
    [
        ('paper = "p"\nstatment = "s"', "field of claim 1 'statment'; did you mean 'statement'"),
        ('paper = "p"\nstatement = "s"', "claim 1 of claims.toml has no environment"),
        ('{}data = "rows"', "data, find and checks belong together"),
        ("{}", "was not run and says not why"),
    ],
)
def test_a_claim_that_says_too_little_is_refused(text, message, tmp_path):
    whole = "".join(f'{name} = "x"\n' for name in ledger.NEEDED)
    path = tmp_path / "claims.toml"
    path.write_text("[[claim]]\n" + text.format(whole))
    with pytest.raises(InputError, match=message):
        ledger.read_claims(path)


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


def test_hours_of_what_was_not_run_are_those_of_its_command(monkeypatch):
    """Programs and seconds, compilation left out: as experiments plan themselves, and as sweeps of `jaxvf run` are."""
    sweeps, found, kernels = [], {}, counted_kernels()
    monkeypatch.setattr(Sweep, "run", lambda sweep, *_, **__: sweeps.append(sweep))
    cells = {(row["env"], row["algorithm"]): row for row in kernels["rows"] if row["chip"] == "h100"}
    not_run = [each for each in ledger.read_claims(EXPERIMENTS / "claims.toml") if not each.data]
    assert any("jaxvf run" in each.command for each in not_run) and any(each.only for each in not_run)
    for each in not_run:
        asked = each.command, json.dumps(each.only)
        _, command, *words = shlex.split(each.command)
        if asked not in found and command == "run":
            parse(cli.COMMANDS, [command, *words], prog="jaxvf", description="")()
            found[asked] = of_sweeps(sweeps[-1:], kernels)
        elif asked not in found and each.h100:
            only = {name: tuple(values) for name, values in each.only.items()}
            found[asked] = predict_or_say(scripts.load("experiments", words[0]), "paper", kernels, **only)
        if asked in found and found[asked].missing:
            assert "needs brax" in found[asked].missing  # it is no part of the tests' installation
            assert each.h100["programs"] == len(each.only["tasks"]) * len(each.only["learners"])
            continue
        if not each.h100:  # of those that were not counted the command is at least a sweep
            assert command == "reproduce" or found[asked].high is None
            continue
        assert each.h100["programs"] == found[asked].programs, each.command
        if found[asked].high is not None:
            compiling = found[asked].programs * cells[each.h100["env"], each.h100["algorithm"]]["compile_cpu_seconds"]
            seconds = 3600 * ledger.h100_hours(each.h100, kernels)[1]
            assert seconds == pytest.approx(found[asked].high - compiling, rel=0.02), each.command


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
