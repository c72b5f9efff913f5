"""The gradient doctor."""

from nn.doctor.forms import check

__all__ = ["check"]
