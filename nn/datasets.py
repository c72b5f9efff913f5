"""Data to train on: the course's cat pictures and MNIST from files, or what this module draws.

The built-in pictures and digits are drawings made by the code below, not photographs and not
handwriting. They have the shape and the proportions of the real data, so that everything runs
without a download; results on them are not results on the real data. The planar flower is points.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nn.checks import check_whole_number

SIDE = 64
_DRAWN = "pictures drawn by nn.datasets (not photographs)"
_GET_FILES = "expected the course's train_catvnoncat.h5 and test_catvnoncat.h5 in this folder"


@dataclass(frozen=True, eq=False)
class Cats:
    """Pictures of cats and of other things; unpacks into its first five fields, as in the course.

    train_x : (m, 64, 64, 3) uint8, train_y : (1, m) of 0 and 1 (1: cat), test_x and test_y alike,
    classes : (2,) bytes, b"non-cat" and b"cat". `source` says in words where the pictures are
    from, and `drawn` is True where they are drawings and not photographs.
    """

    train_x: NDArray[np.uint8]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.int64]
    classes: NDArray[np.bytes_]
    source: str
    drawn: bool

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.train_x, self.train_y, self.test_x, self.test_y, self.classes))


def load_cats(path: str | os.PathLike[str] | None = None) -> Cats:
    """Return the pictures in the folder `path`, or without one 209 + 50 drawn pictures.

    The folder holds the files of the deeplearning.ai course, ``train_catvnoncat.h5`` and
    ``test_catvnoncat.h5``; reading them needs h5py. The drawn pictures, which are not photographs,
    are the same every time. FileNotFoundError where the folder or a file is missing, ValueError
    for a file with other contents, ImportError without h5py.

    >>> train_x, train_y, test_x, test_y, classes = load_cats()
    >>> train_x.shape, train_y.shape, test_x.shape, int(train_y.sum())
    ((209, 64, 64, 3), (1, 209), (50, 64, 64, 3), 72)
    >>> load_cats().source
    'pictures drawn by nn.datasets (not photographs)'
    """
    if path is None:
        x, y = _draw_all()
        x, y = x.copy(), y.copy()  # the caller may change what he gets
        classes = np.array([b"non-cat", b"cat"])
        return Cats(
            x[:_TRAIN], y[:, :_TRAIN], x[_TRAIN:], y[:, _TRAIN:], classes, _DRAWN, drawn=True
        )
    folder = Path(path)
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"{folder} {problem}: {_GET_FILES}")
    train_x, train_y = _read_cats(folder, "train")
    test_x, test_y, classes = _read_cats(folder, "test", "list_classes")
    source = f"pictures read from {folder}"
    return Cats(train_x, train_y, test_x, test_y, classes, source, drawn=False)


def flatten(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return pictures (m, ...) of bytes as columns (n_x, m) of numbers from 0 to 1.

    ValueError where the pictures are not uint8, because 255 would not be their white.

    >>> flatten(np.array([[[0, 51]], [[255, 0]]], dtype=np.uint8))
    array([[0. , 1. ],
           [0.2, 0. ]])
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim < 2:
        raise ValueError(
            f"images has shape {images.shape} and type {images.dtype}: "
            "expected pictures (m, height, width, channels) of type uint8"
        )
    return images.reshape(len(images), -1).T / 255


# --- the course's files ------------------------------------------------------------------------


def _read_cats(folder: Path, part: str, *more: str) -> tuple[Any, ...]:
    try:
        import h5py
    except ImportError:
        raise ImportError(
            f'reading {folder} needs h5py, which is not installed: pip install "tinygrad-edu[data]"'
        ) from None
    file = folder / f"{part}_catvnoncat.h5"
    keys = (f"{part}_set_x", f"{part}_set_y", *more)
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist: {_GET_FILES}")
    if file.stat().st_size == 0:
        raise ValueError(f"{file} is empty: download it again")
    with file.open("rb") as stream:  # Python's own errors where it cannot be opened
        try:
            with h5py.File(stream, "r") as content:
                found = sorted(content)[:5]
                missing = [key for key in keys if not isinstance(content.get(key), h5py.Dataset)]
                if not missing:
                    x, y, *rest = (content[key][...] for key in keys)
        except Exception as error:  # h5py reports damage as one of many types
            raise ValueError(
                f"{file} is not a complete HDF5 file, download it again ({error})"
            ) from error
    if missing:
        raise ValueError(
            f"{file} holds {', '.join(found) or 'nothing'} but no {' and no '.join(missing)}: "
            "expected the course's cat pictures"
        )
    m = len(x) if x.ndim else 0
    if x.shape != (m, SIDE, SIDE, 3) or x.dtype != np.uint8 or m == 0:
        raise ValueError(
            f"{file} has {keys[0]} of shape {x.shape} and type {x.dtype}: "
            f"expected (m, {SIDE}, {SIDE}, 3) and uint8"
        )
    y_fits = y.shape in {(m,), (m, 1), (1, m)} and y.dtype.kind in "biuf"
    if not y_fits or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"{file} has {keys[1]} of shape {y.shape} and type {y.dtype}: "
            f"expected {m} labels, each 0 or 1"
        )
    for classes in rest:
        if classes.shape != (2,) or classes.dtype.kind != "S":
            raise ValueError(
                f"{file} has list_classes of shape {classes.shape} and type {classes.dtype}: "
                "expected two names in bytes"
            )
    return x, y.reshape(1, m).astype(np.int64), *rest


# --- the planar flower ---------------------------------------------------------------------------


def load_planar(
    m: int = 400, *, petals: int = 6, noise: float = 0.2, seed: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return X (2, m), points of a flower, and Y (1, m), the colour of their petal, 0 or 1 in turns.

    No straight line separates the colours. The outline of a petal is r = 4 |sin(petals / 2 * angle)|;
    ``noise`` blurs it. ValueError for numbers that are not positive and whole.

    >>> X, Y = load_planar(400)
    >>> X.shape, Y.shape, int(Y.sum())
    ((2, 400), (1, 400), 200)
    """
    m = check_whole_number("m", m, minimum=1)
    petals = check_whole_number("petals", petals, minimum=1)
    random = np.random.default_rng(check_whole_number("seed", seed))
    petal = random.permutation(m) % petals
    within = np.clip(0.5 + 0.22 * random.standard_normal(m), -0.1, 1.1)  # 0 to 1: edge to edge
    angle = 2 * np.pi * (petal + within) / petals
    r = 4 * np.abs(np.sin(np.pi * within)) + noise * random.standard_normal(m)
    return r * np.stack([np.cos(angle), np.sin(angle)]), (petal % 2).reshape(1, m)


