"""Football academy without its engine: who scores, slowly at first and then fast or not, in three scenarios.

After the football figure of Hu et al. 2026 (non-monotonic QMIX, arXiv 2511.09792), whose engine is Google Research
Football; here it is a game of the same decisions, so curves compare with each other and not with the paper's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvf import scripts
from jaxvf.reproduction import SMALL, Scale, choose

play = scripts.part("experiments", "_greedy_play")

LEARNERS = ("nm_qmix", "qmix", "qplex", "qtran")
SCENARIOS = ("academy_3_vs_1_with_keeper", "academy_counterattack_easy", "academy_counterattack_hard")


@dataclass(frozen=True, kw_only=True)
class Scenarios(Scale):
    """Which scenarios and learners."""

    scenarios: tuple[str, ...]
    learners: tuple[str, ...] = LEARNERS


SCALES = {
    # Too short to tell learners apart: it shows that all of it runs.
    "small": Scenarios(minutes=2, seeds=2, env_steps=40_000, scenarios=SCENARIOS[:1], learners=("nm_qmix", "qmix")),
    "medium": Scenarios(minutes=900, seeds=4, env_steps=1_000_000, scenarios=SCENARIOS[:1]),
    "paper": Scenarios(minutes=100_000, seeds=5, env_steps=10_000_000, scenarios=SCENARIOS),
}


def configured(learner: str, steps: int) -> Any:
    """The registered algorithm with the setting of `combat`, as the paper states none; ε is annealed in a share."""
    return play.configured(learner, play.SEQUENCES | {"epsilon_anneal": play.ANNEAL_SHARE * steps}, {})


STUDY = play.Study(
    family="football",
    learners=LEARNERS,
    configured=configured,
    test_episodes=32,
    evaluations=20,
    claim="Football against scripted defenders: {what} under greedy play, 32 attacks an evaluation.",
    won="attacks that end in a goal",
    behaviour=f"ε from 1 to 0.05 within {play.ANNEAL_SHARE:.0%} of the run",
)


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    scenarios: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and two curves a scenario to `out`; one program a learner."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, scenarios=scenarios, learners=learners)
    play.reproduce(STUDY, setting, setting.scenarios, setting.learners, out, yes=yes)


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Figures from the rows of a summary."""
    return play.draw(STUDY, rows, out)
