"""Mixers: local values of a joint action to a team value, under one contract (`protocol`)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jaxvf.mixers.duelmix import DuelmixMixer
from jaxvf.mixers.protocol import Mixer, Utilities, init_mixer, utilities_of
from jaxvf.mixers.qmix import QmixMixer
from jaxvf.mixers.qplex import QplexMixer
from jaxvf.mixers.unrestricted import UnrestrictedMixer
from jaxvf.mixers.vdn import NoMixer, VdnMixer

MIXERS: Mapping[str, Callable[[], Mixer]] = MappingProxyType(
    {
        "none": NoMixer,
        "vdn": VdnMixer,
        "qmix": QmixMixer,
        "non_monotonic": lambda: QmixMixer(monotonic=False),
        "qplex": QplexMixer,
        "qatten": lambda: QplexMixer(transformation="attention"),
        "duelmix": DuelmixMixer,
        "unrestricted": UnrestrictedMixer,
    }
)

__all__ = [
    "MIXERS",
    "DuelmixMixer",
    "Mixer",
    "NoMixer",
    "QmixMixer",
    "QplexMixer",
    "UnrestrictedMixer",
    "Utilities",
    "VdnMixer",
    "init_mixer",
    "utilities_of",
]
