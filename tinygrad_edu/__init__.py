"""Reverse-mode automatic differentiation on NumPy, small enough to be read in an evening.

>>> import numpy as np
>>> from tinygrad_edu import Tensor
>>> x = Tensor([1.0, 2.0], requires_grad=True)
>>> np.sum(x**2).backward()
>>> x.grad
array([2., 4.])
"""

from tinygrad_edu import rules
from tinygrad_edu.anomaly import detect_anomaly
from tinygrad_edu.formulas import derive
from tinygrad_edu.gradcheck import gradcheck
from tinygrad_edu.recording import no_grad, rule
from tinygrad_edu.rules import (
    dropout,
    gelu,
    leaky_relu,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    softmax,
    softplus,
)
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.transforms import grad, gradients, hessian, jacobian, value_and_grad, vjp

__version__ = "0.1.0"

__all__ = [
    "Tensor",
    "derive",
    "detect_anomaly",
    "dropout",
    "gelu",
    "grad",
    "gradcheck",
    "gradients",
    "hessian",
    "jacobian",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "no_grad",
    "relu",
    "rule",
    "rules",
    "sigmoid",
    "softmax",
    "softplus",
    "value_and_grad",
    "vjp",
]
