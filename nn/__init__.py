"""Networks on Tensors, and the formulas derived by hand to compare them with."""

from nn import datasets, manual
from nn.comparison import compare
from nn.losses import binary_cross_entropy
from nn.model import L_layer_model, LLayerModel, two_layer_model

__all__ = [
    "LLayerModel",
    "L_layer_model",
    "binary_cross_entropy",
    "compare",
    "datasets",
    "manual",
    "two_layer_model",
]
