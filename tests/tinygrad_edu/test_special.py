"""The functions of scipy.special, tested as the entries of the table are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import test_formulas
import test_rules

from tinygrad_edu import Tensor
from tinygrad_edu.recording import record

special = pytest.importorskip("tinygrad_edu.rules.special", reason="needs SciPy")

CASES = [
    pytest.param(entry, example, id=f"{name}-{i}")
    for name, entry in special.ENTRIES.items()
    for i, example in enumerate(test_rules.examples_of(entry))
]


def test_all_are_there() -> None:
    assert len(special.ENTRIES) == 46
    differentiable = {name for name, entry in special.ENTRIES.items() if any(entry.vjps)}
    assert {case.values[0].name for case in CASES} == differentiable


@pytest.mark.parametrize(("entry", "example"), CASES)
def test_derivatives(entry: Any, example: tuple[Any, ...]) -> None:
    test_rules.test_first_derivative(entry, example)
    test_rules.test_first_derivative_in_other_dtypes(entry, example, np.float32, 2e-4)
    test_rules.test_second_derivative(entry, example)


@pytest.mark.parametrize(("entry", "example"), CASES)
def test_written_out(entry: Any, example: tuple[Any, ...]) -> None:
    written_out = test_formulas.test_every_operation_of_the_table_can_be_written_out
    if entry.name in ("psi", "polygamma"):
        with pytest.raises(ValueError, match=r"psi|polygamma|broadcast"):  # Python code of SciPy
            written_out(entry, example)
    else:
        written_out(entry, example)


IN_PYTORCH = "erfc erfcx erfinv ndtr log_ndtr ndtri gammaln psi polygamma i0 i1 i0e i1e"


@pytest.mark.skipif(test_rules.torch is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("name", IN_PYTORCH.split())
def test_against_pytorch(name: str) -> None:
    x, order = np.linspace(0.1, 0.9, 5), (1,) if name == "polygamma" else ()
    theirs, ours = test_rules.torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    getattr(test_rules.torch.special, name)(*order, theirs).sum().backward()
    record(special.ENTRIES[name], (ours, *order)).sum().backward()
    # PyTorch's trigamma is right to ten digits
    tolerance = 1e-9 if name == "psi" else 1e-12
    np.testing.assert_allclose(ours.grad, theirs.grad, rtol=tolerance)


def test_what_is_made_of_other_functions() -> None:
    scipys = pytest.importorskip("scipy.special")
    x, y = np.array([0.3, 1.2, 2.0]), np.array([0.7, 0.4, 2.5])
    for name in ("xlogy", "xlog1py", "rel_entr", "kl_div", "huber", "pseudo_huber"):
        f = getattr(scipys, name)
        a, b = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
        out = f(a, b)
        np.testing.assert_allclose(out.detach().data, f(x, y), rtol=1e-14)
        out.sum().backward()
        for gradient, dx, dy in ((a.grad, 1e-6, 0), (b.grad, 0, 1e-6)):
            slope = (f(x + dx, y + dy) - f(x - dx, y - dy)) / 2e-6
            np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-9)
    for name in ("cbrt", "exp2", "expm1", "log1p"):
        a, b = Tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
        getattr(scipys, name)(a).sum().backward()
        getattr(np, name)(b).sum().backward()
        np.testing.assert_array_equal(a.grad, b.grad)
    assert not scipys.gammasgn(Tensor(x, requires_grad=True)).requires_grad
    with pytest.raises(TypeError, match=r"^wofz has no rule"):
        scipys.wofz(Tensor(x))
    zero = Tensor([0.0, 0.0], requires_grad=True)
    for f in (scipys.xlogy, scipys.rel_entr, scipys.kl_div):
        np.testing.assert_array_equal(f(zero, [0.0, 1.0]).detach().data, f([0, 0], [0.0, 1.0]))
