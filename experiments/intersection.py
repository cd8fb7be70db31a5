"""Four cars at a crossing: who lets all of them pass, and who waits or crashes.

After the intersection figure of Huang et al. 2026 (POW, arXiv 2405.08036), in the setting of their code; the numbers of
that figure were not at hand, only its ranking.
"""

from dataclasses import dataclass
from functools import partial
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
# A quarter of the batch, for the scales of a CPU.
LIGHT = {"batch_size": 32, "buffer_size": 1000}


@dataclass(frozen=True, kw_only=True)
class Crossings(Scale):
    """Which learners, and whether their batches are light."""

    learners: tuple[str, ...] = LEARNERS
    light: bool = True


SCALES = {
    # Too short to tell learners apart: it shows that all of it runs.
    "small": Crossings(minutes=2, seeds=2, env_steps=20_000, learners=("pow_qmix", "qmix")),
    "medium": Crossings(minutes=600, seeds=4, env_steps=200_000),
    "paper": Crossings(minutes=60_000, seeds=5, env_steps=PAPER_STEPS, light=False),
}


def configured(learner: str, steps: int, *, light: bool = False) -> Any:
    """The registered algorithm with the paper's setting; what is scheduled shrinks with the budget."""
    own: dict[str, Any] = {}
    if learner.startswith("pow"):
        own["unweighted_steps"] = UNWEIGHTED_STEPS * steps / PAPER_STEPS
    return play.configured(learner, SETTING, own | (LIGHT if light else {}))


def study(light: bool) -> Any:
    """What is played, and what its figures say."""
    batch = " (batches of 32 episodes, a quarter of the paper's)" if light else ""
    return play.Study(
        family="",
        learners=LEARNERS,
        configured=partial(configured, light=light),
        test_episodes=32,
        evaluations=20,
        claim=f"Four cars at a crossing{batch}: {{what}} under greedy play, 32 episodes an evaluation.",
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
    light = setting.light
    play.reproduce(study(light), setting, (ENV,), setting.learners, out, yes=yes, light=light)


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Figures from the rows of a summary."""
    return play.draw(study(rows[0]["light"]), rows, out)
