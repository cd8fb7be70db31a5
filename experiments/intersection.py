"""Four cars at a crossing: who lets all of them pass, and who waits or crashes.

After the intersection figure of Huang et al. 2026 (POW, arXiv 2405.08036), in the setting of their code; the numbers of
that figure were not at hand, only its ranking.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvf import scripts
from jaxvf.algorithms import PORT
from jaxvf.reproduction import SMALL, Scale, choose

play = scripts.part("experiments", "_greedy_play")

LEARNERS = ("pow_qmix", "qmix", "cw_qmix", "ow_qmix", "qplex")
ENV = "intersection"
EPSILON = 0.1  # throughout
SETTING: dict[str, Any] = {
    **PORT,
    "last_action": True,
    "agent_id": False,
    "epsilon_start": EPSILON,
    "epsilon_end": EPSILON,
}
UNWEIGHTED_STEPS = 100_000  # of POW, in a run of the paper's length
PAPER_STEPS = 5_050_000
# A quarter of the batch: minutes on two cores.
LIGHT = {"batch_size": 32, "buffer_size": 1000}
LONG = 1_000_000  # steps: shorter runs are light


@dataclass(frozen=True, kw_only=True)
class Crossings(Scale):
    """Which learners."""

    learners: tuple[str, ...] = LEARNERS


SCALES = {
    # Too short to tell learners apart: it shows that all of it runs.
    "small": Crossings(minutes=2, seeds=2, env_steps=20_000, learners=("pow_qmix", "qmix")),
    "medium": Crossings(minutes=600, seeds=4, env_steps=200_000),
    "paper": Crossings(minutes=60_000, seeds=5, env_steps=PAPER_STEPS),
}


def configured(learner: str, steps: int) -> Any:
    """The registered algorithm with the paper's setting; what is scheduled shrinks with the budget."""
    own: dict[str, Any] = {}
    if learner.startswith("pow"):
        own["unweighted_steps"] = UNWEIGHTED_STEPS * steps / PAPER_STEPS
    if steps < LONG:
        own |= LIGHT
    return play.configured(learner, SETTING, own)


STUDY = play.Study(
    family="",
    learners=LEARNERS,
    configured=configured,
    test_episodes=32,
    evaluations=20,
    claim="Four cars at a crossing: {what} under greedy play, 32 episodes an evaluation.",
    won="episodes in which all arrive",
    behaviour=f"ε = {EPSILON} throughout",
)


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and two curves to `out`; one program a learner."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, learners=learners)
    play.reproduce(STUDY, setting, (ENV,), setting.learners, out, yes=yes)


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Figures from the rows of a summary."""
    return play.draw(STUDY, rows, out)
