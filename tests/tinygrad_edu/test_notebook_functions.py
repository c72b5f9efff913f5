"""Functions as textbooks and notebooks write them in NumPy, unchanged, against central differences.

Each is called with arrays and with Tensors; the values have to agree, and the gradients with the
slopes of the former along random directions.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor

CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {}


def textbook(*shapes: tuple[int, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The shapes of the arguments to differentiate by; their values are normally distributed."""

    def enter(f: Callable[..., Any]) -> Callable[..., Any]:
        CASES[f.__name__] = f, shapes
        return f

    return enter


@pytest.mark.parametrize("name", CASES)
def test_as_in_the_book(name: str) -> None:
    f, shapes = CASES[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays = [rng.normal(size=shape) for shape in shapes]
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    out, expected = f(*tensors), np.asarray(f(*arrays))
    np.testing.assert_allclose(out.detach().data, expected, rtol=1e-12, atol=1e-12)
    weights = rng.normal(size=expected.shape)
    out.backward(weights)
    for k, (x, tensor) in enumerate(zip(arrays, tensors)):
        assert tensor.grad is not None, f"argument {k} has no gradient"
        for _ in range(2):
            direction = rng.normal(size=x.shape)

            def at(step: float, k: int = k, x: Any = x, direction: Any = direction) -> Any:
                moved = [*arrays[:k], x + step * direction, *arrays[k + 1 :]]
                return np.sum(weights * f(*moved))

            near, far = at(1e-4) - at(-1e-4), at(2e-4) - at(-2e-4)
            slope = (8 * near - far) / 12e-4
            np.testing.assert_allclose((tensor.grad * direction).sum(), slope, 1e-7, 1e-7)


# --- losses ---------------------------------------------------------------------------------------

LABELS = np.array([2, 0, 1, 1, 2])
ONE_HOT = np.eye(3)[LABELS]
BINARY = np.array([1.0, 0.0, 1.0, 1.0, 0.0])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@textbook((5, 3))
def cross_entropy_by_index(scores: Any) -> Any:
    return -np.log(softmax(scores)[np.arange(5), LABELS]).mean()


@textbook((5, 3))
def cross_entropy_by_one_hot(scores: Any) -> Any:
    return -np.sum(ONE_HOT * np.log(softmax(scores) + 1e-8)) / len(scores)


@textbook((5,))
def binary_cross_entropy(z: Any) -> Any:
    p = np.clip(sigmoid(z), 1e-7, 1 - 1e-7)
    return -np.mean(BINARY * np.log(p) + (1 - BINARY) * np.log(1 - p))


@textbook((5,), (5,))
def huber(prediction: Any, target: Any) -> Any:
    error = np.abs(prediction - target)
    return np.where(error < 1, 0.5 * error**2, error - 0.5).sum()


@textbook((5, 3))
def multiclass_svm(scores: Any) -> Any:
    right = scores[np.arange(5), LABELS][:, np.newaxis]
    margins = np.maximum(0, scores - right + 1.0)
    margins[np.arange(5), LABELS] = 0
    return margins.sum() / 5


@textbook((4, 3), (4, 3), (4, 3))
def triplet(anchor: Any, positive: Any, negative: Any) -> Any:
    near = np.linalg.norm(anchor - positive, axis=1)
    far = np.sum((anchor - negative) ** 2, axis=1) ** 0.5
    return np.maximum(near - far + 0.5, 0).mean()


@textbook((5, 3))
def focal(scores: Any) -> Any:
    p = softmax(scores)[range(5), LABELS]
    return -((1 - p) ** 2 * np.log(p)).sum()


@textbook((4,), (4,))
def kl_divergence_of_gaussians(mean: Any, log_variance: Any) -> Any:
    return -0.5 * np.sum(1 + log_variance - np.square(mean) - np.exp(log_variance))


@textbook((6,), (6,))
def cosine_similarity(a: Any, b: Any) -> Any:
    return np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))


@textbook((4, 3), (4, 3))
def contrastive(a: Any, b: Any) -> Any:
    a = a / np.sqrt((a * a).sum(axis=1, keepdims=True))
    b = b / np.linalg.norm(b, axis=-1)[:, None]
    logits = a @ b.T / 0.1
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))


@textbook((5,))
def quantile_loss(error: Any) -> Any:
    return np.maximum(0.9 * error, (0.9 - 1) * error).mean()


