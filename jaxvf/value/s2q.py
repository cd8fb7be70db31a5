"""S2Q: further sub-values that look away from what the ones before them already take for best, and act on it.

    y = TD(λ) of the target's Q*(s', û^1)          û^k the joint of the greedy local actions of sub-value k

    L_1     = w_1     (Q_1 - y)²                   w_1 = 1 where Q*(u) >= target Q*(û^j) for all j, else α
    L_{k+1} = w_{k+1} (Q_{k+1} - y_{k+1})²         y_{k+1} = y, less Q*(u) where u is one of û^1 ... û^k
                                                   w_{k+1} = 1 where Q_{k+1} < y_{k+1}, else α
    L_*     = (Q* - y)²

So each of the K successors sees what its predecessors prefer as worth about 0, and settles elsewhere: an alternative at
hand when values change (Jo, Lee & Han 2026, arXiv 2602.17062). The equations are those of the authors' code, whose
encoder of histories, by which agents guess which sub-value acts, is left out.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.algorithm import Metrics, Progress, Rollout
from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.value import exploration
from jaxvf.value.agents import LearnerState
from jaxvf.value.central import CentralParams, CentralValue
from jaxvf.value.frames import Frames, Unrolled, greedy_actions, mean_over_steps
from jaxvf.value.mixed_learner import MixedLearner, Networks


class S2qParams(NamedTuple):
    """Parameters of the first sub-value, of its K successors, and of Q*."""

    agent: Any
    mixer: Any
    successors: tuple[Networks, ...]
    central: CentralParams

    @property
    def sub_values(self) -> tuple[Networks, ...]:
        """All K + 1, the first one first."""
        return Networks(self.agent, self.mixer), *self.successors


@hyperparameters
class S2q(MixedLearner):
    """Several factored sub-values, each with agents and a mixer of its own, beside an unrestricted value Q*.

    Behaviour is not decentralised: in a share of the environments every step draws a sub-value k from
    softmax_k(target Q*(s, û^k) / T), which needs the state and everyone's actions. The other environments follow û^1.
    Exploration is ε-greedy around either. Evaluation plays û^1, decentralised.
    """

    successors: int = static(2, "K, sub-values after the first", low=0)
    central_width: int = static(256, "width of the unrestricted mixer of Q*", low=1)
    alpha: float = traced(0.9, "α, weight of joint actions that the rules do not favour", low=0, high=1)
    temperature: float = traced(
        0.1, "T, of the central draw of the sub-value that acts", low=1e-6, needs=("successors", 1, ...)
    )
    drawn_share: float = traced(
        0.5,
        "share of environments (half of one is none) whose steps draw",
        low=0,
        high=1,
        needs=("successors", 1, ...),
    )

    @property
    def central(self) -> CentralValue:
        """The unrestricted value Q*."""
        return CentralValue(self, self.central_width, network=self.successors + 1)

    @property
    def n_networks(self) -> int:
        """The agents of K + 1 sub-values and those of Q*."""
        return self.successors + 2

    def agent_networks(self, params: Any) -> tuple[Any, ...]:
        """Their parameters."""
        return *(each.agent for each in params.sub_values), params.central.agent

    def init(self, key: Key[Array, ""], spec: EnvSpec) -> LearnerState:
        """Fresh networks for the shapes of `spec`; only Q* has a target copy."""
        central_key, *keys = jax.random.split(key, 2 * self.successors + 3)
        made = []
        for agent_key, mixer_key in zip(keys[::2], keys[1::2], strict=True):
            agent, features = self.init_agent(agent_key, spec)
            made.append(Networks(agent, self.init_mixer(mixer_key, spec, features)))
        first, *others = made
        params = S2qParams(first.agent, first.mixer, tuple(others), self.central.init(central_key, spec))
        return LearnerState(params, self.start_targets(params.central), self.make_optimizer().init(params))

    def act(
        self, state: LearnerState, carry: Any, view: View, key: Key[Array, ""], progress: Progress
    ) -> tuple[Int[Array, "B N"], Any, tuple[()]]:
        """ε-greedy around û^1, or around a sub-value that Q* has a say in; or uniform."""
        outputs, after = self.forward_all(state.params, carry, view)
        if self.behaviour == "uniform":
            return exploration.uniform(key, view.avail, self.num_envs), after, ()
        draw_key, explore_key = jax.random.split(key)
        preferred = self._greedy_of_all(outputs[:-1], view.avail)
        # The target's agents go on from what the online ones remember, as in a replayed sequence.
        memory, targets = None if carry is None else carry[-1], state.target_params
        unrolled = self.each_target(lambda each: self.forward(each.agent, memory, view)[0], targets)
        frame = Frames(view.state.astype(jnp.float32), view.avail, preferred[0])
        values = self.mean_target(
            lambda each, mine: self.central.value(each, mine, frame, preferred), targets, unrolled
        )
        chosen = self.draw(draw_key, values[..., 0])[:, None]
        around = jnp.select([chosen == k for k in range(len(preferred))], list(preferred))
        epsilon = self.epsilon(progress.env_steps)
        return exploration.explore(explore_key, around, view.avail, epsilon, self.num_envs), after, ()

    def draw(self, key: Key[Array, ""], values: Float[Array, "k _"]) -> Int[Array, "B"]:
        """The sub-value that acts in each environment: those of low index draw it, the others follow the first.

        In the authors' code a coin decides for each batch of episodes; a fixed half of the environments needs none.
        """
        drawn = jax.random.categorical(key, values / self.temperature, axis=0, shape=(self.num_envs,))
        draws = (jnp.arange(self.num_envs) + 0.5) / self.num_envs < self.drawn_share
        return jnp.where(draws, drawn, 0)

    def update(
        self, state: LearnerState, batch: Rollout, key: Key[Array, ""], progress: Progress
    ) -> tuple[LearnerState, Metrics]:
        """One gradient step on the K + 2 regressions; then the target of Q* is updated."""
        return self.regress(self._loss, lambda params: params.central, state, batch, progress)

    def joint_values(self, params: S2qParams, batch: Rollout) -> dict[str, Float[Array, "F _ _"]]:
        """Q_1, Q* and the successors Q_2 ... Q_{K+1} of the stored actions."""
        frames = Frames.of(batch)
        unrolled = self._unroll_all(params, batch)
        central = self.central.unroll(params.central, batch)
        values = [
            self.mix(each.mixer, own, frames, frames.actions)[0]
            for each, own in zip(params.sub_values, unrolled, strict=True)
        ]
        named = {f"q_tot_{index}": value for index, value in enumerate(values[1:], start=2)}
        taken = self.central.value(params.central, central, frames, frames.actions)
        return {"q_tot": values[0], "q_central": taken, **named}

    def _loss(
        self, params: S2qParams, target: Any, batch: Rollout, progress: Progress
    ) -> tuple[Float[Array, ""], Metrics]:
        steps, filled = batch.reward.shape[0], batch.filled
        now = Frames.of(batch, 0, steps)
        unrolled = self._unroll_all(params, batch)
        greedy = self._greedy_of_all(unrolled, batch.avail)
        target_value = self.central.by_target(target, batch)
        y = self.td_targets(batch, progress, greedy[0, 1:], target_value)
        central_unrolled = self.central.unroll(params.central, batch).frames(0, steps)
        taken = self.central.value(params.central, central_unrolled, now, now.actions)
        known = jax.lax.stop_gradient(taken)
        best = target_value(greedy[:, :steps], 0, steps).max(axis=0)
        preferred = jnp.all(now.actions == greedy[:, :steps], axis=-1, keepdims=True)

        loss = mean_over_steps((taken - y) ** 2, filled)
        metrics = {"central_loss": loss}
        for index, (each, own) in enumerate(zip(params.sub_values, unrolled, strict=True)):
            value, penalty = self.mix(each.mixer, own.frames(0, steps), now, now.actions)
            aim = y - jnp.where(preferred[:index].any(axis=0), known, 0.0)
            favoured = known >= best if index == 0 else jax.lax.stop_gradient(value) < aim
            weight = jnp.where(favoured, 1.0, self.alpha)
            loss += mean_over_steps(weight * (value - aim) ** 2 + penalty, filled)
            means = {"value": value, "target": aim, "weight": jnp.broadcast_to(weight, y.shape)}
            ending = f"_{index + 1}" if index else ""
            metrics |= {name + ending: mean_over_steps(values, filled) for name, values in means.items()}
        return loss, metrics

    def _unroll_all(self, params: S2qParams, batch: Rollout) -> list[Unrolled]:
        """The agents of every sub-value over whole rollouts."""
        return [self.unroll(each.agent, batch, index) for index, each in enumerate(params.sub_values)]

    def _greedy_of_all(self, unrolled: list[Unrolled], avail: Bool[Array, "*#b N A"]) -> Int[Array, "k *#b N"]:
        """û^1 ... û^{K+1}."""
        return jnp.stack([greedy_actions(each.outputs, avail) for each in unrolled])
