"""Networks on Tensors, and the formulas derived by hand to compare them with.

``from nn import doctor`` has the gradient doctor, which examines backprop written by hand.
"""

from nn import datasets, initializers, manual
from nn.comparison import compare
from nn.layers import (
    Affine,
    Dropout,
    Linear,
    Module,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l2_penalty,
    mean_squared_error,
)
from nn.model import L_layer_model, LLayerModel, two_layer_model
from nn.optimizers import SGD, AdaGrad, Adam, Optimizer, RMSprop, clip_grad_norm, clip_grad_value
from nn.training import (
    History,
    MiniBatches,
    cosine_decay,
    early_stopping,
    exponential_decay,
    inverse_decay,
    load_checkpoint,
    save_checkpoint,
    step_decay,
    train,
    warm_up,
)

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "Affine",
    "Dropout",
    "History",
    "LLayerModel",
    "L_layer_model",
    "Linear",
    "MiniBatches",
    "Module",
    "Optimizer",
    "RMSprop",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "clip_grad_norm",
    "clip_grad_value",
    "compare",
    "cosine_decay",
    "cross_entropy",
    "datasets",
    "early_stopping",
    "exponential_decay",
    "initializers",
    "inverse_decay",
    "l2_penalty",
    "load_checkpoint",
    "manual",
    "mean_squared_error",
    "save_checkpoint",
    "step_decay",
    "train",
    "two_layer_model",
    "warm_up",
]
