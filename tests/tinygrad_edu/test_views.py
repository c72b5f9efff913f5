"""Views and writing in random order: a Tensor shows what NumPy shows, or is refused; never else."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor

TAKEN = {
    "all": lambda x: x[...],
    "row": lambda x: x[0],
    "column": lambda x: x[:, :1],
    "flipped": lambda x: np.flip(x),
    "picked": lambda x: x[[0, -1]],
    "masked": lambda x: x[x < 100],
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "reshape": lambda x: np.reshape(x, (-1, 1)),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "squeeze": lambda x: np.squeeze(x),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, 1.0)[0],
    "meshgrid": lambda x: np.meshgrid(x[..., 0], [1.0, 2.0])[0],
    "diagonal": lambda x: np.diagonal(x),
    "rot90": lambda x: np.rot90(x, 4),
    "split": lambda x: np.split(x, [1])[0],
    "first": lambda x: next(iter(x)),
    "copy": lambda x: x.copy(),
    "positive": lambda x: +x,
    "conj": lambda x: np.conj(x),
    "real": lambda x: x.real,
    "einsum": lambda x: np.einsum("...->...", x),
    "product of nothing": lambda x: np.prod(x, axis=()),
    "repeat": lambda x: np.repeat(x, 2, 0),
    "tile": lambda x: np.tile(x, 2),
    "roll": lambda x: np.roll(x, 1),
    "dot": lambda x: np.dot(x, np.eye(x.shape[-1])),
    "concatenate": lambda x: np.concatenate([x]),
    "squares": lambda x: x * x / 4,
}
WRITTEN = {
    "all": lambda x, v: x.__setitem__(..., v),
    "first": lambda x, v: x.__setitem__(0, v),
    "last += v": lambda x, v: x.__setitem__(-1, x[-1] + v),
    "mask": lambda x, v: x.__setitem__(x > v, v),
    "fill": lambda x, v: x.fill(v),
    "sort": lambda x, v: x.sort(),
    "put": lambda x, v: np.put(x, [1, 0], [v, 2 * v]),
    "add.at": lambda x, v: np.add.at(x, [0, 0], v),
    "copyto": lambda x, v: np.copyto(x, 2.0, where=x < v),
    "fill_diagonal": lambda x, v: np.fill_diagonal(x, v),
}
Step = tuple[str, int, float]


def drawn(rng: random.Random) -> list[Step]:
    names = [*[f"take {name}" for name in TAKEN], *[f"write {name}" for name in WRITTEN] * 2]
    return [
        (rng.choice(names), rng.randrange(10), rng.uniform(-3, 3)) for _ in range(rng.randint(2, 8))
    ]


def take_or_write(made: list[Any], step: Step) -> None:
    what, which, value = step
    kind, name = what.split(" ", 1)
    x = made[which % len(made)]
    if kind == "take":
        made.append(TAKEN[name](x))
    else:
        WRITTEN[name](x, value)


def in_numpy(steps: list[Step], x: np.ndarray) -> list[Any]:
    made: list[Any] = [x * 1.0]
    for step in steps:
        take_or_write(made, step)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_what_numpy_shows_or_an_error(seed: int) -> None:
    rng = random.Random(seed)
    written = refused = stale = 0
    for _ in range(150):
        x = np.array([rng.uniform(-4, 4) for _ in range(9)]).reshape(3, 3)
        leaf = Tensor(x, requires_grad=True)
        made, steps = [leaf * 1.0], []
        for step in drawn(rng):
            try:
                in_numpy([*steps, step], x)
            except (ValueError, IndexError, AttributeError, TypeError):
                continue  # NumPy cannot do it either, or the result is for reading only
            try:
                take_or_write(made, step)
            except RuntimeError as error:
                assert "written into" in str(error) or "shares its memory" in str(error)
                refused += 1
                continue
            steps.append(step)
            written += step[0].startswith("write")
        total, weights = Tensor(0.0), []
        for i, (ours, numpys) in enumerate(zip(made, in_numpy(steps, x), strict=True)):
            try:
                used = ours * 1.0
            except RuntimeError:
                stale += 1
                continue
            np.testing.assert_allclose(used.detach().data, numpys, rtol=1e-12, err_msg=str(steps))
            weights.append((i, np.cos(np.arange(numpys.size) + i).reshape(numpys.shape)))
            total = total + (used * weights[-1][1]).sum()
        if not total.requires_grad:
            continue
        total.backward()
        direction = np.array([rng.uniform(-1, 1) for _ in range(9)]).reshape(3, 3)

        def along(
            step: float, x: Any = x, d: Any = direction, s: Any = steps, w: Any = weights
        ) -> Any:
            shown = in_numpy(s, x + step * d)
            return sum(np.sum(weight * shown[i]) for i, weight in w)

        slope = (along(1e-6) - along(-1e-6)) / 2e-6
        np.testing.assert_allclose((leaf.grad * direction).sum(), slope, 1e-6, 1e-6, str(steps))
    assert min(written, refused, stale) > 15


def test_writing_into_what_only_this_tensor_holds() -> None:
    """What a function computed on the way is seen by nobody: its view may be written into."""
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    for f in (
        lambda x: np.repeat(x, 2),
        lambda x: np.tile(x, 2),
        lambda x: np.kron(x, [1.0, 2.0]),
        lambda x: np.tensordot(x, x.T, 1),
        lambda x: (x * 2).T,
        lambda x: np.roll(x, 1),
    ):
        y = f(x)
        y[0] = 0.0
        assert (y[0].detach().data == 0).all()
    y = x * 2
    z = y.T
    with pytest.raises(RuntimeError, match="shares its memory"):
        z[0] = 0.0
    del y
    z[0] = 0.0


def test_nan_to_num_in_place() -> None:
    x = Tensor([np.nan, 2.0], requires_grad=True)
    y = x * 1.0
    assert np.nan_to_num(y, copy=False) is y
    y.sum().backward()
    np.testing.assert_array_equal(y.detach().data, [0, 2])
    np.testing.assert_array_equal(x.grad, [0, 1])
