"""Policies as distributions: masked categorical and diagonal Gaussian actions, through distrax; their exact KL.

distrax is imported where it is used, so that `import jaxvf` stays light.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

UNAVAILABLE = -1e10  # logit: its probability is exactly 0 and its gradient finite, which -inf's is not
STD_CEILING = 0.5  # std = 0.5 sigmoid(ξ) (Le & Ta 2025)


class Categorical(NamedTuple):
    """Discrete actions; `logits` are normalized, unavailable ones hold no probability."""

    logits: Float[Array, "*b A"]
    avail: Bool[Array, "*b A"]

    @staticmethod
    def of(logits: Float[Array, "*#b A"], avail: Bool[Array, "*#b A"]) -> "Categorical":
        """The distribution over available actions."""
        shape = jnp.broadcast_shapes(logits.shape, avail.shape)
        masked = jnp.where(avail, logits, UNAVAILABLE)
        return Categorical(jax.nn.log_softmax(masked), jnp.broadcast_to(avail, shape))

    def sample(self, key: Key[Array, ""]) -> Int[Array, "*b"]:
        """A random action of every agent."""
        return self._distribution().sample(seed=key)

    def mode(self) -> Int[Array, "*b"]:
        """The likeliest action."""
        return self._distribution().mode()

    def log_prob(self, actions: Int[Array, "..."]) -> Float[Array, "..."]:
        """Log-probability of `actions`, whose batch axes may broadcast against those of the distribution."""
        return self._distribution().log_prob(actions)

    def entropy(self) -> Float[Array, "*b"]:
        """Entropy over available actions."""
        return self._distribution().entropy()

    def kl(self, other: "Categorical") -> Float[Array, "*b"]:
        """KL(self || other), exact."""
        probs = jnp.exp(self.logits)
        return jnp.sum(jnp.where(self.avail, probs * (self.logits - other.logits), 0.0), axis=-1)

    def unweighted_k3(self, other: "Categorical") -> Float[Array, "*b"]:
        """Σ_a (e^l - 1 - l) with l = log other - log self: the substitute for the KL in the code of Le & Ta 2025.

        To second order it is the number of actions times the KL near a uniform policy.
        """
        log_ratio = other.logits - self.logits
        return jnp.sum(jnp.where(self.avail, jnp.expm1(log_ratio) - log_ratio, 0.0), axis=-1)

    def _distribution(self) -> Any:
        import distrax

        return distrax.Categorical(logits=self.logits)


class DiagonalGaussian(NamedTuple):
    """Continuous actions; entries of the action that an agent does not have count for nothing."""

    mean: Float[Array, "*b A"]
    std: Float[Array, "*b A"]
    avail: Bool[Array, "*b A"]

    @staticmethod
    def of(mean: Float[Array, "*#b A"], xi: Float[Array, "*n A"], avail: Bool[Array, "*#b A"]) -> "DiagonalGaussian":
        """The distribution with std = 0.5 sigmoid(ξ), the same in every state."""
        std = jnp.broadcast_to(STD_CEILING * jax.nn.sigmoid(xi), mean.shape)
        return DiagonalGaussian(mean, std, jnp.broadcast_to(avail, jnp.broadcast_shapes(mean.shape, avail.shape)))

    def sample(self, key: Key[Array, ""]) -> Float[Array, "*b A"]:
        """A random action of every agent; 0 in entries that it does not have."""
        return jnp.where(self.avail, self._distribution().sample(seed=key), 0.0)

    def mode(self) -> Float[Array, "*b A"]:
        """The mean."""
        return jnp.where(self.avail, self.mean, 0.0)

    def log_prob(self, actions: Float[Array, "*b A"]) -> Float[Array, "*b"]:
        """Log-density of `actions`, summed over the agent's entries."""
        return self._sum(self._distribution().log_prob(actions))

    def entropy(self) -> Float[Array, "*b"]:
        """Differential entropy, summed over the agent's entries."""
        return self._sum(self._distribution().entropy())

    def kl(self, other: "DiagonalGaussian") -> Float[Array, "*b"]:
        """KL(self || other), exact: log(s1/s0) + (s0² + Δ²)/(2 s1²) - 1/2, summed over the agent's entries.

        Written with log1p, because near 0 the terms of that form cancel in float32.
        """
        excess = (self.std / other.std) ** 2 - 1.0
        shift = ((self.mean - other.mean) / other.std) ** 2
        return self._sum(0.5 * (excess - jnp.log1p(excess) + shift))

    def _sum(self, values: Float[Array, "*b A"]) -> Float[Array, "*b"]:
        return jnp.sum(jnp.where(self.avail, values, 0.0), axis=-1)

    def _distribution(self) -> Any:
        import distrax

        return distrax.Normal(self.mean, self.std)


Distribution = Categorical | DiagonalGaussian


def divergence(old: Distribution, new: Distribution, kind: str = "exact") -> Float[Array, "*b"]:
    """KL(old || new), or its substitute for discrete actions with `kind="unweighted_k3"`."""
    if kind == "unweighted_k3" and isinstance(old, Categorical) and isinstance(new, Categorical):
        return old.unweighted_k3(new)
    return old.kl(new)  # pyright: ignore[reportArgumentType]


def repeated(distribution: Distribution, num_envs: int) -> Distribution:
    """The distribution with `num_envs` along its first axis, where it may have size 1."""

    def repeat(leaf: Array) -> Array:
        return jnp.broadcast_to(leaf, (num_envs, *leaf.shape[1:]))

    return jax.tree.map(repeat, distribution)
