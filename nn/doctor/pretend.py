"""Data and modules that are not at hand, invented: scikit-learn's and Keras's data sets, tables, files.

Only their shapes and kinds are those of the real ones, with fewer examples.
"""

from __future__ import annotations

import ast
import builtins
import io
import linecache
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from nn.doctor.naming import role_of

EXAMPLES = 60
THOUSANDS = range(
    5000, 70001
)  # sizes of data sets such as MNIST's, which are taken a thousandth of
SETS = {  # (features, classes); 0 classes: numbers
    "load_iris": (4, 3),
    "load_digits": (64, 10),
    "load_wine": (13, 3),
    "load_breast_cancer": (30, 2),
    "load_diabetes": (10, 0),
    "load_boston": (13, 0),
    "fetch_california_housing": (8, 0),
    "fetch_openml": (784, 10),  # 70 of them
    "make_moons": (2, 2),
    "make_circles": (2, 2),
    "make_blobs": (2, 3),
    "make_classification": (20, 2),
    "make_regression": (100, 0),
    "spiral_data": (2, 3),
    "vertical_data": (2, 3),
    "sine_data": (1, 0),
}
Sizes = dict[str, int]
SIZES: Sizes = {"features": 4, "classes": 2, "m": EXAMPLES}  # of tables that are not known
LABELS = ("classes", "hot", "column")  # forms of invented labels
FORM: dict[str, Any] = {
    "labels": "classes",
    "used": False,
}  # which; whether there are any invented data
ACTING = {"on": False}  # whether what is not loaded gives what is invented for it
COLUMNS: dict[str, int] = {}  # of tables, by the names that were asked for
LABEL = re.compile(
    r"label|target|class|species|quality|price|outcome|output|diagnosis|survived", re.I
)
TEXT = "the quick brown fox jumps over the lazy dog and the dog sleeps on\n" * 4  # for a file
OPTIMISERS = ("minimize", "fmin_tnc", "fmin_l_bfgs_b", "fmin_cg", "fmin_bfgs")
OF_SCIPY = {"scipy.optimize": OPTIMISERS, "scipy.io": ("loadmat",)}  # never called
SAME = ("head", "tail", "dropna", "drop_duplicates", "reset_index", "fillna", "rename", "to_frame")


def known_as(name: str) -> Any:
    """What a name is usually: iris, X_train, labels; None for others."""
    for known in SETS:
        if name.lower() == known.partition("_")[2]:
            return result_of(known, (), {})
    if role_of(name) in ("X", "Y"):
        return data_for(ast.Name(name), "")
    return None


class Pretend:
    """Stands for what a module that is not loaded would give: everything can be asked of it."""

    def __init__(self, name: str):
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if attribute in ("fit_transform", "transform") and re.search("OneHot|Binar", self._name):
            return Pretend("to_categorical")
        role = role_of(attribute)
        if role in ("X", "Y") and attribute[:1].lower() in "xytdl":
            X, Y = examples(**SIZES)
            return table(X) if role == "X" else Y[:, None]
        return Pretend(attribute)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return result_of(self._name, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self if isinstance(key, str) else Pretend("item")

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        """What the names that it is taken apart into stand for: X, y = fetch(); figure, axes = ..."""
        caller = sys._getframe(1)
        line = linecache.getline(caller.f_code.co_filename, caller.f_lineno).strip()
        try:
            statement = ast.parse(line).body[0]
        except (SyntaxError, IndexError):
            return iter(())
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(target, ast.Tuple | ast.List):
            return iter(())
        names = [getattr(e, "id", "") for e in target.elts]
        if any(role_of(n) in ("X", "Y") for n in names):
            return iter(data_for(target, ""))
        return iter([Pretend(n) for n in names])

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *args: Any) -> None:
        pass


