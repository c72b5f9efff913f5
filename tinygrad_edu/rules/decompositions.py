"""Inverses, determinants, decompositions and lengths of matrices."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.recording import rule
from tinygrad_edu.rules.reductions import floating, max, min, norm_rule, sum
from tinygrad_edu.rules.shapes import matrix_transpose, moveaxis, ravel
from tinygrad_edu.rules.support import arr, means, positive_axes, true_or_false, values_of

# --- equations ------------------------------------------------------------------------------------

INVERTIBLE = [(arr(3, 3, kind="positive definite"),), (arr(2, 3, 3, kind="positive definite"),)]

inv = rule(
    "inv", np.linalg.inv, lambda g, out, a: -(out.mT @ g @ out.mT), symbol="⁻¹", examples=INVERTIBLE
)
_solve = rule(
    "solve",
    np.linalg.solve,
    lambda g, out, a, b: -(np.linalg.solve(a.mT, g) @ out.mT),
    lambda g, out, a, b: np.linalg.solve(a.mT, g),
    examples=[
        (arr(3, 3, kind="positive definite"), arr(3, 2)),
        (arr(2, 3, 3, kind="positive definite"), arr(3, 1)),
    ],
)
det = rule(
    "det", np.linalg.det, lambda g, out, a: g[..., None, None] * cofactors(a), examples=INVERTIBLE
)


def _logabsdet(a: Any) -> Any:
    return np.linalg.slogdet(a)[1]


logabsdet = rule(
    "logabsdet",
    _logabsdet,
    lambda g, out, a: g[..., None, None] * np.linalg.inv(a).mT,
    examples=INVERTIBLE,
)
signdet = rule("signdet", lambda a: np.linalg.slogdet(a)[0])
pinv_rule = rule(
    "pinv",
    lambda a, rcond: np.linalg.pinv(a, rcond),
    lambda g, out, a, rcond: (
        (np.eye(a.shape[-2], dtype=a.dtype) - a @ out) @ g.mT @ out @ out.mT
        + out.mT @ out @ g.mT @ (np.eye(a.shape[-1], dtype=a.dtype) - out @ a)
        - out.mT @ g @ out.mT
    ),
    examples=[(arr(4, 3), 1e-15), (arr(2, 3), 1e-15), (arr(2, 3, 2), 1e-15)],
)
cholesky_rule = rule(
    "cholesky",
    np.linalg.cholesky,
    lambda g, out, a: _from_lower(
        np.linalg.inv(out).mT @ _half_diagonal(out.mT @ g) @ np.linalg.inv(out)
    ),
    examples=INVERTIBLE,
)


def _cofactors(a: Any) -> Any:
    """det(a) inv(a).T, also where a has no inverse: from a = u s v, every s but its own."""
    u, s, v = np.linalg.svd(a)
    others = np.where(np.eye(a.shape[-1], dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    turn = np.linalg.det(u) * np.linalg.det(v)
    return turn[..., None, None] * ((u * others[..., None, :]) @ v)


cofactors: Callable[..., Any] = rule(
    "cofactors",
    _cofactors,
    lambda g, out, a: (
        (g * out).sum(axis=(-2, -1), keepdims=True) * np.linalg.inv(a).mT
        - np.linalg.inv(a).mT @ g.mT @ out
    ),
    examples=INVERTIBLE,
)


def _half_diagonal(x: Any) -> Any:
    """The lower triangle with half of the diagonal."""
    return np.tril(x) - x * np.eye(x.shape[-1], dtype=x.dtype) / 2


def _from_lower(x: Any) -> Any:
    """The gradient of a symmetric matrix of which only the lower triangle is read."""
    return np.tril(x + x.mT) - x * np.eye(x.shape[-1], dtype=x.dtype)


@means(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    return _solve(a, b[:, None])[..., 0] if b.ndim == 1 else _solve(a, b)


class QRResult(NamedTuple):
    """The matrix is Q @ R: the columns of Q are orthonormal, R is upper triangular."""

    Q: Any
    R: Any


def _qr_left(a: Any) -> Any:
    return np.linalg.qr(a)[0]


def _qr_right(a: Any) -> Any:
    return np.linalg.qr(a)[1]


def _mirrored(x: Any) -> Any:
    """The symmetric matrix with the lower triangle of ``x``."""
    return np.tril(x) + np.tril(x, -1).mT


_orthonormal: Callable[..., Any] = rule(
    "orthonormal",
    _qr_left,
    lambda g, out, a: (g - out @ _mirrored(g.mT @ out)) @ np.linalg.inv(_triangular(a)).mT,
    examples=[(arr(4, 3),), (arr(3, 3),), (arr(2, 3, 2),)],
)
_triangular: Callable[..., Any] = rule(
    "triangular",
    _qr_right,
    lambda g, out, a: _orthonormal(a) @ _mirrored(out @ g.mT) @ np.linalg.inv(out).mT,
    examples=[(arr(4, 3),), (arr(3, 3),), (arr(2, 3, 2),)],
)


@means(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    if a.ndim < 2:
        raise ValueError(f"qr takes a matrix, but the shape is {a.shape}.")
    rows, columns = a.shape[-2:]
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and columns < rows):
        raise TypeError(
            f"np.linalg.qr with mode={mode!r} of shape {a.shape} is not supported on Tensors, the "
            "additional columns have no gradient: use mode='reduced' or 'r'."
        )
    square, rest = a[..., :rows], a[..., rows:]  # what is left of a wide matrix follows from q
    r = _triangular(square)
    if mode == "r" and columns <= rows:
        return r
    q = _orthonormal(square)
    r = r if columns <= rows else np.concatenate([r, q.mT @ rest], axis=-1)
    return r if mode == "r" else QRResult(q, r)


@means(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Any, Any, Any, Any]:
    """The solution with the least squares, the sums of the squares that remain, the rank of ``a``
    and its singular values."""
    s = svdvals(a)
    small = rcond if rcond is not None else np.finfo(s.dtype).eps * np.max(a.shape)
    small = 0.0 if small < 0 else float(small)
    lengths = values_of(s)
    rank = np.intc(np.sum(lengths > small * np.max(lengths)))
    x = pinv(a, small) @ b
    over = b - a @ x
    left = sum(over * over, 0).reshape(-1)
    return x, left if rank == a.shape[1] < a.shape[0] else left[:0], rank, s


@means(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    if p is None or p in (2, -2):
        s = svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return norm(x, p, (-2, -1)) * norm(np.linalg.inv(x), p, (-2, -1))


@means(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    if axes is not None:
        axes = positive_axes(axes, a.ndim)
        a = moveaxis(a, axes, tuple(range(a.ndim - len(axes), a.ndim)))
    shape = a.shape[b.ndim :]
    return solve(a.reshape(-1, b.size), b.reshape(-1)).reshape(shape)


@means(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    if ind <= 0:
        raise ValueError(f"tensorinv's ind= counts the first axes, at least 1, but came as {ind}.")
    rows = prod(a.shape[:ind])
    return inv(a.reshape(rows, -1)).reshape(a.shape[ind:] + a.shape[:ind])


class SlogdetResult(NamedTuple):
    """The sign of a determinant and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


