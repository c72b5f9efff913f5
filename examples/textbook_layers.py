"""The textbook's layers with its numbers: Affine, Relu, Sigmoid, SoftmaxWithLoss, and networks.

    python examples/textbook_layers.py

Every layer is there twice. `nn.manual` has it with a backward pass derived by hand; on Tensors the
same formula is written down once, forwards, and autodiff finds the way back. Examples are rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_edu as tg
from nn import cross_entropy, manual
from tinygrad_edu import Tensor

# The article's scores, nine rows that approach class 2, which is right for all of them.
SCORES = np.array(
    [
        [0.1, 0.05, 0.1, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0],
        [0.1, 0.05, 0.2, 0.0, 0.05, 0.1, 0.0, 0.6, 0.0, 0.0],
        [0.0, 0.05, 0.3, 0.0, 0.05, 0.1, 0.0, 0.6, 0.0, 0.0],
        [0.0, 0.05, 0.4, 0.0, 0.05, 0.0, 0.0, 0.5, 0.0, 0.0],
        [0.0, 0.05, 0.5, 0.0, 0.05, 0.0, 0.0, 0.4, 0.0, 0.0],
        [0.0, 0.05, 0.6, 0.0, 0.05, 0.0, 0.0, 0.3, 0.0, 0.0],
        [0.0, 0.05, 0.7, 0.0, 0.05, 0.0, 0.0, 0.2, 0.0, 0.0],
        [0.0, 0.1, 0.8, 0.0, 0.1, 0.0, 0.0, 0.2, 0.0, 0.0],
        [0.0, 0.05, 0.9, 0.0, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0],
    ]
)
TARGET = np.eye(10)[2]


def main() -> dict[str, Any]:
    results: dict[str, Any] = {}

    def show(title: str, hand: dict[str, Any], auto: dict[str, Any]) -> None:
        """Print what was computed by hand, and compare it with autodiff."""
        print(f"\n{title}")
        for name, value in hand.items():
            value, other = np.asarray(value), np.asarray(auto[name])
            print(f"  {name:8} {value.tolist() if value.dtype.kind in 'iu' else value.round(8)}")
            np.testing.assert_allclose(other.reshape(value.shape), value, rtol=1e-12, atol=1e-15)
        results[title] = {"hand": hand, "auto": auto}

    # --- one layer at a time -------------------------------------------------------------------

    X, dout = np.array([[1, 2], [3, 4]]), np.array([[1, 2, 3], [4, 5, 6]])
    W, b = np.array([[1, 3, 5], [2, 4, 6]]), np.array([1, 1, 1])
    affine = manual.Affine(W, b)
    out, dX = affine.forward(X), affine.backward(dout)
    x, w, bias = parameters(X, W, b)
    y = x @ w + bias
    y.backward(dout.astype(float))
    show(
        "Affine",
        {"out": out, "dX": dX, "dW": affine.dW, "db": affine.db},
        {"out": y.data, "dX": x.grad, "dW": w.grad, "db": bias.grad},
    )

    X, dout = np.array([[1, -0.5], [-2, 3]]), np.array([[2, 3], [-3, -4]])
    relu = manual.Relu()
    hand = {"out": relu.forward(X), "dx": relu.backward(dout)}
    show("Relu", hand, through(tg.relu, X, dout))

    X, dout = np.array([[2, 4], [-0.3, 0.9]]), np.array([[4, 2], [-0.1, 0.8]])
    sigmoid = manual.Sigmoid()
    hand = {"out": sigmoid.forward(X), "dx": sigmoid.backward(dout)}
    show("Sigmoid", hand, through(tg.sigmoid, X, dout))

    # --- softmax and loss ----------------------------------------------------------------------

    print("\nSoftmaxWithLoss, class 2 is right")
    print("        with 1e-7 in the log   exact           autodiff, exact  difference * y / 1e-7")
    exact, article = manual.SoftmaxWithLoss(), manual.SoftmaxWithLoss(epsilon=1e-7)
    losses = []
    for i, scores in enumerate(SCORES, start=1):
        x = Tensor(scores[None], requires_grad=True)
        loss = cross_entropy(x, [2], axis=1)
        loss.backward()
        row = article.forward(scores, TARGET), exact.forward(scores, TARGET), loss.item()
        np.testing.assert_allclose(x.grad[0], exact.backward(), rtol=1e-12)
        ratio = (row[1] - row[0]) * exact.y[2] / 1e-7
        print(f"  x{i}    {row[0]:.11f}          {row[1]:.11f}   {row[2]:.11f}    {ratio:.4f}")
        losses.append(row)
    results["SoftmaxWithLoss"] = np.array(losses)
    print(
        "The article adds 1e-7 to the probability y of the right class, so that log(0) cannot occur.\n"
        "log(y + e) is about log(y) + e / y, so its losses are too small by 1e-7 / y, as the last\n"
        "column shows. log softmax computed at once needs no such guard: log(0) cannot occur in it."
    )

    # --- networks of two and of three layers ------------------------------------------------------

    X = np.array([[1, 2]])
    layers = [
        (np.array([[1, 3, 5], [2, 4, 6]]), np.array([[1, 2, 3]])),
        (np.array([[1, 4], [2, 5], [3, 6]]), np.array([[1, 2]])),
        (np.array([[5, 6, 7], [2, 3, 4]]), np.array([[1, 1, 1]])),
    ]
    for depth in (2, 3):
        network = [manual.Affine(W, b) for W, b in layers[:depth]]
        A = X
        for layer in network:
            A = layer.forward(A)
            print(f"\n{A.tolist()}", end="")
        dX = A  # backward from the network's own output, as the article has it
        for layer in reversed(network):
            dX = layer.backward(dX)

        x, *ws_and_bs = parameters(X, *[array for pair in layers[:depth] for array in pair])
        Z = x
        for w, bias in zip(ws_and_bs[::2], ws_and_bs[1::2]):
            Z = Z @ w + bias
        Z.backward(Z.detach())
        hand, auto = {"out": A, "dX": dX}, {"out": Z.data, "dX": x.grad}
        for i, layer in enumerate(network, start=1):
            hand |= {f"dW{i}": layer.dW, f"db{i}": layer.db}
            auto |= {f"dW{i}": ws_and_bs[2 * i - 2].grad, f"db{i}": ws_and_bs[2 * i - 1].grad}
        show(f"Network of {depth} layers", hand, auto)
    print("\nAutodiff gave the same numbers everywhere.")
    return results


def parameters(*arrays: np.ndarray) -> list[Tensor]:
    return [Tensor(array, requires_grad=True) for array in arrays]


def through(function: Any, X: np.ndarray, dout: np.ndarray) -> dict[str, Any]:
    """A function's output and, by autodiff, the gradient of its input."""
    (x,) = parameters(X)
    out = function(x)
    out.backward(dout.astype(float))
    return {"out": out.data, "dx": x.grad}


if __name__ == "__main__":
    main()
