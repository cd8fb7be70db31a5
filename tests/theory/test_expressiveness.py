"""Fits of the real mixers reach errors that are known exactly."""

import jax
import numpy as np
import pytest

from jaxvf.mixers import DuelmixMixer, QfixMixer, QplexMixer, VdnMixer
from jaxvf.theory.expressiveness import fit, make_tasks

ONE = np.zeros((1, 1), int)  # the context of a single decision
H1, H2, U1, U2 = np.indices((2, 2, 2, 2))
XOR = (H1 != H2) - 0.5 * U1 - 0.5 * U2  # the value of a pair of histories is an exclusive-or


def test_vdn_ends_at_least_squares_whatever_the_padding():
    """[[0, 0], [0, 1]] misses by 1/4 in all four entries; XOR by 1/2; the 8/-12 table by 50.568."""
    corner = np.array([[0.0, 0.0], [0.0, 1.0]])[None, None]
    trap = np.array([[8.0, -12.0, -12.0], [-12.0, 0.0, 0.0], [-12.0, 0.0, 0.0]])[None, None]
    tasks = make_tasks([corner, XOR, trap], [ONE, np.array([[0, 1], [2, 3]]), ONE])
    assert tasks.target.shape == (3, 2, 2, 3, 3)  # padded to two histories and three actions
    assert np.asarray(tasks.weight).sum(axis=(1, 2, 3, 4)).tolist() == [4, 16, 9]
    fits = fit(VdnMixer(), tasks, jax.random.key(0), restarts=2, steps=1500)
    np.testing.assert_allclose(fits.error, np.repeat([[1 / 16], [1 / 4], [50.568]], 2, axis=1), rtol=1e-3)
    np.testing.assert_allclose(fits.values[0, :, 0, 0, :2, :2], [[[-0.25, 0.25], [0.25, 0.75]]] * 2, atol=0.01)


def test_a_context_that_tells_the_joint_history_lets_duelmix_represent_xor():
    """DuelMIX, 2.2: 0 with the joint history, 1/4 with a constant."""
    told, untold = np.array([[0, 1], [2, 3]]), np.zeros((2, 2), int)
    mixer = DuelmixMixer(context="state", hypernet_embed=16)
    fits = fit(mixer, make_tasks([XOR, XOR], [told, untold]), jax.random.key(0), restarts=2, steps=500)
    least = np.asarray(fits.error).min(axis=1)
    assert least[0] < 1e-3
    np.testing.assert_allclose(least[1], 0.25, atol=0.005)


# A joint action that only some histories punish: what it costs that both deviate is an exclusive-or.
PUNISHED = -np.select([U1 + U2 == 0, U1 + U2 == 1, H1 == H2], [0.0, 1.0, 1.0], 3.0)


@pytest.mark.parametrize("additive", [True, False], ids=["q+fix", "qfix"])
def test_qfix_that_is_told_the_history_represents_what_stateful_qplex_cannot(additive):
    """Both exclusive-ors below 1e-3 in the best of eight starts; blind QPLEX misses at least a quarter of either."""
    mixer = QfixMixer(additive=additive, adv_stop_grad=False, width=32)
    tasks = make_tasks([XOR, PUNISHED], [np.array([[0, 1], [2, 3]])] * 2)
    least = np.asarray(fit(mixer, tasks, jax.random.key(0), restarts=8, steps=800).error).min(axis=1)
    assert (least < 1e-3).all(), least
    if additive:
        untold = make_tasks([XOR, PUNISHED], [np.zeros((2, 2), int)] * 2)
        blind = QplexMixer(adv_hypernet_layers=2, adv_stop_grad=False, hypernet_embed=16, adv_hypernet_embed=16)
        errors = np.asarray(fit(blind, untold, jax.random.key(0), restarts=2, steps=800).error)
        assert errors.min() > 0.25 - 1e-3  # the exclusive-or's part that no sum over histories can hold