@means(np.linalg.slogdet)
def slogdet(a: Any) -> SlogdetResult:
    return SlogdetResult(signdet(a), logabsdet(a))


@means(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, *, rtol: Any = None) -> Any:
    rcond = rtol if rcond is None else rcond
    return pinv_rule(a, 1e-15 if rcond is None else rcond)


@means(np.linalg.cholesky)
def cholesky(a: Any, *, upper: bool = False) -> Any:
    return matrix_transpose(cholesky_rule(matrix_transpose(a))) if upper else cholesky_rule(a)


means(np.linalg.inv)(inv)
means(np.linalg.det)(det)

# --- eigenvalues and singular values: their gradients are made of their vectors -------------------

SYMMETRIC = [
    (arr(3, 3, kind="positive definite"), "L"),
    (arr(2, 2, 2, kind="positive definite"), "U"),
]
TALL_AND_WIDE = [(arr(4, 3),), (arr(2, 4),), (arr(2, 3, 3),)]


def _read(x: Any, triangle: str) -> Any:
    """The gradient of a symmetric matrix of which only one triangle is read."""
    return _from_lower(x) if triangle == "L" else _from_lower(x).mT


def _eigh_vectors(a: Any, triangle: Any) -> Any:
    return np.linalg.eigh(a, triangle)[1]


