"""Acting in rounds: each round's greedy joint action given that of the round before (as `mrvf` says, chosen here).

    p^1 = argmax of q^1;    p^k = argmax of a_i(u) = q_i^k(u, p_i) - q_i^k(p_i, p_i), with a bonus ζ for staying at p_i

An agent needs its own previous action alone, so execution stays decentralized.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs.protocol import EnvSpec, View
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.mixers import Utilities, utilities_of
from jaxvf.networks.agents import TabularAgent
from jaxvf.networks.rounds import RoundHead, TabularRoundHead
from jaxvf.networks.sharing import apply_team, init_team
from jaxvf.value import exploration
from jaxvf.value.frames import Frames, Unrolled, greedy_actions
from jaxvf.value.mixed_learner import MixedLearner


class Round(NamedTuple):
    """Parameters of one round k >= 2: the agents' head and the mixer M^k."""

    head: Any
    mixer: Any


class Choice(NamedTuple):
    """What the rounds choose in some frames."""

    actions: list[Int[Array, "F _ N"]]  # p^1 ... p^K
    gains: list[Float[Array, "F _ N A"]]  # a_i(u) of rounds 2 ... K, 0 at the anchor


LATER_ROUNDS = ("rounds", 2, ...)  # where there is a round after the first


@hyperparameters
class MultiRoundLearner(MixedLearner):
    """Agents that go through K rounds; `params` have the agents' trunk with q^1, and a tuple of later `rounds`."""

    rounds: int = static(2, "K, rounds of factorization", low=1)
    coins: str = static(
        "central", "exploring agents throw one coin together, or one each", choices=("central", "independent")
    )
    behaviour_round: str = static(
        "multi",
        "whose greedy action is explored around: a random round's or the last",
        choices=("multi", "last"),
        needs=LATER_ROUNDS,
    )
    anchor_bonus: float = traced(0.005, "ζ, advantage of staying", low=0, needs=LATER_ROUNDS)

    def explore(
        self, params: Any, online: Unrolled, view: View, key: Key[Array, ""], epsilon: Float[Array, ""]
    ) -> Int[Array, "B N"]:
        """ε-greedy around the greedy action of one round."""
        actions = self.choose(params, online, view.avail).actions
        round_key, explore_key = jax.random.split(key)
        if self.behaviour_round == "multi":
            drawn = jax.random.randint(round_key, (self.num_envs, 1), 0, self.rounds)
            greedy = jnp.select([drawn == k for k in range(self.rounds)], actions)
        else:
            greedy = actions[-1]
        together = self.coins == "central"
        return exploration.explore(explore_key, greedy, view.avail, epsilon, self.num_envs, together=together)

    def greedy_of(self, params: Any, online: Unrolled, view: View) -> Int[Array, "_ N"]:
        """p^K: every agent goes through the rounds by itself."""
        return self.choose(params, online, view.avail).actions[-1]

    def choose(self, params: Any, unrolled: Unrolled, avail: Bool[Array, "*b N A"]) -> Choice:
        """The forward pass: each round's action, given the one before."""
        anchor = greedy_actions(unrolled.outputs, avail)
        actions, gains = [anchor], []
        for each in params.rounds:
            stay = jax.nn.one_hot(anchor, avail.shape[-1])
            values: Any = apply_team(self.sharing, self.head().apply, each.head, unrolled.features, stay)
            gain = values - jnp.sum(values * stay, axis=-1, keepdims=True)
            gains.append(gain)
            anchor = exploration.greedy(gain + self.anchor_bonus * stay, avail)
            actions.append(anchor)
        return Choice(actions, gains)

    def increment(
        self,
        each: Round,
        gain: Float[Array, "F _ N A"],
        unrolled: Unrolled,
        frames: Frames,
        actions: Int[Array, "*b N"],
    ) -> Float[Array, "*#b 1"]:
        """F^k of joint actions [..., F, B, N]: 0 at the anchor, where every gain is.

        What an attention mixer asks the loss to add counts in round 1 alone.
        """
        outputs = jnp.concatenate([gain, unrolled.outputs[..., gain.shape[-1] :]], axis=-1)
        utilities = utilities_of(outputs, unrolled.features, frames.avail, actions)

        def mixed(utilities: Utilities) -> Any:
            return self.mixer.apply(each.mixer, utilities, frames.state)

        nothing = utilities._replace(chosen=jnp.zeros((1, 1, gain.shape[-2])))
        return mixed(utilities) - mixed(nothing) + utilities.chosen.sum(axis=-1, keepdims=True)

    def init_head(self, key: Key[Array, ""], spec: EnvSpec, features: int) -> Any:
        """Parameters of a later round's heads, which those agents share that share the trunk."""

        def init(key: Key[Array, ""], members: int) -> Any:
            shape = 1, 1, members
            return self.head().init(key, jnp.zeros((*shape, features)), jnp.zeros((*shape, spec.n_actions)))

        return init_team(self.sharing, init, key, spec.n_agents)

    def head(self) -> nn.Module:
        """The network of a later round's values."""
        return TabularRoundHead() if isinstance(self.agent, TabularAgent) else RoundHead()
