"""The price of a basket of fruit as a computation graph: the smallest backpropagation there is.

    python examples/fruit_prices.py

Two apples at 100 each and three oranges at 150 each, and 10 % of tax. What does the price depend on
most? The gradient says by how much the price rises when one of these numbers rises by 1.
"""

from __future__ import annotations

from typing import Any

import viz
from nn.manual import AddLayer, MulLayer
from tinygrad_edu import Tensor

BASKET = {
    "apple": 100.0,
    "apple_num": 2.0,
    "orange": 150.0,
    "orange_num": 3.0,
    "tax": 1.1,
}


def by_autodiff() -> tuple[Any, dict[str, Any], Tensor]:
    """Write the price down; the graph is recorded, and backward() walks it in reverse."""
    x = {name: Tensor(value, requires_grad=True, name=name) for name, value in BASKET.items()}
    price = (x["apple"] * x["apple_num"] + x["orange"] * x["orange_num"]) * x["tax"]
    price.name = "price"
    price.backward()
    return price.item(), {name: tensor.grad.item() for name, tensor in x.items()}, price


def by_hand() -> tuple[Any, dict[str, Any]]:
    """Lay the layers out forwards, and call them again in reverse order with what comes back."""
    apples, oranges, fruit, taxed = MulLayer(), MulLayer(), AddLayer(), MulLayer()
    apple_price = apples.forward(BASKET["apple"], BASKET["apple_num"])
    orange_price = oranges.forward(BASKET["orange"], BASKET["orange_num"])
    price = taxed.forward(fruit.forward(apple_price, orange_price), BASKET["tax"])

    d = {}
    d_fruit, d["tax"] = taxed.backward(1.0)
    d_apple_price, d_orange_price = fruit.backward(d_fruit)
    d["apple"], d["apple_num"] = apples.backward(d_apple_price)
    d["orange"], d["orange_num"] = oranges.backward(d_orange_price)
    return price, d


def main() -> dict[str, Any]:
    price, auto, graph = by_autodiff()
    hand_price, hand = by_hand()
    print(viz.draw(graph))
    print(f"\n{'':12}{'by autodiff':>20}{'by hand':>20}")
    print(f"{'price':12}{price!r:>20}{hand_price!r:>20}")
    for name in BASKET:
        print(f"{'d' + name:12}{auto[name]!r:>20}{hand[name]!r:>20}")
    print("\nOne more apple costs 110, a tax rate of 1 more (100 %) costs 650.")
    return {"price": price, "auto": auto, "hand_price": hand_price, "hand": hand}


if __name__ == "__main__":
    main()
