"""The functions of scipy.special: loaded when a Tensor first meets one, so that SciPy stays optional."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, pi, sqrt
from typing import Any

import numpy as np
from scipy import special

from tinygrad_edu.recording import TABLE, rule
from tinygrad_edu.rules import elementwise
from tinygrad_edu.rules.support import arr, array_like, means

BEFORE = set(TABLE)
ROOT_PI = sqrt(pi)


def ordered(ufunc: np.ufunc, *vjps: Callable[..., Any] | None, **about: Any) -> Callable[..., Any]:
    """The rule of a function of (order, x) by x: by its order no derivative is known."""
    operation: Callable[..., Any] = rule(
        ufunc.__name__,
        lambda x, *order: ufunc(*order, x),
        *vjps,
        examples=[(arr(2, 3), 2.0), (arr(), 1.0), (arr(3), np.array([1.0, 2.0, 3.0]))],
        elementwise=True,
        **about,
    )
    means(ufunc)(lambda *inputs: operation(inputs[-1], *inputs[:-1]))
    return operation


# --- the logistic and the normal distribution -----------------------------------------------------

means(special.expit)(elementwise.sigmoid)
means(special.log_expit)(elementwise.log_sigmoid)
means(special.logit)(elementwise.logit)
means(special.erf)(elementwise.erf)
rule("erfc", special.erfc, lambda g, out, x: -g * (2 / ROOT_PI) * np.exp(-(x**2)))
rule("erfcx", special.erfcx, lambda g, out, x: g * (2 * x * out - 2 / ROOT_PI))
rule("erfi", special.erfi, lambda g, out, x: g * (2 / ROOT_PI) * np.exp(x**2))
rule("dawsn", special.dawsn, lambda g, out, x: g * (1 - 2 * x * out))
rule(
    "erfinv",
    special.erfinv,
    lambda g, out, x: g * (ROOT_PI / 2) * np.exp(out**2),
    domain=(-1, 1),
)
rule(
    "erfcinv",
    special.erfcinv,
    lambda g, out, x: -g * (ROOT_PI / 2) * np.exp(out**2),
    domain=(0, 2),
)
rule("ndtr", special.ndtr, lambda g, out, x: g * np.exp(-(x**2) / 2) / sqrt(2 * pi))
rule("log_ndtr", special.log_ndtr, lambda g, out, x: g * np.exp(-(x**2) / 2 - out) / sqrt(2 * pi))
rule("ndtri", special.ndtri, lambda g, out, x: g * sqrt(2 * pi) * np.exp(out**2 / 2), domain=(0, 1))

# --- gamma and beta functions ---------------------------------------------------------------------

rule("gamma", special.gamma, lambda g, out, x: g * out * special.psi(x), domain=(0, inf))
rule("gammaln", special.gammaln, lambda g, out, x: g * special.psi(x), domain=(0, inf))
rule("rgamma", special.rgamma, lambda g, out, x: -g * out * special.psi(x), domain=(0, inf))
rule("psi", special.psi, lambda g, out, x: g * polygamma(x, 1), domain=(0, inf))
polygamma: Callable[..., Any] = rule(  # the n-th derivative of psi
    "polygamma",
    lambda x, n: special.polygamma(n, x).astype(x.dtype),
    lambda g, out, x, n: g * polygamma(x, n + 1),
    domain=(0, inf),
    examples=[(arr(2, 3), 1), (arr(), 2)],
)
rule(
    "beta",
    special.beta,
    lambda g, out, a, b: g * out * (special.psi(a) - special.psi(a + b)),
    lambda g, out, a, b: g * out * (special.psi(b) - special.psi(a + b)),
    domain=(0, inf),
)
rule(
    "betaln",
    special.betaln,
    lambda g, out, a, b: g * (special.psi(a) - special.psi(a + b)),
    lambda g, out, a, b: g * (special.psi(b) - special.psi(a + b)),
    domain=(0, inf),
)
rule(
    "binom",
    special.binom,
    lambda g, out, n, k: g * out * (special.psi(n + 1) - special.psi(n - k + 1)),
    lambda g, out, n, k: g * out * (special.psi(n - k + 1) - special.psi(k + 1)),
    domain=(1, 1.9),
)
ordered(
    special.gammainc,
    lambda g, out, x, a: g * np.exp((a - 1) * np.log(x) - x - special.gammaln(a)),
    domain=(0, inf),
)
ordered(
    special.gammaincc,
    lambda g, out, x, a: -g * np.exp((a - 1) * np.log(x) - x - special.gammaln(a)),
    domain=(0, inf),
)
_betainc = rule(
    "betainc",
    lambda x, a, b: special.betainc(a, b, x),
    lambda g, out, x, a, b: g * x ** (a - 1) * (1 - x) ** (b - 1) / special.beta(a, b),
    domain=(0, 1),
    examples=[(arr(2, 3), 2.0, 3.0), (arr(3), np.array([1.0, 2.0, 3.0]), 1.5)],
)
means(special.betainc)(lambda a, b, x: _betainc(x, a, b))

# --- Bessel functions -----------------------------------------------------------------------------

ordered(special.jv, lambda g, out, x, n: g * (special.jv(n - 1, x) - special.jv(n + 1, x)) / 2)
ordered(
    special.yv,
    lambda g, out, x, n: g * (special.yv(n - 1, x) - special.yv(n + 1, x)) / 2,
    domain=(0, inf),
)
ordered(
    special.yn,
    lambda g, out, x, n: (  # yn cuts its order to a whole number
        g * (special.yn(np.trunc(n) - 1, x) - special.yn(np.trunc(n) + 1, x)) / 2
    ),
    domain=(0, inf),
)
ordered(special.iv, lambda g, out, x, n: g * (special.iv(n - 1, x) + special.iv(n + 1, x)) / 2)
ordered(
    special.ive,
    lambda g, out, x, n: (
        g * ((special.ive(n - 1, x) + special.ive(n + 1, x)) / 2 - np.sign(x) * out)
    ),
    kinks=(0,),
)
ordered(
    special.kv,
    lambda g, out, x, n: -g * (special.kv(n - 1, x) + special.kv(n + 1, x)) / 2,
    domain=(0, inf),
)
rule("j0", special.j0, lambda g, out, x: -g * special.j1(x))
rule("j1", special.j1, lambda g, out, x: g * (special.j0(x) - special.jv(2, x)) / 2)
rule("y0", special.y0, lambda g, out, x: -g * special.y1(x), domain=(0, inf))
rule(
    "y1",
    special.y1,
    lambda g, out, x: g * (special.y0(x) - special.yv(2, x)) / 2,
    domain=(0, inf),
)
i0 = rule("i0", special.i0, lambda g, out, x: g * special.i1(x))
rule("i1", special.i1, lambda g, out, x: g * (special.i0(x) + special.iv(2, x)) / 2)
rule(
    "i0e",
    special.i0e,
    lambda g, out, x: g * (special.i1e(x) - np.sign(x) * out),
    kinks=(0,),
)
rule(
    "i1e",
    special.i1e,
    lambda g, out, x: g * ((special.i0e(x) + special.ive(2, x)) / 2 - np.sign(x) * out),
    kinks=(0,),
)
rule("k0", special.k0, lambda g, out, x: -g * special.k1(x), domain=(0, inf))
rule(
    "k1", special.k1, lambda g, out, x: -g * (special.k0(x) + special.kv(2, x)) / 2, domain=(0, inf)
)

ordered(
    special.kve,
    lambda g, out, x, n: g * (out - (special.kve(n - 1, x) + special.kve(n + 1, x)) / 2),
    domain=(0, inf),
)
rule("k0e", special.k0e, lambda g, out, x: g * (out - special.k1e(x)), domain=(0, inf))
rule(
    "k1e",
    special.k1e,
    lambda g, out, x: g * (out - (special.k0e(x) + special.kve(2, x)) / 2),
    domain=(0, inf),
)

# --- entropies, integrals and the rest ------------------------------------------------------------


means(special.xlogy)(elementwise.xlogy)


@means(special.xlog1py)
def xlog1py(x: Any, y: Any) -> Any:
    x, y = array_like(x), array_like(y)
    return x * np.log1p(np.where((x == 0) & (y == -1), 0, y))


@means(special.entr)
def entr(x: Any) -> Any:
    return np.where(x < 0, -inf, -elementwise.xlogy(x, np.where(x < 0, 1, x)))


@means(special.rel_entr)
def rel_entr(x: Any, y: Any) -> Any:
    x, y = array_like(x), array_like(y)
    inside = (x > 0) & (y > 0)
    x_in, y_in = np.where(inside, x, 1), np.where(inside, y, 1)
    return np.where(inside, x_in * np.log(x_in / y_in), np.where((x == 0) & (y >= 0), 0, inf))


@means(special.kl_div)
def kl_div(x: Any, y: Any) -> Any:
    x, y = array_like(x), array_like(y)
    return rel_entr(x, y) - x + y


@means(special.huber)
def huber(delta: Any, r: Any) -> Any:
    """r² / 2 as far as delta, and straight on from there."""
    delta, r = array_like(delta), array_like(r)
    size = np.abs(r)
    return np.where(size <= delta, r * r / 2, delta * (size - delta / 2))


@means(special.pseudo_huber)
def pseudo_huber(delta: Any, r: Any) -> Any:
    ratio = r / np.where(np.equal(delta, 0), 1, delta)
    return delta * delta * (ratio * ratio / (np.sqrt(1 + ratio * ratio) + 1))


means(special.expi)(
    rule("expi", lambda x: special.expi(x), lambda g, out, x: g * np.exp(x) / x, domain=(0, inf))
)
rule("exp1", special.exp1, lambda g, out, x: -g * np.exp(-x) / x, domain=(0, inf))
for _name in ("cbrt", "exp2", "expm1", "log1p"):
    means(getattr(special, _name))(getattr(elementwise, _name))
rule("gammasgn", special.gammasgn)
rule("exp10", special.exp10, lambda g, out, x: g * out * log(10))
rule("cosm1", special.cosm1, lambda g, out, x: -g * np.sin(x))
rule(
    "ellipk",
    special.ellipk,
    lambda g, out, m: g * (special.ellipe(m) - (1 - m) * out) / (2 * m * (1 - m)),
    domain=(0, 1),
)
rule(
    "ellipe",
    special.ellipe,
    lambda g, out, m: g * (out - special.ellipk(m)) / (2 * m),
    domain=(0, 1),
)

ENTRIES = {name: entry for name, entry in TABLE.items() if name not in BEFORE}
for _entry in ENTRIES.values():
    _entry.built_in = True
