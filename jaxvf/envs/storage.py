"""How replay stores features, and how they are read again: both directions live here alone.

"float32" keeps everything, "bfloat16" three digits. "uint8" keeps whole numbers from 0 to 255 as they are; of a feature
whose span is given it keeps 255 equal steps up from 0, or 127 to either side of 0. Zero and both ends are exact, so
that bits stay bits, and what is dead or out of sight stays zero; everything between is off by half a step at most.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

LARGEST = 255  # of uint8


class Span(NamedTuple):
    """Where a feature lies. `low` is 0 or -`high`; values outside are clipped when they are stored."""

    low: float
    high: float

    @property
    def is_signed(self) -> bool:
        """Whether it reaches to both sides of 0."""
        return self.low < 0

    @property
    def scale(self) -> float:
        """Stored steps in a unit of the feature."""
        return (LARGEST // 2 if self.is_signed else LARGEST) / self.high


BIT = FRACTION = Span(0.0, 1.0)
SIGNED = Span(-1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Storage:
    """What is kept of a vector of features.

    Attributes:
        dtype: "float32", "bfloat16" or "uint8".
        spans: with "uint8", of the first features; what comes after them is whole numbers.
    """

    dtype: str = "float32"
    spans: tuple[Span, ...] = ()

    def stored(self, features: Num[Array, "*b F"]) -> Num[Array, "*b F"]:
        """As they are kept."""
        return (self._rounded(features) if self._has_steps else features).astype(self.dtype)

    def read(self, kept: Num[Array, "*b F"]) -> Num[Array, "*b F"]:
        """As learners read them."""
        if not self._has_steps:
            return kept
        scale, zero = self._grid(kept.shape[-1])
        return (kept.astype(jnp.float32) - zero) / scale

    def lost(self, features: Float[Array, "*b F"]) -> Float[Array, "*b F"]:
        """How far features are from what uint8 keeps of them, beyond the rounding that their spans allow."""
        scale, zero = self._grid(features.shape[-1])
        rounding = np.where(np.arange(len(scale)) < len(self.spans), 0.5 / scale, 0.0)
        error = jnp.abs(features - (self._rounded(features) - zero) / scale)
        return jnp.where(error <= rounding * 1.001, 0.0, error)

    @property
    def _has_steps(self) -> bool:
        return self.dtype == "uint8" and bool(self.spans)

    def _rounded(self, features: Num[Array, "*b F"]) -> Num[Array, "*b F"]:
        scale, zero = self._grid(features.shape[-1])
        return jnp.clip(jnp.round(features * scale) + zero, 0, np.where(zero > 0, 2 * zero, LARGEST))

    def _grid(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Steps in a unit, and where 0 is kept, of each of `width` features."""
        spans = self.spans[:width]  # indices of agents, which come last, may have been left out
        rest = width - len(spans)
        scale = np.array([*(span.scale for span in spans), *[1.0] * rest], np.float32)
        zero = np.array([*(LARGEST // 2 * span.is_signed for span in spans), *[0] * rest], np.float32)
        return scale, zero
