"""QTRAN's joint networks: a free joint value J(τ, u) and the bias V(s) (Son et al. 2019)."""

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvf.hyperparameters import static
from jaxvf.networks.linear import MLP, SCHEMES, join_agents


class JointNetwork(nn.Module):
    """QTRAN-base as in PyMARL: J from the state and the sum of encoded (history, action) pairs; V from the state."""

    width: int = static(64, "width of the hidden layers", low=1)
    layers: int = static(2, "hidden layers: 2 (small) or 3 (big)", low=1)
    architecture: str = static(
        "qtran_paper", "J of summed encodings, or of all one-hot actions", choices=("qtran_paper", "coma_critic")
    )
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(
        self, state: Float[Array, "*#b S"], features: Float[Array, "*#b N H"], actions: Float[Array, "*#b N A"]
    ) -> tuple[Float[Array, "*#b 1"], Float[Array, "*#b 1"]]:
        """J of one-hot joint actions, and V."""
        if self.architecture == "qtran_paper":
            encoded = features.shape[-1] + actions.shape[-1]
            pairs = MLP((encoded, encoded), self.scheme, name="encoder")(features, actions).sum(axis=-2)
        else:
            pairs = join_agents(actions)
        widths = (self.width,) * self.layers + (1,)
        joint = MLP(widths, self.scheme, name="joint")(state, pairs)
        return joint, MLP(widths, self.scheme, name="bias")(state)


class CounterfactualNetwork(nn.Module):
    """QTRAN-alt: for every agent the joint value of each of its own actions, given the others' actions; and V.

    z_i = k2(h_i) + (1/n) Σ_{j≠i} k1(h_j, u_j),    J_i(· | u_-i) = MLP(z_i)

    After the authors' code, which has no V because its tasks are fully observable.
    """

    width: int = static(64, "width of all layers", low=1)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(
        self, state: Float[Array, "*#b S"], features: Float[Array, "*#b N H"], actions: Float[Array, "*#b N A"]
    ) -> tuple[Float[Array, "*#b N A"], Float[Array, "*#b 1"]]:
        """J_i(a | u_-i) for every agent and own action, and V."""
        width, n_agents = self.width, actions.shape[-2]
        others = MLP((width, width), self.scheme, name="others")(features, actions)
        own = MLP((width, width), self.scheme, name="own")(features)
        mixed = own + (others.sum(axis=-2, keepdims=True) - others) / n_agents
        joint = MLP((width, width, actions.shape[-1]), self.scheme, name="joint")(mixed)
        return joint, MLP((width, width, 1), self.scheme, name="bias")(state)
