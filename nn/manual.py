"""Backpropagation derived by hand for an L-layer classifier, in plain NumPy.

This is the reference to compare your own formulas with. Nothing here is automatic: every gradient
is written out as the derivation gives it. The names, and the derivation, are those of the
week 4 exercises of "Neural Networks and Deep Learning" (deeplearning.ai).

The network is [linear -> relu] x (L - 1) -> linear -> sigmoid. The m examples are columns::

    A0 = X                                 (n_x, m)
    Zl = Wl @ A(l-1) + bl                  (n_l, m);  Wl: (n_l, n_(l-1)),  bl: (n_l, 1)
    Al = relu(Zl), in the last layer AL = sigmoid(ZL)
    cost = -mean(Y log AL + (1 - Y) log(1 - AL))

**Where the 1/m is.** The cost is a mean, (1/m) times the sum of the examples' losses. Column i of
``dA`` and ``dZ`` belongs to example i alone and is the gradient of *that example's loss*: no 1/m.
``W`` and ``b`` are shared by all examples, so ``dW`` and ``db`` add the examples up, and there
the 1/m of the mean is carried out. So ``dW`` and ``db`` are gradients of the cost, while ``dA`` and
``dZ`` are m times its gradients.

The planar classifier of week 3, tanh then sigmoid, follows the same way, and so do the textbook's
layers, `Affine` and the others, which are objects and have their examples in rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn.checks import (
    check_layers_dims,
    check_learning_rate,
    check_matmul,
    check_num_iterations,
    check_two_layers,
    check_whole_number,
    check_X,
    check_X_Y,
)
from nn.textbook import (  # noqa: F401 - the textbook's layers, by hand too
    AddLayer,
    Affine,
    MulLayer,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
)

Array = NDArray[Any]
Parameters = dict[str, Array]
LinearCache = tuple[Array, Array, Array]
Cache = tuple[LinearCache, Array]
Activation = Literal["relu", "sigmoid"]


# --- the parameters at the start ---------------------------------------------------------------


def initialize_parameters(n_x: int, n_h: int, n_y: int, *, seed: int = 1) -> Parameters:
    """Return the start of a two-layer network: small normal weights, 0.01 * randn, zero biases.

    Shapes: W1 (n_h, n_x), b1 (n_h, 1), W2 (n_y, n_h), b2 (n_y, 1). The numbers are those that
    follow ``np.random.seed(seed)``, without touching NumPy's global state.
    ValueError or TypeError for sizes that are not positive whole numbers.

    >>> initialize_parameters(3, 2, 1)["W2"].round(6)
    array([[ 0.017448, -0.007612]])
    """
    n_x, n_h, n_y = (
        check_whole_number(name, n, minimum=1)
        for name, n in (("n_x", n_x), ("n_h", n_h), ("n_y", n_y))
    )
    random = np.random.RandomState(seed)
    return {
        "W1": 0.01 * random.randn(n_h, n_x),
        "b1": np.zeros((n_h, 1)),
        "W2": 0.01 * random.randn(n_y, n_h),
        "b2": np.zeros((n_y, 1)),
    }


def initialize_parameters_deep(layer_dims: Iterable[int], *, seed: int = 1) -> Parameters:
    """Return the start of an L-layer network: weights randn / sqrt(n_prev), zero biases.

    `layer_dims` holds n_x and the sizes of the L layers. Shapes: Wl (n_l, n_(l-1)), bl (n_l, 1).
    Dividing by sqrt(n_prev) keeps the size of Z the same from layer to layer (LeCun et al.,
    "Efficient BackProp"). ValueError or TypeError for sizes that are not positive whole numbers.

    >>> {name: value.shape for name, value in initialize_parameters_deep([5, 4, 1]).items()}
    {'W1': (4, 5), 'b1': (4, 1), 'W2': (1, 4), 'b2': (1, 1)}
    """
    dims = check_layers_dims(layer_dims, name="layer_dims")
    random = np.random.RandomState(seed)
    parameters = {}
    for layer, (n_prev, n) in enumerate(pairwise(dims), start=1):
        parameters[f"W{layer}"] = random.randn(n, n_prev) / np.sqrt(n_prev)
        parameters[f"b{layer}"] = np.zeros((n, 1))
    return parameters


# --- forward -----------------------------------------------------------------------------------


def linear_forward(A: Array, W: Array, b: Array) -> tuple[Array, LinearCache]:
    """Return Z = W A + b, shape (n, m), and what the backward pass will need: (A, W, b).

    A : (n_prev, m), W : (n, n_prev), b : (n, 1).

    >>> A, W, b = np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]]), np.array([[5.0]])
    >>> Z, cache = linear_forward(A, W, b)
    >>> Z
    array([[16.]])
    """
    Z = W @ A + b
    return Z, (A, W, b)


def sigmoid(Z: Array) -> tuple[Array, Array]:
    """Return A = 1 / (1 + exp(-Z)), of Z's shape, and Z, for the backward pass.

    Z below -709 (-88 in float32) counts as that, where A is 1e-308: exp would overflow.

    >>> A, cache = sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    >>> A.round(300)
    array([0. , 0.5, 1. ])
    """
    lowest = -88.0 if Z.dtype == np.float32 else -709.0
    return 1 / (1 + np.exp(-np.maximum(Z, lowest))), Z


def relu(Z: Array) -> tuple[Array, Array]:
    """Return A = max(0, Z), of Z's shape, and Z, for the backward pass.

    >>> A, cache = relu(np.array([-1.0, 0.0, 2.0]))
    >>> A
    array([0., 0., 2.])
    """
    return np.maximum(0, Z), Z


def linear_activation_forward(
    A_prev: Array, W: Array, b: Array, activation: Activation
) -> tuple[Array, Cache]:
    """Return one layer's A = activation(W A_prev + b), shape (n, m), and ((A_prev, W, b), Z).

    A_prev : (n_prev, m), W : (n, n_prev), b : (n, 1). ValueError unless `activation` is "relu" or
    "sigmoid".

    >>> A, W, b = np.array([[1.0, 2.0]]), np.array([[-1.0], [3.0]]), np.zeros((2, 1))
    >>> linear_activation_forward(A, W, b, "relu")[0]
    array([[0., 0.],
           [3., 6.]])
    """
    function = _choose(activation, relu=relu, sigmoid=sigmoid)
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = function(Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X: Array, parameters: Mapping[str, Array]) -> tuple[Array, list[Cache]]:
    """Return AL, shape (n_L, m), and the caches of layers 1 to L in that order.

    X : (n_x, m). `parameters` holds W1, b1, ..., WL, bL. ValueError where X does not fit W1.

    >>> AL, caches = L_model_forward(np.zeros((5, 2)), initialize_parameters_deep([5, 4, 1]))
    >>> AL, len(caches)
    (array([[0.5, 0.5]]), 2)
    """
    check_matmul("W1", np.shape(parameters["W1"]), "X", np.shape(X))
    L = len(parameters) // 2  # a W and a b for each layer
    A = X
    caches = []
    for layer in range(1, L + 1):
        activation: Activation = "relu" if layer < L else "sigmoid"
        A, cache = linear_activation_forward(
            A, parameters[f"W{layer}"], parameters[f"b{layer}"], activation
        )
        caches.append(cache)
    return A, caches


def inside_0_1(AL: Array) -> Array:
    """Keep probabilities strictly between 0 and 1, at most one rounding step away from each end.

    A numerical guard, no part of the derivation: a sigmoid of a large Z rounds to exactly 0 or 1,
    where log and the division would give infinities.

    >>> inside_0_1(np.array([0.0, 0.5, 1.0])).tolist()
    [2.2250738585072014e-308, 0.5, 0.9999999999999999]
    """
    limits = np.finfo(AL.dtype)
    return np.clip(AL, limits.tiny, 1 - limits.eps / 2)


def compute_cost(AL: Array, Y: Array) -> float:
    """Return the cross-entropy, -mean(Y log AL + (1 - Y) log(1 - AL)), of AL and Y, both (1, m).

    >>> round(compute_cost(np.array([[0.8, 0.9, 0.4]]), np.array([[1, 1, 0]])), 6)
    0.279777
    """
    m = Y.shape[1]
    AL = inside_0_1(AL)
    return float(-(np.dot(Y, np.log(AL).T) + np.dot(1 - Y, np.log(1 - AL).T)).item() / m)


# --- backward: the same steps in reverse, one chain rule each -----------------------------------


def sigmoid_backward(dA: Array, cache: Array) -> Array:
    """Return dZ = dA * s(Z) (1 - s(Z)), of Z's shape; the cache is Z.

    >>> sigmoid_backward(np.array([[2.0]]), np.array([[0.0]]))
    array([[0.5]])
    """
    s, _ = sigmoid(cache)
    return dA * s * (1 - s)


def relu_backward(dA: Array, cache: Array) -> Array:
    """Return dZ = dA where Z > 0, else 0, of Z's shape; the cache is Z. The slope at 0 is 0.

    >>> relu_backward(np.array([[5.0, 6.0, 7.0]]), np.array([[-1.0, 0.0, 1.0]]))
    array([[0., 0., 7.]])
    """
    return dA * (cache > 0)


def linear_backward(dZ: Array, cache: LinearCache) -> tuple[Array, Array, Array]:
    """Return dA_prev (n_prev, m), dW (n, n_prev) and db (n, 1) from dZ (n, m).

    The cache is (A_prev, W, b). Entry by entry, Z[i, k] = sum_j W[i, j] A_prev[j, k] + b[i], so
    W[i, j] meets A_prev[j, k] in every example k, b[i] is in every one, and A_prev[j, k] meets
    W[i, j] in every unit i: three sums, written as products.

    >>> A_prev, W, b = np.array([[1.0, 3.0]]), np.array([[2.0]]), np.array([[0.0]])
    >>> dA_prev, dW, db = linear_backward(np.array([[1.0, -1.0]]), (A_prev, W, b))
    >>> dA_prev, dW, db
    (array([[ 2., -2.]]), array([[-1.]]), array([[0.]]))
    """
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    dW = dZ @ A_prev.T / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    dA_prev = W.T @ dZ
    return dA_prev, dW, db


def linear_activation_backward(
    dA: Array, cache: Cache, activation: Activation
) -> tuple[Array, Array, Array]:
    """Return one layer's dA_prev (n_prev, m), dW (n, n_prev), db (n, 1) from its dA (n, m).

    The cache is that of `linear_activation_forward`. ValueError for an unknown activation.

    >>> A, W, b = np.array([[1.0, 2.0]]), np.array([[-1.0], [3.0]]), np.zeros((2, 1))
    >>> A, cache = linear_activation_forward(A, W, b, "relu")
    >>> linear_activation_backward(np.ones((2, 2)), cache, "relu")[0]
    array([[3., 3.]])
    """
    function = _choose(activation, relu=relu_backward, sigmoid=sigmoid_backward)
    linear_cache, activation_cache = cache
    dZ = function(dA, activation_cache)
    return linear_backward(dZ, linear_cache)


def cost_backward(AL: Array, Y: Array) -> Array:
    """Return dAL, the derivative of each example's loss -(Y log AL + (1 - Y) log(1 - AL)), (1, m).

    >>> cost_backward(np.array([[0.5, 0.8]]), np.array([[1, 0]])).round(6)
    array([[-2.,  5.]])
    """
    AL = inside_0_1(AL)
    return -Y / AL + (1 - Y) / (1 - AL)


def L_model_backward(AL: Array, Y: Array, caches: list[Cache]) -> dict[str, Array]:
    """Return all gradients: dWl and dbl for l = 1 .. L, and dA0 .. dA(L-1).

    AL and Y : (1, m); `caches` as from `L_model_forward`. ``dA{l}`` is the gradient of the losses
    by A of layer l, the input of layer l + 1; ``dA0`` is that by X.

    >>> X, Y = np.ones((3, 2)), np.array([[0, 1]])
    >>> AL, caches = L_model_forward(X, initialize_parameters_deep([3, 2, 1]))
    >>> sorted(L_model_backward(AL, Y, caches))
    ['dA0', 'dA1', 'dW1', 'dW2', 'db1', 'db2']
    """
    L = len(caches)
    Y = Y.reshape(AL.shape)
    dA = cost_backward(AL, Y)
    grads = {}
    for layer in range(L, 0, -1):
        activation: Activation = "sigmoid" if layer == L else "relu"
        dA, dW, db = linear_activation_backward(dA, caches[layer - 1], activation)
        grads[f"dA{layer - 1}"], grads[f"dW{layer}"], grads[f"db{layer}"] = dA, dW, db
    return grads


# --- training ----------------------------------------------------------------------------------


def update_parameters(
    parameters: Mapping[str, Array], grads: Mapping[str, Array], learning_rate: float
) -> Parameters:
    """Return new parameters: W - learning_rate * dW, one step of gradient descent, and b alike.

    `parameters` and its arrays stay as they are.

    >>> update_parameters({"W1": np.array([[1.0]])}, {"dW1": np.array([[2.0]])}, 0.25)
    {'W1': array([[0.5]])}
    """
    return {name: value - learning_rate * grads["d" + name] for name, value in parameters.items()}


def L_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Iterable[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
) -> tuple[Parameters, list[float]]:
    """Train [linear -> relu] x (L - 1) -> linear -> sigmoid by gradient descent on all of X.

    X : (n_x, m), Y : (1, m) of 0 and 1, layers_dims : [n_x, n_1, ..., 1].
    Returns the parameters and the costs before update 0, 100, 200, ...; `print_cost` prints them.
    ValueError or TypeError, saying what to do, for input that does not fit.

    >>> X = np.array([[-2.0, -1.0, 1.0, 2.0]])
    >>> parameters, costs = L_layer_model(X, [0, 0, 1, 1], [1, 3, 1], 0.5, 200)
    >>> costs[0] > costs[1], len(costs)
    (True, 2)
    """
    X, Y = check_X_Y(X, Y)
    dims = check_layers_dims(layers_dims, n_x=len(X), n_y=1)
    parameters = initialize_parameters_deep(dims)
    return _train(X, Y, parameters, learning_rate, num_iterations, print_cost)


def two_layer_model(
    X: ArrayLike,
    Y: ArrayLike,
    layers_dims: Iterable[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
) -> tuple[Parameters, list[float]]:
    """Train linear -> relu -> linear -> sigmoid; like `L_layer_model`, from weights 0.01 * randn.

    X : (n_x, m), Y : (1, m) of 0 and 1, layers_dims : [n_x, n_h, 1]; ValueError for another
    number of layers, and the errors of `L_layer_model`.

    >>> X = np.array([[-2.0, -1.0, 1.0, 2.0]])
    >>> parameters, costs = two_layer_model(X, [0, 0, 1, 1], [1, 3, 1], 0.5, 1)
    >>> [round(cost, 4) for cost in costs]
    [0.6932]
    """
    X, Y = check_X_Y(X, Y)
    dims = check_two_layers(check_layers_dims(layers_dims, n_x=len(X), n_y=1))
    parameters = initialize_parameters(*dims)
    return _train(X, Y, parameters, learning_rate, num_iterations, print_cost)


def predict(X: ArrayLike, y: ArrayLike | None, parameters: Mapping[str, Array]) -> Array:
    """Return 1 where AL > 0.5, else 0, shape (1, m), and print the accuracy if `y` is given.

    X : (n_x, m), y : (1, m) of 0 and 1, or None. ValueError where X does not fit W1 or y.

    >>> parameters = {"W1": np.array([[1.0]]), "b1": np.array([[0.0]])}
    >>> predict(np.array([[-1.0, 2.0]]), np.array([[1, 1]]), parameters)
    Accuracy: 0.5
    array([[0, 1]])
    """
    if y is None:
        X = check_X(X)
    else:
        X, y = check_X_Y(X, y)
    AL, _ = L_model_forward(X, parameters)
    p = (AL > 0.5).astype(int)
    if y is not None:
        print(f"Accuracy: {np.mean(p == y)}")
    return p


# --- the planar classifier: two layers, tanh then sigmoid -----------------------------------------


def planar_forward(X: Array, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return A2 = sigmoid(W2 A1 + b2), shape (1, m), and A1 = tanh(W1 X + b1), shape (n_h, m).

    X : (n_x, m). `parameters` holds W1, b1, W2, b2, as from `initialize_parameters`. ValueError
    where X does not fit W1.

    >>> A2, A1 = planar_forward(np.zeros((2, 3)), initialize_parameters(2, 4, 1))
    >>> A2, A1.shape
    (array([[0.5, 0.5, 0.5]]), (4, 3))
    """
    check_matmul("W1", np.shape(parameters["W1"]), "X", np.shape(X))
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    A2, _ = sigmoid(parameters["W2"] @ A1 + parameters["b2"])
    return A2, A1


