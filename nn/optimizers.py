"""Optimizers: how a gradient becomes a change of the parameters. Each one is a formula.

All follow PyTorch where sources differ: the same names, the same defaults, ``weight_decay`` as an
addition to the gradient (which is L2 regularisation), eps outside the square root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nn.checks import check_learning_rate
from nn.files import check_arrays
from tinygrad_edu import Tensor

Array = NDArray[Any]
Parameters = Iterable[Tensor] | Mapping[str, Tensor]
State = dict[str, Array]


class Optimizer:
    """What all optimizers share; a new one defines ``change``, and ``slots`` for what it remembers.

    ``params`` is a list of Tensors or a dict of them. ``lr`` may be changed between two steps.
    """

    slots: tuple[str, ...] = ()  # arrays remembered for each parameter, zero at the start

    def __init__(self, params: Parameters, lr: float, weight_decay: float = 0.0):
        self.params = tensors_of(params)
        self.lr = check_learning_rate(lr, name="lr")
        self.weight_decay = check_between("weight_decay", weight_decay, 0, inf)
        self.steps = [0] * len(self.params)  # of each parameter: without a gradient it takes none
        self.state = [
            {slot: np.zeros_like(tensor.data) for slot in self.slots}
            for tensor in self.params.values()
        ]

    def change(self, g: Array, state: State, t: int) -> Array:
        """What is subtracted from a parameter of gradient ``g`` in its t-th step, in its shape."""
        raise NotImplementedError(f"{type(self).__name__} needs a method change(self, g, state, t)")

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for i, tensor in enumerate(self.params.values()):
            g = tensor.grad
            if g is not None:
                self.steps[i] += 1
                data = tensor.data
                if self.weight_decay:
                    g = g + self.weight_decay * data
                data -= self.change(g, self.state[i], self.steps[i])
                tensor.data = data

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for tensor in self.params.values():
            tensor.zero_grad()

    def state_dict(self) -> dict[str, Array]:
        """Copies of all that it remembers, as arrays by name: lr, steps, and "slot.parameter"."""
        return {
            "lr": np.array(self.lr),
            "steps": np.array(self.steps),
            **{
                f"{slot}.{name}": state[slot].copy()
                for name, state in zip(self.params, self.state)
                for slot in self.slots
            },
        }

    def load_state_dict(self, arrays: Mapping[str, Any], source: str = "the state") -> None:
        """Go on from another one's `state_dict`; ValueError where it does not fit, nothing taken."""
        check_arrays(arrays, self.state_dict(), source)
        self.lr = float(arrays["lr"])
        self.steps = [int(t) for t in arrays["steps"]]
        for name, state in zip(self.params, self.state):
            for slot in self.slots:
                state[slot] = np.array(arrays[f"{slot}.{name}"])


class SGD(Optimizer):
    """Gradient descent, with ``momentum`` as a ball that rolls on: v = momentum v + g.

    The change is lr v; with ``nesterov`` lr (g + momentum v), as if the ball looked ahead.

    >>> W = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([W], lr=0.1)
    >>> (W * W).backward()
    >>> optimizer.step()
    >>> W.data
    array([0.8])
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        self.momentum = check_between("momentum", momentum, 0, inf)
        self.nesterov = nesterov
        self.slots = ("velocity",) if momentum else ()
        if nesterov and not momentum:
            raise ValueError("nesterov looks ahead along the momentum: give a momentum such as 0.9")
        super().__init__(params, lr, weight_decay)

    def change(self, g: Array, state: State, t: int) -> Array:
        if not self.momentum:
            return self.lr * g
        v = state["velocity"] = self.momentum * state["velocity"] + g
        return self.lr * (g + self.momentum * v if self.nesterov else v)


class Adam(Optimizer):
    """Running means m of g and v of g^2, each freed of its start at zero: lr m / (sqrt(v) + eps).

    Kingma and Ba, "Adam: a method for stochastic optimization".

    >>> W = Tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = Adam([W], lr=0.1)
    >>> np.sum(W * W).backward()
    >>> optimizer.step()
    >>> W.data.round(6)
    array([ 0.9, 99.9])
    """

    slots = ("m", "v")

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        self.betas = tuple(check_between("betas", beta, 0, 1) for beta in betas)
        self.eps = check_between("eps", eps, 0, inf)
        super().__init__(params, lr, weight_decay)

    def change(self, g: Array, state: State, t: int) -> Array:
        beta1, beta2 = self.betas
        m = state["m"] = state["m"] + (1 - beta1) * (g - state["m"])
        v = state["v"] = beta2 * state["v"] + (1 - beta2) * g * g
        size = np.sqrt(v) / sqrt(1 - beta2**t) + self.eps
        return self.lr / (1 - beta1**t) * m / size


class RMSprop(Optimizer):
    """A running mean v of g^2 makes all directions equally fast: lr g / (sqrt(v) + eps).

    Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning". ``momentum`` works
    on the quotient.

    >>> W = Tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = RMSprop([W], lr=0.01)
    >>> np.sum(W * W).backward()
    >>> optimizer.step()
    >>> W.data.round(6)
    array([ 0.9, 99.9])
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ):
        self.alpha = check_between("alpha", alpha, 0, 1)
        self.eps = check_between("eps", eps, 0, inf)
        self.momentum = check_between("momentum", momentum, 0, inf)
        self.slots = ("v", "velocity") if momentum else ("v",)
        super().__init__(params, lr, weight_decay)

    def change(self, g: Array, state: State, t: int) -> Array:
        v = state["v"] = self.alpha * state["v"] + (1 - self.alpha) * g * g
        size = np.sqrt(v) + self.eps
        if not self.momentum:
            return self.lr * g / size
        velocity = state["velocity"] = self.momentum * state["velocity"] + g / size
        return self.lr * velocity