# --- layers ---------------------------------------------------------------------------------------


@textbook((6, 3), (3,), (3,))
def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    mean, variance = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta


@textbook((2, 6), (6,), (6,))
def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    return gain * (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1e-6) + bias


@textbook((2, 4, 3, 3))
def group_norm(x: Any) -> Any:
    n, c, h, w = x.shape
    groups = x.reshape(n, 2, c // 2, h, w)
    mean = groups.mean(axis=(2, 3, 4), keepdims=True)
    groups = (groups - mean) / np.sqrt(groups.var(axis=(2, 3, 4), keepdims=True) + 1e-5)
    return groups.reshape(n, c, h, w)


@textbook((3, 4))
def rms_norm(x: Any) -> Any:
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)


@textbook((2, 5, 4), (4, 4), (4, 4), (4, 4))
def causal_attention(x: Any, wq: Any, wk: Any, wv: Any) -> Any:
    q, k, v = x @ wq, x @ wk, x @ wv
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(k.shape[-1])
    scores = scores + np.triu(np.full((5, 5), -1e9), k=1)
    return softmax(scores) @ v


@textbook((2, 5, 6), (6, 6), (6, 6))
def attention_with_heads(x: Any, w: Any, wo: Any) -> Any:
    heads = np.einsum("btc,cd->btd", x, w).reshape(2, 5, 3, 2).swapaxes(1, 2)
    scores = np.einsum("bhid,bhjd->bhij", heads, heads) * 2**-0.5
    scores[:, :, np.tri(5) == 0] = -np.inf
    return np.moveaxis(softmax(scores) @ heads, 1, 2).reshape(2, 5, -1) @ wo


@textbook((5, 4), (7, 4))
def embedding_with_positions(positions: Any, table: Any) -> Any:
    return table[[3, 1, 3, 0, 6]] + positions


@textbook((1, 2, 5, 5), (3, 2, 3, 3), (3,))
def convolution_by_loops(x: Any, w: Any, b: Any) -> Any:
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = Tensor(np.zeros((1, 3, 5, 5))) if isinstance(x, Tensor) else np.zeros((1, 3, 5, 5))
    for f in range(3):
        for i in range(5):
            for j in range(5):
                window = padded[:, :, i : i + 3, j : j + 3]
                out[:, f, i, j] = np.sum(window * w[f], axis=(1, 2, 3)) + b[f]
    return out


@textbook((2, 2, 4, 4), (3, 2, 2, 2))
def convolution_by_im2col(x: Any, w: Any) -> Any:
    rows = np.repeat(np.arange(2), 2)[:, None] + np.repeat(np.arange(3), 3)
    columns = np.tile(np.arange(2), 2)[:, None] + np.tile(np.arange(3), 3)
    patches = x[:, :, rows, columns].transpose(1, 2, 0, 3).reshape(8, -1)
    return (w.reshape(3, -1) @ patches).reshape(3, 2, 3, 3).transpose(1, 0, 2, 3)


@textbook((1, 2, 6, 6), (2, 2, 3, 3))
def convolution_by_windows(x: Any, w: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    return np.einsum("nchwij,fcij->nfhw", windows, w)


@textbook((8,), (3,))
def convolution_in_one_dimension(x: Any, kernel: Any) -> Any:
    return np.convolve(x, kernel, mode="same")


@textbook((2, 3, 4, 4))
def max_pool(x: Any) -> Any:
    return x.reshape(2, 3, 2, 2, 2, 2).max(axis=(3, 5))


@textbook((3, 4))
def dropout_with_a_mask(x: Any) -> Any:
    mask = (np.random.default_rng(0).random((3, 4)) < 0.8) / 0.8
    return x * mask


@textbook((3, 4), (2, 8), (2, 8), (8,))
def lstm_cells(x: Any, wx: Any, wh: Any, b: Any) -> Any:
    h = c = np.zeros((2,))
    for t in range(3):
        gates = x[t, :2] @ wx + h @ wh + b
        i, f, o, g = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return np.concatenate([h, c])


@textbook((4, 3), (3, 3), (3, 3))
def recurrent_net(xs: Any, w: Any, u: Any) -> Any:
    states = [np.zeros(3)]
    for x in xs:
        states.append(np.tanh(w @ x + u @ states[-1]))
    return np.stack(states[1:])


@textbook((2, 4), (4, 4), (4, 4))
def gated_unit(h: Any, w: Any, u: Any) -> Any:
    z = sigmoid(h @ w)
    return (1 - z) * h + z * np.tanh(np.multiply(z, h) @ u)


@textbook((3, 4), (4, 4))
def residual_block(x: Any, w: Any) -> Any:
    return x + np.maximum(0, x @ w) * 0.5 * (
        1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    )


@textbook((3, 4), (2, 4))
def mixture_of_experts(x: Any, gate: Any) -> Any:
    scores = softmax(x @ gate.T)
    best = np.argmax(scores, axis=1)
    return np.take_along_axis(scores, best[:, None], axis=1) * x


@textbook((4, 3))
def graph_convolution(features: Any) -> Any:
    adjacency = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]) + np.eye(4)
    scale = np.diag(adjacency.sum(axis=1) ** -0.5)
    return np.maximum(scale @ adjacency @ scale @ features, 0.1 * features)