def planar_backward(
    A2: Array, A1: Array, X: Array, Y: Array, parameters: Mapping[str, Array]
) -> dict[str, Array]:
    """Return dW1, db1, dW2, db2 of the cross-entropy cost, and dZ1, dZ2.

    The loss and the sigmoid together leave dZ2 = A2 - Y. The derivative of tanh is 1 - tanh^2, so
    dZ1 = W2' dZ2 * (1 - A1^2). A2, Y : (1, m), A1 : (n_h, m), X : (n_x, m).

    >>> parameters = initialize_parameters(2, 4, 1)
    >>> X, Y = np.zeros((2, 3)), np.array([[0, 1, 1]])
    >>> planar_backward(*planar_forward(X, parameters), X, Y, parameters)["dZ2"]
    array([[ 0.5, -0.5, -0.5]])
    """
    dZ2 = A2 - Y
    dA1, dW2, db2 = linear_backward(dZ2, (A1, parameters["W2"], parameters["b2"]))
    dZ1 = dA1 * (1 - A1**2)
    _, dW1, db1 = linear_backward(dZ1, (X, parameters["W1"], parameters["b1"]))
    return {"dZ1": dZ1, "dW1": dW1, "db1": db1, "dZ2": dZ2, "dW2": dW2, "db2": db2}


