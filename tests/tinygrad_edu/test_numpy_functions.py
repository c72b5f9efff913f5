"""NumPy's functions on Tensors: the values are NumPy's, the gradients those of central differences.

Every case is a function that takes arrays or Tensors alike, so NumPy itself is the reference.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.protocols import FUNCTIONS, UFUNC_METHODS, UFUNCS
from tinygrad_edu.rules.elementwise import dropout, gelu, leaky_relu

CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}
SMALL = np.array([[2, 0], [1, 1]])
MASK = np.array([[True, False, True], [False, False, True]])


def case(name: str, f: Callable[..., Any], *shapes: Any) -> None:
    assert name not in CASES, name
    CASES[name] = f, shapes


def cases(prefix: str, **functions: Any) -> None:
    for name, (f, *shapes) in functions.items():
        case(f"{prefix}: {name}", f, *shapes)


def tensor(a: Any) -> bool:
    return isinstance(a, Tensor)


def where0(a: Any) -> Any:
    return np.where(a > 0, a * a, a)


def holes(a: Any) -> Any:
    """``a`` with a nan in each row but the last."""
    n, m = a.shape
    return np.where(np.arange(m) == (np.arange(n) + 1)[:, None], np.nan, a)


V, M, T3 = (4,), (2, 3), (2, 3, 4)
PD = "positive definite"

cases(
    "operators",
    add=(lambda a, b: a + b, M, (3,)),
    radd=(lambda a: 2 + a, M),
    subtract=(lambda a, b: a - b, M, (2, 1)),
    rsub=(lambda a: 2 - a, M),
    multiply=(lambda a, b: a * b, M, ()),
    divide=(lambda a, b: a / b, M, M),
    rdivide=(lambda a: 1 / a, M),
    power=(lambda a: a**3, M),
    rpower=(lambda a: 2.0**a, M),
    root=(lambda a: (a * a) ** 0.5, M),
    negative=(lambda a: -a, M),
    positive=(lambda a: +a, M),
    absolute=(lambda a: abs(a), M),
    modulo=(lambda a: a % 0.7, M),
    rmodulo=(lambda a: 5.0 % a, M),
    divmod=(lambda a: divmod(a, 0.7)[1], M),
    npdivmod=(lambda a: np.divmod(a, 0.7)[1], M),
    matmul=(lambda a, b: a @ b, M, (3, 4)),
    rmatmul=(lambda a: np.ones((4, 2)) @ a, M),
    lists=(lambda a: [1.0, 2.0, 3.0] + a * [1, 2, 3], M),
    array_first=(lambda a: np.arange(3.0) * a - np.float64(2) * a, M),
    masked=(lambda a: a * (a > 0) + a * ((a < 1) & ~(a < 0)) + (a >= 1) * a, M),
    mixed=(lambda a: (a <= 1) * a + ((a == 1) | (a != 2)) * a + ((a < 0) ^ (a > 1)) * a, M),
    builtin_sum=(lambda a: sum(a), M),
    iteration=(lambda a: sum(row @ row for row in a), M),
)
cases(
    "elementwise",
    clip=(lambda a: np.clip(a, -0.5, 0.7), M),
    clip_low=(lambda a: np.clip(a, 0.1, None), M),
    clip_high=(lambda a: a.clip(None, 0.1), M),
    clip_bounds=(lambda a, b, c: np.clip(a, b - 2, c + 2), M, (3,), ()),
    maximum_zero=(lambda a: np.maximum(a, 0), M),
    zero_maximum=(lambda a: np.maximum(0.0, a), M),
    minimum=(lambda a, b: np.minimum(a, b), M, (3,)),
    where=(lambda a, b: np.where(a > 0, a * a, b), M, (3,)),
    where_number=(lambda a: np.where(MASK, a, 0.0), M),
    where_list=(lambda a: np.where([True, False, True], a, 0), M),
    where_protects=(lambda a: np.where(a > 0, np.sqrt(np.where(a > 0, a, 1)), 0), M),
    sinc_at_zero=(lambda a: np.sinc(a * np.array([0.0, 1e-9, 1.0])), M),
    nan_to_num=(lambda a: np.nan_to_num(a * np.array([1, 1, 2])), M),
    nan_to_values=(lambda a: np.nan_to_num(a, nan=1.0, posinf=2.0, neginf=-2.0), M),
    float_power=(lambda a: np.float_power(np.abs(a), 2.5), M),
    fabs=(lambda a: np.fabs(a), M),
    radians=(lambda a: np.radians(a) + np.degrees(a), M),
    true_divide=(lambda a, b: np.true_divide(a, b), M, (3,)),
    real=(lambda a: np.real(a) + np.conjugate(a) + np.real_if_close(a), M),
    constants=(
        lambda a: a * (np.sign(a) + np.floor(a) + np.ceil(a) + np.rint(a) + np.trunc(a)),
        M,
    ),
    rounded=(lambda a: a * np.round(a, 1) + a * np.fix(a) + a * (a // 0.3), M),
    heaviside=(lambda a: a * np.heaviside(a, 0.5) + a * np.signbit(a), M),
    predicates=(lambda a: a * np.isfinite(a) + a * ~np.isnan(a) + a * np.isinf(a), M),
    logic=(lambda a: a * np.logical_and(a > 0, a < 1) + a * np.logical_not(a > 0), M),
    leaky_relu=(lambda a: leaky_relu(a, 0.1), M),
    gelu=(lambda a: gelu(a), M),
    gelu_tanh=(lambda a: gelu(a, approximate="tanh"), M),
    dropout=(lambda a: dropout(a, 0.5, np.random.default_rng(3)), M),
    imaginary=(lambda a: np.imag(a) + a.imag + a.real * a.conj() + np.angle(a) * a, M),
    unwrap=(lambda a: np.unwrap(9 * a) + np.unwrap(9 * a, axis=0, period=3.0), M),
    choose=(lambda a, b: np.choose(SMALL, [a, b, 2 * a]), (2, 2), (2,)),
    choose_method=(lambda a: (a > 0).choose([a, a * a]) if tensor(a) else where0(a), M),
    piecewise=(lambda a: np.piecewise(a, [a < 0, a > 1], [np.abs, np.square, 3.0]), M),
    piecewise_two=(lambda a: np.piecewise(a, [a > 0, a > 1], [np.exp, lambda x: x * x]), M),
    ldexp=(lambda a: np.ldexp(a, SMALL[:, :1]) + np.ldexp(a, -2), M),
    modf=(lambda a: np.modf(a)[0] * a + np.modf(a)[1], M),
    frexp=(lambda a: np.frexp(a)[0] * np.frexp(a)[1] * a, M),
    neighbours=(lambda a: np.nextafter(a, 9.0) * a + np.spacing(a), M),
    empty=(lambda a: np.exp(a) * a, (0, 3)),
    number=(lambda a: np.exp(a) * a, ()),
)
for axis in (None, 0, 1, -1, (0, 2), (-1, 0), ()):
    for keepdims in (False, True):
        options = {"axis": axis, "keepdims": keepdims}
        for function in (np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.nansum):
            if axis == () and function is np.std:
                continue  # the numbers are compared with themselves: a kink everywhere
            case(
                f"{function.__name__} {options}",
                lambda a, f=function, o=options: f(a, **o),
                T3,
            )
        case(f"logsumexp {options}", lambda a, o=options: tg.rules.logsumexp(a, **o), T3)
cases(
    "reductions",
    methods=(lambda a: a.sum(1) + a.mean(axis=1) + a.max(1) + a.min(1) + a.prod(1), M),
    spread=(lambda a: a.var(axis=0) + a.std(axis=0) + np.ptp(a, axis=0), M),
    ddof=(lambda a: np.var(a, axis=1, ddof=1) + np.std(a, 1, ddof=1), M),
    correction=(lambda a: np.var(a, axis=1, correction=1), M),
    amax=(lambda a: np.amax(a, axis=0) - np.amin(a, axis=0), M),
    number=(lambda a: np.sum(a) + np.max(a) + np.prod(a) + np.mean(a) + np.cumsum(a)[0], ()),
    empty_sum=(lambda a: np.sum(a, axis=0) + a.sum(), (0, 3)),
    empty_prod=(lambda a: np.prod(a, axis=0) + a.prod(), (0, 3)),
    cumsum=(lambda a: np.cumsum(a), M),
    cumsum_axis=(lambda a: np.cumsum(a, axis=-1) + a.cumsum(0), M),
    cumprod=(lambda a: np.cumprod(a), M),
    cumprod_axis=(lambda a: np.cumprod(a, axis=1) + a.cumprod(axis=-2), M),
    cumprod_zeros=(lambda a: np.cumprod(a * np.array([1, 0, 1, 0]), axis=0), V),
    prod_zeros=(lambda a: np.prod(a * np.array([1, 0, 1])), M),
    prod_zero=(lambda a: np.prod(a * np.array([1, 0, 1, 1])), V),
    average=(lambda a: np.average(a) + np.average(a, axis=0), M),
    average_weights=(lambda a, w: np.average(a, axis=1, weights=abs(w)), M, (3,)),
    average_all=(lambda a, w: np.average(a, weights=abs(w)), M, M),
    average_returned=(lambda a: np.average(a, axis=0, returned=True)[1] * a, M),
    nansum=(lambda a: np.nansum(np.where(MASK, a, np.nan), axis=0), M),
    nanmean=(lambda a: np.nanmean(np.where(MASK, a, np.nan), axis=1), M),
    nanmax=(lambda a: np.nanmax(np.where(MASK, a, np.nan), axis=1), M),
    nanmin=(lambda a: np.nanmin(np.where(MASK, a, np.nan), axis=1), M),
    count=(
        lambda a: a * np.count_nonzero(a > 0, axis=0) + a * np.any(a > 0) + a * np.all(a > 0),
        M,
    ),
    argmax=(lambda a: a[np.argmax(a, axis=0), np.arange(3)] + a[a.argmin(0), range(3)], M),
    sum_options=(lambda a: np.sum(a, axis=0, where=MASK, initial=2.0) + a.sum(0, dtype=a.dtype), M),
    sum_defaults=(lambda a: np.sum(a, out=None, dtype=None, where=True, axis=1, initial=1), M),
    mean_where=(lambda a: np.mean(a, axis=1, where=MASK, keepdims=True) + a.mean(dtype=a.dtype), M),
    prod_options=(lambda a: np.prod(a, axis=0, where=MASK, initial=2.0), M),
    max_options=(lambda a: np.max(a, axis=0, where=MASK, initial=-9.0) + np.max(a, initial=5), M),
    min_options=(lambda a: np.min(a, axis=0, where=MASK, initial=9.0) + a.min(initial=0.1), M),
    nanprod=(lambda a: np.nanprod(holes(a), axis=0), M),
    nancumsum=(lambda a: np.nancumsum(holes(a), axis=1) + np.nancumsum(holes(a))[0], M),
    nancumprod=(lambda a: np.nancumprod(holes(a), axis=1) + np.nancumprod(holes(a))[0], M),
    nanvar=(lambda a: np.nanvar(holes(a)) + np.nanvar(holes(a), axis=0, keepdims=True), (4, 3)),
    nanstd=(lambda a: np.nanstd(holes(a), ddof=1) + np.nanstd(holes(a), axis=0), (4, 3)),
    nanmedian=(lambda a: np.nanmedian(holes(a), axis=0) + np.nanmedian(holes(a)), (4, 3)),
    nanmedian_even=(lambda a: np.nanmedian(holes(a), axis=1, keepdims=True), (3, 4)),
    cumulative_sum=(lambda a: np.cumulative_sum(a, axis=1, include_initial=True), M),
    cumulative_prod=(lambda a: np.cumulative_prod(a) * np.cumulative_sum(a), V),
    cumulative_dtype=(lambda a: np.cumsum(a, 0, a.dtype) + np.cumprod(a, 0, a.dtype), M),
    add_reduce=(lambda a: np.add.reduce(a) + np.add.reduce(a, axis=None), M),
    multiply_reduce=(lambda a: np.multiply.reduce(a, axis=1), M),
    maximum_reduce=(lambda a: np.maximum.reduce(a) - np.minimum.reduce(a), M),
    accumulate=(lambda a: np.add.accumulate(a) + np.multiply.accumulate(a, axis=1), M),
    logaddexp_reduce=(lambda a: np.logaddexp.reduce(a, axis=1), M),
    add_outer=(lambda a, b: np.add.outer(a, b), M, (2,)),
    multiply_outer=(lambda a, b: np.multiply.outer(a, b), (3,), M),
    median=(lambda a: np.median(a) + np.median(a, axis=0), (3, 4)),
    quantile=(lambda a: np.quantile(a, 0.3, axis=0) + np.percentile(a, 60), (4, 3)),
    quantile_methods=(
        lambda a: [
            np.quantile(a, 0.37, axis=1, method=m) + np.percentile(a, [20, 80], 1, method=m)
            for m in ("lower", "higher", "nearest", "midpoint", "hazen", "inverted_cdf", "weibull")
        ],
        (2, 5),
    ),
    nanquantile=(lambda a: np.nanquantile(holes(a), [0.2, 0.7], axis=1, keepdims=True), (3, 5)),
    nanpercentile=(lambda a: np.nanpercentile(holes(a), 40, axis=0), (4, 3)),
    var_options=(lambda a: np.var(a, 1, where=MASK, mean=a[:, :1]) + a.var(0, dtype=a.dtype)[0], M),
    std_where=(lambda a: np.std(a, axis=0, where=MASK | ~MASK[::-1], ddof=0.5, keepdims=True), M),
    nan_where=(
        lambda a: np.nanmean(holes(a), 1, where=a < 1.5) + np.nansum(holes(a), 1, where=a < 1),
        (3, 4),
    ),
    nan_options=(lambda a: np.nanmax(holes(a), 1, initial=0.1) + np.nanprod(holes(a), 1), M),
    median_of_nothing=(lambda a: np.median(a, axis=1), (0, 3)),
    quantiles=(lambda a: np.quantile(a, [0.25, 0.8], axis=1), M),
    cov=(lambda a: np.cov(a) + np.corrcoef(a), M),
    cov_weights=(
        lambda a, w: np.cov(a, fweights=[1, 2, 1], aweights=abs(w)) * np.cov(a[0], aweights=abs(w)),
        M,
        (3,),
    ),
    subtract_reduce=(lambda a: np.subtract.reduce(a) + np.divide.reduce(a, axis=-1)[0], M),
    hypot_reduce=(lambda a: np.hypot.reduce(a, axis=(0, 2), keepdims=True), T3),
    running_maximum=(lambda a: np.maximum.accumulate(a, axis=1) - np.minimum.accumulate(a), M),
    reduceat=(
        lambda a: np.add.reduceat(a, [0, 2, 1], axis=1) + np.multiply.reduceat(a, [1, 0])[0],
        M,
    ),
    bincount=(lambda w: np.bincount([0, 2, 2, 5], w, minlength=7), V),
    apply_over=(lambda a: np.apply_over_axes(np.sum, a, [0, -1]), T3),
    trapezoid=(lambda a: np.trapezoid(a) + np.trapezoid(a, dx=0.5, axis=1), M),
    trapezoid_x=(lambda a, x: np.trapezoid(a, x), M, (3,)),
    softmax_axes=(lambda a: tg.rules.softmax(a, 0) + tg.rules.log_softmax(a, -1), M),
)
cases(
    "linear algebra",
    dot_1_1=(lambda a, b: np.dot(a, b), V, V),
    dot_2_1=(lambda a, b: np.dot(a, b), M, (3,)),
    dot_1_2=(lambda a, b: a.dot(b), (2,), M),
    dot_2_2=(lambda a, b: np.dot(a, b), M, (3, 2)),
    dot_number=(lambda a, b: np.dot(a, b) + np.dot(b, 3.0), (), M),
    dot_n_1=(lambda a, b: np.dot(a, b), T3, V),
    dot_n_m=(lambda a, b: np.dot(a, b), T3, (2, 4, 2)),
    dot_1_n=(lambda a, b: np.dot(a, b), V, (2, 4, 2)),
    dot_list=(lambda a: np.dot([1.0, 2.0], a), M),
    matmul_1_n=(lambda a, b: a @ b, (3,), T3),
    matmul_n_1=(lambda a, b: np.matmul(a, b), T3, V),
    matmul_batch=(lambda a, b: a @ b, (5, 1, 2, 3), (4, 3, 2)),
    inner=(lambda a, b: np.inner(a, b), M, (4, 3)),
    inner_1=(lambda a, b: np.inner(a, b) + np.inner(2.0, b), V, V),
    outer=(lambda a, b: np.outer(a, b), M, V),
    vdot=(lambda a, b: np.vdot(a, b), M, M),
    vecdot=(lambda a, b: np.vecdot(a, b), M, (3,)),
    tensordot=(lambda a, b: np.tensordot(a, b), T3, (3, 4, 2)),
    tensordot_axes=(lambda a, b: np.tensordot(a, b, axes=([0, -1], [1, 0])), T3, (4, 2, 5)),
    tensordot_axis=(lambda a, b: np.tensordot(a, b, (2, 0)), T3, (4, 2)),
    tensordot_0=(lambda a, b: np.tensordot(a, b, 0), V, M),
    kron=(lambda a, b: np.kron(a, b), M, (3, 2)),
    kron_1=(lambda a, b: np.kron(a, b), (2,), M),
    cross=(lambda a, b: np.cross(a, b), M, (3,)),
    cross_axis=(lambda a, b: np.cross(a, b, axis=0), (3, 2), (3, 2)),
    einsum=(lambda a, b: np.einsum("ij,jk->ik", a, b), M, (3, 4)),
    einsum_implicit=(lambda a, b: np.einsum("ij,jk", a, b), M, (3, 4)),
    einsum_sorted=(lambda a: np.einsum("ba", a), M),
    einsum_sum=(lambda a, b: np.einsum("ij,kl->k", a, b), M, (*V, 2)),
    einsum_total=(lambda a: np.einsum("ij->", a), M),
    einsum_trace=(lambda a: np.einsum("ii", a), (3, 3)),
    einsum_diagonal=(lambda a: np.einsum("iij->ji", a), (3, 3, 2)),
    einsum_thrice=(lambda a: np.einsum("iii->i", a), (3, 3, 3)),
    einsum_ellipsis=(lambda a, b: np.einsum("...ij,...jk->...ik", a, b), (5, 2, 3), (3, 2)),
    einsum_ellipses=(lambda a, b: np.einsum("...i,...i", a, b), (4, 1, 3), (2, 3)),
    einsum_ellipsis_summed=(lambda a: np.einsum("i...->...", a), T3),
    einsum_size_one=(lambda a, b: np.einsum("ij,jk->ik", a, b), M, (1, 4)),
    einsum_lists=(lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2]), M, (3, 4)),
    einsum_three=(lambda a, b, c: np.einsum("i,ij,j->", a, b, c), (2,), M, (3,)),
    einsum_twice=(lambda a: np.einsum("ij,ij->i", a, a), M),
    einsum_optimize=(lambda a, b: np.einsum("ij,jk->ik", a, b, optimize=True), M, (3, 4)),
    linalg_matmul=(lambda a, b: np.linalg.matmul(a, b), M, (3, 4)),
    qr=(lambda a: np.linalg.qr(a), (4, 3)),
    qr_square=(lambda a: np.linalg.qr(a, "complete").R, (3, 3)),
    qr_r=(lambda a: np.linalg.qr(a, mode="r"), (2, 4, 3)),
    lstsq=(lambda a, b: np.linalg.lstsq(a, b)[0], (4, 3), (4, 2)),
    lstsq_1=(lambda a, b: np.linalg.lstsq(a, b)[0] * np.linalg.lstsq(a, b)[1], (4, 3), (4,)),
    lstsq_wide=(lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], M, (2,)),
    lstsq_rest=(lambda a, b: np.linalg.lstsq(a, b)[2] * np.linalg.lstsq(a, b)[3], (4, 3), (4,)),
    cond=(lambda a: np.linalg.cond(a) + np.linalg.cond(a, 1) + np.linalg.cond(a, -2), PD),
    tensorsolve=(
        lambda a, b: np.linalg.tensorsolve(a.reshape(3, 1, 3) + 0, b[:, None]),
        PD,
        (3,),
    ),
    tensorsolve_axes=(
        lambda a, b: np.linalg.tensorsolve(a.reshape(3, 3, 1), b[:, None], (0,)),
        PD,
        (3,),
    ),
    tensorinv=(lambda a: np.linalg.tensorinv(a.reshape(3, 1, 3), ind=2), PD),
    inv=(lambda a: np.linalg.inv(a), PD),
    solve=(lambda a, b: np.linalg.solve(a, b), PD, (3, 2)),
    solve_1=(lambda a, b: np.linalg.solve(a, b), PD, (3,)),
    det=(lambda a: np.linalg.det(a), PD),
    det_singular=(lambda a: np.linalg.det(a[:, None] * a + np.diag([1.0, 0, 0])), (3,)),
    slogdet=(lambda a: np.linalg.slogdet(a)[1] * np.linalg.slogdet(a).sign, PD),
    cholesky=(lambda a: np.linalg.cholesky(a), PD),
    cholesky_upper=(lambda a: np.linalg.cholesky(a, upper=True), PD),
    pinv=(lambda a: np.linalg.pinv(a), (4, 3)),
    eigh=(lambda a: np.linalg.eigh(a + a.T)[0], PD),
    eig=(lambda a: np.linalg.eig(a + np.triu(a))[0] ** 2, PD),
    eig_vectors=(lambda a: np.linalg.eig(a + np.triu(a)).eigenvectors ** 2, PD),
    eigvals=(lambda a: np.linalg.eigvals(a[0] + a[0].T + np.eye(3)), (1, 3, 3)),
    eigh_vectors=(lambda a: np.linalg.eigh(a + a.T)[1] ** 2, PD),
    eigvalsh=(lambda a: np.linalg.eigvalsh(a), PD),
    svd_values=(lambda a: np.linalg.svd(a, compute_uv=False), (4, 3)),
    svdvals=(lambda a: np.linalg.svdvals(a), (2, 3, 2)),
    svd=(lambda a: np.linalg.svd(a, full_matrices=False)[0] ** 2, (4, 3)),
    svd_wide=(lambda a: np.linalg.svd(a, full_matrices=False)[2] ** 2, (3, 4)),
    matrix_power=(lambda a: np.linalg.matrix_power(a, 3), PD),
    matrix_power_0=(lambda a: np.linalg.matrix_power(a, 0) * a, PD),
    matrix_power_negative=(lambda a: np.linalg.matrix_power(a, -2), PD),
    multi_dot=(lambda a, b, c: np.linalg.multi_dot([a, b, c]), M, (3, 4), (4,)),
    norm=(lambda a: np.linalg.norm(a), T3),
    norm_axis=(lambda a: np.linalg.norm(a, axis=1, keepdims=True), T3),
    norm_axes=(lambda a: np.linalg.norm(a, axis=(0, 2)), T3),
    norm_fro=(lambda a: np.linalg.norm(a, "fro"), M),
    norm_matrix_1=(lambda a: np.linalg.norm(a, 1) + np.linalg.norm(a, -1), M),
    norm_matrix_inf=(lambda a: np.linalg.norm(a, np.inf, keepdims=True), M),
    norm_matrix_2=(lambda a: np.linalg.norm(a, 2) + np.linalg.norm(a, -2), M),
    norm_nuclear=(lambda a: np.linalg.norm(a, "nuc"), M),
    norm_vector_1=(lambda a: np.linalg.norm(a, 1), V),
    norm_vector_inf=(lambda a: np.linalg.norm(a, np.inf) + np.linalg.norm(a, -np.inf), V),
    norm_vector_3=(lambda a: np.linalg.norm(a, 3, axis=0), M),
    norm_vector_0=(lambda a: np.linalg.norm(a, 0) * a, V),
    vector_norm=(lambda a: np.linalg.vector_norm(a, axis=1, ord=3), M),
    vector_norm_all=(lambda a: np.linalg.vector_norm(a) + np.linalg.vector_norm(a, ord=1), M),
    matrix_norm=(lambda a: np.linalg.matrix_norm(a), T3),
    diag=(lambda a: np.diag(a), V),
    diag_shifted=(lambda a: np.diag(a, 1) + np.diag(a, -1), V),
    diag_of=(lambda a: np.diag(a, 1), (3, 4)),
    diagonal=(lambda a: np.diagonal(a, -1, 0, 2) + a.diagonal(1, 1, 0), (3, 3, 3)),
    diagonal_out=(lambda a: np.diagonal(a, 7), (3, 3)),
    diagflat=(lambda a: np.diagflat(a, 1), M),
    trace=(lambda a: np.trace(a) + a.trace(1), (3, 3)),
    trace_axes=(lambda a: np.trace(a, 0, 1, 2), T3),
    linalg_diagonal=(lambda a: np.linalg.diagonal(a, offset=1), T3),
    linalg_trace=(lambda a: np.linalg.trace(a), T3),
    tril=(lambda a: np.tril(a) + np.triu(a, 1), (3, 3)),
    tril_batch=(lambda a: np.tril(a, -1) + np.triu(a), T3),
    convolve=(lambda a, b: np.convolve(a, b), (5,), (3,)),
    convolve_same=(lambda a, b: np.convolve(a, b, "same"), (3,), (6,)),
    convolve_valid=(lambda a, b: np.convolve(a, b, mode="valid"), (5,), (3,)),
    correlate=(lambda a, b: np.correlate(a, b, "full"), (5,), (3,)),
    correlate_valid=(lambda a, b: np.correlate(a, b), (5,), (3,)),
    matvec=(lambda a, x: np.matvec(a, x), T3, (2, 4)),
    vecmat=(lambda x, a: np.vecmat(x, a), (2, 3), T3),
    polyval=(lambda p, x: np.polyval(p, x), V, (3,)),
    polyadd=(lambda a, b: np.polyadd(a, b) + np.polyadd(b, a) + np.polyadd(a, 2.0), V, (2,)),
    polysub=(lambda a, b: np.polysub(a, b) * np.polysub(b, a), V, (2,)),
    polymul=(lambda a, b: np.polymul(a, b) + np.polymul(b, a), V, (2,)),
    polyder=(lambda a: np.polyder(a), V),
    polyder_2=(lambda a: np.polyder(a, 2), V),
    polyint=(lambda a: np.polyint(a), V),
    polyint_2=(lambda a, b: np.polyint(a, 2, b), V, (2,)),
    polyfit=(lambda x, y: np.polyfit(x, y, 2), (6,), (6,)),
    polyfit_weights=(lambda y, w: np.polyfit(np.arange(5.0) ** 1.2, y, 1, w=abs(w)), (5, 2), (5,)),
    qr_wide=(lambda a: np.linalg.qr(a), (2, 4)),
    qr_wide_r=(lambda a: np.linalg.qr(a, mode="r"), (2, 2, 3)),
    vander=(lambda a: np.vander(a, 3) + np.vander(a, 3, increasing=True), V),
)
cases(
    "shapes",
    reshape=(lambda a: np.reshape(a, (3, -1)) * np.arange(3)[:, None], M),
    reshape_method=(lambda a: a.reshape(3, 2) + a.reshape((3, -1)), M),
    reshape_f=(lambda a: np.reshape(a, (3, 2), order="F"), M),
    reshape_f_3=(lambda a: a.reshape((4, -1), order="F"), T3),
    ravel=(lambda a: np.ravel(a) * np.arange(6.0) + a.ravel() + a.flatten(), M),
    ravel_f=(lambda a: np.ravel(a, "F") + a.flatten("F"), M),
    transpose=(lambda a: np.transpose(a) + a.T + a.transpose(), M),
    transpose_axes=(lambda a: np.transpose(a, (2, 0, -2)), T3),
    transpose_method=(lambda a: a.transpose(1, 0, 2) + a.transpose((1, 0, 2)), T3),
    permute_dims=(lambda a: np.permute_dims(a, (2, 0, 1)), T3),
    matrix_transpose=(lambda a: a.mT + np.matrix_transpose(a), T3),
    swapaxes=(lambda a: np.swapaxes(a, 0, -1) + a.swapaxes(2, 0), T3),
    moveaxis=(lambda a: np.moveaxis(a, 0, -1), T3),
    moveaxes=(lambda a: np.moveaxis(a, [0, 1], [-1, 0]), T3),
    rollaxis=(lambda a: np.rollaxis(a, 2), T3),
    rollaxis_start=(lambda a: np.rollaxis(a, 0, 2), T3),
    squeeze=(lambda a: np.squeeze(a) + a.squeeze((0, -1)), (1, 3, 1)),
    expand_dims=(lambda a: np.expand_dims(a, (0, 2)), M),
    broadcast_to=(lambda a: np.broadcast_to(a, (4, 2, 3)), (2, 1)),
    broadcast_arrays=(lambda a, b: np.multiply(*np.broadcast_arrays(a, b)), (2, 1), (3,)),
    atleast=(lambda a: np.atleast_1d(a) + np.atleast_2d(a) + np.atleast_3d(a), ()),
    atleast_3d=(lambda a: np.atleast_3d(a), M),
    concatenate=(lambda a, b: np.concatenate([a, b], axis=1), M, (2, 1)),
    concatenate_flat=(lambda a, b: np.concatenate((a, b, a), axis=None), M, V),
    concatenate_mixed=(lambda a: np.concatenate([np.ones((1, 3)), a, [[1, 2, 3]]]), M),
    concatenate_one=(lambda a: np.concatenate([a]), M),
    concat=(lambda a, b: np.concat([a, b]), M, (1, 3)),
    stack=(lambda a, b: np.stack([a, b], axis=-1), M, M),
    stack_numbers=(lambda a, b: np.stack([a, b, a * b]), (), ()),
    hstack=(lambda a, b: np.hstack([a, b]), M, (2, 2)),
    hstack_1=(lambda a, b: np.hstack([a, b, 1.0]), V, ()),
    vstack=(lambda a, b: np.vstack([a, b]), M, (3,)),
    dstack=(lambda a, b: np.dstack([a, b]), M, M),
    column_stack=(lambda a, b: np.column_stack([a, b]), M, (2,)),
    append=(lambda a, b: np.append(a, b), M, V),
    append_axis=(lambda a, b: np.append(a, b, axis=0), M, (1, 3)),
    block=(lambda a, b: np.block([[a, np.zeros((2, 2))], [b, np.eye(2)]]), M, (2, 3)),
    block_flat=(lambda a: np.block([a, a]), M),
    split=(lambda a: np.multiply(*np.split(a, 2)), (4, 3)),
    split_at=(lambda a: np.split(a, [1, 3], axis=1)[1], (*M, 2)),
    array_split=(lambda a: np.array_split(a, 3)[0] * 2, (7,)),
    array_splits=(lambda a: np.array_split(a, 3)[2] * 2, (7,)),
    hsplit=(lambda a: np.hsplit(a, 3)[1] + np.vsplit(a, 2)[0][:, :1], M),
    dsplit=(lambda a: np.dsplit(a, 2)[1], T3),
    unstack=(lambda a: np.multiply(*np.unstack(a)), M),
    repeat=(lambda a: np.repeat(a, 2), M),
    repeat_axis=(lambda a: np.repeat(a, 3, axis=-1) + a.repeat(3, 1), M),
    repeat_each=(lambda a: np.repeat(a, [1, 0, 3], axis=1), M),
    tile=(lambda a: np.tile(a, 2), M),
    tile_more=(lambda a: np.tile(a, (2, 1, 3)), M),
    tile_fewer=(lambda a: np.tile(a, (2,)), T3),
    pad=(lambda a: np.pad(a, 1), M),
    pad_widths=(lambda a: np.pad(a, ((1, 0), (2, 3)), constant_values=5.0), M),
    pad_values=(lambda a: np.pad(a, (1, 2), "constant", constant_values=(1, 2)), V),
    pad_edge=(lambda a: np.pad(a, ((1, 2), (0, 1)), mode="edge"), M),
    pad_reflect=(lambda a: np.pad(a, 2, mode="reflect"), (3, 3)),
    pad_symmetric=(lambda a: np.pad(a, 2, mode="symmetric"), (3, 3)),
    pad_wrap=(lambda a: np.pad(a, 2, mode="wrap"), (3, 3)),
    windows=(lambda a: sliding_window_view(a, (2, 2), (-1, 1)) ** 2, T3),
    windows_twice=(lambda a: sliding_window_view(a, (2, 2), axis=(0, 0)) * 1, V),
    windows_of_all=(lambda a: np.lib.stride_tricks.sliding_window_view(a, 3) ** 2, V),
    roll=(lambda a: np.roll(a, 2), M),
    roll_axis=(lambda a: np.roll(a, -1, axis=1), M),
    roll_axes=(lambda a: np.roll(a, (1, 2), axis=(0, 1)), M),
    flip=(lambda a: np.flip(a) * np.arange(3), M),
    flip_axis=(lambda a: np.flip(a, 1) + np.flip(a, (0, -1)) + np.fliplr(a) + np.flipud(a), M),
    rot90=(lambda a: np.rot90(a) + np.rot90(a, 3) * 2, M),
    rot90_twice=(lambda a: np.rot90(a, 2) + np.rot90(a, 0), M),
    rot90_axes=(lambda a: np.rot90(a, 1, (0, 2)), T3),
    sort=(lambda a: np.sort(a) * np.arange(3), M),
    unique=(lambda a: np.unique(a) * np.unique_values(a), M),
    unique_more=(lambda a: np.unique(a[0, [2, 1, 2, 0]], True, True, True)[0] ** 2, M),
    unique_parts=(
        lambda a: (
            np.unique_all(a).values * np.unique_counts(a).counts + np.unique_inverse(a).values
        ),
        M,
    ),
    unique_rows=(lambda a: np.unique(a[[1, 0, 1]], axis=0), M),
    sets=(
        lambda a, b: [
            np.union1d(a, b),
            np.intersect1d(a, a[::2]),
            np.setdiff1d(a, a[1:]),
            np.setxor1d(a, np.append(b, a[:2])),
        ],
        V,
        (2,),
    ),
    insert_unsorted=(lambda a, b: np.insert(a, [2, 0, 1], b, axis=1), M, (3,)),
    insert_mask=(lambda a, b: np.insert(a, MASK[0], b, 1), M, (2, 1)),
    insert_slice=(lambda a, b: np.insert(a, slice(None, None, 2), b), M, (3,)),
    sort_axis=(lambda a: np.sort(a, axis=0) * np.arange(2)[:, None], M),
    sort_flat=(lambda a: np.sort(a, axis=None) * np.arange(6), M),
    argsort=(lambda a: np.take_along_axis(a, np.argsort(a, axis=1), axis=1), M),
    take=(lambda a: np.take(a, [0, 5, 5]), M),
    take_axis=(lambda a: np.take(a, SMALL, axis=1) + a.take(SMALL, 1), M),
    take_wrap=(lambda a: np.take(a, [7, -9], mode="wrap"), M),
    take_clip=(lambda a: np.take(a, [7, -9], mode="clip"), M),
    take_one=(lambda a: np.take(a, 1, axis=0), M),
    take_along=(lambda a: np.take_along_axis(a, np.array([[1, 1], [0, 2]]), 1), M),
    take_along_flat=(lambda a: np.take_along_axis(a, np.array([1, 1]), None), M),
    compress=(lambda a: np.compress([True, False, True], a, axis=1), M),
    extract=(lambda a: np.extract(MASK, a), M),
    delete=(lambda a: np.delete(a, 1, axis=1), M),
    delete_flat=(lambda a: np.delete(a, [0, 2]), M),
    insert=(lambda a: np.insert(a, 1, 5.0, axis=1), M),
    insert_several=(lambda a, b: np.insert(a, [1, 2], b, axis=1), M, (2, 2)),
    insert_flat=(lambda a: np.insert(a, [1, 1], 2.0), M),
    diff=(lambda a: np.diff(a), M),
    diff_more=(lambda a: np.diff(a, 2, axis=0), (4, 2)),
    diff_ends=(lambda a, b: np.diff(a, prepend=0.0, append=b, axis=0), M, (2, 3)),
    gradient=(lambda a: np.gradient(a), (4, 3)),
    gradient_axis=(lambda a: np.gradient(a, 0.5, axis=1, edge_order=2), M),
    gradient_axes=(lambda a, h: np.gradient(a, 2.0, abs(h), axis=(1, 0)), (3, 4), ()),
    gradient_at=(lambda a: np.gradient(a, [0.0, 1.0, 3.0, 3.5], axis=0, edge_order=2), (4, 2)),
    gradient_places=(lambda a, x: np.gradient(a, np.cumsum(abs(x))), V, V),
    partition=(lambda a: np.partition(a, 2, axis=1) + np.partition(a, 1), (3, 4)),
    partition_flat=(lambda a: np.partition(a, 3, axis=None), M),
    apply_along=(lambda a: np.apply_along_axis(lambda r: r[:2] * r.sum(), 1, a), T3),
    apply_to_number=(lambda a: np.apply_along_axis(np.prod, 0, a), T3),
    apply_more=(lambda a: np.apply_along_axis(np.outer, -1, a, np.arange(2.0)), M),
    linspace=(lambda a, b: np.linspace(a, b, 5), (), ()),
    linspace_axis=(lambda a, b: np.linspace(a, b, 4, False, axis=-1), M, (3,)),
    linspace_step=(lambda a: np.linspace(0.0, a, num=3, retstep=True)[1] * a, M),
    logspace=(lambda a, b: np.logspace(a, b, 4) + np.logspace(a, b, 4, base=2.0), (), ()),
    geomspace=(lambda a: np.geomspace(abs(a), 9.0, 4) + np.geomspace(-abs(a), -9.0, 4), V),
    interp=(lambda x, f: np.interp(x, [-1.0, 0.1, 0.9, 3.0], f), M, V),
    interp_places=(lambda p: np.interp(np.linspace(-3, 5, 9), np.cumsum(abs(p)), p * p), V),
    interp_outside=(lambda x, f: np.interp(x, [0.0, 1.0], f, left=-1.0, right=f[0]), M, (2,)),
    fftshift=(lambda a: np.fft.fftshift(a) * np.fft.ifftshift(a, axes=1), M),
    flat=(lambda a: np.stack(list(a.flat)) * a.flat[2], M),
    contains=(lambda a: a * (a[0, 0] in a) + a * (7.5 in a) if tensor(a) else a + 0, M),
    compress_method=(lambda a: a.compress([True, False, True], axis=1), M),
    searchsorted_method=(lambda a: a * np.sort(a[0]).searchsorted(0.0), M),
    nonzero_method=(lambda a: a[a.nonzero()] * a[(a > 0).nonzero()].sum(), M),
    ediff1d=(lambda a: np.ediff1d(a, to_begin=1.0), M),
    resize=(lambda a: np.resize(a, (3, 3)), M),
    trim_zeros=(lambda a: np.trim_zeros(a * np.array([0, 1, 0, 1])), V),
    copy=(lambda a: np.copy(a) * a.copy(), M),
    astype=(lambda a: np.astype(a.astype(np.float64), float) * (a > 0).astype(float), M),
    like=(lambda a: a * np.ones_like(a) + np.zeros_like(a) + np.full_like(a, 2.0), M),
    meshgrid=(lambda a, b: np.multiply(*np.meshgrid(a, b)), (3,), (2,)),
    meshgrid_ij=(lambda a, b: np.meshgrid(a, b, indexing="ij")[1] * 2, (3,), (2,)),
    select=(lambda a: np.select([a > 1, a > 0], [a, a * a], 7.0), M),
    piecewise_by_where=(lambda a: np.where(a > 0, a, -2 * a), M),
)
cases(
    "indexing",
    integer=(lambda a: a[1] * a[-1], M),
    element=(lambda a: a[1, 2] * a[0, -1], M),
    slices=(lambda a: a[:, 1:] * a[::-1, :2], M),
    newaxis=(lambda a: a[None, ..., None] * a[..., np.newaxis], M),
    ellipsis=(lambda a: a[..., 0] + a[0, ..., 1][:3], T3),
    everything=(lambda a: a[...] + a[()], M),
    mask=(lambda a: a[MASK], M),
    mask_tensor=(lambda a: a[a > 0] ** 2, M),
    mask_axis=(lambda a: a[:, np.array([True, False, True])], M),
    array=(lambda a: a[np.array([0, 1, 1, 0])], M),
    list=(lambda a: a[[1, 1, 0]], M),
    lists=(lambda a: a[[1, 1, 0], [0, 0, 2]], M),
    range=(lambda a: a[range(2), np.array([2, 0])], M),
    empty_list=(lambda a: a[[]], M),
    matrix_of_places=(lambda a: a[:, SMALL], M),
    mixed=(lambda a: a[1:, [0, 2], None], M),
    apart=(lambda a: a[[0, 1], :, [1, 3]], T3),
    with_mask=(lambda a: a[np.array([True, False]), 1:], M),
    ix=(lambda a: a[np.ix_([0, 1], [0, 2])], M),
    number_in_array=(lambda a: a[np.int64(1)], M),
    zero_d=(lambda a: a[()] * a[...] + a[None], ()),
)


def changed(write: Callable[..., Any]) -> Callable[..., Any]:
    """A function that writes into a copy."""

    def f(a: Any, b: Any) -> Any:
        copy = a.copy()
        write(copy, b)
        return copy * copy + a

    return f


def assign(index: Any, value: Any = None) -> Callable[..., Any]:
    def f(a: Any, *b: Any) -> Any:
        copy = a.copy()
        before = copy * 2
        copy[index] = b[0] if b else value
        return copy * copy + before

    return f


def augment(a: Any, b: Any) -> Any:
    copy = a.copy()
    copy[0] += b
    copy[:, 1] *= 2.0
    copy[1, 2] -= b[0]
    copy[copy > 1] /= 3.0
    return copy * a


def recurrence(a: Any) -> Any:
    h = np.zeros((5, 2)) if not isinstance(a, Tensor) else Tensor(np.zeros((5, 2)))
    for t in range(1, 5):
        h[t] = np.tanh(h[t - 1] + a[t % 2, :2])
    return h


def swap(a: Any) -> Any:
    copy = a.copy()
    copy[0], copy[1] = copy[1] * 2, copy[0] * 3
    return copy * a


cases(
    "writing",
    number=(assign((1, 2), 3.0), M),
    row=(assign(0), M, (3,)),
    column=(assign((slice(None), 1)), M, ()),
    wider=(assign(slice(None)), M, (1, 1, 3)),
    mask=(assign(MASK, 0.0), M),
    mask_values=(assign(MASK), M, (3,)),
    places=(assign((np.array([0, 1]), np.array([2, 2]))), M, (2,)),
    places_twice=(assign(([0, 1, 0], [2, 2, 2])), M, (3,)),
    rows_twice=(assign(([1, 1, 0],)), M, (3, 3)),
    everything=(assign(...), M, (3,)),
    step=(assign((slice(None), slice(None, None, 2))), M, (2, 1)),
    number_in_0d=(assign((), 2.0), ()),
    augmented=(augment, M, (3,)),
    recurrence=(recurrence, M),
    swap=(swap, M),
    copyto=(changed(lambda x, b: np.copyto(x, b)), M, (3,)),
    copyto_where=(changed(lambda x, b: np.copyto(x, b, where=MASK)), M, (3,)),
    put=(changed(lambda x, b: np.put(x, [0, -1, 2], b)), M, (2,)),
    put_wrap=(
        changed(lambda x, b: (x.put([7, 5], b, mode="wrap"), np.put(x, [99], 1.0, "clip"))),
        M,
        (),
    ),
    place=(changed(lambda x, b: np.place(x, MASK, b)), M, (2,)),
    putmask=(changed(lambda x, b: np.putmask(x, MASK, b)), M, (4,)),
    putmask_number=(changed(lambda x, b: np.putmask(x, x > 0, b)), M, ()),
    put_along=(changed(lambda x, b: np.put_along_axis(x, SMALL, b, 1)), M, (2, 2)),
    put_along_flat=(changed(lambda x, b: np.put_along_axis(x, np.array([5, 0]), b, None)), M, (2,)),
    fill_diagonal=(changed(lambda x, b: np.fill_diagonal(x, b)), (4, 3), (3,)),
    fill_diagonal_wrap=(changed(lambda x, b: np.fill_diagonal(x, b, True)), (7, 2), ()),
    fill_diagonal_cube=(changed(lambda x, b: np.fill_diagonal(x, b)), (2, 2, 2), ()),
    fill=(changed(lambda x, b: x.fill(b) if tensor(x) else x.fill(b.item())), M, ()),
    add_at=(changed(lambda x, b: np.add.at(x, ([0, 1, 0], [2, 2, 2]), b)), M, (3,)),
    add_at_rows=(changed(lambda x, b: np.add.at(x, [1, 1], b)), M, ()),
    multiply_at=(changed(lambda x, b: np.multiply.at(x, ([0, 1, 0], [2, 2, 2]), b)), M, (3,)),
    negative_at=(changed(lambda x, b: np.negative.at(x, [1, 0, 1])), M, ()),
    sort_itself=(changed(lambda x, b: x.sort(axis=0)), M, ()),
    partition_itself=(changed(lambda x, b: x.partition(2)), (3, 4), ()),
)


if find_spec("scipy"):
    case("elementwise: i0", lambda a: np.i0(a), M)
for newer in ("matvec", "vecmat", "unstack", "cumulative_sum", "cumulative_prod"):
    if not hasattr(np, newer):
        CASES = {name: case for name, case in CASES.items() if not name.endswith(f": {newer}")}


def arrays_of(name: str, shapes: tuple[Any, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays = []
    for shape in shapes:
        if shape == PD:
            x = rng.normal(size=(3, 3))
            arrays.append(x @ x.T + np.eye(3) + 0.1 * rng.normal(size=(3, 3)))
        else:
            arrays.append(np.asarray(rng.uniform(0.2, 2, shape) * rng.choice([-1.0, 1.0], shape)))
    return arrays


def number(values: Any) -> Any:
    """The results of a function as one number, each result with a weight of its own."""
    values = values if isinstance(values, tuple | list) else [values]
    total = 0.0
    for x in values:
        weights = np.cos(np.arange(x.size).reshape(x.shape) + 1.0)
        total = total + (x * weights).sum()
    return total


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str) -> None:
    f, shapes = CASES[name]
    arrays = arrays_of(name, shapes)
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    expected, out = f(*arrays), f(*tensors)
    assert isinstance(out, list | tuple) == isinstance(expected, list | tuple)
    if not isinstance(out, list | tuple):
        assert isinstance(out, Tensor)
        assert out.shape == expected.shape
        assert out.dtype == expected.dtype
        np.testing.assert_allclose(out.detach().data, expected, rtol=1e-12, atol=1e-12)
    number(out).backward()
    for k, (tensor, x) in enumerate(zip(tensors, arrays)):
        differences = np.zeros(x.shape)
        for index in np.ndindex(x.shape):

            def at(step: float, k: int = k, index: Any = index) -> float:
                moved = [y.copy() for y in arrays]
                moved[k][index] += step
                return number(f(*moved))

            near, far = at(1e-4) - at(-1e-4), at(2e-4) - at(-2e-4)
            differences[index] = (8 * near - far) / 12e-4
        gradient = np.zeros(x.shape) if tensor.grad is None else tensor.grad
        assert gradient.shape == x.shape
        np.testing.assert_allclose(gradient, differences, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name: str) -> None:
    f, shapes = CASES[name]
    arrays = [x.astype(np.float32) for x in arrays_of(name, shapes)]
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    expected, out = f(*arrays), f(*tensors)
    if not isinstance(out, list | tuple):
        assert out.dtype == expected.dtype
    number(out).backward()
    for tensor in tensors:
        assert tensor.grad is None or tensor.grad.dtype == np.float32


def test_every_numpy_function_is_tried() -> None:
    """What is registered for NumPy's functions is in a case above or in a question below."""
    source = Path(__file__).read_text()
    rest = [
        f"np.{f.__name__}"
        for f in FUNCTIONS
        if f"np.{f.__name__}(" not in source
        and f"np.linalg.{f.__name__}(" not in source
        and f"np.fft.{f.__name__}(" not in source
        and f"np.lib.stride_tricks.{f.__name__}(" not in source
        and f"np.{f.__name__}," not in source
        and f"np.{f.__name__})" not in source
    ]
    assert not rest, f"no case for {rest}"
    assert len(FUNCTIONS) + len(UFUNCS) + len(UFUNC_METHODS) > 200


