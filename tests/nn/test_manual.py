"""nn.manual against published numbers and against finite differences."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn import manual
from nn.datasets import flatten


def network(dims, m=7, seed=0):
    """Return X, Y and parameters with biases that are not zero."""
    random = np.random.RandomState(seed)
    parameters = manual.initialize_parameters_deep(dims, seed=seed)
    for value in parameters.values():
        value += 0.3 * random.randn(*value.shape)
    return random.randn(dims[0], m), (random.rand(1, m) < 0.5).astype(float), parameters


def numerical_gradient(f, x, h=1e-6):
    """Central differences of the number f() by the entries of x, which f reads."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        old = x[i]
        x[i] = old + h
        above = f()
        x[i] = old - h
        gradient[i] = (above - f()) / (2 * h)
        x[i] = old
    return gradient


# --- published numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "dims", "costs", "train_accuracy", "test_accuracy"),
    [
        (
            manual.L_layer_model,
            [12288, 20, 7, 5, 1],
            [
                0.7717493284237686,
                0.6720534400822914,
                0.6482632048575212,
                0.6115068816101356,
                0.5670473268366111,
            ],
            0.9856459330143539,
            0.80,
        ),
        (
            manual.two_layer_model,
            [12288, 7, 1],
            [
                0.693049735659989,
                0.6464320953428849,
                0.6325140647912677,
                0.6015024920354665,
                0.5601966311605747,
            ],
            1.0,
            0.72,
        ),
    ],
    ids=["L_layer_model", "two_layer_model"],
)
def test_the_published_costs_and_accuracies_of_the_cat_classifier(
    catvnoncat, train, dims, costs, train_accuracy, test_accuracy
):
    train_x, train_y, test_x, test_y, _ = catvnoncat
    parameters, found = train(flatten(train_x), train_y, dims, num_iterations=2500)
    assert len(found) == 25
    np.testing.assert_allclose(found[:5], costs, rtol=1e-12)
    for x, y, accuracy in (train_x, train_y, train_accuracy), (test_x, test_y, test_accuracy):
        p = manual.predict(flatten(x), None, parameters)
        assert np.mean(p == y) == pytest.approx(accuracy, rel=1e-12)


def test_published_start_of_a_two_layer_network():
    parameters = manual.initialize_parameters(3, 2, 1)
    W1 = [[0.01624345, -0.00611756, -0.00528172], [-0.01072969, 0.00865408, -0.02301539]]
    np.testing.assert_allclose(parameters["W1"], W1, atol=5e-9)
    np.testing.assert_allclose(parameters["W2"], [[0.01744812, -0.00761207]], atol=5e-9)
    assert not parameters["b1"].any() and not parameters["b2"].any()


def test_start_of_a_deep_network_draws_like_the_global_stream_and_leaves_it_alone():
    np.random.seed(5)
    expected = [np.random.randn(4, 5) / 5**0.5, np.random.randn(2, 4) / 2]
    np.random.seed(9)
    parameters = manual.initialize_parameters_deep([5, 4, 2], seed=5)
    manual.initialize_parameters(3, 2, 1)
    after = np.random.randn()
    np.random.seed(9)
    assert after == np.random.randn()
    np.testing.assert_allclose(parameters["W1"], expected[0], rtol=1e-15)
    np.testing.assert_allclose(parameters["W2"], expected[1], rtol=1e-15)
    assert parameters["b1"].shape == (4, 1) and parameters["b2"].shape == (2, 1)


