"""What needs trained policies: learned value tables, and episodes played anew.

Where a directory's classes are unknown to this program, or a run is not finished, a report does without them and says
why. Pages that lie in a directory are never shown: from their names is only taken which run and seed somebody wanted to
see, and that episode is played again.
"""

import base64
import dataclasses
import gzip
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxvf.errors import InputError
from jaxvf.report.answers import typical
from jaxvf.report.conditions import Condition
from jaxvf.report.study import Study
from jaxvf.results.policy import Policy
from jaxvf.results.render import render
from jaxvf.theory import JointValues, joint_values

MOST_ACTIONS = 10  # a side of a value table that can be read
MOST_REPLAYS = 8
REPLAY_BYTES = 300_000  # of all episodes in a page, compressed
REPLAY_SECONDS = 60.0  # in which another episode is begun; compiling it is most of that
RENDERED = re.compile(r"run([0-9]{1,9})_seed([0-9]{1,9})\.html", re.ASCII)  # as `jaxvf render` names pages


@dataclasses.dataclass(frozen=True)
class ValueTable:
    """What one run learned about a one-step game of two agents.

    Attributes:
        row: the run, as a row of the study.
        payoff: of every joint action, [A, A].
        heads: learned values by name, each [A, A]; none of a learner that mixes nothing.
        greedy: what the agents play.
    """

    row: int
    payoff: np.ndarray
    heads: dict[str, np.ndarray]
    greedy: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Replay:
    """One greedy episode.

    Attributes:
        row: the run, as a row of the study.
        seed: of the episode.
        page: a page of its own.
    """

    row: int
    seed: int
    page: str

    @property
    def compressed(self) -> str:
        """The page, zipped and in base64."""
        return base64.b64encode(gzip.compress(self.page.encode(), mtime=0)).decode()


@dataclasses.dataclass
class Policies:
    """Gives policies of a study's runs, and remembers why some cannot be had.

    Attributes:
        reasons: one line for each directory whose policies cannot be read.
    """

    study: Study
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def of(self, row: int) -> Policy | None:
        """The policy of a run, or None where its directory gives none."""
        source = self.study.sources[int(self.study.source[row])]
        if source.label in self.reasons:
            return None
        try:
            return source.result.policy(self.study.records[row]["run"])
        except InputError as error:  # a class that is not known, another version, a damaged file
            self.reasons[source.label] = str(error)
            return None


def value_tables(policies: Policies, conditions: Sequence[Condition]) -> list[ValueTable]:
    """Of the typical run of each condition, where it learned a one-step game of two agents."""
    asked: dict[object, list[tuple[int, Policy]]] = {}  # policies of one program are asked at once
    for condition in conditions:
        row = typical(policies.study, condition.rows)
        policy = policies.of(row) if row is not None else None
        if row is None or policy is None or not _has_table(policy):
            continue
        key = int(policies.study.source[row]), condition.learner, jax.tree.structure(policy.algorithm), policy.env
        asked.setdefault(key, []).append((row, policy))
    tables = {}
    for members in asked.values():
        values = joint_values([policy for _, policy in members])
        for place, (row, policy) in enumerate(members):
            tables[row] = _table(row, policy, values, place)
    return [tables[row] for row in sorted(tables)]


def replays(policies: Policies, conditions: Sequence[Condition]) -> tuple[list[Replay], list[int]]:
    """Episodes that fit into a page, and the runs whose episodes do not.

    First those that somebody rendered into a directory, then one of the typical run of each condition.
    """
    study, played, left = policies.study, [], []
    wanted = dict.fromkeys([*rendered(study), *((row, 0) for row in _typical_rows(study, conditions))])
    until, spare = time.monotonic() + REPLAY_SECONDS, REPLAY_BYTES
    for row, seed in wanted:
        policy = policies.of(row)
        if policy is None or not _can_be_drawn(policy):
            continue
        if len(played) == MOST_REPLAYS or time.monotonic() > until:
            left.append(row)
            continue
        replay = Replay(row, seed, _play(policy, seed, _title(study, row)))
        size = len(replay.compressed)
        if size > spare:
            left.append(row)
            continue
        spare -= size
        played.append(replay)
    return played, left


def rendered(study: Study) -> list[tuple[int, int]]:
    """Run (a row) and seed of the episodes that `jaxvf render` wrote into the directories, by their files' names."""
    found = []
    for place, source in enumerate(study.sources):
        first = int(np.searchsorted(study.source, place))
        for path in sorted((source.path / "replays").glob("*.html")):
            name = RENDERED.fullmatch(path.name)
            if name is not None and int(name[1]) < len(source.result.runs):
                found.append((first + int(name[1]), int(name[2])))
    return found


def _typical_rows(study: Study, conditions: Sequence[Condition]) -> list[int]:
    rows = (typical(study, condition.rows) for condition in conditions)
    return [row for row in rows if row is not None]


def _has_table(policy: Policy) -> bool:
    spec = policy.env.spec
    return spec.payoff_game and spec.n_agents == 2 and spec.n_actions <= MOST_ACTIONS and _mixes(policy)


def _mixes(policy: Policy) -> bool:
    """Whether the learner has joint values to ask for: those that learn on policy have none."""
    ask: Callable | None = getattr(policy.algorithm, "joint_values", None)
    return callable(ask)


def _can_be_drawn(policy: Policy) -> bool:
    """Whether an episode has something to show: the one step of a payoff game is in its value table."""
    return callable(getattr(policy.env, "picture", None)) and not policy.env.spec.payoff_game


def _table(row: int, policy: Policy, values: JointValues, place: int) -> ValueTable:
    heads = {name: np.asarray(table[place]) for name, table in values.heads.items()}
    first, second = (int(action) for action in values.greedy[place])
    return ValueTable(row, np.asarray(policy.env_params.payoff), heads, (first, second))


def _play(policy: Policy, seed: int, title: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return render(policy, Path(folder) / "episode.html", seed=seed, title=title).read_text()


def _title(study: Study, row: int) -> str:
    of = study.records[row]
    return f"{of['algorithm']} on {of['env']}, run {of['run']} (seed {of['seed']})"
