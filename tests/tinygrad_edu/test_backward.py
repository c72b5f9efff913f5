"""The reverse walk: order, accumulation, memory, and what it refuses."""

import asyncio
import gc
import threading
import weakref

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, gradients, no_grad, rule


def leaf(data, name=None):
    return Tensor(data, requires_grad=True, name=name)


def test_a_million_additions_run_and_are_freed_without_the_garbage_collector():
    (leaf(1.0) + 1.0).backward()
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0)
        y = x
        for _ in range(1_000_000):
            y = y + 1.0
        assert y.item() == 1_000_001.0
        y.backward()
        assert x.grad == 1.0
        node = weakref.ref(y._inputs[0])
        del y
        assert node() is None, "the graph must go with its last reference"
        assert gc.collect() == 0, "nothing may be left to the cyclic garbage collector"
    finally:
        gc.enable()


def test_values_used_many_times_are_handled_once():
    x = leaf(1.0)
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    y.backward()
    assert x.grad == 2.0**60


def test_gradients_that_nobody_needs_are_not_computed():
    calls = []

    def spy(name):
        def vjp(g, out, a, b):
            calls.append(name)
            return g

        return vjp

    add = rule("spied", lambda a, b: a + b, spy("a"), spy("b"))
    y = add(leaf([1.0]), Tensor([2.0]))
    add(y, 3.0).sum().backward()
    assert calls == ["a", "a"]


def test_leaf_gradients_accumulate_and_nothing_stale_stays():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    z = (x * y).sum()
    z.backward()
    z.backward()
    np.testing.assert_array_equal(x.grad, [6.0, 8.0])
    x.zero_grad()
    z.backward()
    np.testing.assert_array_equal(x.grad, [3.0, 4.0])
    np.testing.assert_array_equal(y.grad, [3.0, 6.0])


def test_every_leaf_owns_its_gradient():
    a, b, c = leaf([1.0, 2.0]), leaf([3.0, 4.0]), leaf([[5.0, 6.0]])
    seed = np.array([[1.0, 1.0]])
    (a + b + c).backward(seed)
    a.grad[0] = b.grad[1] = c.grad[0, 0] = 100.0
    assert (a.grad[1], b.grad[0], c.grad[0, 1]) == (1.0, 1.0, 1.0)
    np.testing.assert_array_equal(seed, [[1.0, 1.0]])


def test_retained_and_intermediate_gradients():
    x = leaf([1.0, 2.0])
    y = x * 2
    y.retain_grad()
    z = y * y
    z.sum().backward()
    np.testing.assert_array_equal(y.grad, [4.0, 8.0])
    assert z.grad is None
    x.zero_grad()
    dy, dx = gradients((y * y).sum(), [y, x])
    np.testing.assert_array_equal(dy, [4.0, 8.0])
    np.testing.assert_array_equal(dx, [8.0, 16.0])
    assert x.grad is None


def test_an_exception_in_a_rule_leaves_the_graph_usable():
    fail = [True]

    def vjp(g, out, x):
        if fail[0]:
            raise RuntimeError("planted")
        return g * 3

    odd = rule("odd", lambda x: x * 3, vjp)
    x, w = leaf([1.0]), leaf([5.0])
    y = (odd(x) * w).sum()
    with pytest.raises(RuntimeError, match="planted"):
        y.backward()
    assert x.grad is None and w.grad is None
    fail[0] = False
    y.backward()
    assert (x.grad, w.grad) == ([15.0], [3.0])


def test_backward_inside_a_vjp_is_refused_and_the_walk_recovers():
    def vjp(g, out, x):
        inner = leaf([1.0])
        (inner * 2).sum().backward()
        return g

    nested = rule("nested", lambda x: x * 1.0, vjp)
    x = leaf([1.0])
    with pytest.raises(RuntimeError, match="inside a backward pass"):
        nested(x).sum().backward()
    (x * 2).sum().backward()
    assert x.grad == [2.0]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: leaf([1.0, 2.0]) * 2, ValueError, ["holds 2", "sum()", "backward(gradient)"]),
        (lambda: Tensor([1.0]) * 2, RuntimeError, ["requires_grad=True"]),
        (lambda: Tensor(1.0), RuntimeError, ["requires_grad=True"]),
    ],
)
def test_where_backward_cannot_start(make, error, words):
    with pytest.raises(error) as caught:
        make().backward()
    assert all(word in str(caught.value) for word in words)