# --- digits ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Digits:
    """Pictures of the digits 0 to 9; unpacks into its first four fields.

    train_x : (m, height, width) uint8, white on black, train_y : (m,) of 0 to 9, test_x and test_y
    alike. `source` says in words where they are from, and `drawn` whether this module drew them.
    """

    train_x: NDArray[np.uint8]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.int64]
    source: str
    drawn: bool

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.train_x, self.train_y, self.test_x, self.test_y))


_MNIST = "expected train-images-idx3-ubyte, train-labels-idx1-ubyte and both for t10k, or their .gz"


def load_mnist(path: str | os.PathLike[str]) -> Digits:
    """Return the digits in the folder `path`: MNIST's four IDX files, gzipped or not.

    FileNotFoundError where the folder or a file is missing, ValueError for a file that is cut off,
    damaged or something else. All four are read and checked before anything is returned.

    >>> load_mnist("no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no/such/folder does not exist: expected train-images-idx3-ubyte, \
train-labels-idx1-ubyte and both for t10k, or their .gz
    """
    folder = Path(path)
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"{folder} {problem}: {_MNIST}")
    train = _read_digits(folder, "train")
    test = _read_digits(folder, "t10k")
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"{folder} has training pictures of {train[0].shape[1:]} pixels, but test pictures of "
            f"{test[0].shape[1:]}"
        )
    return Digits(*train, *test, source=f"digits read from {folder}", drawn=False)