# --- statistics and probability -------------------------------------------------------------------


@textbook((6, 2), (6,), (3,))
def gaussian_process_likelihood(x: Any, y: Any, log_parameters: Any) -> Any:
    length, scale, noise = np.exp(log_parameters)
    squares = np.sum((x[:, None, :] - x[None, :, :]) ** 2, axis=-1)
    k = scale**2 * np.exp(-0.5 * squares / length**2) + (noise**2 + 0.1) * np.eye(6)
    lower = np.linalg.cholesky(k)
    alpha = np.linalg.solve(lower.T, np.linalg.solve(lower, y))
    return 0.5 * y @ alpha + np.log(np.diag(lower)).sum() + 3 * np.log(2 * np.pi)


@textbook((3,), (3, 3), (5, 3))
def multivariate_normal(mean: Any, root: Any, x: Any) -> Any:
    covariance = root @ root.T + np.eye(3)
    sign, logdet = np.linalg.slogdet(covariance)
    d = x - mean
    return -0.5 * (np.einsum("ni,ij,nj->n", d, np.linalg.inv(covariance), d) + sign * logdet)


@textbook((5,), (3,), (3,), (3,))
def mixture_likelihood(x: Any, weights: Any, means: Any, log_scales: Any) -> Any:
    log_p = weights - np.log(np.exp(weights).sum())
    z = (x[:, None] - means) / np.exp(log_scales)
    terms = log_p - 0.5 * z**2 - log_scales
    top = terms.max(axis=1, keepdims=True)
    return (top[:, 0] + np.log(np.exp(terms - top).sum(axis=1))).sum()


@textbook((3, 3), (3, 3))
def hidden_markov_model(transition: Any, emission: Any) -> Any:
    a, b = softmax(transition), softmax(emission)
    alpha = np.ones(3) / 3 * b[:, 0]
    for seen in [2, 1, 1, 0]:
        alpha = (alpha @ a) * b[:, seen]
    return np.log(alpha.sum())


@textbook((5, 2), (2,), ())
def logistic_regression(x: Any, w: Any, b: Any) -> Any:
    z = x.dot(w) + b
    return np.mean(np.logaddexp(0, z) - BINARY * z) + 0.01 * np.sum(w**2)


@textbook((6, 3), (6,))
def ridge_regression(x: Any, y: Any) -> Any:
    return np.linalg.inv(x.T @ x + 0.1 * np.eye(3)) @ x.T @ y


@textbook((6, 2), (6,))
def least_squares(x: Any, y: Any) -> Any:
    coefficients, residuals, _, _ = np.linalg.lstsq(
        np.c_[np.ones(6), np.arange(6.0)], y, rcond=None
    )
    return coefficients.sum() * x.sum() + residuals[0]


@textbook((7, 3))
def principal_components(x: Any) -> Any:
    centred = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / 6)
    return (centred @ vectors[:, ::-1][:, :2]) ** 2 * values[-1]


@textbook((7, 3))
def components_by_svd(x: Any) -> Any:
    u, s, vt = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return ((u[:, :2] * s[:2]) @ vt[:2]).sum(axis=0)


@textbook((7, 3))
def covariance_by_eig(x: Any) -> Any:
    values, vectors = np.linalg.eig(np.cov(x, rowvar=False))
    return np.sort(values)[::-1] + (vectors**2).sum(axis=0)