def test_a_gradient_of_the_wrong_shape_or_kind():
    y = leaf([1.0, 2.0]) * 2
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        y.backward([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="complex128"):
        y.backward([1j, 2j])
    with pytest.raises(TypeError, match="would be lost"):
        y.backward(leaf([1.0, 2.0]))


def test_an_update_between_forward_and_backward_is_an_error_that_names_the_tensor():
    W, x = leaf([[1.0, 2.0]], name="W"), Tensor([[3.0], [4.0]], name="x")
    for changed in (W, x):
        loss = (W @ x).sum()
        changed.data -= 0.5
        with pytest.raises(RuntimeError, match=f"^{changed.name} was changed"):
            loss.backward()
    loss = (W @ x).sum()
    loss.backward()
    np.testing.assert_array_equal(W.grad, x.data.T)


def test_gradients_have_the_dtype_of_their_tensor():
    a = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    b = leaf(np.ones(3))
    (a * b * 2.5).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    assert (a * 2.5 + 1).dtype == np.float32
    whole = leaf([1, 2, 3])
    assert whole.dtype == np.float64


def test_no_grad_belongs_to_its_thread_and_task():
    x = leaf([1.0])
    seen = {}
    inside, outside = threading.Event(), threading.Event()

    def other():
        inside.wait(10)
        seen["thread"] = (x * 2).requires_grad
        outside.set()

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad():
        inside.set()
        outside.wait(10)
        assert not (x * 2).requires_grad
    thread.join()

    async def paused(started, done):
        with no_grad():
            started.set()
            await done.wait()
            return (x * 2).requires_grad

    async def recording(started, done):
        await started.wait()
        result = (x * 2).requires_grad
        done.set()
        return result

    async def both():
        started, done = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(paused(started, done), recording(started, done))

    assert seen["thread"] and asyncio.run(both()) == [False, True]


def test_threads_share_parameters():
    w = leaf(np.ones(50))

    def work():
        for _ in range(50):
            (w * np.ones(50)).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    np.testing.assert_array_equal(w.grad, np.full(50, 200.0))


def test_constants_remember_but_not_for_ever():
    average = Tensor(0.0)
    first = weakref.ref(average)
    for k in range(100):
        average = average * 0.9 + float(k)
    assert first() is None
    Y = Tensor([0.0, 1.0], name="Y")
    assert (1 - Y).rule.name == "subtract" and (1 - Y).inputs[1] is Y
    assert not (1 - Y).requires_grad


def test_the_first_anomaly_is_named_with_its_line():
    x = Tensor([4.0, 0.0], requires_grad=True, name="x")
    with (
        pytest.raises(FloatingPointError) as forward,
        tg.detect_anomaly(),
        np.errstate(all="ignore"),
    ):
        np.log(x)
    assert all(
        word in str(forward.value) for word in ("log", "-inf at [1]", "x of shape", __file__)
    )
    with (
        pytest.raises(FloatingPointError) as backward,
        tg.detect_anomaly(),
        np.errstate(all="ignore"),
    ):
        np.sqrt(x).sum().backward()
    assert all(word in str(backward.value) for word in ("backward pass of sqrt", "of x", __file__))
    assert x.grad is None
    with tg.detect_anomaly():
        (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [8.0, 0.0])


def test_exactly_2l_minus_1_products_and_no_array_of_xs_size(monkeypatch):
    import tracemalloc

    import nn

    dims, m = [600, 12, 7, 5, 1], 100
    random = np.random.RandomState(0)
    X, Y = random.rand(dims[0], m), random.randint(0, 2, (1, m))
    model = nn.LLayerModel(dims)
    cost = model.cost(Tensor(X), Tensor(Y))

    products = []
    entry = tg.recording.TABLE["matmul"]
    counted = [lambda *args, vjp=vjp: products.append(vjp) or vjp(*args) for vjp in entry.vjps]
    node, L = cost, len(dims) - 1
    seen, stack = set(), [cost]
    while stack:
        node = stack.pop()
        if node in seen or not node.requires_grad:
            continue
        seen.add(node)
        stack += [x for x in node.inputs if isinstance(x, Tensor)]
        if node.rule is entry:
            monkeypatch.setattr(node, "_pull", tg.backward.pull_both(*counted, False))
    tracemalloc.start()
    cost.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(products) == 2 * L - 1
    assert peak < X.nbytes


def test_a_view_that_is_out_of_date_is_not_used():
    y = leaf(np.ones((2, 3))) * 2
    row, turned = y[0], y.T
    before = row.sum()
    y[0, 0] = 100.0
    for use in (
        lambda: row + 1,
        lambda: row[1].item(),
        lambda: turned.sum(),
        lambda: row[1:].sum(),
    ):
        with pytest.raises(RuntimeError, match="written into since"):
            use()
    assert before.item() == 6.0 and y[0].sum().item() == 104.0
    copy = y[1].copy()
    y[1] = 0.0
    assert copy.sum().item() == 6.0
