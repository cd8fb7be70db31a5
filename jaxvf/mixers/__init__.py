"""Mixers: local values of a joint action to a team value, under one contract (`protocol`).

Sources, cited below by author and year; layer sizes are those of the code named with them:

- Sunehag et al. 2017 (VDN): arXiv 1706.05296.
- Rashid et al. 2018 (QMIX): arXiv 1803.11485; code: PyMARL, in the copy that github.com/wjh720/QPLEX builds on.
- Wang et al. 2021 (QPLEX): arXiv 2008.01062; code: github.com/wjh720/QPLEX.
- Yang et al. 2020 (Qatten): arXiv 2002.03939; here in the form that QPLEX's code gives it.
- Rashid et al. 2020 (weighted QMIX): arXiv 2006.10800; code: github.com/oxwhirl/wqmix.
- Shen et al. 2022 (ResQ): NeurIPS 2022; code: github.com/xmu-rl-3dv/ResQ.
- Marchesini et al. 2025 (DuelMIX): arXiv 2408.15381; no code of the authors was at hand.
- Huang et al. 2026 (POW): arXiv 2405.08036.
- Baisero et al. 2025 (QFIX and Q+FIX): arXiv 2505.10484.
- Hu et al. 2026 (non-monotonic QMIX): arXiv 2511.09792; no public code.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jaxvf.mixers.duelmix import DuelmixMixer
from jaxvf.mixers.protocol import Mixer, Utilities, init_mixer, utilities_of
from jaxvf.mixers.qfix import QfixMixer
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
        "qfix": lambda: QfixMixer(additive=False),
        "q_plus_fix": QfixMixer,
        "unrestricted": UnrestrictedMixer,
    }
)

__all__ = [
    "MIXERS",
    "DuelmixMixer",
    "Mixer",
    "NoMixer",
    "QfixMixer",
    "QmixMixer",
    "QplexMixer",
    "UnrestrictedMixer",
    "Utilities",
    "VdnMixer",
    "init_mixer",
    "utilities_of",
]