def _eig(a: Any) -> Any:
    values, vectors = np.linalg.eig(a)
    if values.dtype.kind == "c":
        raise TypeError(
            "np.linalg.eig found complex eigenvalues, and complex numbers are not supported on "
            "Tensors: pass t.detach(), or a symmetric matrix to np.linalg.eigh."
        )
    return values, vectors


def _eig_values(a: Any) -> Any:
    return _eig(a)[0]


def _eig_vectors(a: Any) -> Any:
    return _eig(a)[1]


def _svd_left(a: Any) -> Any:
    return np.linalg.svd(a, full_matrices=False)[0]


def _svd_values(a: Any) -> Any:
    return np.linalg.svd(a, compute_uv=False)


def _svd_right(a: Any) -> Any:
    return np.linalg.svd(a, full_matrices=False)[2]


_eigvalsh: Callable[..., Any] = rule(
    "eigvalsh",
    lambda a, triangle: np.linalg.eigvalsh(a, triangle),
    lambda g, out, a, triangle: _read(
        _product(_eigenvectors(a, triangle), g, _eigenvectors(a, triangle).mT), triangle
    ),
    examples=SYMMETRIC,
)
_eigenvectors: Callable[..., Any] = rule(
    "eigenvectors",
    _eigh_vectors,
    lambda g, out, a, triangle: _read(
        out @ (_one_over_differences(_eigvalsh(a, triangle)) * (out.mT @ g)) @ out.mT, triangle
    ),
    examples=SYMMETRIC,
)
# of a matrix that need not be symmetric; the vectors are of length 1, so none grows along itself
eigvals: Callable[..., Any] = rule(
    "eigvals",
    _eig_values,
    lambda g, out, a: np.linalg.inv(_eig_columns(a)).mT @ (g[..., :, None] * _eig_columns(a).mT),
    examples=INVERTIBLE,
)
_eig_columns: Callable[..., Any] = rule(
    "eig_vectors",
    _eig_vectors,
    lambda g, out, a: (
        np.linalg.inv(out).mT
        @ (
            _one_over_differences(eigvals(a))
            * (out.mT @ (g - out * (out * g).sum(axis=-2, keepdims=True)))
        )
        @ out.mT
    ),
    examples=INVERTIBLE[1:],
)
svdvals: Callable[..., Any] = rule(
    "svdvals",
    _svd_values,
    lambda g, out, a: _product(_left_vectors(a), g, _right_vectors(a)),
    examples=TALL_AND_WIDE,
)
_left_vectors: Callable[..., Any] = rule(
    "left_vectors",
    _svd_left,
    lambda g, out, a: _of_left_vectors(g, out, svdvals(a), _right_vectors(a)),
    examples=TALL_AND_WIDE,
)
_right_vectors: Callable[..., Any] = rule(
    "right_vectors",
    _svd_right,
    lambda g, out, a: _of_left_vectors(g.mT, out.mT, svdvals(a), _left_vectors(a).mT).mT,
    examples=TALL_AND_WIDE,
)


def _product(u: Any, s: Any, v: Any) -> Any:
    """u times the diagonal matrix of s times v."""
    return (u * s[..., None, :]) @ v


def _one_over_differences(w: Any) -> Any:
    """1 / (w[j] - w[i]), and 0 on the diagonal."""
    same = np.eye(w.shape[-1], dtype=bool)
    return np.where(same, 0, 1 / np.where(same, 1, w[..., None, :] - w[..., :, None]))


def _of_left_vectors(g: Any, u: Any, s: Any, v: Any) -> Any:
    turning = _one_over_differences(s**2) * (u.mT @ g - g.mT @ u)
    outside = g - u @ (u.mT @ g)
    return _product(u @ turning, s, v) + _product(outside, 1 / s, v)