@textbook((8, 2), (3, 2))
def k_means(points: Any, centres: Any) -> Any:
    distances = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
    return distances.min(axis=1).mean()


@textbook((5, 2))
def pairwise_distances(x: Any) -> Any:
    squares = np.sum(x**2, axis=1)
    d = squares[:, None] + squares[None, :] - 2 * np.dot(x, x.T)
    return np.sqrt(np.maximum(d, 0) + 1e-9)[np.triu_indices(5, 1)]


@textbook((6,), (6,))
def correlation(x: Any, y: Any) -> Any:
    x, y = x - np.mean(x), y - np.mean(y)
    return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()) + np.corrcoef(x, y)[0, 1]


@textbook((9,))
def moments(x: Any) -> Any:
    z = (x - x.mean()) / x.std(ddof=1)
    return np.array([1.0, 2.0]) @ np.stack([np.mean(z**3), np.mean(z**4) - 3]) + np.median(x)


@textbook((4, 2))
def dirichlet_entropy(scores: Any) -> Any:
    p = softmax(scores)
    return -np.nansum(p * np.log2(p), axis=1)


# --- signals, images, geometry --------------------------------------------------------------------


@textbook((5, 5), (2, 3))
def bilinear_sampling(image: Any, places: Any) -> Any:
    x, y = 2 + np.tanh(places)
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - x0, y - y0
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    bottom = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + bottom * fy


@textbook((4,), (3,))
def quaternion_rotation(q: Any, v: Any) -> Any:
    w, x, y, z = q / np.linalg.norm(q)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row) for row in rows]) @ v


@textbook((3,), (3,))
def rodrigues(axis: Any, v: Any) -> Any:
    angle = np.sqrt(np.sum(axis**2))
    k = axis / angle
    turned = np.cos(angle) * v + np.sin(angle) * np.cross(k, v)
    return turned + (1 - np.cos(angle)) * np.dot(k, v) * k


@textbook((3,), (3,), (4, 3))
def camera_projection(rotation: Any, translation: Any, points: Any) -> Any:
    a, b, c = rotation
    rx = np.block([[1.0, 0.0, 0.0], [0.0, np.cos(a), -np.sin(a)], [0.0, np.sin(a), np.cos(a)]])
    rz = np.block([[np.cos(c), -np.sin(c), 0.0], [np.sin(c), np.cos(c), 0.0], [0.0, 0.0, 1.0]])
    seen = points @ (rz @ rx).T * np.exp(0.1 * b) + translation + np.array([0, 0, 8.0])
    return seen[:, :2] / seen[:, 2:]


@textbook((2,), (2,))
def joint_angles(angles: Any, target: Any) -> Any:
    sums = np.cumsum(angles)
    hand = np.array([1.0, 0.7]) @ np.stack([np.cos(sums), np.sin(sums)], axis=-1)
    return np.hypot(*(hand - target)) + np.arctan2(hand[1], hand[0])


@textbook((6, 2))
def polygon_area(corners: Any) -> Any:
    x, y = corners.T
    return 0.5 * np.abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


@textbook((4, 2), ())
def bezier_curve(points: Any, t: Any) -> Any:
    while len(points) > 1:
        points = (1 - t) * points[:-1] + t * points[1:]
    return points[0]


