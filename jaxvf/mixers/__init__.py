"""Mixers: chosen local values [..., N] and state [..., S] to values [..., 1], or [..., N] where nothing is mixed."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import flax.linen as nn

from jaxvf.mixers.qmix import QmixMixer
from jaxvf.mixers.vdn import NoMixer, VdnMixer

MIXERS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "none": NoMixer,
        "vdn": VdnMixer,
        "qmix": QmixMixer,
        "non_monotonic": lambda: QmixMixer(monotonic=False),
    }
)

__all__ = ["MIXERS", "NoMixer", "QmixMixer", "VdnMixer"]
