"""The textbook's layers and the planar network by hand: printed numbers, Tensors, differences."""

import numpy as np
import pytest

import nn
from nn import manual
from tinygrad_edu import Tensor, gradients, relu, sigmoid

# The numbers of the fruit basket, of the layers and of the nine losses are in tests/examples.


def numerical(f, x, h=1e-6):
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        values = []
        for step in (h, -h):
            moved = x.copy()
            moved[index] += step
            values.append(f(moved))
        gradient[index] = (values[0] - values[1]) / (2 * h)
    return gradient


def test_affine_takes_b_as_a_row_or_a_vector():
    X, W = np.array([[1, 2]]), np.array([[1, 3], [2, 4]])
    for b in (np.array([1, 1]), np.array([[1, 1]])):
        layer = manual.Affine(W, b)
        assert layer.forward(X).tolist() == [[6, 12]]
        assert layer.backward(np.array([[1, 10]])).tolist() == [[31, 42]]
        assert layer.db.shape == b.shape and layer.dW.tolist() == [[1, 10], [2, 20]]


def test_relu_passes_nothing_at_zero():
    layer = manual.Relu()
    assert layer.forward(np.array([-1.0, 0.0, 2.0])).tolist() == [0, 0, 2]
    assert layer.backward(np.array([5.0, 6.0, 7.0])).tolist() == [0, 0, 7]


def test_sigmoid_does_not_overflow():
    x = np.array([-1000.0, -50.0, 0.0, 50.0, 1000.0])
    with np.errstate(over="raise", invalid="raise"):
        y = manual.Sigmoid().forward(x)
    np.testing.assert_allclose(y, manual.sigmoid(x)[0], rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize(
    ("layer", "function"), [(manual.Relu(), relu), (manual.Sigmoid(), sigmoid)]
)
def test_layers_against_autodiff(layer, function):
    x, dout = np.random.default_rng(0).normal(size=(2, 4, 5))
    t = Tensor(x, requires_grad=True)
    out = function(t)
    out.backward(dout)
    np.testing.assert_allclose(layer.forward(x), out.data, rtol=1e-14)
    np.testing.assert_allclose(layer.backward(dout), t.grad, rtol=1e-13)


@pytest.mark.parametrize("epsilon", [0.0, 1e-7, 0.1])
@pytest.mark.parametrize("soft", [False, True])
def test_softmax_with_loss_is_the_derivative_of_what_it_computes(epsilon, soft):
    random = np.random.default_rng(0)
    x, t = random.normal(size=(3, 4)), np.array([2, 0, 3])
    if soft:
        t = random.random((3, 4))
    layer = manual.SoftmaxWithLoss(epsilon)
    layer.forward(x, t)
    found = layer.backward()
    other = manual.SoftmaxWithLoss(epsilon)
    np.testing.assert_allclose(found, numerical(lambda z: other.forward(z, t), x), atol=1e-9)
    np.testing.assert_allclose(layer.backward(2.0), 2 * found)


def test_softmax_with_loss_takes_numbers_one_hot_rows_and_one_row():
    x = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 0.0]])
    layer = manual.SoftmaxWithLoss()
    loss = layer.forward(x, [0, 1])
    assert loss == layer.forward(x, np.eye(3)[[0, 1]]) == layer.forward(x, [[0], [1]])
    assert loss == pytest.approx(nn.cross_entropy(Tensor(x), [0, 1], axis=1).item(), rel=1e-15)
    assert layer.forward(x[0], 0) == layer.forward(x[0], [1, 0, 0]) == layer.forward(x[:1], [0])
    assert layer.backward().shape == (1, 3)
    with np.errstate(all="raise", under="ignore"):
        assert layer.forward([[1e5, 0.0]], [1]) == 1e5
    for wrong in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match=r"labels has the label .*: the 3 classes are 0 to 2"):
            layer.forward(x, wrong)
    with pytest.raises(ValueError, match=r"labels has shape \(3,\)"):
        layer.forward(x, [0, 1, 2])


# --- the planar network --------------------------------------------------------------------------


def test_planar_backward_against_autodiff_and_differences():
    X, Y = nn.datasets.load_planar(30)
    random = np.random.default_rng(0)
    start = manual.initialize_parameters(2, 5, 1)
    parameters = {name: random.normal(size=array.shape) for name, array in start.items()}
    hand = manual.planar_backward(*manual.planar_forward(X, parameters), X, Y, parameters)

    t = {name: Tensor(array, requires_grad=True) for name, array in parameters.items()}
    Z1 = t["W1"] @ X + t["b1"]
    Z2 = t["W2"] @ np.tanh(Z1) + t["b2"]
    cost = nn.binary_cross_entropy(sigmoid(Z2), Y)
    auto = gradients(cost, [*t.values(), Z1, Z2])
    for name, found in zip([*t, "Z1", "Z2"], auto):
        times = Y.size if name[0] == "Z" else 1  # dZ belongs to one example's loss: no 1/m
        np.testing.assert_allclose(found * times, hand[f"d{name}"], rtol=1e-10, atol=1e-15)

    def cost_of(W1):
        A2, _ = manual.planar_forward(X, {**parameters, "W1": W1})
        return manual.compute_cost(A2, Y)

    np.testing.assert_allclose(hand["dW1"], numerical(cost_of, parameters["W1"]), atol=1e-8)


def test_planar_model_prints_its_costs_and_refuses_what_does_not_fit(capsys):
    X, Y = nn.datasets.load_planar(50)
    parameters, costs = manual.planar_model(X, Y, 3, num_iterations=1001, print_cost=True)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"Cost after iteration {1000 * i}: {c}" for i, c in enumerate(costs)]
    assert parameters["W1"].shape == (3, 2) and len(costs) == 2
    with pytest.raises(ValueError, match="Y has 50 labels other than 0 and 1"):
        manual.planar_model(X, np.full((1, 50), 2))
    with pytest.raises(ValueError, match="n_h is 0"):
        manual.planar_model(X, Y, 0)
    with pytest.raises(ValueError, match=r"W1 has shape \(3, 2\) and X has shape \(3, 50\)"):
        manual.planar_predict(np.zeros((3, 50)), parameters)