@textbook((6,))
def cubic_spline(y: Any) -> Any:
    n = len(y)
    system = np.diag(np.full(n, 4.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    system[[0, -1]] = np.eye(n)[[0, -1]]
    bend = np.linalg.solve(system, np.pad(6 * (y[2:] - 2 * y[1:-1] + y[:-2]), 1))
    middle = (y[1:] + y[:-1]) / 2 - (bend[1:] + bend[:-1]) / 16
    return np.interp([0.3, 2.5], np.arange(n), y) + middle[:2]


@textbook((4, 5))
def total_variation(image: Any) -> Any:
    dy, dx = np.gradient(image)
    return np.sqrt(dx**2 + dy**2 + 1e-3).sum() + np.abs(np.diff(image, axis=1)).sum()


@textbook((8,))
def spectrum_by_matrix(x: Any) -> Any:
    k = np.arange(8)
    angle = 2 * np.pi * np.outer(k, k) / 8
    return (np.cos(angle) @ x) ** 2 + (np.sin(angle) @ x) ** 2


@textbook((6,), ())
def smoothing_filter(x: Any, a: Any) -> Any:
    a, y = sigmoid(a), [x[0]]
    for value in x[1:]:
        y.append(a * value + (1 - a) * y[-1])
    return np.array([1, 2, 3, 4, 5, 6]) * np.stack(y)


# --- dynamics, control, optimisation --------------------------------------------------------------


@textbook((2,), (4,))
def lotka_volterra_by_runge_kutta(state: Any, rates: Any) -> Any:
    a, b, c, d = np.exp(0.3 * rates)
    f = lambda s: np.stack([a * s[0] - b * s[0] * s[1], d * s[0] * s[1] - c * s[1]])  # noqa: E731
    state = np.exp(0.3 * state)
    for _ in range(5):
        k1 = f(state)
        k2 = f(state + 0.05 * k1)
        k3 = f(state + 0.05 * k2)
        k4 = f(state + 0.1 * k3)
        state = state + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


@textbook((5,))
def heat_equation(u: Any) -> Any:
    for _ in range(4):
        u = u + 0.2 * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
    return u


@textbook((6,), ())
def heat_equation_in_place(u: Any, rate: Any) -> Any:
    u = u.copy()
    for _ in range(3):
        u[1:-1] += 0.2 * rate * (u[2:] - 2 * u[1:-1] + u[:-2])
        u[0] = u[-1] = 0.0
    return u


@textbook((4,), (4, 4), (2,))
def kalman_step(x: Any, root: Any, seen: Any) -> Any:
    f, h = np.eye(4) + 0.1 * np.eye(4, k=2), np.eye(2, 4)
    p = f @ (root @ root.T) @ f.T + 0.1 * np.eye(4)
    x = f @ x
    s = h @ p @ h.T + np.eye(2)
    gain = p @ h.T @ np.linalg.inv(s)
    x = x + gain @ (seen - h @ x)
    return np.concatenate([x, np.diag((np.eye(4) - gain @ h) @ p)])


@textbook((2, 2), (2, 1))
def linear_quadratic_regulator(a: Any, b: Any) -> Any:
    a, p = 0.5 * a, np.eye(2)
    for _ in range(4):
        gain = np.linalg.solve(1.0 + b.T @ p @ b, b.T @ p @ a)
        p = np.eye(2) + a.T @ p @ (a - b @ gain)
    return p


@textbook((3,))
def rosenbrock(x: Any) -> Any:
    return sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


@textbook(())
def newtons_square_root(a: Any) -> Any:
    a = a * a + 1
    x = a / 2
    while abs(x * x - a) > 1e-9:
        x = (x + a / x) / 2
    return x


@textbook((5, 3), ())
def learned_gradient_steps(x: Any, log_rate: Any) -> Any:
    w = np.zeros(3)
    for _ in range(3):
        w = w - np.exp(log_rate - 3) * x.T @ (x @ w - BINARY)
    return w


@textbook((4, 4))
def optimal_transport(cost: Any) -> Any:
    k = np.exp(-cost)
    u = np.ones(4)
    for _ in range(6):
        v = 0.25 / (k.T @ u)
        u = 0.25 / (k @ v)
    return (u[:, None] * k * v * cost).sum()


@textbook((5,), (5,))
def discounted_returns(rewards: Any, logits: Any) -> Any:
    total, returns = 0.0, []
    for reward in rewards[::-1]:
        total = reward + 0.9 * total
        returns.insert(0, total)
    returns = np.stack(returns)
    advantage = (returns - returns.mean()) / (returns.std() + 1e-8)
    ratio = np.exp(logits * 0.1)
    return -np.minimum(ratio * advantage, np.clip(ratio, 0.9, 1.1) * advantage).mean()


@textbook((3, 3))
def matrix_exponential(a: Any) -> Any:
    term = total = np.eye(3)
    for n in range(1, 12):
        term = term @ (a / 2) / n
        total = total + term
    return total @ np.linalg.matrix_power(np.eye(3) + a / 10, 3)


@textbook((4, 3))
def gram_schmidt(vectors: Any) -> Any:
    basis: list[Any] = []
    for v in vectors.T:
        for b in basis:
            v = v - np.vdot(b, v) * b
        basis.append(v / np.linalg.norm(v))
    return np.column_stack(basis)


def test_there_are_many() -> None:
    assert len(CASES) >= 60
