"""Plots of a training run, with matplotlib (the extra ``plot``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def axes_or_new(ax: Any, **options: Any) -> Any:
    """``ax``, or the Axes of a new figure."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(
            'Plots need matplotlib: pip install "tinygrad-edu[plot]" installs it.'
        ) from None
    return plt.subplots(layout="constrained", **options)[1]


def plot_costs(
    costs: ArrayLike, learning_rate: float | None = None, *, every: int = 1, ax: Any = None
) -> Any:
    """The cost against the iteration, ``every`` iterations apart; returns the matplotlib Axes.

    Values that are not finite leave a gap. ValueError where there is no cost.
    """
    values = np.squeeze(np.asarray(costs, dtype=float))
    if values.ndim == 0:
        values = values[None]
    if values.ndim != 1 or not values.size:
        raise ValueError(f"costs has to be a list of numbers, but its shape is {values.shape}.")
    ax = axes_or_new(ax, figsize=(6, 4))
    ax.plot(np.arange(len(values)) * every, values, marker="." if len(values) < 40 else None)
    ax.set(xlabel="iteration", ylabel="cost")
    ax.grid(alpha=0.3)
    if learning_rate is not None:
        ax.set_title(f"learning rate {learning_rate}")
    return ax


def plot_mislabeled(
    classes: Sequence[Any],
    X: ArrayLike,
    y: ArrayLike,
    p: ArrayLike,
    *,
    ax: Any = None,
    limit: int = 20,
) -> Any:
    """The pictures of which the prediction ``p`` is not the label ``y``, at most ``limit``, in one
    Axes, which is returned.

    X : (n_x, m), each column a square picture, RGB or grey, of values 0 to 1 or 0 to 255;
    y, p : (1, m); ``classes[label]`` names a label, as text or bytes.
    """
    X, y, p = np.asarray(X), np.ravel(np.asarray(y)), np.ravel(np.asarray(p))
    if X.ndim != 2 or not X.shape[1] == len(y) == len(p):
        raise ValueError(
            "plot_mislabeled needs X (n_x, m) and m labels in y and p, but they have shapes "
            f"{X.shape}, {y.shape} and {p.shape}."
        )
    pictures = as_pictures(X)
    wrong = np.flatnonzero(y != p)
    shown = wrong[:limit]
    columns = max(1, min(5, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    ax = axes_or_new(ax, figsize=(1.7 * columns, 1.9 * rows + 0.4))
    ax.set_axis_off()
    if len(shown) == 0:
        ax.text(0.5, 0.5, "No picture is mislabelled.", ha="center", transform=ax.transAxes)
        return ax
    names = [c.decode() if isinstance(c, bytes) else str(c) for c in classes]
    for k, i in enumerate(shown):
        row, column = divmod(k, columns)
        inset = ax.inset_axes((column / columns, 1 - (row + 1) / rows, 0.94 / columns, 0.84 / rows))
        inset.imshow(pictures[i], cmap="gray", vmin=0, vmax=1)
        inset.set_axis_off()
        inset.set_title(f"{names[int(p[i])]}, in truth {names[int(y[i])]}", fontsize=7, pad=2)
    more = f", {len(shown)} shown" if len(shown) < len(wrong) else ""
    ax.set_title(f"{len(wrong)} of {len(y)} mislabelled{more}", pad=14)
    return ax


def as_pictures(X: Any) -> Any:
    """The columns of X as square pictures with values from 0 to 1."""
    n = X.shape[0]
    for channels in (3, 1):
        side = round((n / channels) ** 0.5)
        if side * side * channels == n and n:
            pictures = (
                X.T.reshape(-1, side, side, channels)
                if channels > 1
                else X.T.reshape(-1, side, side)
            )
            return np.clip(pictures / (255 if X.dtype.kind in "iu" or X.max() > 1 else 1), 0, 1)
    raise ValueError(f"The columns of X have {n} values, which is no square picture, RGB or grey.")


def plot_decision_boundary(
    predict: Callable[[Any], Any], X: ArrayLike, y: ArrayLike, *, ax: Any = None, points: int = 300
) -> Any:
    """The plane coloured by ``predict``, and the examples on it; returns the matplotlib Axes.

    X : (2, m), examples as columns; y : (1, m). ``predict`` takes an array (2, n) and returns n
    classes or probabilities.
    """
    X, y = np.asarray(X, dtype=float), np.ravel(np.asarray(y))
    if X.ndim != 2 or X.shape[0] != 2 or X.shape[1] != len(y) or not len(y):
        advice = " X.T would fit." if X.ndim == 2 and X.shape == (len(y), 2) else ""
        raise ValueError(
            "plot_decision_boundary needs X (2, m) and m labels y, but they have shapes "
            f"{X.shape} and {y.shape}.{advice}"
        )
    (x_low, y_low), (x_high, y_high) = X.min(axis=1), X.max(axis=1)
    dx, dy = 0.08 * (x_high - x_low or 1), 0.08 * (y_high - y_low or 1)
    xs, ys = np.meshgrid(
        np.linspace(x_low - dx, x_high + dx, points), np.linspace(y_low - dy, y_high + dy, points)
    )
    answer = predict(np.stack([xs.ravel(), ys.ravel()]))
    z = np.asarray(getattr(answer, "data", answer), dtype=float).ravel()
    if z.size != xs.size:
        raise ValueError(
            f"predict returned {z.size} values for {xs.size} points: it has to take an array (2, n)"
            " and return n classes."
        )
    ax = axes_or_new(ax, figsize=(5, 4.5))
    ax.contourf(xs, ys, z.reshape(xs.shape), levels=20, cmap="RdBu_r", alpha=0.5)
    ax.scatter(*X, c=y, cmap="RdBu_r", edgecolors="black", linewidths=0.4, s=22)
    ax.set(xlabel="x1", ylabel="x2")
    return ax
