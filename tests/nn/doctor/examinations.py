"""How a program of each form is handed to the doctor."""

from __future__ import annotations

from typing import Any

import numpy as np
import programs as p

from nn import doctor
from nn.doctor.report import Report


def course(room: dict[str, Any]) -> Report:
    params, X, Y = p.columns((5, 4, 3, 1))
    return doctor.check(
        room["L_model_forward"], room["compute_cost"], room["L_model_backward"], params, X, Y
    )


def course_update(room: dict[str, Any]) -> Report:
    params, _, _ = p.columns((5, 4, 3, 1))
    grads = {f"d{k}": v for k, v in params.items()}
    return doctor.check_update(room["update_parameters"], params, grads, 0.1)


def planar(room: dict[str, Any]) -> Report:
    params, X, Y = p.columns((2, 4, 3, 1))
    return doctor.check(
        room["forward_propagation"],
        room["compute_cost"],
        room["backward_propagation"],
        params,
        X,
        Y,
    )


def by_rows(room: dict[str, Any]) -> Report:
    params, x, t = p.rows((4, 5, 3))
    return doctor.check(room["forward"], room["loss"], room["backward"], params, x, t)


def regression(room: dict[str, Any]) -> Report:
    rng = np.random.RandomState(0)
    W, X, y = rng.randn(4, 3), rng.randn(6, 4), rng.randint(0, 3, 6)
    return doctor.check(loss_and_grad=room["loss_and_grad"], params=W, X=X, Y=y)


def decay(room: dict[str, Any]) -> Report:
    params, X, Y = p.columns((4, 3, 1))
    return doctor.check(room["forward"], room["cost"], room["backward"], params, X, Y, lambd=0.7)


def dropout(room: dict[str, Any]) -> Report:
    params, X, Y = p.columns((4, 6, 1), m=9)
    return doctor.check(room["forward"], room["cost"], room["backward"], params, X, Y)


def network(room: dict[str, Any]) -> Report:
    rng = np.random.RandomState(0)
    return doctor.check_model(room["Network"](), rng.randn(6, 3), rng.randn(6, 2))


def layers(room: dict[str, Any]) -> Report:
    rng = np.random.RandomState(0)
    chain = [
        room["Affine"](rng.randn(4, 5), rng.randn(5)),
        room["BatchNorm"](rng.randn(5), rng.randn(5)),
        room["Relu"](),
        room["Affine"](rng.randn(5, 3), rng.randn(3)),
        room["Sigmoid"](),
    ]
    return doctor.check_layers(
        chain, room["SoftmaxWithLoss"](), rng.randn(6, 4), np.eye(3)[rng.randint(0, 3, 6)]
    )


def product(room: dict[str, Any]) -> Report:
    rng = np.random.RandomState(0)
    return doctor.check_layers([room["Mul"]()], None, (rng.randn(3, 2), rng.randn(3, 2)))


def step(room: dict[str, Any]) -> Report:
    rng = np.random.RandomState(1)
    params = {
        "W1": rng.randn(3, 4),
        "b1": rng.randn(4),
        "W2": rng.randn(4, 1),
        "b2": rng.randn(1),
    }
    return doctor.check_step(room["step"], params, room["cost"], 0.1)


def pair(f: str, g: str) -> Any:
    return lambda room: doctor.check_pair(room[f], room[g])


RIGHT = {
    "course": (p.COURSE, course),
    "course update": (p.COURSE, course_update),
    "planar": (p.PLANAR, planar),
    "rows": (p.ROWS, by_rows),
    "regression": (p.REGRESSION, regression),
    "decay": (p.DECAY, decay),
    "dropout": (p.DROPOUT, dropout),
    "network": (p.CLASS, network),
    "layers": (p.LAYERS, layers),
    "product": (p.LAYERS, product),
    "step": (p.STEP, step),
    "sigmoid pair": (p.PAIRS, pair("sigmoid", "sigmoid_prime")),
    "relu pair": (p.PAIRS, pair("relu", "relu_derivative")),
    "leaky pair": (p.PAIRS, pair("leaky", "leaky_derivative")),
    "softmax pair": (p.PAIRS, pair("softmax", "softmax_backward")),
}
