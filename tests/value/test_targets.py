"""Targets by λ and by n steps: three steps by hand, then the forward view on random sequences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.value.targets import n_step_targets, td_lambda_targets

targets_of = jax.jit(td_lambda_targets)
n_step_targets_of = jax.jit(n_step_targets, static_argnames="steps")


def targets(reward, terminated, truncated, bootstrap, discount=0.5, trace=0.0) -> np.ndarray:
    floats, flags = (np.float32(reward), np.float32(bootstrap)), (np.bool_(terminated), np.bool_(truncated))
    return np.asarray(targets_of(floats[0], *flags, floats[1], discount=discount, trace=trace))


def test_terminal_step_does_not_bootstrap():
    """0 + 0.5·5 = 2.5; then 1 alone, whatever value follows."""
    np.testing.assert_allclose(targets([0, 1], [0, 1], [0, 0], [5, 99]), [2.5, 1.0])
    np.testing.assert_allclose(targets([0, 1], [0, 1], [0, 0], [5, np.inf]), [2.5, 1.0])


@pytest.mark.parametrize("trace", [0.0, 0.5, 1.0])
def test_truncated_step_bootstraps_fully_whatever_lambda(trace):
    """1 + 0.5·8 = 5: the time limit ends the sequence of rewards but not the value."""
    assert targets([0, 1], [0, 0], [0, 1], [0, 8], trace=trace)[1] == 5.0
    assert targets([0, 1], [0, 0], [0, 0], [0, 8], trace=trace)[1] == 5.0  # so does the end of the arrays


def test_one_step_targets():
    """λ = 0: r + γ b at every step. 1 + 0.5·10, 2 + 0.5·20, 3 + 0.5·30."""
    np.testing.assert_allclose(targets([1, 2, 3], [0, 0, 0], [0, 0, 1], [10, 20, 30]), [6.0, 12.0, 18.0])


def test_monte_carlo_targets():
    """λ = 1 ignores all values but the truncated end's: 1 + 0.5·(2 + 0.5·(3 + 0.5·30)) = 6.5."""
    done = targets([1, 2, 3], [0, 0, 1], [0, 0, 0], [10, 20, 30], trace=1.0)
    np.testing.assert_allclose(done, [2.75, 3.5, 3.0])
    cut = targets([1, 2, 3], [0, 0, 0], [0, 0, 1], [10, 20, 30], trace=1.0)
    np.testing.assert_allclose(cut, [6.5, 11.0, 18.0])


def test_intermediate_lambda_by_hand():
    """λ = 0.25: 2 + 0.5·(0.75·20 + 0.25·3) = 9.875, then 1 + 0.5·(0.75·10 + 0.25·9.875) = 5.984375."""
    found = targets([1, 2, 3], [0, 0, 1], [0, 0, 0], [10, 20, 30], trace=0.25)
    np.testing.assert_allclose(found, [5.984375, 9.875, 3.0])


def test_nothing_crosses_the_end_of_an_episode():
    """Two episodes in one array: what happens in the second never changes the first."""
    ends = ([0, 1, 0, 1], [0, 0, 0, 0]), ([0, 0, 0, 1], [0, 1, 0, 0])
    for terminated, truncated in ends:
        first = targets([1, 2, 3, 4], terminated, truncated, [5, 6, 7, 8], trace=0.5)
        second = targets([1, 2, 300, 400], terminated, truncated, [5, 6, 700, 800], trace=0.5)
        np.testing.assert_array_equal(first[:2], second[:2])
        assert (first[2:] != second[2:]).all()


def n_step_returns(start, reward, terminated, truncated, bootstrap, discount) -> list[float]:
    """Returns of 1, 2, ... rewards from `start`, each with the value after them, to the episode's or arrays' end."""
    end = start
    while not (terminated[end] or truncated[end]) and end < len(reward) - 1:
        end += 1
    returns = []
    for last in range(start, end + 1):
        rewards = sum(discount**k * reward[start + k] for k in range(last - start + 1))
        beyond = 0.0 if terminated[last] else discount ** (last - start + 1) * bootstrap[last]
        returns.append(rewards + beyond)
    return returns


