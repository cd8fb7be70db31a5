"""POW's recognizer Q_R: which sampled joint actions may be as good as the greedy one (Huang et al. 2026).

    Q_R(s, u) = V(s) + Σ_i λ_i(s, u) g_i,    g_i = q_i(u_i) - max q_i <= 0 a constant,    λ_i >= 0

The greedy joint action always has Q_R = V(s). Values below it can be fitted exactly; values above it cannot, and
saturate at λ·g = 0: so V - Q_R < C says "as good or better, as far as Q_R can tell".
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from jaxvf.hyperparameters import static
from jaxvf.mixers.advantage_weights import AdvantageWeights
from jaxvf.networks.linear import MLP, SCHEMES, join_agents
from jaxvf.value.frames import mean_over_steps


class Sampled(NamedTuple):
    """What the recognizer is fitted to; all of it constant."""

    state: Float[Array, "T _ S"]
    actions: Float[Array, "T B N A"]  # one-hot
    advantage: Float[Array, "T B N"]  # g
    target: Float[Array, "T B 1"]  # y
    filled: Bool[Array, "T _"] | Float[Array, "T _"]


class Recognizer(nn.Module):
    """The networks of Q_R. `form` chooses λ: the authors' code's linear mixing of two layers, or QPLEX's attention."""

    form: str = static("mixing", "the networks of λ", choices=("mixing", "attention"))
    width: int = static(128, "width of all networks", low=1)
    embed: int = static(64, "E, width of the linear mixing layer", low=1)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(
        self, state: Float[Array, "*#b S"], actions: Float[Array, "*#b N A"], advantage: Float[Array, "*#b N"]
    ) -> tuple[Float[Array, "*#b 1"], Float[Array, "*#b 1"]]:
        """V(s), and λ(s, u)·g, which is never positive."""
        value = MLP((self.width, self.width, 1), self.scheme, name="value")(state)
        if self.form == "attention":
            # As POW-QPLEX's mixer in the authors' code: four kernels, three layers of 64.
            weights = AdvantageWeights(4, 3, 64, self.scheme, name="weights")((state,), actions)
            return value, jnp.sum(weights * advantage, axis=-1, keepdims=True)
        n_agents = actions.shape[-2]
        joint_action = join_agents(actions)
        w1 = MLP((self.width, self.width, n_agents * self.embed), self.scheme, name="w1")(state, joint_action)
        w2 = MLP((self.width, self.width, self.embed), self.scheme, name="w2")(state, joint_action)
        w1 = jnp.abs(w1).reshape(*w1.shape[:-1], n_agents, self.embed)
        hidden = jnp.einsum("...n,...ne->...e", advantage, w1)
        return value, jnp.einsum("...e,...e->...", hidden, jnp.abs(w2))[..., None]


def optimizer(learning_rate: Any, max_grad_norm: Any) -> optax.GradientTransformation:
    """Adam with φ's own gradient norm clipped."""
    return optax.chain(optax.clip_by_global_norm(max_grad_norm), optax.adam(learning_rate))


def fit(
    recognizer: Recognizer,
    params: Any,
    opt_state: optax.OptState,
    sampled: Sampled,
    steps: Any,
    rule: optax.GradientTransformation,
) -> tuple[Any, optax.OptState, Float[Array, ""]]:
    """`steps` consecutive Adam steps on one batch: L_R = ½ Σ m (Q_R - y)² / Σ m. Only the recognizer moves.

    Args:
        recognizer: the module.
        params: its parameters φ.
        opt_state: its own optimizer's state.
        sampled: the batch; no network runs again to make it.
        steps: how many, an unbatched number.
        rule: from `optimizer`.

    Returns:
        Parameters, optimizer state, and the loss before the last step.
    """

    def loss(params: Any) -> Float[Array, ""]:
        values: Any = recognizer.apply(params, sampled.state, sampled.actions, sampled.advantage)
        value, difference = values
        return 0.5 * mean_over_steps((value + difference - sampled.target) ** 2, sampled.filled)

    def step(_: Any, carried: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        params, opt_state, _ = carried
        value, grads = jax.value_and_grad(loss)(params)
        updates, opt_state = rule.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, value

    return jax.lax.fori_loop(0, steps, step, (params, opt_state, jnp.zeros(())))
