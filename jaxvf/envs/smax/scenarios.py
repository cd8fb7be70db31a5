"""SMAX's scenarios: who fights whom. What SMAC has too is listed with its maps alone (`combat.maps`)."""

from collections.abc import Mapping
from types import MappingProxyType

from jaxvf.envs.combat.maps import MAPS, Groups

Side = tuple[tuple[str, int], ...]  # (kind, number) in the order of the units

OF_SMAC = (
    "3m", "8m", "25m", "5m_vs_6m", "8m_vs_9m", "10m_vs_11m", "27m_vs_30m", "2s3z", "3s5z", "3s5z_vs_3s6z", "3s_vs_5z",
    "6h_vs_8z",
)  # fmt: skip
DRAWN = {"smacv2_5_units": 5, "smacv2_10_units": 10, "smacv2_20_units": 20}  # units a side; kinds are drawn


def _side(groups: Groups) -> Side:
    return tuple((kind, count) for kind, count, *_ in groups)


# Allies and enemies; those of `DRAWN` give numbers alone.
SCENARIOS: Mapping[str, tuple[Side, Side]] = MappingProxyType(
    {name: (_side(MAPS[name].allies), _side(MAPS[name].enemies)) for name in OF_SMAC}
    | {name: ((("marine", size),), (("marine", size),)) for name, size in DRAWN.items()}
)
