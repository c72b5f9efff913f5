"""What an operation costs: chains of small operations against the same NumPy calls by hand.

python benchmarks/engine.py
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
from timing import show, turn_by_turn

from tinygrad_edu import Tensor

N = 1000
START = np.random.default_rng(0).standard_normal((4, 4))
FACTOR = np.random.default_rng(1).uniform(0.9, 1.1, (4, 4))
ONES = np.ones((4, 4))


def chain_by_hand() -> np.ndarray:
    """y * a, + 0.5, tanh, - x, again and again; and its gradient by x and a, by hand."""
    x, a = START, FACTOR
    y, kept = x, []
    for _ in range(N // 4):
        before = y
        y = y * a
        y = y + 0.5
        t = np.tanh(y)
        y = t - x
        kept.append((before, t))
    gx, ga, g = np.zeros((4, 4)), np.zeros((4, 4)), ONES
    for before, t in reversed(kept):
        gx = gx - g
        g = g * (1 - t**2)
        ga = ga + g * before
        g = g * a
    return gx + g, ga


def chain_by_autodiff() -> np.ndarray:
    x, a = Tensor(START, requires_grad=True), Tensor(FACTOR, requires_grad=True)
    y = x
    for _ in range(N // 4):
        y = y * a
        y = y + 0.5
        y = np.tanh(y)
        y = y - x
    y.backward(ONES)
    return x.grad, a.grad


def products_by_hand() -> np.ndarray:
    x, kept = START, []
    y = x
    for _ in range(N):
        kept.append(y)
        y = y * FACTOR
    g = ONES
    for _ in kept:
        g = g * FACTOR
    return g


def products_by_autodiff() -> np.ndarray:
    x, a = Tensor(START, requires_grad=True), Tensor(FACTOR)
    y = x
    for _ in range(N):
        y = y * a
    y.backward(ONES)
    return x.grad


def unary_by_hand() -> np.ndarray:
    y, kept = START, []
    for _ in range(N // 2):
        s = np.sin(y)
        kept.append((y, s))
        y = np.exp(s)
        kept.append((s, y))
    g = ONES
    for k in range(N - 1, -1, -2):
        g = g * kept[k][1]
        g = g * np.cos(kept[k - 1][0])
    return g


def unary_by_autodiff() -> np.ndarray:
    x = Tensor(START, requires_grad=True)
    y = x
    for _ in range(N // 2):
        y = np.sin(y)
        y = np.exp(y)
    y.backward(ONES)
    return x.grad


ADDITIONS = textwrap.dedent("""
    import resource, sys, time
    which, n = sys.argv[1], int(sys.argv[2])
    if which == "torch":
        import torch
        x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    else:
        from tinygrad_edu import Tensor
        x = Tensor(1.0, requires_grad=True)

    def chain(n):
        y = x
        for _ in range(n):
            y = y + 1.0
        return y

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    chain(1000).backward()
    before = resident()
    start = time.perf_counter()
    y = chain(n)
    used = resident() - before
    y.backward()
    print(time.perf_counter() - start, used / n)
""")


def additions(which: str, n: int = 100_000) -> tuple[float, float]:
    """Seconds and bytes per node for ``n`` chained additions, in a process of their own."""
    out = subprocess.run(
        [sys.executable, "-c", ADDITIONS, which, str(n)], capture_output=True, text=True, check=True
    )
    seconds, size = map(float, out.stdout.split())
    return seconds, size


def main() -> None:
    for title, hand, auto in (
        ("mul, add, tanh, sub", chain_by_hand, chain_by_autodiff),
        ("products", products_by_hand, products_by_autodiff),
        ("sin, exp", unary_by_hand, unary_by_autodiff),
    ):
        np.testing.assert_allclose(auto(), hand(), rtol=1e-12)
        times = turn_by_turn({"NumPy by hand": hand, "autodiff": auto}, turns=200)
        show(f"chain of {N} operations on (4, 4): {title}", times, "NumPy by hand")

    print("100,000 chained additions, forward and backward")
    runs: dict[str, list[tuple[float, float]]] = {"tinygrad_edu": [], "torch": []}
    for _ in range(5):
        for which, results in runs.items():
            try:
                results.append(additions(which))
            except subprocess.CalledProcessError:
                print(f"  {which} is not installed")
                return
    best = {which: tuple(map(np.median, zip(*results))) for which, results in runs.items()}
    for which, (seconds, size) in best.items():
        base = best["torch"]
        print(
            f"  {which:14} {seconds:6.3f} s ({seconds / base[0]:.2f} x torch)   "
            f"{size:5.0f} bytes a node ({size / base[1]:.2f} x torch)"
        )


if __name__ == "__main__":
    main()
