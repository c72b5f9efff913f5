"""Pictures of computation graphs and of training runs.

>>> from tinygrad_edu import Tensor
>>> x = Tensor(3.0, requires_grad=True, name="x")
>>> draw(x * x).source.splitlines()[0]
'digraph computation {'
"""

from viz.drawing import Drawing, draw
from viz.lines import remember_lines
from viz.play import Player, play
from viz.plots import plot_costs, plot_decision_boundary, plot_mislabeled
from viz.render import backend

__all__ = [
    "Drawing",
    "Player",
    "backend",
    "draw",
    "play",
    "plot_costs",
    "plot_decision_boundary",
    "plot_mislabeled",
    "remember_lines",
]
