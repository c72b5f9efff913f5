"""The third reading: golden derivations, generated source against backward(), LaTeX, bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import random_programs as programs
import test_rules
from hypothesis import HealthCheck, given, reject, settings

import nn
from tinygrad_edu import Tensor, derive, rule
from tinygrad_edu.recording import record
from tinygrad_edu.tensor import Tensor as TensorClass

GOLDEN = Path(__file__).parent / "golden"
TEXTBOOK = {
    "classifier": [
        "dW2 = dZ2 @ A1.T",
        "db2 = np.sum(dZ2, axis=1, keepdims=True)",
        "dA1 = W2.T @ dZ2",
        "dZ1 = dA1 * (A1 > 0)",
        "dW1 = dZ1 @ X.T",
        "db1 = np.sum(dZ1, axis=1, keepdims=True)",
    ],
    "tanh_hidden": ["dZ1 = dA1 * (1 - A1**2)", "dW2 = dZ2 @ A1.T", "dZ2 = dA2 * A2 * (1 - A2)"],
    "softmax_cross_entropy": ["A2 = softmax(Z2, axis=0)", "dW2 = dZ2 @ A1.T"],
    "l2_regularisation": ["dW2 = 0.1 * W2 + dZ2 @ A1.T", "dZ2 = 2 * (Z2 - Y) / m"],
    "residual": ["dA1 = dH + W1.T @"],
    "shared_weight": ["dW = dZ2 @ H1.T + dZ1 @ X.T"],
    "scalar_expression": ["dapple_price = tax", "dapple = dapple_price * apples"],
}


@pytest.mark.parametrize("name", list(networks.NETWORKS))
def test_derivations_are_those_of_the_golden_files(name: str) -> None:
    text = str(derive(networks.NETWORKS[name]())) + "\n"
    path = GOLDEN / f"{name}.txt"
    assert path.exists(), f"a new golden file to read and keep:\n{text}"
    assert text == path.read_text(encoding="utf-8")
    lines = [] if name == "classifier_13" else TEXTBOOK.get(name, TEXTBOOK["classifier"])
    for line in lines:
        assert any(row.strip().startswith(line) for row in text.splitlines()), line


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", list(networks.NETWORKS))
def test_the_generated_function_gives_the_gradients_of_backward(name: str, fused: bool) -> None:
    loss = networks.NETWORKS[name]()
    agree(loss, fused=fused, tolerance=1e-12 if fused else 4e-15)


def agree(loss: Tensor, tolerance: float, fused: bool = False) -> None:
    """The compiled source and backward() give the same loss and gradients."""
    formulas = derive(loss, fused=fused)
    value, grads = formulas.function(**formulas.inputs)
    np.testing.assert_allclose(value, loss.data, rtol=1e-14)
    tensors = history(loss)
    leaves = [t for t in tensors if t.rule is None]
    for tensor in tensors:
        tensor.retain_grad()
    loss.backward()
    # where gradients cancel, as those of x - x do, there is only rounding to compare, of their size
    flows = [t.grad for t in tensors if t is not loss]
    scale = max((float(np.max(np.abs(g), initial=0)) for g in flows), default=0.0) or 1.0
    # each leaf is known by its array: the names of unnamed ones are derive's choice
    for tensor in leaves:
        name = next(k for k, v in formulas.inputs.items() if v is tensor.data)
        error = np.max(np.abs(grads[f"d{name}"] - tensor.grad), initial=0) / scale
        assert error <= tolerance, f"d{name}: {error}\n{formulas.source}"
        assert grads[f"d{name}"].shape == tensor.shape
        tensor.zero_grad()


def history(loss: Tensor) -> list[Tensor]:
    """All tensors that a gradient of ``loss`` flows to."""
    seen: set[Tensor] = set()
    stack = [loss]
    while stack:
        t = stack.pop()
        if t in seen or not t.requires_grad:
            continue
        seen.add(t)
        stack += [x for x in t.inputs if isinstance(x, TensorClass)]
    return list(seen)


@pytest.mark.parametrize(("entry", "example"), test_rules.CASES)
def test_every_operation_of_the_table_can_be_written_out(entry: Any, example: Any) -> None:
    values = test_rules.sample(entry, example)
    arguments = list(values)
    for i in test_rules.places_of(entry):
        arguments[i] = Tensor(values[i], requires_grad=True, name=f"x{i}")
    out = record(entry, arguments)
    weights = Tensor(np.cos(np.arange(out.size)).reshape(out.shape) + 1.5, name="weights")
    agree(np.sum(out * weights), tolerance=1e-13)


@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(programs.PROGRAM)
def test_the_source_of_random_programs_agrees(program: Any) -> None:
    arrays = programs.start(program)
    try:
        chosen = programs.steps(program, arrays)
    except programs.RejectedError:
        reject()
    inputs = [Tensor(x, requires_grad=True) for x in arrays]
    agree(programs.run(programs.Ours, chosen, inputs), tolerance=1e-13)


def test_the_source_holds_for_other_numbers_of_examples() -> None:
    model = nn.LLayerModel([4, 3, 1])
    random = np.random.RandomState(1)
    X, Y = random.randn(4, 6), (random.rand(1, 6) > 0.5) * 1.0
    function = derive(model.cost(Tensor(X, name="X"), Tensor(Y, name="Y"))).function
    X, Y = random.randn(4, 17), (random.rand(1, 17) > 0.5) * 1.0
    cost, grads = function(X=X, Y=Y, **model.arrays())
    AL, caches = nn.manual.L_model_forward(X, model.arrays())
    by_hand = nn.manual.L_model_backward(AL, Y, caches)
    np.testing.assert_allclose(cost, nn.manual.compute_cost(AL, Y), rtol=1e-14)
    for name, g in grads.items():
        np.testing.assert_allclose(g, by_hand[name], rtol=1e-12, atol=1e-15)


def test_the_source_trains_the_cat_classifier(catvnoncat: Any) -> None:
    X, Y = nn.datasets.flatten(catvnoncat[0]), catvnoncat[1].astype(float)
    model = nn.LLayerModel([12288, 20, 7, 5, 1])
    function = derive(model.cost(Tensor(X, name="X"), Tensor(Y, name="Y"))).function
    parameters, costs = model.arrays(), []
    for _ in range(401):
        cost, grads = function(X=X, Y=Y, **parameters)
        parameters = nn.manual.update_parameters(parameters, grads, 0.0075)
        costs.append(cost)
    published = [
        0.7717493284237686,
        0.6720534400822914,
        0.6482632048575212,
        0.6115068816101356,
        0.5670473268366111,
    ]
    np.testing.assert_allclose(costs[::100], published, rtol=1e-12)


@pytest.mark.parametrize("name", list(networks.NETWORKS))
def test_the_source_is_tidy_and_imports_numpy_only(name: str, tmp_path: Path) -> None:
    source = derive(networks.NETWORKS[name]()).source
    path = tmp_path / "derived.py"
    path.write_text(source)
    imports = [row for row in source.splitlines() if "import" in row]
    assert imports == (["import numpy as np"] if "np." in source else [])
    for arguments in (
        ["check", "--select", "E,F,W,I", "--line-length", "100"],
        ["format", "--check", "--diff", "--line-length", "100"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", str(path)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", list(networks.NETWORKS))
def test_the_latex_is_set_by_mathtext(name: str) -> None:
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="needs matplotlib's mathtext")
    parser = mathtext.MathTextParser("path")
    formulas = derive(networks.NETWORKS[name]())
    rows = formulas.latex.splitlines()
    assert rows[0] == r"\begin{aligned}" and rows[-1] == r"\end{aligned}"
    assert len(rows) == len(formulas.lines) + 2
    for row in rows[1:-1]:
        parser.parse(f"${row.removesuffix(' ' + 2 * chr(92)).replace('&', '')}$")
    assert formulas.latex in formulas._repr_markdown_()


def test_latex_of_the_course() -> None:
    latex = derive(networks.classifier([4, 3, 1])).latex
    for line in (
        r"dW^{[2]} &= dZ^{[2]} \, A^{[1]\top}",
        r"dA^{[1]} &= W^{[2]\top} \, dZ^{[2]}",
        r"dZ^{[1]} &= dA^{[1]} \odot \mathbf{1}[A^{[1]} > 0]",
    ):
        assert line in latex


def test_equal_layers_are_printed_once_and_in_full_when_asked() -> None:
    formulas = derive(networks.NETWORKS["classifier_13"]())
    short, full = str(formulas), formulas.text(full=True)
    assert "for l = " in short and "dW[l] = dZ[l] @ A[l-1].T" in short
    assert len(short.splitlines()) < 30 < len(full.splitlines())
    assert all(f"dW{i} = dZ{i} @ A{i - 1}.T" in full for i in range(2, 14))


def test_the_fused_step_and_why() -> None:
    formulas = derive(networks.classifier([4, 3, 1]), fused=True)
    assert "dZ2 = (A2 - Y) / m" in str(formulas)
    assert "dA2" not in formulas.expressions and "cancels" in formulas.note
    assert "dA2" in derive(networks.classifier([4, 3, 1])).expressions
    plain = derive(networks.tanh_hidden(), fused=True)
    assert "dZ2 = (A2 - Y) / m" in str(plain) and "dA2" not in plain.expressions
    other = derive(networks.softmax_cross_entropy(), fused=True)  # no sigmoid, nothing to fuse
    assert not other.note and "dA2" in other.expressions


def test_expressions_can_be_compared_and_substituted() -> None:
    found = derive(networks.classifier([4, 3, 1])).expressions
    again = derive(networks.classifier([4, 3, 1])).expressions
    assert found["dW2"].equals(again["dW2"]) and not found["dW2"].equals(found["dW1"])
    assert found["dW2"].symbols() == {"dZ2", "A1"}
    assert str(found["dW2"].substitute({"dZ2": found["A2"]})) == "sigmoid(Z2) @ A1.T"


def test_simplification_reads_like_a_textbook_and_changes_no_value() -> None:
    from tinygrad_edu.expressions import symbol

    x, y = symbol("x", np.array([[1.0, 2.0]])), symbol("y", np.array([[3.0, -4.0]]))
    for made, text in (
        (x * 1, "x"),
        (1 * x, "x"),
        (x + 0, "x"),
        (x / 1, "x"),
        (np.negative(-x), "x"),
        (x.T.T, "x"),
        (x + -y, "x - y"),
        (x.__sub__(-y), "x + y"),
        (-x + y, "y - x"),
        (-(x / y) * x, "-x / y * x"),
        (x * -y, "-x * y"),
        (x - (y - x), "x - (y - x)"),
        (x / (y / x), "x / (y / x)"),
        ((x + y) * x, "(x + y) * x"),
        (-(x**2), "-x**2"),
        ((-x) ** 2, "(-x) ** 2"),
        (x @ y.T, "x @ y.T"),
        (np.sum(x * y, axis=1, keepdims=True), "np.sum(x * y, axis=1, keepdims=True)"),
    ):
        assert str(made) == text
        value = eval(text, {"x": x.value, "y": y.value, "np": np})
        np.testing.assert_array_equal(value, made.value)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: 3.0, TypeError, ["Tensor", "float"]),
        (lambda: Tensor(1.0, name="X"), ValueError, ["X", "nothing to derive"]),
        (
            lambda: Tensor([1.0], requires_grad=True, name="W") * Tensor([2.0], name="W"),
            ValueError,
            ["two tensors", "'W'"],
        ),
        (lambda: Tensor([1.0], requires_grad=True, name="my W") * 2, ValueError, ["'my W'"]),
        (lambda: Tensor([1.0], requires_grad=True, name="lambda") * 2, ValueError, ["'lambda'"]),
        (
            lambda: (
                Tensor([1.0], requires_grad=True, name="W")
                * Tensor([1.0], requires_grad=True, name="dW")
            ),
            ValueError,
            ["'dW'", "gradient of 'W'"],
        ),
    ],
)
def test_what_cannot_be_derived(make: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        derive(make())
    assert all(word in str(caught.value) for word in words)


def test_opaque_operations_are_refused() -> None:
    import math

    opaque = rule(
        "opaque",
        lambda x: np.vectorize(math.exp)(x),
        lambda g, out, x: g * np.vectorize(math.exp)(x),
    )
    x = Tensor([1.0], requires_grad=True, name="x")
    with pytest.raises(ValueError, match="'opaque'"):
        derive(opaque(x).sum())
    hidden = 3.0

    def forward(x: Any) -> Any:
        return x * hidden

    closure = rule("closure", forward, lambda g, out, x: g * hidden)
    with pytest.raises(ValueError, match="'closure'"):
        print(derive(closure(x).sum()).source)


def test_names_that_python_would_confuse_are_kept_apart() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x
    for _ in range(3):
        y = np.tanh(y)
        y.name = "h"  # the same name again and again, as in a loop
    formulas = derive(y.sum())
    assert len(set(formulas.expressions)) == len(formulas.lines)
    agree(y.sum(), tolerance=1e-15)
