"""Which settings of the trust-region family contradict each other, or an environment."""

from jaxvf.envs.one_step_game import one_step_game
from jaxvf.envs.protocol import Environment, EnvSpec
from jaxvf.errors import InputError
from jaxvf.hyperparameters import check_needs
from jaxvf.minibatches import nearest_divisor
from jaxvf.trust_region.networks import Table
from jaxvf.trust_region.settings import Settings


def check_fields(config: Settings, env: Environment, *, remembers: bool) -> None:
    """Whether the settings fit together and fit the environment as the algorithm sees it.

    Args:
        config: the settings.
        env: the environment.
        remembers: whether the actor or the critic is recurrent.

    Raises:
        InputError: if they do not fit, naming the field, the value and a valid choice.
    """
    low, high = config.weight_low, config.weight_high
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise InputError(f"weight_low={low!r} is above weight_high={high!r}; the lowest weight comes first")
    if config.baseline == "exact" and one_step_game(env) is None:
        raise InputError(f"baseline='exact' needs a one-step game, which {env.spec.name} is not; use 'critic'")
    _check_inputs(config, env.spec)
    _check_updates(config, env.spec)
    _check_apart(config)
    _check_rollouts(config, env.spec, remembers=remembers)
    check_needs(config)


def _check_inputs(config: Settings, spec: EnvSpec) -> None:
    appended = "; set agent_id=False last_action=False" if config.agent_id or config.last_action else ""
    if isinstance(config.actor, Table) and not spec.one_hot_obs:
        raise InputError(f"actor=tabular needs one-hot observations, which {spec.name} does not give{appended}")
    if isinstance(config.critic, Table) and config.critic_inputs == "observation" and not spec.one_hot_obs:
        raise InputError(f"critic=tabular needs one-hot observations, which {spec.name} does not give{appended}")
    if config.reward == "agents" and not spec.agent_rewards:
        raise InputError(f"reward='agents': {spec.name} rewards the team alone; use reward='team'")
    if config.reward == "agents" and config.baseline == "exact":
        raise InputError("baseline='exact' is the team's expected reward; use reward='team' or baseline='critic'")
    if config.critic_inputs == "state_per_agent" and config.parameters == "shared":
        raise InputError(
            "critic_inputs='state_per_agent' has a network for each agent, and parameters='shared' one for all; use "
            "critic_inputs='state' or 'agent_state'"
        )
    if config.critic_inputs == "own_state" and not spec.agent_states:
        raise InputError(
            f"critic_inputs='own_state' needs a state for each agent, which {spec.name} does not give; use "
            "critic_inputs='agent_state', or state_kind='agent_specific' where the environment has it"
        )
    if spec.continuous and config.kl != "exact":
        raise InputError(
            f"kl={config.kl!r} is of discrete actions, and {spec.name} has continuous ones; use kl='exact'"
        )
    if config.entropy_reduction == "sum_over_batch" and not spec.continuous:
        raise InputError(
            f"entropy_reduction='sum_over_batch' is of continuous actions, and {spec.name} has discrete ones; "
            "use entropy_reduction='mean'"
        )


def _check_updates(config: Settings, spec: EnvSpec) -> None:
    shared = config.parameters == "shared"
    if shared and config.step == "natural":
        raise InputError("parameters='shared' has no natural-gradient step; use parameters='independent'")
    if config.updates == "joint" and config.step == "natural":
        raise InputError("updates='joint' has no natural-gradient step; use updates='sequential'")
    if config.updates == "joint" and (config.trace, config.clip_schedule) != ("gae", "constant"):
        raise InputError("updates='joint' has no positions; use trace='gae' clip_schedule='constant'")
    if shared and config.updates == "sequential" and config.trace != "gae":
        raise InputError("parameters='shared' has no off-policy trace; use trace='gae'")
    if shared and config.updates == "sequential" and config.minibatches != 1:
        raise InputError(
            f"minibatches={config.minibatches} with parameters='shared' would count ratios twice; use minibatches=1"
        )
    if config.sizes == "own" and (spec.own_obs or spec.own_actions):
        _check_own_sizes(config, spec)
    if config.step == "natural":
        _check_natural(config)


def _check_own_sizes(config: Settings, spec: EnvSpec) -> None:
    """What needs one network of all agents has none where each size has its own."""
    sizes = f"sizes='own', which gives {spec.name} a network for each size of agents"
    if config.parameters == "shared" and config.updates == "sequential":
        raise InputError(f"parameters='shared' updates='sequential' with {sizes}; use parameters='independent'")
    if config.minibatch_agents == "apart":
        raise InputError(f"minibatch_agents='apart' with {sizes}; use minibatch_agents='together'")


def _check_apart(config: Settings) -> None:
    """Samples of which nobody knows who else acted have no weight of others, and no network of their own."""
    if config.minibatch_agents == "together":
        return
    if (config.updates, config.parameters) != ("joint", "shared"):
        raise InputError("minibatch_agents='apart' is of one network for all; use updates='joint' parameters='shared'")
    bounds = config.weight_low, config.weight_high
    if any(isinstance(bound, int | float) and bound != 1 for bound in bounds):
        raise InputError(
            f"minibatch_agents='apart' does not know the others' ratios, which weight_low={bounds[0]!r} "
            f"weight_high={bounds[1]!r} need; use weight_low=1 weight_high=1"
        )


def _check_natural(config: Settings) -> None:
    """A natural-gradient step clips no ratio, and has one batch; mini-batches are the critic's, if there is one."""
    if config.baseline == "exact" and config.minibatches != 1:
        raise InputError(
            f"minibatches={config.minibatches} does nothing to step='natural' with baseline='exact'; use minibatches=1"
        )
    if config.weight_place == "inside":
        raise InputError("weight_place='inside' needs a clipped own ratio; use step='clip'")
    if config.normalization == "minibatch":
        raise InputError("normalization='minibatch': step='natural' has one batch; use normalization='per_agent'")


def _check_rollouts(config: Settings, spec: EnvSpec, *, remembers: bool) -> None:
    length, whole = config.rollout_length, config.minibatch_pieces == "environments"
    pieces = config.num_envs * length
    if whole:
        if remembers and config.chunk_length != length:
            raise InputError(
                f"chunk_length={config.chunk_length} with minibatch_pieces='environments', whose sequences are whole "
                f"rollouts; use chunk_length={length}"
            )
        pieces = config.num_envs
    elif remembers:
        if length % config.chunk_length:
            raise InputError(
                f"chunk_length={config.chunk_length} does not divide rollout_length={length}; "
                f"the nearest valid one is {nearest_divisor(length, config.chunk_length)}"
            )
        pieces //= config.chunk_length
    pieces *= spec.n_agents if config.minibatch_agents == "apart" else 1
    if config.minibatches > pieces:
        raise InputError(f"minibatches={config.minibatches} exceeds the {pieces} samples of an iteration")
    if pieces % config.minibatches:
        raise InputError(
            f"minibatches={config.minibatches} does not divide the {pieces} samples of an iteration; "
            f"the nearest valid one is {nearest_divisor(pieces, config.minibatches)}"
        )
