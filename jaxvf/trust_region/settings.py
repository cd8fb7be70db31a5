"""The hyperparameters of the trust-region family: which of its algorithms, and with which numbers."""

import flax.linen as nn

from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.trust_region.actor_critic import CRITICS
from jaxvf.trust_region.advantages import NORMALIZATIONS, TRUNCATIONS
from jaxvf.trust_region.networks import NETWORKS, FeedForward
from jaxvf.trust_region.objectives import ENTROPY_REDUCTIONS, PLACES, UNBOUNDED

# What a field needs to count: a natural-gradient step has no clip, no entropy bonus, no step size of Adam, no passes.
CLIPPED, NATURAL = ("step", "clip"), ("step", "natural")
IN_TURN, LEARNED = ("updates", "sequential"), ("baseline", "critic")


@hyperparameters
class Settings:
    """Fields of every algorithm of the family; defaults: HAPPO with the constants of Le & Ta 2025.

    The rule that weighs an agent's objective by the ratios of the agents before it is the pair `weight_low`,
    `weight_high`: see `objectives.weight_bounds`.
    """

    actor: nn.Module = static(FeedForward(), "the network of the actors", registry=NETWORKS)
    critic: nn.Module = static(FeedForward(), "the network of the critic", registry=NETWORKS)
    parameters: str = static(
        "independent",
        "whether every agent has an actor network (and a critic, where critic_inputs gives it a value) of its own, or "
        "all share one",
        choices=("independent", "shared"),
    )
    sizes: str = static(
        "padded",
        "how wide networks are: as the largest agent, to which observations and actions are padded; or each as its own "
        "agent, where agents of an environment differ",
        choices=("padded", "own"),
    )
    critic_inputs: str = static(
        "state",
        "what values are predicted from: the state; the state and the agent's own observation, by one network; the "
        "agent's own part of a state that has one for each, by one network; the state, by a network per agent; the "
        "agent's observation",
        choices=CRITICS,
    )
    baseline: str = static(
        "critic",
        "what returns are compared with: a learned value, or the exact one where a one-step game knows it",
        choices=("critic", "exact"),
    )
    agent_id: bool = static(False, "append the agent's index to its observation")
    last_action: bool = static(False, "append the agent's previous action to its observation")

    reward: str = static(
        "team", "what agents learn from: the team's reward, or each its own", choices=("team", "agents")
    )

    updates: str = static(
        "sequential", "whether agents are updated one after another, or all at once", choices=("sequential", "joint")
    )
    step: str = static(
        "clip",
        "how an actor moves: by PPO's clipped surrogate, or by a natural-gradient step",
        choices=("clip", "natural"),
    )
    budget: str = static(
        "each",
        "how natural-gradient steps share the divergence of an iteration: every agent has kl_radius, or all have "
        "kl_radius × N, divided by what each expects to gain from it",
        choices=("each", "shared"),
        needs=NATURAL,
    )
    order: str = static(
        "random",
        "how agents are ordered in sequential updates",
        choices=("random", "fixed", "semi_greedy"),
        needs=IN_TURN,
    )
    weight_place: str = static(
        "outside",
        "where the preceding ratios multiply: outside the clip of the own ratio, or inside (A2PO, CoPPO)",
        choices=PLACES,
    )
    clip_schedule: str = static(
        "constant",
        "whether ε is the same at every position in the order, or grows with it (A2PO)",
        choices=("constant", "by_position"),
        needs=CLIPPED,
    )
    trace: str = static(
        "gae",
        "how advantages weigh later errors: by λ, or by λ times the preceding agents' ratio, at most 1 (A2PO)",
        choices=("gae", "off_policy"),
    )
    normalization: str = static(
        "per_agent",
        "over whose samples advantages are normalized: every agent's own; all agents'; those of each gradient step, "
        "again and again (JaxMARL); or nobody's",
        choices=NORMALIZATIONS,
    )
    truncation: str = static(
        "bootstrap",
        "what a time limit does: value the state after it; give the step no advantage (Le & Ta); or end values there",
        choices=TRUNCATIONS,
    )
    entropy_reduction: str = static(
        "mean",
        "how entropies are added up: their mean, or the sum that Le & Ta's code takes by mistake for Gaussian actors",
        choices=ENTROPY_REDUCTIONS,
        needs=CLIPPED,
    )
    kl: str = static(
        "exact",
        "the divergence of discrete policies: the exact one, or the unweighted sum of Le & Ta's code",
        choices=("exact", "unweighted_k3"),
        needs=NATURAL,
    )
    value_norm: bool = static(True, "whether the critic predicts normalized returns", needs=LEARNED)
    value_clip_units: str = static(
        "critic",
        "whether value_clip is in the units in which the critic predicts, or in those of returns (JaxMARL)",
        choices=("critic", "returns"),
        needs=LEARNED,
    )
    value_loss: str = static(
        "huber",
        "the critic's error: Huber's, or half of the square (JaxMARL)",
        choices=("huber", "squared"),
        needs=LEARNED,
    )
    value_weight: float = static(
        1.0,
        "factor of the critic's loss, which matters where its gradients are clipped; 0.5 in JaxMARL",
        low=0,
        needs=LEARNED,
    )

    num_envs: int = static(20, "environments that collect side by side", low=1)
    rollout_length: int = static(200, "steps of each in an iteration", low=1)
    chunk_length: int = static(10, "steps of a training sequence of a recurrent actor or critic", low=1)
    actor_epochs: int = static(
        5, "passes over the samples of an iteration; natural-gradient steps take one", low=1, needs=CLIPPED
    )
    critic_epochs: int = static(5, "passes of the critic over the samples of an iteration", low=1, needs=LEARNED)
    minibatches: int = static(1, "equal parts of a pass, of the critic and of actors that step by clipping", low=1)
    minibatch_pieces: str = static(
        "sequences",
        "what a pass is cut between: sequences that gradients run through, which without memory are single steps; or "
        "environments, whose whole rollouts stay together",
        choices=("sequences", "environments"),
    )
    minibatch_agents: str = static(
        "together",
        "whether the agents of a step are in one mini-batch, or drawn apart, as if each had an environment (JaxMARL)",
        choices=("together", "apart"),
    )

    weight_low: float = traced(0.0, "lowest weight of the preceding agents' ratio", low=0)
    weight_high: float = traced(UNBOUNDED, "highest weight of the preceding agents' ratio", low=0)
    clip: float = traced(0.2, "ε of the clipped surrogate", low=0)
    value_clip: float = traced(0.2, "how far a value may move from its old one", low=0, needs=LEARNED)
    kl_radius: float = traced(
        0.01, "δ of a natural-gradient step; its mean over agents where they share", low=0, needs=NATURAL
    )
    backtrack: float = traced(
        0.8, "factor between candidates of a natural-gradient step's line search", low=0, high=1, needs=NATURAL
    )
    entropy_weight: float = traced(
        0.0, "β, weight of the entropy bonus; none in natural-gradient steps", low=0, needs=CLIPPED
    )
    learning_rate: float = traced(
        5e-4, "Adam's step size for actors; of natural-gradient steps kl_radius", low=0, needs=CLIPPED
    )
    critic_learning_rate: float = traced(5e-4, "Adam's step size for the critic", low=0, needs=LEARNED)
    learning_rate_anneal: float = traced(0.0, "steps in which both step sizes fall to 0 in a line; 0 for never", low=0)
    max_grad_norm: float = traced(10.0, "global L2 norm to which an agent's gradients are clipped", low=1e-6)
    discount: float = traced(0.99, "γ, weight of the next step's value", low=0, high=1)
    td_lambda: float = traced(0.95, "λ of advantage estimation", low=0, high=1)