# --- what is rare: the same value, or an error where NumPy has one ------------------------------------

CUBE = np.arange(24.0).reshape(2, 3, 4)
INF = np.array([[np.inf, np.nan, 2.0], [np.inf, np.inf, -np.inf], [1.0, np.inf, 3.0]])
RARE: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "weights of axes out of order": (
        CUBE,
        lambda a: np.average(a, axis=(2, 0), weights=np.arange(8.0).reshape(4, 2)),
    ),
    "weights of another shape": (
        CUBE,
        lambda a: np.average(a, axis=(0, 2), weights=np.ones((4, 2))),
    ),
    "median of infinities": (INF, lambda a: np.median(a, axis=1)),
    "nanmedian of infinities": (INF, lambda a: np.nanmedian(a, axis=0)),
    "median of nothing": (np.ones((2, 0)), lambda a: np.median(a, axis=1, keepdims=True)),
    "nanquantile of nothing": (np.ones((0, 2)), lambda a: np.nanquantile(a, 0.3, axis=0)),
    "cov of too few": (CUBE[0, :, :1], lambda a: np.cov(a, ddof=3)),
    "astype, not copied": (CUBE, lambda a: a.astype(float, copy=False) * 2),
    "astype, not so": (CUBE, lambda a: a.astype(np.float32, casting="safe")),
    "copies in another order": (CUBE, lambda a: a.copy(order="F").astype(np.float32, "C")),
    "cov of nothing": (np.ones((2, 0)), lambda a: np.cov(a)),
    "nanvar of too few": (INF[:1], lambda a: np.nanvar(a, axis=0, ddof=1)),
    "nanmean of infinities": (INF, lambda a: np.nanmean(a, axis=0)),
    "einsum, a diagonal that is none": (CUBE[0], lambda a: np.einsum("ii", a)),
    "einsum with a negative label": (CUBE[0], lambda a: np.einsum(a, [-1, 0])),
    "half a power": (np.eye(3), lambda a: np.linalg.matrix_power(a, 1.5)),
    "one matrix to multiply": (np.eye(3), lambda a: np.linalg.multi_dot([a])),
    "no first axes": (np.eye(3), lambda a: np.linalg.tensorinv(a, 0)),
    "an axis moved twice": (CUBE, lambda a: np.moveaxis(a, [0, 0], [1, 2])),
    "two axes to one place": (CUBE, lambda a: np.moveaxis(a, [0, 1], [1, 1])),
    "a turn from an axis to itself": (CUBE, lambda a: np.rot90(a, axes=(1, -2))),
    "too few indices": (CUBE, lambda a: np.take_along_axis(a, np.zeros(2, int), 1)),
    "coordinates for two axes": (CUBE[0], lambda a: np.gradient(a, np.arange(3.0))),
    "ends of another dtype": (
        CUBE[0, 0].astype(np.float32),
        lambda a: np.ediff1d(a, to_begin=np.array([5.0])),
    ),
    "different widths": (CUBE, lambda a: np.pad(a, {0: 1, -1: (0, 2)})),
    "diff with all arguments": (CUBE, lambda a: np.diff(a, 1, 0, np._NoValue, np._NoValue)),
    "interp, too few values": (CUBE[0, 0], lambda a: np.interp(a, [0.0, 1.0], [1.0])),
}


