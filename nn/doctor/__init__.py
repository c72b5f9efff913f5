"""The gradient doctor: whether hand-written backprop is right, and if not, which line and why."""

from nn.doctor.block import watch
from nn.doctor.file import check_file
from nn.doctor.gradients import check_grads
from nn.doctor.layers import check_layers
from nn.doctor.networks import check, check_model
from nn.doctor.pairs import check_pair
from nn.doctor.updates import check_step, check_update

__all__ = [
    "check",
    "check_file",
    "check_grads",
    "check_layers",
    "check_model",
    "check_pair",
    "check_step",
    "check_update",
    "watch",
]