def forward_view(reward, terminated, truncated, bootstrap, discount, trace) -> np.ndarray:
    """Weighted n-step returns, summed explicitly, with a λ for every step: the return that stops after a step weighs
    1 - λ there times the product of the λ before it; the last possible one takes what is left.
    """
    found, trace = [], np.broadcast_to(trace, len(reward))
    for start in range(len(reward)):
        returns = n_step_returns(start, reward, terminated, truncated, bootstrap, discount)
        passed = np.cumprod([1.0, *trace[start : start + len(returns) - 1]])
        stops = 1 - trace[start : start + len(returns)]
        stops[-1] = 1.0
        found.append(np.sum(passed * stops * returns))
    return np.array(found)


@pytest.fixture(scope="module")
def sequences() -> tuple[np.ndarray, ...]:
    """Rewards, flags and values of 30 random sequences of 12 steps, with some ends of either kind."""
    generator = np.random.default_rng(0)
    reward, bootstrap = generator.normal(size=(2, 12, 30))
    kind = generator.choice(3, p=[0.7, 0.15, 0.15], size=(12, 30))
    return reward, kind == 1, kind == 2, bootstrap


@pytest.mark.parametrize("trace", [0.0, 0.3, 0.9, 1.0])
def test_equals_the_forward_view_on_random_sequences(trace, sequences):
    found = targets(*sequences, discount=0.9, trace=trace)
    for column in range(30):
        one = (leaf[:, column] for leaf in sequences)
        np.testing.assert_allclose(found[:, column], forward_view(*one, 0.9, trace), rtol=1e-4, atol=1e-5)


def test_a_trace_of_every_step_equals_the_forward_view(sequences):
    """Watkins' Q(λ): λ = 0.7, and 0 after a third of the steps."""
    trace = np.where(np.random.default_rng(1).random((12, 30)) < 1 / 3, 0.0, 0.7).astype(np.float32)
    found = targets(*sequences, discount=0.9, trace=trace)
    for column in range(30):
        one = (leaf[:, column] for leaf in sequences)
        np.testing.assert_allclose(found[:, column], forward_view(*one, 0.9, trace[:, column]), rtol=1e-4, atol=1e-5)


def corrected(reward, terminated, truncated, bootstrap, taken) -> np.ndarray:
    return np.asarray(
        targets_of(
            np.float32(reward), np.bool_(terminated), np.bool_(truncated), np.float32(bootstrap),
            discount=0.9, trace=0.7, taken=np.float32(taken),
        )
    )  # fmt: skip


def test_corrected_returns_are_a_value_and_its_discounted_errors(sequences):
    """Q*(λ) as defined: q_t + Σ (γλ)^k [r + γ b - q] to the end of the episode, whatever q_t the first step has."""
    reward, terminated, truncated, bootstrap = sequences
    taken = np.random.default_rng(2).normal(size=(12, 30))
    found, ends = corrected(*sequences, taken), terminated | truncated
    ends[-1] = True
    for column in range(30):
        for start in range(12):
            own = total = 17.0  # cancels
            for k in range(12 - start):
                t = start + k
                following = 0.0 if terminated[t, column] else bootstrap[t, column]
                total += (0.9 * 0.7) ** k * (reward[t, column] + 0.9 * following - own)
                if ends[t, column]:
                    break
                own = taken[t, column]
            assert found[start, column] == pytest.approx(total, rel=1e-4, abs=1e-4)


