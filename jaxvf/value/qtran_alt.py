"""QTRAN-alt: the inequality of QTRAN made tight by counterfactual joint values.

Son et al. 2019, after the authors' code. Chosen here: the bias V and a bootstrap from the mean as options, and minima
over available actions alone.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxvf.algorithm import Metrics, Rollout
from jaxvf.envs.protocol import Environment
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, static
from jaxvf.networks.masks import mask_unavailable
from jaxvf.networks.qtran import CounterfactualNetwork
from jaxvf.value.frames import Frames, Unrolled, mean_over_steps
from jaxvf.value.qtran import Qtran, QtranParams


@hyperparameters
class QtranAlt(Qtran):
    """Every agent i has its own estimate J_i(· | u_-i) over its actions; the least slack over them must be 0."""

    joint: nn.Module = static(CounterfactualNetwork(), "the networks of J_i and V")
    use_v: bool = static(True, "add the bias V; the authors' code has none, as their tasks are fully observable")
    bootstrap: str = static(
        "max",
        "what the target values: the largest J_i (authors), or the mean at ū",
        choices=("max", "mean"),
    )

    def check(self, env: Environment) -> None:
        """Whether the fields agree with each other and with the environment.

        Raises:
            InputError: as every value learner, and for a correction by a value that is not the stored action's.
        """
        super().check(env)
        if self.returns == "corrected" and self.bootstrap == "max":
            raise InputError(
                "returns='corrected' needs the value of stored actions, and bootstrap='max' values the best deviation "
                "from them; use bootstrap='mean' or returns='watkins'"
            )

    def evaluate(
        self, params: QtranParams, unrolled: Unrolled, frames: Frames, actions: Int[Array, "F #B N"]
    ) -> tuple[Float[Array, "F #B 1"], Float[Array, "F #B 1"]]:
        """The bootstrap's value of joint actions, and V."""
        joint, bias = self._counterfactual(params, unrolled, frames, actions)
        if self.bootstrap == "mean":
            return _of(joint, actions).mean(axis=-1, keepdims=True), bias
        return mask_unavailable(joint, frames.avail).max(axis=(-2, -1))[..., None], bias

    def joint_values(self, params: QtranParams, batch: Rollout) -> dict[str, Float[Array, "F _ _"]]:
        """The sum of local values T, the mean of the estimates J_i, and V at the stored actions."""
        frames, unrolled = Frames.of(batch), self.unroll(params.agent, batch)
        joint, bias = self._counterfactual(params, unrolled, frames, frames.actions)
        estimate = _of(joint, frames.actions).mean(axis=-1, keepdims=True)
        return {"q_tot": self._sum_of_chosen(unrolled, frames, frames.actions), "q_joint": estimate, "bias": bias}

    def _losses(
        self,
        params: QtranParams,
        unrolled: Unrolled,
        now: Frames,
        greedy: Int[Array, "T _ N"],
        y: Float[Array, "T B 1"],
        batch: Rollout,
    ) -> tuple[Float[Array, ""], Metrics]:
        """L_td + λ_opt L_opt + λ_nopt L_nopt-min, each a mean over agents; J_i is stopped in the last two."""
        q = unrolled.outputs
        joint, bias = self._counterfactual(params, unrolled, now, now.actions)
        best = jax.lax.stop_gradient(self._counterfactual(params, unrolled, now, greedy)[0])
        sum_best = mask_unavailable(q, now.avail).max(axis=-1).sum(axis=-1, keepdims=True)
        chosen = _of(q, now.actions)
        # D_i(a): the slack if agent i had taken a instead, the others' actions kept.
        others = chosen.sum(axis=-1, keepdims=True) - chosen
        slack = others[..., None] + q - jax.lax.stop_gradient(joint) + bias[..., None]
        least = -mask_unavailable(-slack, now.avail).max(axis=-1)
        td = mean_over_steps((_of(joint, now.actions) - y) ** 2, batch.filled)
        equality = mean_over_steps((sum_best - _of(best, greedy) + bias) ** 2, batch.filled)
        tightness = mean_over_steps(least**2, batch.filled)
        metrics = {"td_loss": td, "opt_loss": equality, "nopt_loss": tightness}
        metrics["target"] = mean_over_steps(y, batch.filled)
        return td + self.opt_coefficient * equality + self.nopt_coefficient * tightness, metrics

    def _counterfactual(
        self, params: QtranParams, unrolled: Unrolled, frames: Frames, actions: Int[Array, "F #B N"]
    ) -> tuple[Float[Array, "F #B N A"], Float[Array, "F #B 1"]]:
        joint, bias = self._network(params, unrolled, frames, actions)
        return joint, bias if self.use_v else jnp.zeros_like(bias)


def _of(values: Float[Array, "*#b N A"], actions: Int[Array, "*#b N"]) -> Float[Array, "*#b N"]:
    """The entries of the given actions."""
    return jnp.einsum("...a,...a->...", values, jax.nn.one_hot(actions, values.shape[-1]))