class AdaGrad(Optimizer):
    """The sum v of all g^2 so far slows down what has moved much: lr g / (sqrt(v) + eps).

    Duchi, Hazan and Singer, "Adaptive subgradient methods".

    >>> W = Tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = AdaGrad([W], lr=0.1)
    >>> np.sum(W * W).backward()
    >>> optimizer.step()
    >>> W.data
    array([ 0.9, 99.9])
    """

    slots = ("v",)

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        eps: float = 1e-10,
    ):
        self.lr_decay = check_between("lr_decay", lr_decay, 0, inf)
        self.eps = check_between("eps", eps, 0, inf)
        super().__init__(params, lr, weight_decay)

    def change(self, g: Array, state: State, t: int) -> Array:
        v = state["v"] = state["v"] + g * g
        return self.lr / (1 + (t - 1) * self.lr_decay) * g / (np.sqrt(v) + self.eps)


# --- gradients that are too large ------------------------------------------------------------------


def clip_grad_norm(params: Parameters, max_norm: float) -> float:
    """Shrink all gradients together so that their common length is at most ``max_norm``.

    Returns the length before. Pascanu et al., "On the difficulty of training recurrent networks".

    >>> W = Tensor([0.0, 0.0], requires_grad=True)
    >>> W.grad = np.array([3.0, 4.0])
    >>> clip_grad_norm([W], 1.0), W.grad
    (5.0, array([0.6, 0.8]))
    """
    max_norm = check_between("max_norm", max_norm, 0, inf)
    tensors = [tensor for tensor in tensors_of(params).values() if tensor.grad is not None]
    norm = sqrt(sum(float(np.vdot(tensor.grad, tensor.grad)) for tensor in tensors))
    if norm > max_norm:
        for tensor in tensors:
            tensor.grad = tensor.grad * (max_norm / norm)
    return norm


def clip_grad_value(params: Parameters, limit: float) -> None:
    """Clip every number of every gradient to between ``-limit`` and ``limit``.

    >>> W = Tensor([0.0, 0.0], requires_grad=True)
    >>> W.grad = np.array([3.0, -4.0])
    >>> clip_grad_value([W], 3.5)
    >>> W.grad
    array([ 3. , -3.5])
    """
    limit = check_between("limit", limit, 0, inf)
    for tensor in tensors_of(params).values():
        if tensor.grad is not None:
            tensor.grad = np.clip(tensor.grad, -limit, limit)


# --- checks ----------------------------------------------------------------------------------------


def tensors_of(params: Parameters) -> dict[str, Tensor]:
    """The parameters by name, or by position where they came as a list; each has to be one."""
    if isinstance(params, Tensor):
        raise TypeError("params is a Tensor: expected a list or a dict of Tensors, as in [W]")
    named = dict(params) if isinstance(params, Mapping) else dict(enumerate(params))
    tensors = {str(name): tensor for name, tensor in named.items()}
    if not tensors:
        raise ValueError("params is empty: expected the Tensors that are to be trained")
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.requires_grad:
            what = "requires no gradient" if isinstance(tensor, Tensor) else "is no Tensor"
            raise TypeError(
                f"params[{name}] {what}: create it with Tensor(..., requires_grad=True)"
            )
    if len({id(tensor) for tensor in tensors.values()}) < len(tensors):
        raise ValueError("params names a Tensor twice: it would take two steps at a time")
    return tensors


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """``value`` as a float, if low <= value < high; ValueError otherwise."""
    if not isinstance(value, bool) and isinstance(value, int | float) and low <= value < high:
        return float(value)
    expected = f"a number, {low} or greater" + (f" and less than {high}" if high < inf else "")
    raise ValueError(f"{name} is {value!r}: expected {expected}")
