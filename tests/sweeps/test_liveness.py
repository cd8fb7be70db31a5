"""What a traced function holds at most, in numbers that can be counted by hand: a float is 4 bytes."""

import jax
import jax.numpy as jnp
import pytest

from jaxvf.sweeps.liveness import most_held


def held(function, *shapes, donated=False):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return most_held(jax.make_jaxpr(function)(*arguments), donated=donated)


def test_a_chain_of_elementwise_operations_is_one_array():
    assert held(lambda x: jnp.exp(jnp.sin(x) + 1.0) * 2.0, (100,)) == 400
    assert held(lambda x: jnp.exp(jnp.sin(x) + 1.0) * 2.0, (100,), donated=True) == 0


def test_what_products_read_is_an_array():
    """tanh(x) [10, 30] is written beside the product [10, 20]; x itself is the caller's."""
    assert held(lambda x, w: x @ w, (10, 30), (30, 20)) == 4 * 10 * 20
    assert held(lambda x, w: jnp.tanh(x) @ w, (10, 30), (30, 20)) == 4 * (10 * 20 + 10 * 30)


def test_an_array_ends_with_its_last_reader():
    """Of x @ a @ b @ c, [10, 30] each, two products live at a time."""
    square = (30, 30)
    assert held(lambda x, a, b, c: x @ a @ b @ c, (10, 30), square, square, square) == 4 * 2 * 10 * 30


def test_what_a_gradient_keeps_is_counted():
    """tanh(x @ a) is kept for both of its gradients, while the next layer's product and then gradient are beside it."""

    def loss(a, b, x):
        return jnp.sum(jnp.tanh(x @ a) @ b)

    layer, forward = 4 * 1000 * 50, held(loss, (50, 50), (50, 50), (1000, 50))
    backward = held(jax.grad(loss), (50, 50), (50, 50), (1000, 50))
    assert forward < 2.1 * layer < 2.9 * layer < backward < 4.1 * layer


def test_what_nobody_reads_takes_nothing_and_what_is_said_twice_takes_its_bytes_once():
    def function(x, w):
        _ = jnp.sin(x) @ w
        return (x @ w).sum() + (x @ w).max()

    # The product, and the first number beside the second, which takes the place of neither.
    assert held(function, (10, 30), (30, 20)) == 4 * (10 * 20 + 2)


def test_another_shape_of_an_array_takes_nothing():
    assert held(lambda x, w: (x @ w).reshape(5, 40), (10, 30), (30, 20)) == 4 * 10 * 20


def test_a_scan_holds_its_stack_and_one_row():
    """10 rows of 100 floats, and the row that is being made."""
    assert held(lambda rows: jax.lax.scan(lambda _, row: (None, row * 2), None, rows)[1], (10, 100)) == 4 * (1000 + 100)


@pytest.mark.parametrize("donated", [True, False])
def test_a_loop_keeps_its_carry_in_place(donated):
    """Without a place to take, one copy of the carry; and the counter, an integer, which is new in any case."""

    def loop(x):
        return jax.lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 1, c[1] * 2), (jnp.int32(0), x))[1]

    assert held(loop, (100,), donated=donated) == 4 + (0 if donated else 400)


def test_what_does_not_change_in_a_loop_is_computed_before_it():
    """The product x @ w [100, 100] is summed up and gone before c @ u [10, 20] is there."""

    def loop(carry, x, w, u):
        return jax.lax.scan(lambda c, _: (c @ u + (x @ w).sum(), None), carry, None, length=7)[0]

    assert held(loop, (10, 20), (100, 30), (30, 100), (20, 20), donated=True) == 4 * (100 * 100 + 1)


def test_a_scan_of_one_step_is_no_loop():
    assert held(lambda c: jax.lax.scan(lambda c, _: (c * 2, None), c, None, length=1)[0], (100,), donated=True) == 0


def test_of_two_branches_the_larger_counts():
    def function(x, w):
        return jax.lax.cond(x[0, 0] > 0, lambda: (jnp.tanh(x) @ w).sum(), lambda: x.sum())

    assert held(function, (10, 30), (30, 20)) == pytest.approx(4 * (10 * 30 + 10 * 20), abs=16)