if np.lib.NumpyVersion(np.__version__) >= "2.2.0":  # before, a single row was a column
    RARE["cov of a row"] = CUBE[0, :1], lambda a: np.cov(a, rowvar=False, ddof=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RARE)
def test_rare_cases(name: str) -> None:
    array, f = RARE[name]
    try:
        expected = f(array)
    except (ValueError, TypeError) as error:
        with pytest.raises((ValueError, TypeError)) as caught:
            f(Tensor(array, requires_grad=True))
        assert len(str(caught.value)) >= len(str(error)) / 2
        return
    out = f(Tensor(array, requires_grad=True))
    assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(out.detach().data, expected, rtol=1e-12)


# --- answers without a gradient -------------------------------------------------------------------

A = np.array([[1.0, -2.0, 3.0], [0.0, 5.0, -6.0]])
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "allclose": lambda a: np.allclose(a, A + 1e-12),
    "argpartition": lambda a: a[0, np.argpartition(a[0], 1)[1]].item() + a.argpartition(0)[0, 0],
    "argwhere": lambda a: np.argwhere(a > 0),
    "array2string": lambda a: np.array2string(a),
    "indices_from": lambda a: (
        np.tril_indices_from(a)[0]
        + np.triu_indices_from(a.T)[1]
        + np.diag_indices_from(a[:, :2])[0].size
    ),
    "einsum_path": lambda a: np.einsum_path("ij,kj", a, a)[0],
    "array_equal": lambda a: np.array_equal(a, A),
    "array_equiv": lambda a: np.array_equiv(a, A),
    "array_repr": lambda a: np.array_repr(a),
    "array_str": lambda a: np.array_str(a),
    "bincount": lambda a: np.bincount((a > 0).astype(int).ravel()),
    "can_cast": lambda a: np.can_cast(a.dtype, np.float64),
    "common_type": lambda a: np.common_type(a),
    "digitize": lambda a: np.digitize(a, [0.0, 2.0]),
    "flatnonzero": lambda a: np.flatnonzero(a),
    "histogram": lambda a: np.histogram(a.detach() if tensor(a) else a, bins=3)[0],
    "isclose": lambda a: np.isclose(a, 1.0),
    "iscomplex": lambda a: np.iscomplex(a),
    "iscomplexobj": lambda a: np.iscomplexobj(a),
    "isin": lambda a: np.isin(a, [1.0, 5.0]),
    "isneginf": lambda a: np.isneginf(a) | np.isposinf(a),
    "isreal": lambda a: np.isreal(a),
    "isrealobj": lambda a: np.isrealobj(a),
    "lexsort": lambda a: np.lexsort((a[0], a[1])),
    "matrix_rank": lambda a: np.linalg.matrix_rank(a),
    "min_scalar_type": lambda a: np.min_scalar_type(a),
    "nanargmax": lambda a: np.nanargmax(a) + np.nanargmin(a),
    "nonzero": lambda a: np.nonzero(a)[1],
    "result_type": lambda a: np.result_type(a, np.float32),
    "searchsorted": lambda a: np.searchsorted(np.sort(a[0]), 2.0),
    "shares_memory": lambda a: np.shares_memory(a, a) and np.may_share_memory(a, a),
    "shape": lambda a: (np.shape(a), np.ndim(a), np.size(a), np.size(a, 1), len(a)),
    "where": lambda a: np.where(a > 0)[0],
    "argmax": lambda a: np.argmax(a, axis=1, keepdims=True),
    "argmin": lambda a: a.argmin() + np.argmin(a),
    "argsort": lambda a: a.argsort(axis=0),
    "sign": lambda a: np.sign(a),
    "round": lambda a: np.round(a / 3, 2) + np.around(a / 3, 1) + (a / 3).round(1),
    "empty_like": lambda a: np.empty_like(a).shape,
    "integers": lambda a: (a > 0).astype(int) << 1 if isinstance(a, np.ndarray) else (A > 0) * 2,
    "like": lambda a: np.zeros_like(a, dtype=int) + np.ones_like(a, shape=(2, 3)),
    "any": lambda a: (a > 0).any() and not (a > 0).all() and a.any(axis=0).all(),
}


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_answers_without_a_gradient(name: str, requires_grad: bool) -> None:
    question = QUESTIONS[name]
    answer, expected = question(Tensor(A, requires_grad=requires_grad)), question(A)
    if isinstance(answer, Tensor):
        assert not answer.requires_grad
        answer = answer.data
    if isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(answer, expected)
        assert np.asarray(answer).dtype == expected.dtype
    else:
        assert answer == expected
