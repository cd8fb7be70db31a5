"""Names of algorithms: what `--algorithm NAME` and `jaxvf.run(algorithm=NAME)` accept.

A name is a configuration, never a copy: each entry says how it differs from its learner's defaults.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from jaxvf.errors import InputError, unknown
from jaxvf.hyperparameters import validated
from jaxvf.mixers import NoMixer, QmixMixer, VdnMixer
from jaxvf.value import QLearning

ALGORITHMS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "iql": lambda: QLearning(mixer=NoMixer()),
        "vdn": lambda: QLearning(mixer=VdnMixer()),
        "qmix": lambda: QLearning(mixer=QmixMixer()),
        # nm_qmix.md, section 2: no absolute values, SARSA TD(λ) with PyMARL2's λ.
        "nm_qmix": lambda: QLearning(mixer=QmixMixer(monotonic=False), bootstrap="sarsa", td_lambda=0.6),
    }
)

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "iql": "independent Q-learning: every agent regresses its own value on the team return",
        "vdn": "value decomposition: the team value is the sum of local values",
        "qmix": "monotonic, state-conditioned mixing of local values",
        "nm_qmix": "QMIX's mixer without the monotonicity constraint, SARSA(λ) targets",
    }
)


def make(name: Any) -> Any:
    """The algorithm of a registered name; a configured one is checked and passed on.

    Raises:
        InputError: for a name that is not registered, with the nearest one that is; for a field out of its range.
    """
    if not isinstance(name, str):
        if not callable(getattr(name, "update", None)):
            raise InputError(f"algorithm={name!r} is neither a registered name nor a learner")
        return validated(name)
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS)
    return ALGORITHMS[name]()


def name_of(algorithm: Any) -> str:
    """A short label: the registered name of an algorithm whose parts match one, else its class and mixer."""
    for name, constructor in ALGORITHMS.items():
        reference = constructor()
        if type(algorithm) is type(reference) and _kind(algorithm) == _kind(reference):
            return name
    return type(algorithm).__name__.lower()


def _kind(algorithm: Any) -> tuple[Any, ...]:
    mixer = algorithm.mixer
    return type(mixer), getattr(mixer, "monotonic", None)