def test_published_values_of_single_steps():
    random = np.random.RandomState(1)
    A, W, b = random.randn(3, 2), random.randn(1, 3), random.randn(1, 1)
    Z, cache = manual.linear_forward(A, W, b)
    np.testing.assert_allclose(Z, [[3.26295337, -1.23429987]], atol=5e-9)
    assert cache[0] is A and cache[1] is W and cache[2] is b

    random = np.random.RandomState(2)
    A, W, b = random.randn(3, 2), random.randn(1, 3), random.randn(1, 1)
    A_sigmoid, _ = manual.linear_activation_forward(A, W, b, "sigmoid")
    A_relu, _ = manual.linear_activation_forward(A, W, b, "relu")
    np.testing.assert_allclose(A_sigmoid, [[0.96890023, 0.11013289]], atol=5e-9)
    np.testing.assert_allclose(A_relu, [[3.43896131, 0]], atol=5e-9)

    cost = manual.compute_cost(np.array([[0.8, 0.9, 0.4]]), np.array([[1, 1, 1]]))
    assert cost == pytest.approx(0.41493159961539694, rel=1e-15)

    random = np.random.RandomState(1)
    dZ, A, W, b = (random.randn(*shape) for shape in ((1, 2), (3, 2), (1, 3), (1, 1)))
    dA_prev, dW, db = manual.linear_backward(dZ, (A, W, b))
    expected = [[0.51822968, -0.19517421], [-0.40506361, 0.15255393], [2.37496825, -0.89445391]]
    np.testing.assert_allclose(dA_prev, expected, atol=5e-9)
    np.testing.assert_allclose(dW, [[-0.10076895, 1.40685096, 1.64992505]], atol=5e-9)
    np.testing.assert_allclose(db, [[0.50629448]], atol=5e-9)


# --- the derivation ------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 5), max_size=3),
    n_x=st.integers(1, 5),
    m=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
def test_every_gradient_agrees_with_finite_differences(hidden, n_x, m, seed):
    dims = [n_x, *hidden, 1]
    X, Y, parameters = network(dims, m, seed)
    AL, caches = manual.L_model_forward(X, parameters)
    # a kink closer than the step spoils the difference, not the formula
    if any(np.abs(Z).min() < 1e-4 for _, Z in caches):
        return
    grads = manual.L_model_backward(AL, Y, caches)

    def cost():
        return manual.compute_cost(manual.L_model_forward(X, parameters)[0], Y)

    for name, value in parameters.items():
        np.testing.assert_allclose(
            grads["d" + name], numerical_gradient(cost, value), rtol=1e-5, atol=1e-8
        )
    # dA is the gradient of the sum of the losses: m times that of the cost
    np.testing.assert_allclose(grads["dA0"], m * numerical_gradient(cost, X), rtol=1e-5, atol=1e-7)
    L = len(dims) - 1
    for layer in range(1, L):  # layers 1 .. layer are cut off, A is the new input
        rest = {
            f"{name}{k - layer}": parameters[f"{name}{k}"]
            for k in range(layer + 1, L + 1)
            for name in "Wb"
        }
        A = caches[layer][0][0].copy()

        def cost_from(A=A, rest=rest):
            return manual.compute_cost(manual.L_model_forward(A, rest)[0], Y)

        np.testing.assert_allclose(
            grads[f"dA{layer}"], m * numerical_gradient(cost_from, A), rtol=1e-5, atol=1e-7
        )
    names = {f"d{name}{k}" for k in range(1, L + 1) for name in "Wb"}
    assert set(grads) == names | {f"dA{k}" for k in range(L)}


def test_last_layer_is_the_well_known_AL_minus_Y():
    X, Y, parameters = network([4, 3, 1])
    AL, caches = manual.L_model_forward(X, parameters)
    grads = manual.L_model_backward(AL, Y, caches)
    A1 = caches[1][0][0]
    np.testing.assert_allclose(grads["dW2"], (AL - Y) @ A1.T / 7, rtol=1e-12)
    np.testing.assert_allclose(grads["db2"], (AL - Y).sum(axis=1, keepdims=True) / 7, rtol=1e-12)
    np.testing.assert_allclose(grads["dA1"], parameters["W2"].T @ (AL - Y), rtol=1e-12)