def planar_model(
    X: ArrayLike,
    Y: ArrayLike,
    n_h: int = 4,
    learning_rate: float = 1.2,
    num_iterations: int = 10_000,
    print_cost: bool = False,
    *,
    seed: int = 1,
) -> tuple[Parameters, list[float]]:
    """Train linear -> tanh -> linear -> sigmoid by gradient descent, from weights 0.01 * randn.

    X : (n_x, m), Y : (1, m) of 0 and 1. Returns the parameters and the costs before update 0, 1000,
    2000, ...; `print_cost` prints them. ValueError or TypeError, saying what to do, for input that
    does not fit.

    >>> X = np.array([[-2.0, -1.0, 1.0, 2.0]])
    >>> parameters, costs = planar_model(X, [0, 0, 1, 1], 4, num_iterations=1001)
    >>> costs[1] < 0.1 < costs[0], planar_predict(X, parameters)
    (True, array([[0, 0, 1, 1]]))
    """
    X, Y = check_X_Y(X, Y)
    parameters = initialize_parameters(len(X), n_h, 1, seed=seed)
    learning_rate = check_learning_rate(learning_rate)
    costs = []
    for i in range(check_num_iterations(num_iterations)):
        A2, A1 = planar_forward(X, parameters)
        if i % 1000 == 0:
            costs.append(compute_cost(A2, Y))
            if print_cost:
                print(f"Cost after iteration {i}: {costs[-1]}")
        grads = planar_backward(A2, A1, X, Y, parameters)
        parameters = update_parameters(parameters, grads, learning_rate)
    return parameters, costs


