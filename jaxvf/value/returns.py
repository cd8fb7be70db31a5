"""What values regress on: whose rewards, and how returns are estimated from them and from values of later frames."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from jaxvf.algorithm import Progress, Rollout
from jaxvf.hyperparameters import hyperparameters, static, traced
from jaxvf.value.exploration import linear_schedule
from jaxvf.value.targets import n_step_targets, td_lambda_targets

RETURNS = ("td_lambda", "n_step", "watkins", "corrected")
# Those that ask whether the stored actions are the ones that a target values.
OFF_POLICY = ("watkins", "corrected")


@hyperparameters
class Returns:
    """Estimates of the return, from rewards and bootstrapped values.

    With greedy bootstraps "td_lambda" is Peng & Williams' Q(λ) (1994). "watkins" is Watkins' (1989), which cuts returns
    at stored actions that are not greedy. "corrected" is Q*(λ) (Harutyunyan et al. 2016, arXiv 1602.04951), which
    corrects for them instead; where play is far from greedy its λ must be small.
    """

    reward: str = static(
        "team", "what agents learn from: the team's reward, or each its own", choices=("team", "agents")
    )
    returns: str = static(
        "td_lambda",
        "how returns are estimated: by λ; by n steps; by λ until a stored action is not the one that a target values "
        "(watkins), or with a correction for it (corrected)",
        choices=RETURNS,
    )
    n_steps: int = static(3, "rewards in a target of returns=n_step", low=1, needs=("returns", "n_step"))
    td_lambda_schedule: str = static(
        "constant",
        "λ stays, or changes in a line from td_lambda to td_lambda_end",
        choices=("constant", "linear"),
        needs=("returns", "td_lambda", "watkins", "corrected"),
    )
    discount: float = traced(0.99, "γ, weight of the next step's value", low=0, high=1)
    td_lambda: float = traced(
        0.0, "λ of the targets: 0 for one step, 1 for Monte Carlo; returns=n_step have none", low=0, high=1
    )
    td_lambda_end: float = traced(
        0.0, "λ at the end of a linear td_lambda_schedule", low=0, high=1, needs=("td_lambda_schedule", "linear")
    )
    td_lambda_anneal: float = traced(
        50_000, "environment steps of a linear td_lambda_schedule", low=0, needs=("td_lambda_schedule", "linear")
    )

    @property
    def learns_from_agent_rewards(self) -> bool:
        """Whether every agent's value regresses on its own reward."""
        return self.reward == "agents"

    @property
    def values_agents_apart(self) -> bool:
        """Whether the learner regresses a value of every agent, not of the team."""
        return False

    def td_lambda_at(self, progress: Progress) -> float | Float[Array, ""]:
        """λ now."""
        if self.td_lambda_schedule == "constant":
            return self.td_lambda
        return linear_schedule(progress.env_steps, self.td_lambda, self.td_lambda_end, self.td_lambda_anneal)

    def td_targets(
        self,
        batch: Rollout,
        progress: Progress,
        following: Int[Array, "_ _ N"],
        value_of: Callable[[Int[Array, "_ _ N"]], Float[Array, "_ _ M"]],
    ) -> Float[Array, "T B M"]:
        """Targets of the stored actions, from the team's reward or each agent's own, without gradient.

        Args:
            batch: rollouts.
            progress: how far the run is.
            following: the joint actions of frames 1 ... F-1 that the targets value.
            value_of: the values of joint actions in these frames, one of the team or one of each agent.
        """
        bootstrap = value_of(following)
        width = bootstrap.shape[-1]
        reward = batch.agent_rewards if self.learns_from_agent_rewards else batch.reward[..., None]
        assert reward is not None  # the program has checked
        # From here on every leaf has all of B: rewards differ even where views do not.
        shape = (*batch.reward.shape, width)
        reward, terminated, truncated = (
            jnp.broadcast_to(leaf, shape) for leaf in (reward, batch.terminated[..., None], batch.truncated[..., None])
        )
        bootstrap = _of_steps(bootstrap, shape)
        if self.returns == "n_step":
            return n_step_targets(reward, terminated, truncated, bootstrap, discount=self.discount, steps=self.n_steps)
        trace, taken, stored = self.td_lambda_at(progress), None, batch.actions[1:]
        if self.returns == "watkins":
            kept = following == stored
            kept = kept if self.values_agents_apart else jnp.all(kept, axis=-1, keepdims=True)
            trace = jnp.where(_of_steps(kept, shape), trace, 0.0)
        elif self.returns == "corrected":
            taken = _of_steps(value_of(stored), shape)
        return td_lambda_targets(
            reward, terminated, truncated, bootstrap, discount=self.discount, trace=trace, taken=taken
        )


def _of_steps(following: Shaped[Array, "_ #B #M"], shape: tuple[int, ...]) -> Shaped[Array, "T B M"]:
    """What frames 1 ... F-1 say, as the steps before them. No frame after the last step means that it always
    terminates: any value will do.
    """
    following = jnp.broadcast_to(following, (following.shape[0], *shape[1:]))
    return jnp.pad(following, ((0, shape[0] - following.shape[0]), (0, 0), (0, 0)))