def _read_digits(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    file, x = _read_idx(folder, f"{part}-images", 3)
    label_file, y = _read_idx(folder, f"{part}-labels", 1)
    if len(x) != len(y):
        raise ValueError(f"{file} has {len(x)} pictures, but {label_file} has {len(y)} labels")
    if y.max() > 9:
        where = int(np.argmax(y > 9))
        raise ValueError(
            f"{label_file} has the label {y[where]} at position {where}: expected digits, 0 to 9"
        )
    return x, y.astype(np.int64)


def _read_idx(folder: Path, name: str, ndim: int) -> tuple[Path, NDArray[np.uint8]]:
    """The bytes in an IDX file: two zeros, the type, the number of axes, their sizes, the values."""
    ending = f"idx{ndim}-ubyte"
    names = [f"{name}{dot}{ending}{gz}" for gz in ("", ".gz") for dot in "-."]
    file = next((folder / name for name in names if (folder / name).is_file()), None)
    if file is None:
        raise FileNotFoundError(f"{folder / names[0]} does not exist: {_MNIST}")
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            head = stream.read(4 + 4 * ndim)
            shape = tuple(np.frombuffer(head[4:], ">u4").tolist()) if len(head) % 4 == 0 else ()
            if head[:4] != bytes((0, 0, 8, ndim)) or len(shape) != ndim:
                raise ValueError(
                    f"{file} is not an IDX file of bytes with {ndim} "
                    f"ax{'e' if ndim > 1 else 'i'}s: download it again"
                )
            size = prod(shape)
            if not 0 < size <= _LARGEST:
                raise ValueError(f"{file} claims to hold {shape}: expected 1 to {_LARGEST} bytes")
            data = stream.read(size)
            rest = stream.read(1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{file} is cut off or not gzipped, download it again ({error})"
        ) from error
    if len(data) != size or rest:
        many = "more" if rest else f"only {len(data)}"
        raise ValueError(f"{file} should hold {size} values, but has {many}: download it again")
    return file, np.frombuffer(data, np.uint8).reshape(shape).copy()


_LARGEST = 10**9  # bytes in one IDX file; MNIST's largest has 47 million


def draw_digits(train: int = 5000, test: int = 1000, *, seed: int = 1) -> Digits:
    """Return digits of 28 x 28 pixels that this code draws, as many of each: not handwriting.

    They are pen strokes, shifted, turned, slanted and bent at random. ValueError or TypeError for
    numbers that are not positive and whole.

    >>> digits = draw_digits(20, 10)
    >>> digits.train_x.shape, digits.test_y.shape, digits.source
    ((20, 28, 28), (10,), 'digits drawn by nn.datasets (not handwriting)')
    """
    m = check_whole_number("train", train, minimum=1)
    total = m + check_whole_number("test", test, minimum=1)
    random = np.random.default_rng(check_whole_number("seed", seed))
    y = np.concatenate([random.permutation(np.arange(m) % 10), np.arange(total - m) % 10])
    x = np.empty((total, 28, 28), np.uint8)
    for digit in range(10):
        mine = np.flatnonzero(y == digit)
        for some in np.array_split(mine, -(-len(mine) // 100) or 1):
            x[some] = _pen(_STROKES[digit], len(some), random)
    return Digits(
        x[:m], y[:m], x[m:], y[m:], "digits drawn by nn.datasets (not handwriting)", drawn=True
    )


# A point (x, y) of a stroke is the complex number x + iy, x to the right and y down, -1 to 1.


def _arc(centre: complex, rx: float, ry: float, start: float, end: float) -> list[complex]:
    """Points of an ellipse from one angle to another, in turns; 0 is to the right."""
    angles = 2 * np.pi * np.linspace(start, end, 2 + round(12 * abs(end - start)))
    return list(centre + rx * np.cos(angles) + 1j * ry * np.sin(angles))


_STROKES: list[list[list[complex]]] = [  # of the digits 0 to 9
    [_arc(0, 0.6, 1, 0, 1)],
    [[-0.4 - 0.6j, 0.1 - 1j, 0.1 + 1j]],
    [[*_arc(-0.45j, 0.55, 0.55, -0.45, 0.1), -0.6 + 1j, 0.65 + 1j]],
    [[*_arc(-0.5j, 0.5, 0.5, -0.4, 0.25), *_arc(0.5j, 0.58, 0.5, -0.2, 0.4)]],
    [[0.15 - 1j, -0.65 + 0.3j, 0.65 + 0.3j], [0.3 - 0.25j, 0.3 + 1j]],
    [[0.5 - 1j, -0.4 - 1j, -0.45 - 0.15j, *_arc(0.35j, 0.6, 0.62, -0.35, 0.4)]],
    [[0.4 - 1j, *_arc(0.4j, 0.55, 0.6, 0.55, -0.55)]],
    [[-0.6 - 1j, 0.6 - 1j, -0.15 + 1j]],
    [_arc(-0.52j, 0.45, 0.48, 0.25, 1.25), _arc(0.5j, 0.55, 0.5, -0.25, 0.75)],
    [[*_arc(-0.4j, 0.52, 0.58, 0, 1), 0.45 + 0.2j, 0.2 + 1j]],
]


def _pen(strokes: list[list[complex]], n: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """``n`` pictures (n, 28, 28) of one digit, each written a little differently."""

    def vary(size: float) -> Any:
        return size * np.clip(random.standard_normal((n, 1)), -2, 2)

    turn, slant, shift = np.exp(1j * vary(0.12)), vary(0.15), vary(0.09) + 1j * vary(0.09)
    wide, high, width = 0.68 + vary(0.08), 0.68 + vary(0.08), 0.1 + vary(0.015)
    bend, phase = vary(0.1) + 1j * vary(0.1), vary(1.5)
    rows, columns = (np.mgrid[:28, :28].reshape(2, -1) + 0.5) / 14 - 1
    grid, nearest = columns + 1j * rows, np.full((n, 28 * 28), np.inf)
    for stroke in strokes:
        z = np.array(stroke) + bend * np.sin(2 * np.array(stroke).imag + phase)
        z = (z + slant * z.imag) * turn
        z = wide * z.real + 1j * high * z.imag + shift
        for start, piece in zip(z.T[:-1, :, None], np.diff(z).T[:, :, None]):
            along = np.clip(((grid - start) / piece).real, 0, 1)
            nearest = np.minimum(nearest, np.abs(grid - start - along * piece))
    ink = np.clip((width - nearest) * 14 + 0.5, 0, 1)
    return np.rint(255 * ink).astype(np.uint8).reshape(n, 28, 28)


# --- the drawn pictures ------------------------------------------------------------------------
#
# A shape is a function that is negative inside and positive outside, about the distance to the
# edge. Half a pixel around the edge the colour fades, which smooths the outline.

Colour = tuple[float, float, float]
Point = tuple[float, float]

_TRAIN, _TEST = 209, 50
_TRAIN_CATS, _TEST_CATS = 72, 33

_BLACK, _WHITE, _PINK = (0.06, 0.05, 0.06), (0.95, 0.94, 0.91), (0.9, 0.55, 0.55)
_GREEN, _BROWN, _RED, _GREY = (0.3, 0.55, 0.25), (0.42, 0.28, 0.18), (0.8, 0.2, 0.17), (0.5,) * 3
_FURS: tuple[Colour, ...] = (
    (0.87, 0.56, 0.25),  # ginger
    (0.55, 0.54, 0.55),  # grey
    (0.17, 0.15, 0.17),  # black
    (0.92, 0.89, 0.83),  # white
    (0.58, 0.43, 0.29),  # brown
    (0.86, 0.74, 0.56),  # cream
)
_BRIGHT: tuple[Colour, ...] = (
    _RED,
    (0.2, 0.4, 0.75),
    (0.95, 0.78, 0.2),
    (0.25, 0.6, 0.5),
    (0.6, 0.35, 0.65),
    (0.95, 0.6, 0.35),
    _WHITE,
)
_EYES: tuple[Colour, ...] = ((0.6, 0.75, 0.25), (0.9, 0.7, 0.2), (0.45, 0.7, 0.8), (0.75, 0.5, 0.2))


class _Canvas:
    """A picture seen through its own axes: x to the right and y down, about -1 to 1."""

    def __init__(self, random: np.random.RandomState) -> None:
        self.pixels = np.zeros((SIDE, SIDE, 3))
        self.y, self.x = (np.mgrid[:SIDE, :SIDE] + 0.5) * 2 / SIDE - 1
        self.pixel = 2 / SIDE
        self.grain = random.randn(SIDE, SIDE)

    def at(self, x: float, y: float, size: float, angle: float = 0, flip: int = 1) -> _Canvas:
        """Return the same picture with its centre at (x, y), enlarged, turned, mirrored."""
        other = object.__new__(_Canvas)
        other.pixels, other.grain = self.pixels, self.grain
        u, v, cos, sin = self.x - x, self.y - y, np.cos(angle), np.sin(angle)
        other.x, other.y = flip * (cos * u + sin * v) / size, (cos * v - sin * u) / size
        other.pixel = self.pixel / size
        return other

    def paint(self, distance: Any, colour: Colour, shade: float = 0.3, fuzz: float = 0) -> None:
        distance = distance / self.pixel + fuzz * self.grain
        cover = np.clip(0.5 - distance, 0, 1)
        # darker towards the edge and to the lower right: the shape looks round
        light = 1 - shade * (np.exp(np.minimum(distance, 0) / 4) + 0.25 * (self.x + self.y))
        light += 0.06 * fuzz * self.grain
        self.pixels += cover[..., None] * (light[..., None] * colour - self.pixels)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        angle: float = 0,
        **how: float,
    ) -> None:
        u, v, cos, sin = self.x - x, self.y - y, np.cos(angle), np.sin(angle)
        u, v = (cos * u + sin * v) / rx, (cos * v - sin * u) / ry
        r = np.sqrt(u * u + v * v) + 1e-9
        self.paint((r - 1) * r / np.sqrt((u / rx) ** 2 + (v / ry) ** 2 + 1e-9), colour, **how)

    def polygon(self, points: Iterable[Point], colour: Colour, **how: float) -> None:
        """Fill a convex polygon: the intersection of the half-planes inside its edges."""
        corners = np.array(list(points))
        middle, distance = corners.mean(0), np.full(self.x.shape, -np.inf)
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
            nx, ny = np.array([by - ay, ax - bx]) / np.hypot(bx - ax, by - ay)
            if nx * (middle[0] - ax) + ny * (middle[1] - ay) > 0:
                nx, ny = -nx, -ny
            distance = np.maximum(distance, nx * (self.x - ax) + ny * (self.y - ay))
        self.paint(distance, colour, **how)

    def line(self, points: Iterable[Point], width: float, colour: Colour, **how: float) -> None:
        corners = list(points)
        squared = np.full(self.x.shape, np.inf)
        for (ax, ay), (bx, by) in pairwise(corners):
            u, v, dx, dy = self.x - ax, self.y - ay, bx - ax, by - ay
            t = np.clip((u * dx + v * dy) / (dx * dx + dy * dy), 0, 1)
            squared = np.minimum(squared, (u - t * dx) ** 2 + (v - t * dy) ** 2)
        self.paint(np.sqrt(squared) - width / 2, colour, **how)


def _mix(a: Colour, b: Colour, t: float) -> Colour:
    return tuple((1 - t) * p + t * q for p, q in zip(a, b, strict=True))  # type: ignore[return-value]


class _Artist:
    """Draws one picture after another; everything that varies comes from one random stream."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)
        self.between = self.random.uniform

    def pick(self, choices: Any) -> Any:
        return choices[self.random.randint(len(choices))]

    def draw(self, subject: Any) -> NDArray[np.uint8]:
        c = _Canvas(self.random)
        self.background(c)
        subject(self, c)
        tilt, warmth = self.between(-0.22, 0.22, 2), self.between(-0.07, 0.07)
        light = self.between(0.7, 1.05) * (1 + tilt[0] * c.x + tilt[1] * c.y)
        light *= 1 - 0.12 * (c.x**2 + c.y**2)
        picture = (0.42 + 1.35 * (c.pixels - 0.45)) * light[..., None] * (1 + warmth, 1, 1 - warmth)
        picture += self.between(0.01, 0.035) * self.random.randn(SIDE, SIDE, 3)
        return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)

    # ...where it is

    def background(self, c: _Canvas) -> None:
        self.pick((_Artist.room, _Artist.room, _Artist.meadow, _Artist.blur))(self, c)

    def sky(self, c: _Canvas, low: float = 1.0) -> None:
        top = self.pick(((0.35, 0.6, 0.85), (0.55, 0.7, 0.85), (0.75, 0.78, 0.8), (0.3, 0.3, 0.5)))
        bottom = self.pick(((0.85, 0.9, 0.95), (0.95, 0.8, 0.65), (0.8, 0.85, 0.85)))
        t = np.clip((c.y + 1) / (1 + low), 0, 1)[..., None]
        c.pixels[:] = (1 - t) * np.array(top) + t * np.array(bottom)

    def meadow(self, c: _Canvas) -> None:
        horizon = self.between(-0.3, 0.4)
        self.sky(c, horizon)
        grass = _mix(_GREEN, self.pick(((0.6, 0.65, 0.25), (0.2, 0.4, 0.25))), self.between())
        hill = horizon + 0.1 * np.sin(self.between(1, 3) * c.x + self.between(0, 6))
        c.paint(hill - c.y, grass, fuzz=0.7)

    def room(self, c: _Canvas) -> None:
        wall = _mix(self.pick(_BRIGHT), (0.8, 0.77, 0.72), self.between(0.35, 0.9))
        c.pixels[:] = np.array(wall) * (0.95 - 0.15 * c.y[..., None])
        if self.between() < 0.4:  # wallpaper
            stripes = np.cos((c.x + 0.3 * self.between() * c.y) * self.between(8, 20))
            c.pixels *= 1 + 0.08 * stripes[..., None]
        elif self.between() < 0.5:  # a window
            x = self.between(-0.9, 0.9)
            c.polygon([(x - 0.4, -0.9), (x + 0.4, -0.9), (x + 0.4, 0), (x - 0.4, 0)], _WHITE)
            c.polygon(
                [(x - 0.33, -0.83), (x + 0.33, -0.83), (x + 0.33, -0.07), (x - 0.33, -0.07)],
                (0.6, 0.77, 0.9),
                shade=0.1,
            )
            c.line([(x, -0.9), (x, 0)], 0.05, _WHITE)
        floor = self.between(0.2, 0.55)
        c.paint(floor - c.y, _mix(self.pick(_BRIGHT), _BROWN, self.between(0.4, 1)), fuzz=0.2)

    def blur(self, c: _Canvas) -> None:
        base = np.array(
            _mix(self.pick(_BRIGHT), self.pick((_BROWN, _GREEN, _GREY)), self.between(0.3, 1))
        )
        c.pixels[:] = base * (0.8 - 0.15 * c.y[..., None])
        for _ in range(6):
            x, y, r = self.between(-1, 1), self.between(-1, 1), self.between(0.1, 0.35)
            spot = self.between(0.1, 0.45) * np.clip(3 - 3 * np.hypot(c.x - x, c.y - y) / r, 0, 1)
            c.pixels += spot[..., None] * (np.array(self.pick(_BRIGHT)) - c.pixels)

    def place(
        self, c: _Canvas, small: float, large: float, tilt: float = 0.15, foot: float | None = None
    ) -> _Canvas:
        """Return axes for a subject anywhere, or where `foot`, its lowest y, is on the ground."""
        size = self.between(small, large)
        x, y = self.between(-0.8, 0.8, 2) * (1.05 - size)
        if foot is not None:
            y = self.between(0.6, 0.95) - foot * size
        return c.at(x, y, size, self.between(-tilt, tilt), self.pick((-1, 1)))

    # ...cats

    def cat(self, c: _Canvas) -> None:
        poses = (_Artist.cat_portrait, _Artist.cat_portrait, _Artist.cat_sitting, _Artist.cat_lying)
        self.pick(poses)(self, c)

    def cat_portrait(self, c: _Canvas) -> None:
        size = self.between(0.5, 0.78)
        c = c.at(self.between(-0.3, 0.3), self.between(-0.1, 0.2), size)
        fur, dark, belly = self.coat()
        c.ellipse(self.between(-0.3, 0.3), 1.5, 1.05, 1.1, fur, fuzz=0.5)
        c.ellipse(0, 1.5, 0.45, 0.8, belly, shade=0.1, fuzz=0.5)
        self.cat_head(c.at(0, 0, 1, self.between(-0.25, 0.25)), fur, dark, belly)

    def cat_sitting(self, c: _Canvas) -> None:
        c = self.place(c, 0.6, 0.95, 0.08, foot=1)
        fur, dark, belly = self.coat()
        c.line([(0.4, 0.85), (0.8, 0.75), (0.95, 0.4), (0.85, 0.1)], 0.17, dark, fuzz=0.4)
        c.ellipse(0, 0.45, 0.5, 0.55, fur, fuzz=0.4)
        c.ellipse(0.1, 0.65, 0.5, 0.35, fur, fuzz=0.4)
        c.ellipse(-0.05, 0.3, 0.24, 0.35, belly, shade=0.1, fuzz=0.4)
        for x in (-0.2, 0.1):
            c.line([(x, 0.4), (x, 0.9)], 0.2, fur, fuzz=0.2)
            c.ellipse(x, 0.93, 0.14, 0.08, belly)
        self.cat_head(c.at(-0.05, -0.35, 0.44, self.between(-0.2, 0.2)), fur, dark, belly)

    def cat_lying(self, c: _Canvas) -> None:
        c = self.place(c, 0.6, 0.95, 0.08, foot=1)
        fur, dark, belly = self.coat()
        c.ellipse(0.2, 0.42, 0.8, 0.42, fur, fuzz=0.4)
        for x in (0.15, 0.4, 0.65):
            c.line([(x, 0.03), (x + 0.06, 0.3)], 0.07, dark, shade=0.1)
        c.line([(0.95, 0.5), (0.8, 0.78), (0.4, 0.82), (0.1, 0.78)], 0.16, dark, fuzz=0.4)
        c.ellipse(-0.5, 0.78, 0.22, 0.1, belly)
        self.cat_head(c.at(-0.45, 0.1, 0.46, self.between(-0.3, 0.3)), fur, dark, belly)

    def coat(self) -> tuple[Colour, Colour, Colour]:
        """Return the colours of fur, markings and belly."""
        fur = _mix(self.pick(_FURS), self.pick(_FURS), self.between(0, 0.25))
        plain = self.between() < 0.4
        dark = fur if plain else _mix(fur, _BLACK, self.between(0.35, 0.6))
        return fur, dark, _mix(fur, _WHITE, self.pick((0.15, 0.6, 0.9)))

    def cat_head(self, c: _Canvas, fur: Colour, dark: Colour, belly: Colour) -> None:
        for s in (-1, 1):
            tip = self.between(0.6, 0.85)
            c.polygon([(s * 0.95, -0.2), (s * tip, -1.25), (s * 0.1, -0.7)], fur, fuzz=0.3)
            c.polygon([(s * 0.8, -0.4), (s * tip * 0.97, -1.03), (s * 0.32, -0.7)], _PINK)
        c.ellipse(0, 0, 1, 0.82, fur, fuzz=0.4)
        for x in (-0.25, 0, 0.25):
            c.line([(x, -0.75), (x * 0.8, -0.45)], 0.11, dark, shade=0)
        for s in (-1, 1):
            c.line([(s * 0.95, 0.1), (s * 0.68, 0.12)], 0.1, dark, shade=0)
            c.ellipse(s * 0.2, 0.4, 0.3, 0.23, belly, shade=0.1)
        c.ellipse(0, 0.6, 0.2, 0.14, belly, shade=0.1)
        asleep, colour, pupil = self.between() < 0.15, self.pick(_EYES), self.between(0.06, 0.15)
        for x in (-0.42, 0.42):
            if asleep:
                c.line([(x - 0.2, -0.05), (x, 0.05), (x + 0.2, -0.05)], 0.08, _BLACK, shade=0)
            else:
                c.ellipse(x, -0.05, 0.25, 0.22, _BLACK, shade=0)
                c.ellipse(x, -0.05, 0.21, 0.18, colour, shade=0.15)
                c.ellipse(x, -0.05, pupil, 0.17, _BLACK, shade=0)
                c.ellipse(x - 0.07, -0.12, 0.06, 0.06, _WHITE, shade=0)
        c.polygon([(-0.13, 0.2), (0.13, 0.2), (0, 0.34)], _PINK, shade=0)
        mouth = [(-0.24, 0.44), (-0.12, 0.52), (0, 0.42), (0.12, 0.52), (0.24, 0.44)]
        c.line(mouth, 0.05, _BROWN, shade=0)
        whisker = _WHITE if sum(fur) < 2.3 else _BROWN
        for s in (-1, 1):
            for y in (0.2, 0.38, 0.56):
                c.line([(s * 0.4, 0.38 + y / 9), (s * 1.2, y)], 0.035, whisker, shade=0)

    # ...and other things

    def animal_face(self, c: _Canvas, fur: Colour, muzzle: Colour) -> None:
        c.ellipse(0, 0, 0.8, 0.85, fur, fuzz=0.4)
        c.ellipse(0, 0.4, 0.42, 0.38, muzzle, shade=0.15)
        for x in (-0.32, 0.32):
            c.ellipse(x, -0.15, 0.13, 0.15, _BLACK, shade=0)
            c.ellipse(x - 0.04, -0.2, 0.05, 0.05, _WHITE, shade=0)
        c.ellipse(0, 0.22, 0.18, 0.12, _BLACK, shade=0)
        c.line([(-0.18, 0.5), (0, 0.56), (0.18, 0.5)], 0.06, _BROWN, shade=0)

    def dog(self, c: _Canvas) -> None:
        c = self.place(c, 0.5, 0.75, foot=1.3)
        fur, dark, muzzle = self.coat()
        c.ellipse(0, 1.4, 0.8, 0.9, fur, fuzz=0.4)
        self.animal_face(c, fur, muzzle)
        c.ellipse(0, 0.68, 0.13, 0.2, (0.9, 0.4, 0.45))
        for s in (-1, 1):
            c.ellipse(s * 0.78, 0.05, 0.25, 0.62, _mix(dark, _BROWN, 0.4), -s * 0.25, fuzz=0.4)

    def bear(self, c: _Canvas) -> None:
        c = self.place(c, 0.5, 0.75, foot=1.3)
        fur = _mix(_BROWN, self.pick(_FURS), self.between(0, 0.5))
        c.ellipse(0, 1.4, 0.9, 0.9, fur, fuzz=0.4)
        for x in (-0.62, 0.62):
            c.ellipse(x, -0.65, 0.3, 0.3, fur, fuzz=0.4)
            c.ellipse(x, -0.62, 0.16, 0.16, _PINK)
        self.animal_face(c, fur, _mix(fur, _WHITE, 0.5))

    def rabbit(self, c: _Canvas) -> None:
        c = self.place(c, 0.5, 0.65, foot=1.2)
        fur, _, muzzle = self.coat()
        c.ellipse(0, 1.4, 0.8, 0.9, fur, fuzz=0.4)
        for s in (-1, 1):
            c.ellipse(s * 0.35, -1.15, 0.2, 0.65, fur, s * 0.15, fuzz=0.4)
            c.ellipse(s * 0.35, -1.1, 0.1, 0.48, _PINK, s * 0.15)
        self.animal_face(c, fur, muzzle)

    def owl(self, c: _Canvas) -> None:
        c = self.place(c, 0.55, 0.8, 0.1, foot=1)
        fur = _mix(_BROWN, self.pick(_FURS), self.between(0, 0.6))
        c.line([(-1.3, 0.95), (1.3, 0.95)], 0.15, _BROWN)
        c.ellipse(0, 0.1, 0.68, 0.9, fur, fuzz=0.4)
        c.ellipse(0, 0.45, 0.4, 0.5, _mix(fur, _WHITE, 0.5), fuzz=1)
        for s in (-1, 1):
            c.polygon([(s * 0.6, -0.4), (s * 0.55, -0.95), (s * 0.2, -0.7)], fur)
            c.ellipse(s * 0.62, 0.25, 0.18, 0.55, _mix(fur, _BLACK, 0.4))
            c.ellipse(s * 0.28, -0.35, 0.28, 0.28, _WHITE)
            c.ellipse(s * 0.28, -0.35, 0.2, 0.2, (0.95, 0.7, 0.15))
            c.ellipse(s * 0.28, -0.35, 0.11, 0.11, _BLACK, shade=0)
        c.polygon([(-0.1, -0.2), (0.1, -0.2), (0, 0.05)], (0.9, 0.6, 0.2))

    def fish(self, c: _Canvas) -> None:
        c.pixels[:] = np.array((0.15, 0.45, 0.6)) * (1 - 0.35 * c.y[..., None])
        for _ in range(5):
            c.ellipse(self.between(-1, 1), self.between(-1, 1), 0.06, 0.06, (0.7, 0.88, 0.95))
        c, colour = self.place(c, 0.5, 0.85), self.pick(_BRIGHT)
        c.polygon([(0.45, 0), (1, -0.45), (1, 0.45)], _mix(colour, _BLACK, 0.2))
        c.polygon([(-0.2, -0.3), (0.4, -0.3), (0.3, -0.65)], _mix(colour, _BLACK, 0.2))
        c.ellipse(-0.1, 0, 0.75, 0.45, colour)
        for x in (-0.2, 0.15):
            c.line([(x, -0.36), (x + 0.05, 0.36)], 0.12, _mix(colour, _WHITE, 0.6), shade=0)
        c.ellipse(-0.55, -0.1, 0.13, 0.13, _WHITE)
        c.ellipse(-0.57, -0.1, 0.07, 0.07, _BLACK, shade=0)

    def flower(self, c: _Canvas) -> None:
        c, colour = self.place(c, 0.5, 0.8).at(0, -0.2, 1), self.pick(_BRIGHT)
        c.line([(0, 0), (0.1, 1.6)], 0.12, _GREEN)
        c.ellipse(0.35, 0.95, 0.35, 0.14, _GREEN, -0.5)
        n, turn = self.random.randint(5, 10), self.between(0, 6)
        for angle in turn + 2 * np.pi * np.arange(n) / n:
            c.ellipse(0.5 * np.cos(angle), 0.5 * np.sin(angle), 0.36, 0.9 / n + 0.06, colour, angle)
        c.ellipse(0, 0, 0.26, 0.26, self.pick(((0.95, 0.75, 0.15), _BROWN)), fuzz=0.6)

    def mushroom(self, c: _Canvas) -> None:
        self.meadow(c)
        c, colour = self.place(c, 0.5, 0.8, foot=0.9), self.pick((_RED, _BROWN, (0.85, 0.6, 0.3)))
        c.polygon([(-0.22, 0), (0.22, 0), (0.3, 0.9), (-0.3, 0.9)], _WHITE)
        c.paint(np.maximum(np.hypot(c.x, (c.y - 0.1) * 0.9) - 0.85, c.y - 0.1), colour)
        for x, y, r in (
            (-0.45, -0.15, 0.13),
            (0, -0.4, 0.16),
            (0.4, -0.1, 0.14),
            (0.1, -0.02, 0.07),
        ):
            c.ellipse(x, y, r, r * 0.85, _WHITE)

    def tree(self, c: _Canvas) -> None:
        self.meadow(c)
        c = self.place(c, 0.6, 0.95, 0.05, foot=1)
        c.polygon([(-0.12, 0.1), (0.12, 0.1), (0.17, 1), (-0.17, 1)], _BROWN, fuzz=0.3)
        leaves = _mix(_GREEN, self.pick(((0.8, 0.5, 0.15), (0.1, 0.3, 0.2))), self.between(0, 0.7))
        if self.between() < 0.5:
            for y in (0.35, 0, -0.35):
                w = 0.5 + 0.35 * y
                c.polygon([(-w, y), (w, y), (0, y - 0.6)], leaves, fuzz=0.7)
        else:
            for x, y in ((-0.35, 0), (0.35, 0), (-0.2, -0.4), (0.25, -0.4), (0, -0.1)):
                c.ellipse(x, y, 0.42, 0.4, leaves, fuzz=1)

    def mountains(self, c: _Canvas) -> None:
        self.sky(c, 0.4)
        for _ in range(3):
            x, top, w = self.between(-0.9, 0.9), self.between(-0.7, 0), self.between(0.6, 1.1)
            rock = _mix(
                (0.45, 0.45, 0.55), self.pick((_BROWN, _GREY, _GREEN)), self.between(0, 0.6)
            )
            c.polygon([(x - w, 0.6), (x, top), (x + w, 0.6)], rock, fuzz=0.5)
            s = 0.3 / (0.6 - top)
            c.polygon([(x - s * w, top + 0.3), (x, top), (x + s * w, top + 0.3)], _WHITE, fuzz=0.8)
        c.paint(self.between(0.3, 0.6) - c.y, self.pick((_GREEN, (0.25, 0.45, 0.6))), fuzz=0.5)

    def boat(self, c: _Canvas) -> None:
        horizon = self.between(-0.1, 0.4)
        self.sky(c, horizon)
        c.ellipse(
            self.between(-0.8, 0.8), self.between(-0.8, 0), 0.17, 0.17, (1, 0.85, 0.5), shade=0
        )
        c.paint(horizon - c.y, (0.2, 0.42, 0.6), fuzz=0.4)
        c = c.at(
            self.between(-0.4, 0.4), horizon + 0.15, self.between(0.5, 0.8), flip=self.pick((-1, 1))
        )
        c.line([(0, -1.1), (0, 0.1)], 0.05, _BROWN)
        c.polygon([(0.06, -1.05), (0.06, -0.1), (0.65, -0.1)], self.pick(_BRIGHT), shade=0.15)
        c.polygon([(-0.06, -0.85), (-0.06, -0.1), (-0.5, -0.1)], _WHITE, shade=0.15)
        c.polygon([(-0.75, 0), (0.8, 0), (0.5, 0.35), (-0.5, 0.35)], self.pick(_BRIGHT))

    def house(self, c: _Canvas) -> None:
        self.meadow(c)
        c, wall = self.place(c, 0.6, 0.9, 0.03, foot=0.85), _mix(self.pick(_BRIGHT), _WHITE, 0.4)
        c.polygon([(0.3, -0.85), (0.5, -0.85), (0.5, -0.2), (0.3, -0.2)], _BROWN)
        c.polygon([(-0.7, -0.1), (0.7, -0.1), (0.7, 0.85), (-0.7, 0.85)], wall, shade=0.15)
        c.polygon(
            [(-0.9, -0.1), (0.9, -0.1), (0, -0.85)], _mix(_RED, self.pick((_BROWN, _GREY)), 0.5)
        )
        c.polygon([(-0.15, 0.35), (0.15, 0.35), (0.15, 0.85), (-0.15, 0.85)], _BROWN)
        for x in (-0.45, 0.45):
            c.polygon(
                [(x - 0.16, 0.1), (x + 0.16, 0.1), (x + 0.16, 0.42), (x - 0.16, 0.42)],
                self.pick(((0.65, 0.8, 0.9), (0.98, 0.85, 0.45))),
            )

    def car(self, c: _Canvas) -> None:
        self.meadow(c)
        c.paint(self.between(0.4, 0.6) - c.y, (0.4, 0.4, 0.42), fuzz=0.3)
        c, colour = self.place(c, 0.6, 0.9, 0.05, foot=0.5), self.pick(_BRIGHT)
        c.polygon([(-0.5, 0), (-0.3, -0.42), (0.3, -0.42), (0.6, 0)], colour)
        c.polygon([(-0.4, 0), (-0.25, -0.33), (-0.03, -0.33), (-0.03, 0)], (0.6, 0.75, 0.85))
        c.polygon([(0.03, 0), (0.03, -0.33), (0.25, -0.33), (0.46, 0)], (0.6, 0.75, 0.85))
        c.polygon([(-0.92, 0.35), (-0.85, 0), (0.8, -0.02), (0.95, 0.35)], colour)
        c.ellipse(-0.85, 0.12, 0.08, 0.08, (1, 0.95, 0.6), shade=0)
        for x in (-0.5, 0.52):
            c.ellipse(x, 0.37, 0.23, 0.23, _BLACK)
            c.ellipse(x, 0.37, 0.11, 0.11, (0.7, 0.7, 0.72))

    def ball(self, c: _Canvas) -> None:
        c, colour = self.place(c, 0.35, 0.75, 3), self.pick(_BRIGHT)
        c.ellipse(0, 0, 0.9, 0.9, colour)
        other = _mix(self.pick(_BRIGHT), _WHITE, 0.3)
        inside = np.hypot(c.x, c.y) - 0.88
        stripe = np.abs(c.y + 0.25 * np.cos(2 * c.x)) - self.between(0.1, 0.3)
        c.paint(np.maximum(inside, stripe), other)
        c.ellipse(-0.35, -0.4, 0.14, 0.1, _WHITE, -0.7, shade=0)

    def mug(self, c: _Canvas) -> None:
        c, colour = self.place(c, 0.5, 0.8, 0.05, foot=0.8), self.pick(_BRIGHT)
        c.paint(np.abs(np.hypot(c.x - 0.5, c.y - 0.1) - 0.3) - 0.08, colour)
        c.polygon([(-0.55, -0.45), (0.55, -0.45), (0.45, 0.7), (-0.45, 0.7)], colour)
        c.ellipse(0, 0.7, 0.45, 0.12, _mix(colour, _BLACK, 0.3), shade=0)
        c.ellipse(0, -0.45, 0.55, 0.17, _mix(colour, _WHITE, 0.4))
        c.ellipse(0, -0.42, 0.46, 0.11, _BROWN)
        for x in (-0.2, 0.15):
            c.line([(x, -0.65), (x + 0.1, -0.8), (x, -0.95)], 0.06, _WHITE, shade=0)

    def balloon(self, c: _Canvas) -> None:
        self.sky(c)
        c, colour = self.place(c, 0.5, 0.85, 0.1), self.pick(_BRIGHT)
        c.polygon([(-0.5, 0), (0.5, 0), (0.15, 0.6), (-0.15, 0.6)], colour)
        c.ellipse(0, -0.25, 0.62, 0.62, colour)
        c.ellipse(0, -0.25, 0.25, 0.62, self.pick(_BRIGHT))
        c.polygon([(-0.15, 0.72), (0.15, 0.72), (0.13, 0.95), (-0.13, 0.95)], _BROWN)
        for x in (-0.13, 0.13):
            c.line([(x, 0.6), (x, 0.75)], 0.03, _BROWN, shade=0)


_OTHERS = (
    _Artist.dog,
    _Artist.bear,
    _Artist.rabbit,
    _Artist.owl,
    _Artist.fish,
    _Artist.flower,
    _Artist.mushroom,
    _Artist.tree,
    _Artist.mountains,
    _Artist.boat,
    _Artist.house,
    _Artist.car,
    _Artist.ball,
    _Artist.mug,
    _Artist.balloon,
)


@cache
def _draw_all() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    artist = _Artist(seed=1)
    train, test = np.arange(_TRAIN) < _TRAIN_CATS, np.arange(_TEST) < _TEST_CATS
    y = np.concatenate([artist.random.permutation(train), artist.random.permutation(test)])
    others = iter(np.resize(np.arange(len(_OTHERS)), len(y)))
    x = np.stack([artist.draw(_Artist.cat if cat else _OTHERS[next(others)]) for cat in y])
    return x, y.reshape(1, -1).astype(np.int64)
