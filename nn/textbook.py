"""The textbook's layers, derived by hand, in plain NumPy: objects with forward and backward.

Examples are rows: X (m, n). ``forward`` keeps what ``backward`` needs; ``backward`` takes the
gradient of the layer's output and returns that of its input. This is the style of "Deep Learning
from Scratch"; `nn.layers` has the same layers on Tensors, with no backward to write.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


class MulLayer:
    """x * y: each factor's gradient is the other factor.

    >>> layer = MulLayer()
    >>> layer.forward(100.0, 2.0), layer.backward(1.1)
    (200.0, (2.2, 110.00000000000001))
    """

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout * self.y, dout * self.x


class AddLayer:
    """x + y: the gradient goes to both unchanged.

    >>> layer = AddLayer()
    >>> layer.forward(200.0, 450.0), layer.backward(1.1)
    (650.0, (1.1, 1.1))
    """

    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout, dout


class Affine:
    """X W + b for X (m, n_in), W (n_in, n_out) and b (n_out,) or (1, n_out).

    ``backward`` returns dX (m, n_in) and leaves ``dW`` and ``db``, in the shapes of W and b.

    >>> layer = Affine(np.array([[1, 3, 5], [2, 4, 6]]), np.array([1, 1, 1]))
    >>> layer.forward(np.array([[1, 2], [3, 4]]))
    array([[ 6, 12, 18],
           [12, 26, 40]])
    >>> layer.backward(np.array([[1, 2, 3], [4, 5, 6]]))
    array([[22, 28],
           [49, 64]])
    >>> layer.dW.tolist(), layer.db.tolist()
    ([[13, 17, 21], [18, 24, 30]], [5, 7, 9])
    """

    def __init__(self, W: ArrayLike, b: ArrayLike):
        self.W, self.b = np.asarray(W), np.asarray(b)
        self.dW: Array | None = None
        self.db: Array | None = None

    def forward(self, X: ArrayLike) -> Array:
        self.X = np.asarray(X)
        return self.X @ self.W + self.b

    def backward(self, dout: ArrayLike) -> Array:
        dout = np.asarray(dout)
        self.dW = self.X.T @ dout
        self.db = np.sum(dout, axis=0).reshape(self.b.shape)
        return dout @ self.W.T


class Relu:
    """max(0, x), of any shape: the gradient passes where x > 0.

    >>> layer = Relu()
    >>> layer.forward(np.array([[1.0, -0.5], [-2.0, 3.0]]))
    array([[1., 0.],
           [0., 3.]])
    >>> layer.backward(np.array([[2, 3], [-3, -4]]))
    array([[ 2,  0],
           [ 0, -4]])
    """

    def forward(self, x: ArrayLike) -> Array:
        x = np.asarray(x)
        self.positive = x > 0
        return np.where(self.positive, x, 0)

    def backward(self, dout: ArrayLike) -> Array:
        return np.where(self.positive, dout, 0)


class Sigmoid:
    """y = 1 / (1 + exp(-x)), of any shape: dx = dout * y * (1 - y).

    >>> layer = Sigmoid()
    >>> layer.forward([2.0, 4.0])
    array([0.88079708, 0.98201379])
    >>> layer.backward([4.0, 2.0])
    array([0.41997434, 0.03532541])
    """

    def forward(self, x: ArrayLike) -> Array:
        self.y: Array = np.exp(-np.logaddexp(0, -np.asarray(x)))  # does not overflow
        return self.y

    def backward(self, dout: ArrayLike) -> Array:
        return np.asarray(dout) * self.y * (1 - self.y)


class SoftmaxWithLoss:
    """y = softmax(x) along each row and the loss -sum(t log y), the mean over the rows.

    x : (m, n) or one row (n,); t : targets of the same shape, such as one-hot rows, or m class
    numbers. ``backward`` gives (y - t) / m, of x's shape: softmax and logarithm undo each other.

    The textbook adds ``epsilon`` = 1e-7 to y inside the logarithm, so that log(0) cannot occur; that
    lowers the loss by about epsilon / y. Here log y is computed from x, is never log(0), and nothing
    is added unless ``epsilon`` is given; ``backward`` is the derivative of what forward computes.

    >>> layer = SoftmaxWithLoss()
    >>> round(layer.forward([[0.0, 0.0, 0.0, 0.0]], [2]), 6)
    1.386294
    >>> layer.backward()
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """

    def __init__(self, epsilon: float = 0.0):
        self.epsilon = epsilon

    def forward(self, x: ArrayLike, t: ArrayLike) -> float:
        x, t = np.asarray(x), np.asarray(t)
        if t.shape != x.shape:
            t = one_hot(t, x.shape)
        shifted = x - x.max(axis=-1, keepdims=True)
        log_y = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
        self.y, self.t, self.m = np.exp(log_y), t, x.size // x.shape[-1]
        log = np.log(self.y + self.epsilon) if self.epsilon else log_y
        return float(-np.sum(t * log) / self.m)

    def backward(self, dout: float = 1.0) -> Array:
        share = self.y / (self.y + self.epsilon) if self.epsilon else 1.0
        t = self.t * share
        return dout * (self.y * np.sum(t, axis=-1, keepdims=True) - t) / self.m


def one_hot(labels: ArrayLike, shape: tuple[int, ...], axis: int = -1, dtype: Any = float) -> Array:
    """Vectors along ``axis`` with a 1 at the class number, of the ``shape`` of the scores.

    ``labels`` : whole numbers from 0, one for each vector. ValueError for one outside the classes.

    >>> one_hot([2, 0], (2, 3))
    array([[0., 0., 1.],
           [1., 0., 0.]])
    >>> one_hot([2, 3], (2, 3))
    Traceback (most recent call last):
        ...
    ValueError: labels has the label 3 at position 1: the 3 classes are 0 to 2
    """
    numbers = np.asarray(labels)
    axis %= len(shape)
    n, others = shape[axis], shape[:axis] + shape[axis + 1 :]
    if numbers.size == np.prod(others) and numbers.shape != others and 1 in numbers.shape:
        numbers = numbers.reshape(others)  # (1, m), as the course has its labels
    if numbers.shape != others:
        raise ValueError(
            f"labels has shape {numbers.shape}, but the scores have shape {shape} with the classes "
            f"along axis {axis}: expected labels of shape {others}, or targets of shape {shape}"
        )
    if numbers.dtype.kind not in "iu":
        raise TypeError(
            f"labels has dtype {numbers.dtype}: expected whole numbers, the classes from 0"
        )
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < n:
        where = np.flatnonzero((numbers < 0) | (numbers >= n))[0]
        raise ValueError(
            f"labels has the label {numbers.flat[where]} at position {where}: "
            f"the {n} classes are 0 to {n - 1}"
        )
    hot = np.zeros(shape, dtype)
    np.put_along_axis(hot, np.expand_dims(numbers, axis), 1, axis)
    return hot