class Table(np.ndarray):
    """Rows of numbers, the last column the class, that can be asked what pandas' tables are asked."""

    names: Sequence[str] = ()  # of the columns, where they were chosen by name

    def __array_finalize__(self, other: Any) -> None:
        names = getattr(other, "names", ())
        self.names = names if self.ndim == 2 and self.shape[1] == len(names) else ()

    def column(self, name: str) -> int:
        if name not in self.names and LABEL.search(name):
            name = next((n for n in self.names if LABEL.search(n)), name)
        return self.names.index(name) if name in self.names else column(name, self.shape[-1])

    @property
    def values(self) -> Any:
        return np.array(self)

    @property
    def iloc(self) -> Any:
        return self

    @property
    def loc(self) -> Any:
        return self

    @property
    def columns(self) -> list[str]:
        return list(self.names) or [*(f"x{i}" for i in range(self.shape[-1] - 1)), "y"]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple) and any(isinstance(k, str | list) for k in key):
            return self[key[-1]]
        if isinstance(key, str):
            return super().__getitem__((slice(None), self.column(key)))
        if isinstance(key, list) and key and isinstance(key[0], str):
            found = [self.column(k) for k in key]
            if len(set(found)) < len(found):
                found = [i % self.shape[-1] for i in range(len(key))]
            chosen: Any = super().__getitem__((slice(None), found))
            chosen.names = key
            return chosen
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str | list):
            super().__setitem__(key, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in SAME:
            return lambda *args, **kwargs: self
        if name in ("to_numpy", "as_matrix", "get_values"):
            return lambda *args, **kwargs: self.values
        if name == "drop":
            return self.dropped
        if name in ("sample", "map", "apply", "replace"):
            return lambda *args, **kwargs: self
        if name == "features":
            return self
        if name == "targets":
            return table(np.arange(len(self))[:, None] % max(SIZES["classes"], 1))
        if self.ndim == 2:
            return self[name]
        raise AttributeError(name)

    def dropped(self, *args: Any, **kwargs: Any) -> Any:
        gone = kwargs.get("columns", args[0] if args else [])
        rows = kwargs.get("axis", args[1] if len(args) > 1 else 0) in (0, "index")
        if rows and "columns" not in kwargs:
            return self
        names = [gone] if isinstance(gone, str) else list(gone)
        indices = {self.column(str(n)) for n in names}
        keep = [i for i in range(self.shape[-1]) if i not in indices]
        return super().__getitem__((slice(None), keep))


class Bunch(dict[str, Any]):
    """scikit-learn's: entries are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Archive:
    """Arrays by names that say what they are; of weights there are none. MATLAB's have two axes."""

    def __init__(self, ndmin: int = 0):
        self.ndmin = ndmin

    def __getitem__(self, name: str) -> Any:
        if (found := known_as(name)) is None:
            raise KeyError(name)
        return found[:, None] if np.ndim(found) < self.ndmin else found


def column(name: str, n: int) -> int:
    """Which column of a table has this name: the last one is the class, others as they are asked for."""
    if LABEL.search(name) or name.lower() == "y":
        return n - 1
    number = re.fullmatch(r"x(\d+)", name)
    place = int(number[1]) if number else COLUMNS.setdefault(name, len(COLUMNS))
    return place % max(n - 1, 1)


def table(X: Any) -> Any:
    return np.asarray(X, float).view(Table)


def examples(features: int, classes: int, m: int = EXAMPLES) -> tuple[Any, Any]:
    """X : (m, features), y : (m,) classes, or numbers where there are none."""
    FORM["used"] = True
    rng = np.random.default_rng(4)
    y = np.arange(m) % max(classes, 1)
    X = rng.random((m, features)) + 0.3 * y[:, None] / max(classes, 1)
    return X, y if classes else X[:, 0] - 0.5 * X[:, -1] + rng.normal(size=m)


OF_LABELS = re.compile(r"label|target|_y\b|\by_|(?-i:[a-z]Y\d?\b)", re.I)  # paths
OF_INPUTS = re.compile(r"image|feature|_x\b|\bx_|(?-i:[a-z]X\d?\b)", re.I)


def sizes_of(path: str) -> Sizes:
    """The features and the classes of a data set that a path names: iris.data."""
    known = [v for k, v in SETS.items() if k.startswith("load_") and k[5:] in path]
    return dict(zip(("features", "classes"), known[0])) if known else {}


def says_what(path: Any) -> bool:
    """Whether a path says if it is one of inputs or of labels."""
    return isinstance(path, str) and bool(OF_LABELS.search(path) or OF_INPUTS.search(path))


def table_from(path: Any) -> Any:
    """A file with rows of numbers: the class is the last column, of digits the first."""
    name = str(path)
    digits = re.search(r"mnist|digit|idx\d", name.lower())
    X, y = examples(784, 10) if digits else examples(**(SIZES | sizes_of(name.lower())))
    if OF_LABELS.search(name):
        return y
    if OF_INPUTS.search(name):
        return X
    if not digits:
        return table(np.c_[X, y])
    pictures = table(np.c_[y, X * 255])
    pictures.names = ["label", *(f"pixel{i}" for i in range(X.shape[1]))]
    return pictures


@contextmanager
def acting() -> Iterator[None]:
    """What is not loaded gives what is invented for it."""
    before, ACTING["on"] = ACTING["on"], True
    try:
        yield
    finally:
        ACTING["on"] = before


def result_of(name: str, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """What the function of this name of a module that is not here would give."""
    first = args[0] if args else None
    if name in SETS:
        features, classes = SETS[name]
        m = given.get("n_samples", given.get("samples", first))
        m = min(m, SIZES["m"]) if type(m) is int else EXAMPLES + 10 * (name == "fetch_openml")
        classes = given.get("classes", given.get("n_classes", classes))
        X, y = examples(given.get("n_features", features), classes, m)
        if not name.startswith(("load", "fetch")) or given.get("return_X_y"):
            return X, y
        names = [f"x{i}" for i in range(X.shape[1])]
        return Bunch(
            data=table(X),
            target=np.asarray(y).view(Table),
            images=X,
            feature_names=names,
            target_names=list("abcdefghij"),
        )
    if name == "train_test_split":
        cut = [len(a) * 3 // 4 for a in args]
        return [half for a, n in zip(args, cut) for half in (a[:n], a[n:])]
    if name == "load_data":
        X, y = examples(784, 10)
        X = (255 * X / X.max()).astype(np.uint8).reshape(-1, 28, 28)
        return (X, y.astype(np.uint8)), (X[:10], y[:10].astype(np.uint8))
    if name == "load_mnist":
        X, y = examples(784, 10)
        y = np.eye(10)[y] if given.get("one_hot_label") else y
        return (X, y), (X[:10], y[:10])
    if name in ("to_categorical", "get_dummies"):
        y = np.asarray(first).astype(int).ravel()
        return table(np.eye(int(y.max()) + 1)[y])
    if name in (
        "tqdm",
        "fit_transform",
        "transform",
        "shuffle",
        "randomize",
        "normalize",
        "trange",
    ):
        if name in ("shuffle", "randomize") and len(args) > 1:
            return args
        return range(int(first or 0)) if name == "trange" else first
    if re.match(r"read_(csv|excel|table)|loadtxt|genfromtxt|convert_from_file", name):
        return table_from(first)
    if name in OPTIMISERS:
        return at_start(name, *args, **given)
    if name == "loadmat":
        return Archive(ndmin=2)
    if name == "accuracy_score":
        return 0.5
    if name == "FuncAnimation" and len(args) > 1:
        for picture in range(2):
            args[1](picture)
    return Pretend(name)


def at_start(name: str, *args: Any, **given: Any) -> Any:
    """What an optimiser gives that has not moved from where it was to start."""
    x = np.ravel(given.get("x0", args[1] if len(args) > 1 else 0.0)).astype(float)
    usual = {"fmin_tnc": (x, 1, 1), "fmin_l_bfgs_b": (x, 1.0, {})}
    return usual.get(name, Bunch(x=x, fun=1.0, success=True) if name == "minimize" else x)


def data_for(target: ast.expr, text: str) -> Any:
    """Data for what is assigned to, by its names, as a tuple for several: X_train, y_train = ...

    ``text`` is the program's: whether it is about digits.
    """
    if isinstance(target, ast.Tuple | ast.List):
        return tuple(data_for(t, text) for t in target.elts)
    name = getattr(target, "id", getattr(target, "attr", "")).lower()
    digits = re.search(r"mnist|784|28 \* 28|28, 28", text)
    X, y = examples(784, 10) if digits else examples(**SIZES)
    labels = role_of(name) == "Y" or re.search(r"label|target|class|(^|_)[yt](_|$)", name)
    if labels and FORM["labels"] == "hot":
        return np.eye(int(y.max()) + 1)[y]
    if labels and FORM["labels"] == "column":
        return y.reshape(-1, 1)
    return y if labels else table(X)


BATCH = re.compile(r"batch(?!.*(?:index|num|no|count|norm))", re.I)
FEW = 16  # examples in a batch, for more than 32


class Smaller(ast.NodeTransformer):
    """Numbers of examples as the invented data have them: 60 for 60000, and small batches."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) is int and node.value in THOUSANDS and node.value % 1000 == 0:
            return ast.copy_location(ast.Constant(node.value // 1000), node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        name = getattr(node.targets[0], "id", getattr(node.targets[0], "attr", ""))
        node.value = self.batch(name, node.value)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        node.value = self.batch(node.arg or "", node.value)
        return self.generic_visit(node)

    def batch(self, name: str, value: ast.expr) -> ast.expr:
        if is_many_for(name, getattr(value, "value", None)):
            return ast.copy_location(ast.Constant(FEW), value)
        return value


def is_many_for(name: str, value: Any) -> bool:
    """Whether this is the size of a batch that is larger than the invented data should have."""
    return type(value) is int and value > 2 * FEW and bool(BATCH.search(name))


def other_sizes(says: str, sizes: Sizes) -> Sizes | None:
    """Sizes with which an error of shapes may not come: the other length for one that is ours.

    >>> other_sizes("shapes (4,) and (3,5) not aligned: 4 (dim 0) != 3 (dim 0)", SIZES)
    {'features': 3, 'classes': 2, 'm': 60}
    >>> other_sizes("operands could not be broadcast together with shapes (60,2) (60,3)", SIZES)
    {'features': 4, 'classes': 3, 'm': 60}
    """
    few = re.search(r"index (\d+) is out of bounds for axis 0 with size (\d+)", says)
    if says == "list index out of range" or (few and int(few[2]) == sizes["m"]):
        most = min(int(few[1]) + 1 if few else 200, 1000)
        return sizes | {"m": most} if most > sizes["m"] else None
    sized = re.search(r"array of size (\d+) into shape \((\d+),1?\)", says)
    match = sized or re.search(r"(\d+)(?: \(dim \d\))? (?:!=|is different from) (\d+)", says)
    if match:
        pairs = [(int(match[1]), int(match[2]))]
    else:
        shapes = [re.findall(r"\d+", x)[::-1] for x in re.findall(r"\(([\d, ]+)\)", says)[:2]]
        pairs = [(int(a), int(b)) for a, b in zip(*shapes) if a != b] if len(shapes) == 2 else []
    both = [q for p in pairs for q in (p, p[::-1])]
    # products are of inputs, and differences of outputs
    order = ("classes", "features", "m") if "broadcast" in says else ("features", "classes", "m")
    for name in order:
        others = [b for a, b in both if sizes[name] == a and b > 1]
        if others:
            return sizes | {name: others[0]}
    return None


def answer_to(line: str, text: str, number: int) -> str:
    """What to type where a line of a program asks: a word that it looks for, a number, or words.

    >>> answer_to("n = int(input('layers? '))", "", 3)
    '3'
    >>> gate = "gate = input().upper()"
    >>> answer_to(gate, gate + "; print(1 if gate == 'XOR' else 2)", 3)
    'XOR'
    >>> answer_to("words = input()", "for c in words: print(c)", 3)
    'the quick brown fox'
    """
    if re.search(r"epoch|iter", line, re.I):
        number = 40
    if re.search(r"\b(?:int|float)\b.*input\(.*split", line):
        return f"{number} {number + 1}"
    match = re.match(r"\s*(\w+)\s*=.*input\(", line)
    if match is None or re.search(r"\b(?:int|float|eval)\(\s*input", line):
        return str(number)
    name = match[1]
    words = re.findall(rf"\b{name}(?:\.\w+\(\))* (?:==|!=|in) [\[(]?['\"](\w+)['\"]", text)
    words = [w for w in words if not re.fullmatch(r"q|quit|e?xit|stop|end|no?|done", w, re.I)]
    if words:
        return words[0]
    if re.search(rf"\b(?:int|float|eval|list|array)\({name}\b", text):
        return str(number)
    if re.search(rf"\b(?:int|float)\b.*\b{name}\.split", text):
        return f"{number} {number + 1}"
    return " ".join(TEXT.split()[:4])


def rows_of(path: Any, text: str) -> str:
    """What a file holds: rows of numbers with the class at the end, or prose."""
    name = str(path).lower()
    if not re.search(r"\.(csv|data|dat|tsv)$", name) and "split(','" not in text:
        return TEXT
    tabs = name.endswith("tsv")
    X, y = examples(**(SIZES | sizes_of(name)))
    return "".join(
        ("\t" if tabs else ",").join([*(f"{v:.4f}" for v in x), str(int(label))]) + "\n"
        for x, label in zip(X, y)
    )


@contextmanager
def pretended(sizes: Sizes, labels: str = "classes", text: str = "") -> Iterator[None]:
    """Files that are not there are invented, and questions are answered, as the ``text`` of the program
    wants them."""
    real_open, numbers = builtins.open, iter(np.random.default_rng(3).integers(2, 5, 10_000))

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        try:
            return real_open(file, mode, *args, **kwargs)
        except (OSError, TypeError):
            content = rows_of(file, text)
            return io.BytesIO(content.encode()) if "b" in mode else io.StringIO(content)

    def answer(*question: Any) -> str:
        caller = sys._getframe(1)
        line = linecache.getline(caller.f_code.co_filename, caller.f_lineno)
        return answer_to(line, text, int(next(numbers)))

    def or_table(read: Callable[..., Any]) -> Callable[..., Any]:
        def either(file: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return read(file, *args, **kwargs)
            except (OSError, TypeError, ValueError):
                return Archive() if str(file).endswith(".npz") else table_from(file)

        return either

    with ExitStack() as stack:
        for name in ("loadtxt", "genfromtxt", "load"):
            stack.enter_context(mock.patch.object(np, name, or_table(getattr(np, name))))
        stack.enter_context(mock.patch.dict(SIZES, sizes))
        stack.enter_context(mock.patch.dict(COLUMNS, clear=True))
        stack.enter_context(mock.patch.dict(FORM, labels=labels, used=False))
        for place in OF_SCIPY.keys() & sys.modules.keys():
            for name in OF_SCIPY[place]:
                stack.enter_context(mock.patch.object(sys.modules[place], name, Pretend(name)))
        for module in (builtins, io):
            stack.enter_context(mock.patch.object(module, "open", opened))
        stack.enter_context(mock.patch.object(time, "sleep", lambda seconds: None))
        stack.enter_context(mock.patch.object(builtins, "input", answer))
        yield
