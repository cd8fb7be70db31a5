"""Names of algorithms: what `--algorithm NAME` and `jaxvf.run(algorithm=NAME)` accept; NAME@RELEASE is one of them with
the settings of released code (`jaxvf.releases`).

A name is a configuration, never a copy: each entry says how it differs from its learner's defaults. The sources that
settings are taken from, cited below by author and year (mixers' own papers are in `jaxvf.mixers`):

- PyMARL2: github.com/hijkzzz/pymarl2, and its port of weighted QMIX (Rashid et al. 2020, arXiv 2006.10800).
- Wang et al. 2021 (QPLEX), arXiv 2008.01062: github.com/wjh720/QPLEX.
- Shen et al. 2022 (ResQ), NeurIPS 2022: github.com/xmu-rl-3dv/ResQ.
- Huang et al. 2026 (POW), arXiv 2405.08036: github.com/tiev-tongji/potentially-optimal-joint-actions-recognition-marl.
- Baisero et al. 2025 (QFIX), arXiv 2505.10484.
- Hu et al. 2026 (non-monotonic QMIX), arXiv 2511.09792; Tao et al. 2026 (MRVF), arXiv 2604.05297: no public code.
- Jo, Lee & Han 2026 (S2Q), arXiv 2602.17062: github.com/hyeon1996/S2Q.
- Gallici et al. 2024 (PQN), arXiv 2407.04811: github.com/mttga/purejaxql.
- Kuba et al. 2022 (HAPPO, HATRPO), arXiv 2109.11251: github.com/PKU-MARL/HARL.
- Le & Ta 2025 (the weight at most 1), arXiv 2606.25526: github.com/giangbang/Low-Variance-Trust-Region-MARL.
- Wu et al. 2021 (CoPPO), arXiv 2111.04051, and Wang et al. 2023 (A2PO), arXiv 2302.06205: both in
  github.com/xihuai18/A2PO-ICLR2023.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from jaxvf import releases
from jaxvf.algorithm import OnPolicyLearner, ReplayLearner
from jaxvf.errors import InputError, unknown
from jaxvf.hyperparameters import check_decorated, replace, validated
from jaxvf.mixers import DuelmixMixer, Mixer, NoMixer, QfixMixer, QmixMixer, QplexMixer, VdnMixer
from jaxvf.trust_region import TrustRegion, weight_bounds
from jaxvf.value import Mrvf, Pqn, QLearning, Qtran, QtranAlt, Resq, S2q, WeightedLearner

# The settings of POW's code, and of PyMARL2's port of weighted QMIX that it compares with.
PORT: dict[str, Any] = {
    "batch_size": 128,
    "updates_per_episode": 1 / 8,
    "td_lambda": 0.6,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "epsilon_anneal": 500_000,
}


def _weighted(weighting: str, mixer: Mixer) -> WeightedLearner:
    return WeightedLearner(mixer=mixer, weighting=weighting, **PORT)


def _pow(mixer: Mixer) -> WeightedLearner:
    """POW (Huang et al. 2026, their code): weights 1 and 0, both losses halved, 100k unweighted steps."""
    return WeightedLearner(
        mixer=mixer,
        weighting="potentially_optimal",
        alpha=0.0,
        central_width=64,
        total_coefficient=0.5,
        central_coefficient=0.5,
        unweighted_steps=100_000,
        **PORT,
    )


def _non_monotonic(novelty: str) -> QLearning:
    """Non-monotonic QMIX (Hu et al. 2026, eq. 25 to 31): no absolute values, SARSA TD(λ), RND.

    λ and all other settings are PyMARL2's, but for the half before its loss: the paper does not state its own.
    """
    settings = {**PORT, "epsilon_anneal": 100_000}
    return QLearning(mixer=QmixMixer(monotonic=False), bootstrap="sarsa", novelty=novelty, **settings)


def _qfix(fixee: str, *, additive: bool = True) -> QLearning:
    """QFIX or Q+FIX (Baisero et al. 2025), with the rates and sizes of their code for SMACv2; `@qfix` has the rest."""
    settings = {**PORT, "epsilon_anneal": 100_000}
    return QLearning(mixer=QfixMixer(fixee=fixee, additive=additive), **settings)


def _trust_region(weight: str, **fields: Any) -> TrustRegion:
    """A weight rule, and what else differs from HAPPO (Kuba et al. 2022)."""
    low, high = weight_bounds(weight)
    return TrustRegion(weight_low=low, weight_high=high, **fields)


def _a2po() -> TrustRegion:
    """A2PO (Wang et al. 2023), with the λ of its Ant tasks and a critic for every agent.

    Unlike in the authors' code, critics are updated after all actors, not in their agent's turn, which differs by the
    statistics of returns that they share; they learn plain GAE returns; a ratio is the product over an action's
    dimensions, not their mean; agents move singly, not in blocks.
    """
    return _trust_region(
        "two_sided",
        weight_place="inside",
        clip_schedule="by_position",
        order="semi_greedy",
        trace="off_policy",
        critic_inputs="state_per_agent",
        td_lambda=0.93,
    )


ALGORITHMS: Mapping[str, Callable[[], ReplayLearner | OnPolicyLearner]] = MappingProxyType(
    {
        "iql": lambda: QLearning(mixer=NoMixer()),
        "vdn": lambda: QLearning(mixer=VdnMixer()),
        "qmix": lambda: QLearning(mixer=QmixMixer()),
        "qplex": lambda: QLearning(mixer=QplexMixer()),
        # The configuration of QPLEX's online StarCraft results, in the authors' code.
        "qplex_qatten": lambda: QLearning(
            mixer=QplexMixer(transformation="attention"), learning_starts=100, updates_per_episode=2.0
        ),
        "duelmix": lambda: QLearning(mixer=DuelmixMixer()),
        "qfix_sum": lambda: _qfix("sum", additive=False),
        "qfix_mono": lambda: _qfix("monotone", additive=False),
        "qfix_lin": lambda: _qfix("linear", additive=False),
        "q_plus_fix_sum": lambda: _qfix("sum"),
        "q_plus_fix_mono": lambda: _qfix("monotone"),
        "q_plus_fix_lin": lambda: _qfix("linear"),
        "nm_qmix": lambda: _non_monotonic(novelty="none"),
        "nm_qmix_rnd": lambda: _non_monotonic(novelty="state"),
        "qtran": Qtran,
        "qtran_alt": QtranAlt,
        "cw_qmix": lambda: _weighted("central", QmixMixer()),
        "ow_qmix": lambda: _weighted("optimistic", QmixMixer()),
        # RMSprop, as the authors' code runs whatever its options say.
        "resq": lambda: Resq(**{**PORT, "optimizer": "rmsprop"}),
        "pow_vdn": lambda: _pow(VdnMixer()),
        "pow_qmix": lambda: _pow(QmixMixer()),
        "pow_qplex": lambda: _pow(QplexMixer(adv_hypernet_layers=3)),
        "mrvf": lambda: Mrvf(optimizer="adam"),  # the paper's own was not at hand; chosen here
        "s2q": lambda: S2q(**{**PORT, "epsilon_anneal": 100_000}),
        "pqn_vdn": lambda: Pqn(mixer=VdnMixer()),
        "pqn_qmix": lambda: Pqn(mixer=QmixMixer()),
        "ippo": lambda: _trust_region("none", updates="joint", critic_inputs="observation"),
        "mappo": lambda: _trust_region(
            "none", updates="joint", parameters="shared", agent_id=True, normalization="joint"
        ),
        "happo": lambda: _trust_region("is"),
        "clip_happo": lambda: _trust_region("clip1"),
        "unweighted_happo": lambda: _trust_region("none"),
        "hatrpo": lambda: _trust_region("is", step="natural"),
        "hatrpo_shared": lambda: _trust_region("is", step="natural", budget="shared"),
        "clip_hatrpo": lambda: _trust_region("clip1", step="natural"),
        "unweighted_hatrpo": lambda: _trust_region("none", step="natural"),
        "coppo": lambda: _trust_region("two_sided", updates="joint", weight_place="inside"),
        "a2po": _a2po,
    }
)

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "iql": "independent Q-learning: every agent regresses its own value on the team return",
        "vdn": "value decomposition: the team value is the sum of local values",
        "qmix": "monotonic, state-conditioned mixing of local values",
        "qplex": "duelling mixing whose advantages are weighted by the joint action: complete in the IGM class",
        "qplex_qatten": "QPLEX with attention over agents in place of its affine transformation",
        "duelmix": "separate value and advantage streams, mixed by the joint history and the state",
        "qfix_sum": "VDN's advantage weighed by the joint action: complete in the IGM class",
        "qfix_mono": "the same of QMIX's advantage",
        "qfix_lin": "the same with a weight per agent",
        "q_plus_fix_sum": "VDN plus its advantage weighed by the joint action: complete, and starts as VDN",
        "q_plus_fix_mono": "the same of QMIX",
        "q_plus_fix_lin": "VDN plus every agent's advantage with a weight of its own",
        "nm_qmix": "QMIX's mixer without the monotonicity constraint, SARSA(λ) targets",
        "nm_qmix_rnd": "the same, with a bonus for states that are hard to predict (RND)",
        "qtran": "a free joint value; the sum of local values must agree with it at the greedy joint action",
        "qtran_alt": "QTRAN with counterfactual joint values, which make its inequality tight",
        "cw_qmix": "QMIX fitted with small weights where a central value sees nothing better than the greedy action",
        "ow_qmix": "QMIX fitted with small weights where it overestimates the target",
        "resq": "QMIX plus a residual that is never positive and masked at the greedy action",
        "pow_vdn": "VDN fitted only to joint actions recognized as potentially optimal",
        "pow_qmix": "QMIX fitted only to joint actions recognized as potentially optimal",
        "pow_qplex": "QPLEX fitted only to joint actions recognized as potentially optimal",
        "mrvf": "rounds of factorization, each fitting the gains over the greedy action of the one before",
        "s2q": "QMIX beside further QMIXes that look away from what those before them prefer; a free value chooses",
        "pqn_vdn": "VDN without replay and target network: λ-returns of the newest rollouts, in several passes",
        "pqn_qmix": "the same of QMIX",
        "ippo": "independent PPO: every agent with a value of its own observation",
        "mappo": "PPO with one network for all agents and a central value",
        "happo": "PPO, one agent after another, weighted by the ratios of those before it",
        "clip_happo": "HAPPO with that weight at most 1",
        "unweighted_happo": "HAPPO without that weight: the control",
        "hatrpo": "natural-gradient steps, one agent after another, weighted by the ratios of those before it",
        "hatrpo_shared": "HATRPO with one divergence budget for all agents, divided by what each expects to gain",
        "clip_hatrpo": "HATRPO with that weight at most 1",
        "unweighted_hatrpo": "HATRPO without that weight: the control",
        "coppo": "PPO of all agents at once on the product of an agent's ratio and those of all others, near 1",
        "a2po": "PPO, one agent after another, the preceding ratios near 1 inside the clip, advantages re-estimated",
    }
)

# The fields in which registered algorithms of one class differ, beside the mixer's class.
TELLING = (
    "weighting", "novelty", "mixer.monotonic", "mixer.transformation", "mixer.fixee", "mixer.additive",
    "updates", "step", "budget", "parameters", "critic_inputs", "weight_place", "trace", "weight_low", "weight_high",
)  # fmt: skip


def make(name: Any) -> Any:
    """The algorithm of a name: a registered one ("qmix"), or with a release's settings ("qmix@pymarl2").

    A configured algorithm is checked and passed on.

    Raises:
        InputError: for a name that is not registered, a release that is not there or does not cover the algorithm, with
            the nearest valid one; for a field out of its range.
    """
    if not isinstance(name, str):
        if isinstance(name, type) or not callable(getattr(name, "update", None)):
            raise InputError(f"algorithm={name!r} is neither a registered name nor a learner")
        check_decorated("algorithm", name)
        return validated(name)
    learner, at, release = name.partition("@")
    if learner not in ALGORITHMS:
        raise unknown("algorithm", name, releases.available() if at or name in releases.releases() else ALGORITHMS)
    made = ALGORITHMS[learner]()
    for field, value in releases.settings(release, learner).items() if at else ():
        made = replace(made, field, value)
    return made


def name_of(algorithm: Any) -> str:
    """A short label: the registered name of an algorithm whose parts match one, else its class."""
    for name, constructor in ALGORITHMS.items():
        if _kind(algorithm) == _kind(constructor()):
            return name
    return type(algorithm).__name__.lower()


def _kind(algorithm: Any) -> tuple[Any, ...]:
    return type(algorithm), type(getattr(algorithm, "mixer", None)), *(_field(algorithm, path) for path in TELLING)


def _field(config: Any, path: str) -> Any:
    for name in path.split("."):
        config = getattr(config, name, None)
    return config