def test_pymarl2_adds_the_first_steps_own_advantage_to_corrected_returns():
    """Its recursion, [r_t + b_t - q_t] + γ [(1 - λ) b_{t+1} + λ y_{t+1}] with b_t and q_t of step t's own frame, gives
    b_t - q_t more than Q*(λ): an estimate of the greedy action's value, which it regresses the stored one's on.
    """
    generator = np.random.default_rng(3)
    reward, best, taken = generator.normal(size=5), generator.normal(size=6), generator.normal(size=6)
    theirs, following = np.zeros(5), best[5]
    for t in reversed(range(5)):
        following = reward[t] + best[t] - taken[t] + 0.9 * (0.3 * best[t + 1] + 0.7 * following)
        theirs[t] = following
    ours = corrected(reward, np.zeros(5), np.zeros(5), best[1:], taken[1:])
    # Their last return begins with the value of the frame after the last step, ours with that step's full bootstrap.
    np.testing.assert_allclose(theirs - ours, best[:5] - taken[:5], rtol=1e-4, atol=1e-5)


def test_n_step_targets_by_hand():
    """With n = 2: 1 + 0.5·2 + 0.25·20, then 2 + 0.5·3 + 0.25·30, and 3 + 0.5·30 where the arrays end."""

    def found(terminated, truncated):
        frames = np.float32([1, 2, 3]), np.bool_(terminated), np.bool_(truncated), np.float32([10, 20, 30])
        return np.asarray(n_step_targets_of(*frames, discount=0.5, steps=2))

    np.testing.assert_allclose(found([0, 0, 0], [0, 0, 0]), [7.0, 11.0, 18.0])
    np.testing.assert_allclose(found([0, 0, 1], [0, 0, 0]), [7.0, 3.5, 3.0])
    np.testing.assert_allclose(found([0, 1, 0], [0, 0, 1]), [2.0, 2.0, 18.0])
    np.testing.assert_allclose(found([0, 0, 0], [0, 1, 0]), [7.0, 12.0, 18.0])


@pytest.mark.parametrize("steps", [1, 2, 4, 50])
def test_n_step_targets_are_the_nth_return_or_the_last(steps, sequences):
    reward, terminated, truncated, bootstrap = sequences
    found = np.asarray(
        n_step_targets_of(np.float32(reward), terminated, truncated, np.float32(bootstrap), discount=0.9, steps=steps)
    )
    for column in range(30):
        one = [leaf[:, column] for leaf in sequences]
        returns = [n_step_returns(start, *one, 0.9) for start in range(12)]
        expected = [each[min(steps, len(each)) - 1] for each in returns]
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-4, atol=1e-5)


def test_long_sequences_loop_to_the_same_numbers():
    """Up to four steps are written out, more are a loop; a prefix that terminates cannot tell."""
    short = targets([1, 2, 3], [0, 0, 1], [0, 0, 0], [10, 20, 30], trace=0.25)
    long = targets([1, 2, 3] * 3, [0, 0, 1] * 3, [0, 0, 0] * 3, [10, 20, 30] * 3, trace=0.25)
    np.testing.assert_allclose(long, np.tile(short, 3))


def test_no_gradient_flows_into_targets():
    flags = jnp.zeros(3, bool)

    def total(reward, bootstrap):
        return td_lambda_targets(reward, flags, flags, bootstrap, discount=0.9, trace=0.5).sum()

    def total_of_steps(reward, bootstrap):
        return n_step_targets(reward, flags, flags, bootstrap, discount=0.9, steps=2).sum()

    for each in (total, total_of_steps):
        for grad in jax.jit(jax.grad(each, argnums=(0, 1)))(jnp.ones(3), jnp.ones(3)):
            np.testing.assert_array_equal(grad, 0.0)


def test_shapes_must_agree(unchecked):
    """[3, 1] beside [3] would broadcast to [3, 3]."""
    with pytest.raises(AssertionError, match="different shapes"):
        td_lambda_targets(
            jnp.zeros((3, 1)), jnp.zeros(3, bool), jnp.zeros(3, bool), jnp.zeros(3), discount=0.9, trace=0.0
        )