def planar_predict(X: ArrayLike, parameters: Mapping[str, Array]) -> Array:
    """Return 1 where A2 > 0.5, else 0, shape (1, m), for X : (n_x, m).

    >>> planar_predict(np.zeros((2, 1)), initialize_parameters(2, 4, 1))
    array([[0]])
    """
    A2, _ = planar_forward(check_X(X), parameters)
    return (A2 > 0.5).astype(int)


def _train(
    X: Array,
    Y: Array,
    parameters: Parameters,
    learning_rate: float,
    num_iterations: int,
    print_cost: bool,
) -> tuple[Parameters, list[float]]:
    learning_rate = check_learning_rate(learning_rate)
    costs = []
    for i in range(check_num_iterations(num_iterations)):
        AL, caches = L_model_forward(X, parameters)
        cost = compute_cost(AL, Y)
        grads = L_model_backward(AL, Y, caches)
        parameters = update_parameters(parameters, grads, learning_rate)
        if i % 100 == 0:
            costs.append(cost)
            if print_cost:
                print(f"Cost after iteration {i}: {cost}")
    return parameters, costs


def _choose(activation: str, **functions: Any) -> Any:
    if activation not in functions:
        raise ValueError(f'activation is {activation!r}: expected "relu" or "sigmoid"')
    return functions[activation]