def test_activations_and_their_slopes_at_special_points():
    A, cache = manual.relu(np.array([-2.0, 0.0, 3.0]))
    np.testing.assert_array_equal(A, [0, 0, 3])
    np.testing.assert_array_equal(manual.relu_backward(np.full(3, 5.0), cache), [0, 0, 5])
    _, cache = manual.sigmoid(np.array([0.0, np.log(3)]))  # sigmoid(log 3) = 3/4
    slope = manual.sigmoid_backward(np.array([1.0, 2.0]), cache)
    np.testing.assert_allclose(slope, [1 / 4, 2 * 3 / 16], rtol=1e-15)


def test_sigmoid_is_the_textbook_formula_and_never_warns():
    Z = np.linspace(-700, 700, 20001)
    np.testing.assert_allclose(manual.sigmoid(Z)[0], 1 / (1 + np.exp(-Z)), rtol=4e-16)
    for dtype in (np.float32, np.float64):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            A, _ = manual.sigmoid(np.array([-1e5, -100, 100, 1e5], dtype))
        assert A.dtype == dtype
        smallest = float(np.finfo(dtype).tiny)  # below it there is nothing to be exact about
        assert 0 <= A[0] < smallest and A[3] == 1
        assert A[1] == pytest.approx(np.exp(-100.0), rel=1e-5, abs=smallest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saturated_sigmoid_gives_finite_costs_and_gradients(dtype):
    parameters = {"W1": np.array([[1]], dtype), "b1": np.zeros((1, 1), dtype)}
    X = np.array([[1e4, 1e4, -1e4, -1e4]], dtype)
    Y = np.array([[0, 1, 0, 1]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AL, caches = manual.L_model_forward(X, parameters)
        cost = manual.compute_cost(AL, Y)
        grads = manual.L_model_backward(AL, Y, caches)
    assert 10 < cost < 1000  # two of four are as wrong as can be
    assert all(np.isfinite(g).all() and g.dtype == dtype for g in grads.values())


def test_the_guard_leaves_ordinary_probabilities_alone():
    AL = np.array([[1e-300, 0.5, 1 - 2**-53]])
    Y = np.array([[1.0, 1.0, 0.0]])
    expected = (300 * np.log(10) + np.log(2) + 53 * np.log(2)) / 3
    assert manual.compute_cost(AL, Y) == pytest.approx(expected, rel=1e-15)


# --- training ------------------------------------------------------------------------------------


def test_update_returns_new_arrays():
    parameters = {"W1": np.array([[1.0, 2.0]]), "b1": np.array([[3.0]])}
    grads = {"dW1": np.array([[10.0, 20.0]]), "db1": np.array([[30.0]]), "dA0": np.zeros((2, 1))}
    new = manual.update_parameters(parameters, grads, 0.1)
    np.testing.assert_allclose(new["W1"], [[0, 0]], atol=1e-15)
    np.testing.assert_allclose(new["b1"], [[0]], atol=1e-15)
    np.testing.assert_array_equal(parameters["W1"], [[1, 2]])
    np.testing.assert_array_equal(parameters["b1"], [[3]])


@pytest.mark.parametrize("train", [manual.L_layer_model, manual.two_layer_model])
def test_training_is_the_steps_written_out(train, capsys):
    X, Y, _ = network([4, 3, 1], m=20)
    before = X.copy(), Y.copy(), np.random.get_state()[1].copy()
    parameters, costs = train(X, Y, (4, 3, 1), 0.1, 201, print_cost=True)

    deep = train is manual.L_layer_model
    expected = (
        manual.initialize_parameters_deep([4, 3, 1])
        if deep
        else manual.initialize_parameters(4, 3, 1)
    )
    expected_costs = []
    for _ in range(201):
        Z1 = expected["W1"] @ X + expected["b1"]
        A1 = np.maximum(Z1, 0)
        A2 = 1 / (1 + np.exp(-(expected["W2"] @ A1 + expected["b2"])))
        expected_costs.append(-np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)))
        dZ2 = (A2 - Y) / 20
        dZ1 = (expected["W2"].T @ dZ2) * (Z1 > 0)
        step = {"W1": dZ1 @ X.T, "b1": dZ1.sum(1)[:, None]}
        step |= {"W2": dZ2 @ A1.T, "b2": dZ2.sum(1)[:, None]}
        expected = {name: value - 0.1 * step[name] for name, value in expected.items()}

    np.testing.assert_allclose(costs, expected_costs[::100], rtol=1e-10)
    for name, value in expected.items():
        np.testing.assert_allclose(parameters[name], value, rtol=1e-9, atol=1e-13)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"Cost after iteration {100 * i}: {cost}" for i, cost in enumerate(costs)]
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])
    np.testing.assert_array_equal(np.random.get_state()[1], before[2])


