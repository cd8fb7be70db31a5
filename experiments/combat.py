"""StarCraft micromanagement without StarCraft: greedy win rate and return of ten learners, map by map.

Huang et al. 2026 (POW, arXiv 2405.08036), Hu et al. 2026 (non-monotonic QMIX, arXiv 2511.09792) and Tao et al. 2026
(MRVF, arXiv 2604.05297) report win rates on some of these maps in StarCraft II; here they are jaxvf's restatement of
SMAC's rules, so curves compare with each other and not with the papers' numbers. The maps of Marchesini et al. 2025
(DuelMIX, arXiv 2408.15381) follow SMAClite's own rules.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxvf import scripts
from jaxvf.reproduction import SMALL, Scale, choose

play = scripts.part("experiments", "_greedy_play")

LEARNERS = ("qmix", "vdn", "qplex", "duelmix", "pow_qmix", "nm_qmix", "cw_qmix", "ow_qmix", "resq", "mrvf")
# Ablations of Hu et al. 2026: a learner with one thing changed. Another ε in the end is chosen here.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nm_qmix_rnd": ("nm_qmix_rnd", {}),
    "nm_qmix_max": ("nm_qmix", {"bootstrap": "max"}),
    "nm_qmix_explores": ("nm_qmix", {"epsilon_end": 0.2}),
    "qmix_explores": ("qmix", {"epsilon_end": 0.2}),
}
SMAC = ("3m", "2s3z", "3s_vs_5z", "corridor", "MMM2", "3s5z_vs_3s6z", "6h_vs_8z")
SMAC_V2 = ("protoss_5_vs_5", "terran_5_vs_5", "zerg_5_vs_5")
SMACLITE = tuple(f"smaclite/{name}" for name in ("2s3z", "3s5z", "MMM", "3s_vs_5z", "10m_vs_11m", "MMM2"))
MAPS = SMAC + SMAC_V2 + SMACLITE
# Steps taken: replay holds sequences, which waste none. ε falls in about half of them.
ENV_STEPS = {"3m": 100_000, "2s3z": 400_000}
HARD_STEPS = 10_050_000  # of POW; Hu et al. 2026 train for 10 million
SMACLITE_STEPS = 2_000_000  # chosen here


@dataclass(frozen=True, kw_only=True)
class Battles(Scale):
    """Which maps and learners; budgets go by map."""

    maps: tuple[str, ...]
    learners: tuple[str, ...]


SCALES = {
    "small": Battles(minutes=8, seeds=4, env_steps=ENV_STEPS, maps=("3m",), learners=("qmix",)),
    "medium": Battles(minutes=480, seeds=8, env_steps=ENV_STEPS, maps=("3m", "2s3z"), learners=LEARNERS[:6]),
    # The budget of SMAC's papers, on which they rest; 8 seeds are chosen here.
    "paper": Battles(
        minutes=900_000,
        seeds=8,
        env_steps={**dict.fromkeys(MAPS, HARD_STEPS), **dict.fromkeys(SMACLITE, SMACLITE_STEPS), **ENV_STEPS},
        maps=MAPS,
        learners=(*LEARNERS, *VARIANTS),
    ),
}


def configured(learner: str, steps: int) -> Any:
    """The registered algorithm with the common setting; what is annealed is annealed in a share of the budget."""
    name, own = VARIANTS.get(learner, (learner, {}))
    annealed = {"epsilon_anneal": play.ANNEAL_SHARE * steps}
    if name.startswith("pow"):
        annealed["unweighted_steps"] = play.ANNEAL_SHARE * steps
    return play.configured(name, play.SEQUENCES | annealed, own)


STUDY = play.Study(
    family="combat",
    learners=(*LEARNERS, *VARIANTS),
    configured=configured,
    test_episodes=32,
    evaluations=10,
    claim="Battles against the scripted team: {what} under greedy play, 32 battles an evaluation.",
    won="battles won",
    behaviour=f"ε from 1 to 0.05 (0.2 for what explores) within {play.ANNEAL_SHARE:.0%} of the run",
)


def reproduce(
    *,
    out: Path,
    scale: str = SMALL,
    seeds: int | None = None,
    env_steps: int | None = None,
    yes: bool = False,
    maps: tuple[str, ...] | None = None,
    learners: tuple[str, ...] | None = None,
) -> None:
    """Run the sweeps, write Parquet, `summary.json` and two curves a map to `out`; one program a learner and map."""
    setting = choose(SCALES, scale, seeds=seeds, env_steps=env_steps, maps=maps, learners=learners)
    play.reproduce(STUDY, setting, setting.maps, setting.learners, out, yes=yes)


def draw(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Figures from the rows of a summary."""
    return play.draw(STUDY, rows, out)
