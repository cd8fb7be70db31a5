"""The policies that come with the repository: what their README says of them holds, and its commands parse."""

import json
import re
import shlex
from pathlib import Path

import pytest

from jaxvf import cli
from jaxvf.cli_parse import parse

POLICIES = Path(__file__).parents[1] / "policies"
README = (POLICIES / "README.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \|.*\| `(\w+)` \| (\S+) \[(\S+), (\S+)\] \|$", re.MULTILINE)
STATED = {name: (metric, float(low), float(high)) for name, metric, _, low, high in ROW.findall(README)}
LARGEST = 2_000_000  # bytes


def test_every_policy_is_stated_and_they_are_small():
    assert sorted(STATED) == sorted(path.name for path in POLICIES.iterdir() if path.is_dir())
    assert sum(path.stat().st_size for path in POLICIES.rglob("*") if path.is_file()) < LARGEST


@pytest.mark.parametrize("name", STATED)
def test_a_policy_plays_as_well_as_is_stated(name, capsys):
    """The intervals of 500 episodes and of 64 others overlap."""
    metric, low, high = STATED[name]
    cli.main(["eval", str(POLICIES / name), "--episodes", "64", "--seed", "1", "--json"])
    _, lowest, highest = json.loads(capsys.readouterr().out)[metric]
    assert lowest <= high
    assert highest >= low


def test_the_commands_that_made_them_are_ones_that_jaxvf_has():
    text = "\n".join(re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    commands = [words[1:] for line in text.splitlines() if (words := shlex.split(line, comments=True))]
    assert len(commands) == 8
    for words in commands:
        parse(cli.COMMANDS, words, prog="jaxvf", description="")
    made = {words[1]: json.loads((POLICIES / Path(words[2]).name / "policy.json").read_text())
            for words in commands if words[0] == "export-policy"}  # fmt: skip
    for words in commands:
        if words[0] == "run":
            assert words[words.index("--env") + 1] == made[words[words.index("--out") + 1]]["about"]["env"]