def test_no_iterations_give_the_start_and_no_costs(capsys):
    parameters, costs = manual.L_layer_model([[1.0, 2.0]], [0, 1], [1, 1], num_iterations=0)
    assert costs == [] and capsys.readouterr().out == ""
    np.testing.assert_array_equal(parameters["W1"], manual.initialize_parameters_deep([1, 1])["W1"])


def test_predict_takes_more_than_half_as_yes(capsys):
    parameters = {"W1": np.array([[1.0]]), "b1": np.array([[-1.0]])}
    X = np.array([[0.9, 1.0, 1.1, 5.0]])
    p = manual.predict(X, np.array([[0, 1, 1, 0]]), parameters)
    np.testing.assert_array_equal(p, [[0, 0, 1, 1]])
    assert capsys.readouterr().out == "Accuracy: 0.5\n"
    manual.predict(X, None, parameters)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda X, Y, p: manual.L_layer_model(X.T, Y, [4, 1]), ["Y", "(7, 4)", "(1, 7)", "X.T"]),
        (lambda X, Y, p: manual.L_layer_model(X, Y, [5, 1]), ["layers_dims", "5", "4 rows"]),
        (lambda X, Y, p: manual.L_layer_model(X, Y, [4, 2]), ["layers_dims", "ends with 2"]),
        (lambda X, Y, p: manual.L_layer_model(X, Y, [4, 1], 0), ["learning_rate", "0"]),
        (lambda X, Y, p: manual.L_layer_model(X, Y, [4, 1], 1, -1), ["num_iterations", "-1"]),
        (lambda X, Y, p: manual.L_layer_model(X, 2 * Y, [4, 1]), ["Y", "2.0", "0 (no) or 1 (yes)"]),
        (lambda X, Y, p: manual.L_layer_model(X / 0, Y, [4, 1]), ["X", "28 values", "X[0, 0]"]),
        (lambda X, Y, p: manual.two_layer_model(X, Y, [4, 1]), ["three sizes", "L_layer_model"]),
        (lambda X, Y, p: manual.L_model_forward(X.T, p), ["W1", "(3, 4)", "(7, 4)", "X.T"]),
        (lambda X, Y, p: manual.predict(X.T, None, p), ["W1", "(3, 4)", "(7, 4)", "X.T"]),
        (lambda X, Y, p: manual.predict(X[:3], Y, p), ["W1", "(3, 4)", "(3, 7)"]),
        (lambda X, Y, p: manual.initialize_parameters(0, 1, 1), ["n_x", "0"]),
        (lambda X, Y, p: manual.initialize_parameters_deep([3]), ["layer_dims", "[3]", "two"]),
        (
            lambda X, Y, p: manual.linear_activation_forward(X, p["W1"], p["b1"], "tanh"),
            ["activation", "'tanh'", '"relu" or "sigmoid"'],
        ),
        (
            lambda X, Y, p: manual.linear_activation_backward(X, ((X, X, X), X), "tanh"),
            ["activation", "'tanh'"],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_named(call, words):
    X, Y, parameters = network([4, 3, 1])
    with pytest.raises(ValueError) as caught:
        call(X, Y, parameters)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