class EigResult(NamedTuple):
    """The eigenvalues of a matrix, and its eigenvectors as columns of length 1."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """The eigenvalues of a symmetric matrix, least first, and its eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """The singular value decomposition: the matrix is (U * S) @ Vh."""

    U: Any
    S: Any
    Vh: Any


@means(np.linalg.eig)
def eig(a: Any) -> EigResult:
    return EigResult(eigvals(a), _eig_columns(a))


means(np.linalg.eigvals)(eigvals)


@means(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    return EighResult(_eigvalsh(a, UPLO.upper()), _eigenvectors(a, UPLO.upper()))


@means(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return _eigvalsh(a, UPLO.upper())


@means(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    if not compute_uv:
        return svdvals(a)
    if full_matrices and len(set(a.shape[-2:])) > 1:
        raise TypeError(
            "np.linalg.svd with full_matrices=True is not supported on Tensors, the additional "
            "vectors have no gradient: use full_matrices=False."
        )
    return SVDResult(_left_vectors(a), svdvals(a), _right_vectors(a))


if hasattr(np.linalg, "svdvals"):
    means(np.linalg.svdvals)(svdvals)

# --- lengths --------------------------------------------------------------------------------------


@means(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm; the gradient of the Euclidean norm at the zero vector is 0."""
    x = floating(x)
    if axis is None and ord is None:
        return norm_rule(x, None, true_or_false(keepdims))
    axes = tuple(range(x.ndim)) if axis is None else positive_axes(axis, x.ndim)
    if len(axes) == 1:
        return _vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm takes one axis or two, but got {len(axes)}: {axes}.")
    if ord is None or ord == "fro":
        return norm_rule(x, axes, true_or_false(keepdims))
    if ord in (2, -2, "nuc"):
        s = svdvals(moveaxis(x, axes, (-2, -1)))
        most = sum(s, -1) if ord == "nuc" else (max if ord > 0 else min)(s, -1)
        return np.expand_dims(most, axes) if keepdims else most
    if ord not in (1, -1, inf, -inf):
        raise ValueError(
            f"norm of a matrix takes ord='fro', 'nuc', 1, -1, 2, -2, inf or -inf, not {ord!r}."
        )
    summed, compared = axes if ord in (1, -1) else axes[::-1]
    most = (max if ord > 0 else min)(sum(abs(x), summed, True), compared, True)
    return most if keepdims else most.squeeze(axes)


def _vector_norm(x: Any, p: Any, axis: int, keepdims: bool) -> Any:
    if isinstance(p, str):
        raise ValueError(f"norm of vectors takes a number as ord=, but came as {p!r}.")
    if p == 2:
        return norm_rule(x, axis, true_or_false(keepdims))
    if p in (inf, -inf):
        return (max if p > 0 else min)(abs(x), axis, keepdims)
    if p == 0:
        return sum((x != 0).astype(x.dtype), axis, keepdims)
    if p == 1:
        return sum(abs(x), axis, keepdims)
    power = _flat_at_zero if p > 0 else np.power
    return power(sum(power(abs(x), p), axis, keepdims), 1 / p)


def _flat_at_zero(x: Any, p: float) -> Any:
    """x**p, whose derivative at 0 is taken as 0 where it would be infinite."""
    return np.where(x == 0, 0, np.where(x == 0, 1, x) ** p)


if hasattr(np.linalg, "vector_norm"):

    @means(np.linalg.vector_norm)
    def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
        if isinstance(axis, tuple) and len(axis) > 1 and ord != 2:
            raise TypeError("vector_norm over several axes is supported for ord=2 on Tensors.")
        if ord == 2:
            return norm_rule(x, axis, true_or_false(keepdims))
        x, axis = (ravel(x), 0) if axis is None else (x, positive_axes(axis, x.ndim)[0])
        return _vector_norm(x, ord, axis, keepdims)


if hasattr(np.linalg, "matrix_norm"):

    @means(np.linalg.matrix_norm)
    def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
        return norm(x, ord, (-2, -1), keepdims)
