"""nn.optimizers against PyTorch over 100 steps, and against their formulas where it is not there."""

import numpy as np
import pytest

import nn
from tinygrad_edu import Tensor

START = [np.random.default_rng(0).normal(size=shape) for shape in ((3, 4), (3, 1))]
X = np.random.default_rng(1).normal(size=(4, 8))

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-6}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.005, "alpha": 0.9, "eps": 1e-6, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9}),
    ("AdaGrad", {}),
    ("AdaGrad", {"lr": 0.5, "lr_decay": 0.01, "weight_decay": 0.1, "eps": 1e-6}),
]


def parameters():
    return [Tensor(array, requires_grad=True) for array in START]


def cost_of(W, b, tanh):
    return ((tanh(W @ X + b) - 0.3) ** 2).mean() + (W**4).mean()


def run(optimizer, W, b, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        cost_of(W, b, np.tanh).backward()
        optimizer.step()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_100_steps_as_pytorch(name, options):
    torch = pytest.importorskip("torch", reason="PyTorch, the reference, is not installed")
    W, b = parameters()
    theirs = [torch.tensor(array, requires_grad=True) for array in START]
    optimizer = getattr(nn, name)([W, b], **options)
    reference = getattr(torch.optim, name.replace("AdaGrad", "Adagrad"))(theirs, **options)
    noise = np.random.default_rng(2)  # a stochastic gradient, so that nothing converges
    for _ in range(100):
        for tensor, other in zip((W, b), theirs):
            drawn = noise.normal(size=tensor.shape)
            tensor.grad = tensor.data + drawn
            other.grad = other.detach() + torch.tensor(drawn)
        optimizer.step()
        reference.step()
    for tensor, other in zip((W, b), theirs):
        np.testing.assert_allclose(tensor.data, other.detach().numpy(), rtol=1e-10, atol=1e-10)
    assert np.abs(W.data - START[0]).max() > 0.01


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_copy_of_the_state_goes_on_in_the_same_way(name, options):
    W, b = parameters()
    optimizer = getattr(nn, name)({"W": W, "b": b}, **options)
    run(optimizer, W, b, 7)
    other_W, other_b = Tensor(W.data, True), Tensor(b.data, True)
    other = getattr(nn, name)({"W": other_W, "b": other_b}, **options)
    other.load_state_dict(optimizer.state_dict())
    run(optimizer, W, b, 5)
    run(other, other_W, other_b, 5)
    np.testing.assert_array_equal(W.data, other_W.data)
    np.testing.assert_array_equal(b.data, other_b.data)


def test_a_state_that_does_not_fit_changes_nothing():
    W, b = parameters()
    adam, sgd = nn.Adam([W, b]), nn.SGD([W, b], 0.1, momentum=0.9)
    run(adam, W, b, 2)
    with pytest.raises(ValueError, match=r"the state lacks velocity.0, velocity.1 and has m.0"):
        sgd.load_state_dict(adam.state_dict())
    state = adam.state_dict()
    state["v.1"] = np.zeros((1, 3))
    other = nn.Adam([W, b])
    with pytest.raises(ValueError, match=r"the state: v.1 has shape \(1, 3\)"):
        other.load_state_dict(state)
    assert other.steps == [0, 0] and not np.any(other.state[0]["m"])


def test_parameters_without_a_gradient_stay_and_take_no_step():
    W, b = parameters()
    optimizer = nn.Adam([W, b])
    (W * W).sum().backward()
    optimizer.step()
    assert optimizer.steps == [1, 0]
    np.testing.assert_array_equal(b.data, START[1])


def test_float32_parameters_stay_float32():
    for make in (nn.SGD, nn.Adam, nn.RMSprop, nn.AdaGrad):
        W = Tensor(START[0].astype(np.float32), requires_grad=True)
        optimizer = make([W], lr=0.1)
        (W * W).sum().backward()
        optimizer.step()
        assert W.dtype == np.float32
        assert all(array.dtype == np.float32 for array in optimizer.state[0].values())


def test_backward_after_a_step_is_an_error_and_not_a_wrong_gradient():
    W, b = parameters()
    cost = cost_of(W, b, np.tanh)
    cost.backward()
    nn.SGD([W, b], 0.1).step()
    with pytest.raises(RuntimeError, match="was changed after"):
        cost.backward()


def test_it_trains_the_models_of_the_course_too():
    model = nn.LLayerModel([4, 3, 1])
    optimizer = nn.Adam(model.parameters(), lr=0.05)
    Y = (X[:1] > 0).astype(float)
    costs = []
    for _ in range(200):
        cost = model.cost(X, Y)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert costs[-1] < 0.1 < costs[0]


# --- clipping --------------------------------------------------------------------------------------


def test_clipping_as_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch, the reference, is not installed")
    for limit in (0.5, 100.0):
        ours, theirs = parameters(), [torch.tensor(array) for array in START]
        for tensor, other, array in zip(ours, theirs, START):
            tensor.grad, other.grad = array.copy(), torch.tensor(array)
        norm = nn.clip_grad_norm(ours, limit)
        assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, limit).item())
        for tensor, other in zip(ours, theirs):
            np.testing.assert_allclose(tensor.grad, other.grad.numpy(), rtol=1e-5)
        nn.clip_grad_value(ours, 0.1)
        torch.nn.utils.clip_grad_value_(theirs, 0.1)
        for tensor, other in zip(ours, theirs):
            np.testing.assert_allclose(tensor.grad, other.grad.numpy(), rtol=1e-5)


# --- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda W: nn.SGD([], 0.1), ValueError, ["params is empty"]),
        (lambda W: nn.SGD(W, 0.1), TypeError, ["params is a Tensor", "[W]"]),
        (lambda W: nn.SGD([W, W], 0.1), ValueError, ["twice"]),
        (lambda W: nn.SGD([W.data], 0.1), TypeError, ["params[0] is no Tensor"]),
        (lambda W: nn.SGD({"c": Tensor(1.0)}, 0.1), TypeError, ["params[c] requires no gradient"]),
        (lambda W: nn.SGD([W], 0), ValueError, ["lr is 0"]),
        (lambda W: nn.SGD([W], "0.1"), TypeError, ["lr is '0.1'"]),
        (lambda W: nn.SGD([W], 0.1, momentum=-1), ValueError, ["momentum is -1"]),
        (lambda W: nn.SGD([W], 0.1, nesterov=True), ValueError, ["nesterov", "give a momentum"]),
        (lambda W: nn.SGD([W], 0.1, weight_decay=float("nan")), ValueError, ["weight_decay"]),
        (lambda W: nn.Adam([W], betas=(0.9, 1)), ValueError, ["betas is 1", "less than 1"]),
        (lambda W: nn.RMSprop([W], alpha=2), ValueError, ["alpha is 2"]),
        (lambda W: nn.AdaGrad([W], eps=-1), ValueError, ["eps is -1"]),
        (lambda W: nn.clip_grad_norm([W], -1), ValueError, ["max_norm is -1"]),
    ],
)
def test_bad_input(make, error, words):
    with pytest.raises(error) as caught:
        make(Tensor(1.0, requires_grad=True))
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)
