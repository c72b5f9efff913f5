"""The derivation of the two-layer network, beside the same lines written by hand.

    python examples/derive_two_layers.py

On the left what `derive` found by reading the rules with names instead of numbers, on the right the
code of `nn.manual`, which a person wrote. They differ in one convention: by hand, dZ and dA belong to
the sum over the examples, and the 1/m comes in with dW and db.
"""

from __future__ import annotations

import inspect
import re

import numpy as np

import nn
from tinygrad_edu import Tensor, derive

# the line of nn.manual that says the same: its function, and how the line begins
BY_HAND = {
    "Z": ("linear_forward", "Z ="),
    "A1": ("relu", "return"),
    "A2": ("sigmoid", "return"),
    "cost": ("compute_cost", "return"),
    "dA2": ("cost_backward", "return"),
    "dZ2": ("sigmoid_backward", "return"),
    "dZ1": ("relu_backward", "return"),
    "dA1": ("linear_backward", "dA_prev ="),
    "dW": ("linear_backward", "dW ="),
    "db": ("linear_backward", "db ="),
}


def by_hand(name: str) -> str:
    """The code of nn.manual for the quantity ``name``, found in its source."""
    function, start = BY_HAND.get(name) or BY_HAND.get(name.rstrip("0123456789"), ("", ""))
    if not function:
        return ""
    lines = inspect.getsource(getattr(nn.manual, function)).splitlines()
    code = next(line.strip() for line in lines if line.strip().startswith(start))
    return re.sub(r", Z$|^return ", "", code)


def main() -> str:
    random = np.random.RandomState(1)
    X = Tensor(random.randn(4, 6), name="X")
    Y = Tensor((random.rand(1, 6) > 0.5) * 1.0, name="Y")
    model = nn.LLayerModel([4, 3, 1])
    cost = model.cost(X, Y)
    formulas = derive(cost)

    rows = [f"{'derived':62} by hand, in nn.manual"]
    rows += [f"{line!s:62} {by_hand(line.name)}".rstrip() for line in formulas.lines]

    # the same formulas in one step through the sigmoid and the cross-entropy
    fused = derive(cost, fused=True)
    rows += ["", f"dZ2 = {fused.expressions['dZ2']}", fused.note]

    # and the generated function gives the numbers of the formulas by hand
    _, grads = formulas.function(**formulas.inputs)
    AL, caches = nn.manual.L_model_forward(X.data, model.arrays())
    expected = nn.manual.L_model_backward(AL, Y.data, caches)
    worst = max(np.max(np.abs(g - expected[name])) for name, g in grads.items())
    rows += ["", f"largest difference between the generated function and nn.manual: {worst:.1e}"]
    text = "\n".join(rows)
    print(text)
    return text


if __name__ == "__main__":
    main()
