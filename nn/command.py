"""The command ``tinygrad-edu``."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import viz
from nn import datasets
from nn.checks import check_layers_dims, check_learning_rate, check_whole_number
from nn.comparison import CONVENTION, Comparison, compare
from nn.doctor import check_file
from nn.model import LLayerModel
from nn.page import page
from tinygrad_edu import Tensor, __version__, derive


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for input that will not do, 130 for Ctrl-C;
    of the doctor 1 for a mistake that it found."""
    parser = make_parser()
    options = parser.parse_args(argv)
    try:
        return options.run(options)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        sys.stderr.close()
        return 0
    except (ValueError, TypeError, ArithmeticError, ImportError, OSError) as error:
        print(f"tinygrad-edu {options.command}: {sentence(error)}", file=sys.stderr)
        return 2


def sentence(error: Exception) -> str:
    """What an error says, also one of the operating system."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-edu", description="Learn and check backpropagation."
    )
    parser.add_argument("--version", action="version", version=f"tinygrad-edu {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    cats = commands.add_parser(
        "cats",
        help="train the L-layer cat classifier and compare autodiff with backprop by hand",
        description="Train the L-layer cat classifier by autodiff, compare its gradients with the "
        "formulas derived by hand, and leave pictures, the graph, the parameters and summary.json.",
    )
    cats.add_argument(
        "--data",
        metavar="DIR",
        help="the folder of train_catvnoncat.h5 and test_catvnoncat.h5; "
        "built-in pictures, drawn, not photographs, when left out",
    )
    cats.add_argument(
        "--layers",
        default="20,7,5",
        metavar="SIZES",
        help="sizes of the hidden layers (default: %(default)s)",
    )
    cats.add_argument(
        "--iterations", default="2500", metavar="N", help="training steps (default: %(default)s)"
    )
    cats.add_argument(
        "--learning-rate", default="0.0075", metavar="R", help="step size (default: %(default)s)"
    )
    cats.add_argument(
        "--output",
        default="cats",
        metavar="DIR",
        help="where to leave files (default: %(default)s)",
    )
    cats.set_defaults(run=run_cats)

    derived = commands.add_parser(
        "derive",
        help="print the backpropagation of the L-layer network as formulas",
        description="Derive the forward and the backward pass of the network [linear -> relu] x "
        "(L - 1) -> linear -> sigmoid with the cross-entropy cost.",
    )
    derived.add_argument(
        "--layers",
        default="12288,20,7,5,1",
        metavar="SIZES",
        help="sizes of the layers, the input's first (default: %(default)s)",
    )
    derived.add_argument(
        "--examples", default="209", metavar="M", help="columns of X (default: %(default)s)"
    )
    form = derived.add_mutually_exclusive_group()
    form.add_argument("--latex", action="store_true", help="aligned equations of LaTeX")
    form.add_argument("--numpy", action="store_true", help="a NumPy function")
    derived.add_argument(
        "--fused",
        action="store_true",
        help="sigmoid and cross-entropy in one step, dZ = (A - Y) / m",
    )
    derived.add_argument("--full", action="store_true", help="equal layers one by one")
    derived.set_defaults(run=run_derive)

    doctor = commands.add_parser(
        "doctor",
        help="say whether the hand-written backprop in a file is right, and if not, which line",
        description="Examine hand-written backpropagation in a .py or .ipynb file: functions, classes, "
        "layers, derivatives. Only imports, definitions and constants of the file are executed, and "
        "the functions run on small random networks. Exit status: 0 right, 1 a mistake, 2 nothing "
        "could be examined.",
    )
    doctor.add_argument("file", metavar="FILE", help="a .py or .ipynb file")
    for role, what in (
        ("forward", "forward pass"),
        ("backward", "backward pass"),
        ("cost", "cost"),
        ("update", "update of the parameters"),
    ):
        doctor.add_argument(f"--{role}", metavar="NAME", help=f"the function of the {what}")
    doctor.add_argument(
        "--time-limit",
        default="10",
        metavar="SECONDS",
        help="for each run of a function of the file (default: %(default)s)",
    )
    doctor.add_argument("--plain", action="store_true", help="no colours, ASCII only")
    doctor.add_argument("--json", action="store_true", help="the report as JSON")
    doctor.set_defaults(run=run_doctor)
    return parser


def whole_numbers(name: str, text: str) -> list[int]:
    """The sizes in ``20,7,5``."""
    return [check_whole_number(name, number(size, int), minimum=1) for size in text.split(",")]


def number(text: str, kind: type) -> Any:
    """The option's text as a number, or as it is, for the check to complain about."""
    try:
        return kind(text)
    except ValueError:
        return text


def run_cats(options: argparse.Namespace) -> int:
    hidden = whole_numbers("--layers", options.layers)
    iterations = check_whole_number("--iterations", number(options.iterations, int), minimum=1)
    rate = check_learning_rate(number(options.learning_rate, float), name="--learning-rate")
    output = writable_directory(options.output)
    console = Console(highlight=False, soft_wrap=True)

    data = datasets.load_cats(options.data)
    X, X_test = datasets.flatten(data.train_x), datasets.flatten(data.test_x)
    Y, Y_test = data.train_y, data.test_y
    dims = [len(X), *hidden, 1]
    console.print(f"Data: {data.source}")
    console.print(f"      {X.shape[1]} training and {X_test.shape[1]} test pictures, X {X.shape}")
    console.print(f"Network: {' - '.join(map(str, dims))}, learning rate {rate}")

    model = LLayerModel(dims)
    first = compare(model, X, Y)
    show_comparison(console, "first iteration", first)
    costs: list[float] = []
    steps = model.steps(X, Y, rate)
    with interruptible() as interrupted, progress_bar(console) as progress:
        task = progress.add_task("training", total=iterations, cost="")
        while len(costs) < iterations and not interrupted:
            if len(costs) == iterations - 1:
                last = compare(model, X, Y)
            cost = next(steps)
            if len(costs) % 100 == 0:
                console.print(f"Cost at iteration {len(costs):5}: {cost!r}")
            costs.append(cost)
            progress.update(task, advance=1, cost=f"cost {cost:.4f}")
    if interrupted:
        last = compare(model, X, Y)
        console.print(f"Interrupted after {len(costs)} iterations; what was learnt is saved below.")
    show_comparison(console, "last iteration", last)

    accuracy = {"train": model.accuracy(X, Y), "test": model.accuracy(X_test, Y_test)}
    for part, value in accuracy.items():
        console.print(f"Accuracy on the {part} pictures: {value}")

    files = ["parameters.npz", "summary.json", "index.html"]
    model.save(output / "parameters.npz")
    files += plots(console, output, data, model.predict(X_test), costs, rate)
    files += graphs(console, output, lambda: model.cost(Tensor(X, name="X"), Tensor(Y, name="Y")))
    summary = {
        "version": __version__,
        "data": data.source,
        "drawn": options.data is None,
        "layers_dims": dims,
        "learning_rate": rate,
        "iterations": len(costs),
        "interrupted": bool(interrupted),
        "costs": {str(i): cost for i, cost in enumerate(costs) if i % 100 == 0},
        "final_cost": costs[-1] if costs else None,
        "accuracy": accuracy,
        "comparison": {
            "convention": CONVENTION,
            "first": first.as_dict(),
            "last": last.as_dict(),
            "worst": max(first.worst, last.worst),
        },
        "files": sorted(files),
    }
    (output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    (output / "index.html").write_text(page(summary), encoding="utf-8")
    console.print(f"Files in {output}: {', '.join(sorted(files))}")
    return 130 if interrupted else 0  # as a shell expects of a command that Ctrl-C has ended


def run_derive(options: argparse.Namespace) -> int:
    dims = check_layers_dims(whole_numbers("--layers", options.layers), n_y=1, name="--layers")
    m = check_whole_number("--examples", number(options.examples, int), minimum=1)
    X, Y = Tensor(np.zeros((dims[0], m)), name="X"), Tensor(np.zeros((1, m)), name="Y")
    formulas = derive(LLayerModel(dims).cost(X, Y), fused=options.fused)
    if options.latex:
        print(formulas.latex)
    elif options.numpy:
        print(formulas.source, end="")
    else:
        print(formulas.text(full=options.full))
    return 0


def run_doctor(options: argparse.Namespace) -> int:
    limit = number(options.time_limit, float)
    if isinstance(limit, str) or not 0 < limit < math.inf:
        raise ValueError(f"--time-limit is {options.time_limit!r}: expected seconds, such as 10")
    names = {role: getattr(options, role) for role in ("forward", "backward", "cost", "update")}
    if (status := status_of_child(options.file)) is not None:
        return status
    report = check_file(options.file, time_limit=limit, **names)
    if options.json:
        print(json.dumps(report.as_dict(), indent=2))
    elif report.problem and not (report.notes or report.not_checked):
        print(f"tinygrad-edu doctor: {report.problem}", file=sys.stderr)
    else:
        report.show(plain=options.plain)
    return report.status


def status_of_child(file: str) -> int | None:
    """Where there can be one, a process of its own does the rest, as a file may end Python itself with
    numbers that NumPy does not check; here how it ended, and None in it."""
    child = os.fork() if hasattr(os, "fork") else 0
    if not child:
        return None
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        signal.signal(signal.SIGINT, before)
    if status < 0:
        print(
            f"tinygrad-edu doctor: {file}: with invented data it ended Python itself "
            f"({signal.Signals(-status).name}), so it could not be examined.",
            file=sys.stderr,
        )
        return 2
    return status


def show_comparison(console: Console, when: str, comparison: Comparison) -> None:
    console.print(f"\nAutodiff against the formulas derived by hand, {when}:")
    console.print(f"{comparison}\n", markup=False)


def plots(
    console: Console, output: Path, data: Any, predicted: Any, costs: list[float], rate: float
) -> list[str]:
    """Leave the cost curve and the mislabelled test pictures, where matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        console.print(
            "No cost curve and no mislabelled pictures: they need matplotlib, "
            'pip install "tinygrad-edu[plot]".',
            markup=False,
        )
        return []
    matplotlib.use("agg")
    X = datasets.flatten(data.test_x)
    viz.plot_costs(costs, rate).figure.savefig(output / "costs.png")
    axes = viz.plot_mislabeled(data.classes, X, data.test_y, predicted)
    axes.figure.savefig(output / "mislabelled.png")
    console.print(f"Mislabelled test pictures: {int(np.sum(predicted != data.test_y))}")
    return ["costs.png", "mislabelled.png"]


def graphs(console: Console, output: Path, cost: Callable[[], Tensor]) -> list[str]:
    """Leave the computation graph as text and, where Graphviz is to be had, as a picture; and the
    page that steps through its forward and backward pass."""
    graph = viz.draw(cost(), show=("shape",))
    graph.save(output / "graph.dot")
    files = ["graph.dot", "player.html"]
    try:
        graph.save(output / "graph.svg")
        files.append("graph.svg")
    except RuntimeError as error:
        console.print(f"No picture of the graph: {error}", markup=False)
    viz.play(cost).save(output / "player.html")
    return files


def writable_directory(path: str) -> Path:
    """The directory, made if need be, tried before training and not after it."""
    directory = Path(path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(
            f"--output {path} cannot be written ({error.strerror}): choose another directory"
        ) from None
    return directory


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Ctrl-C is noted in the list, for the loop to end between two steps; a second one is final."""
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[cost]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


if __name__ == "__main__":
    sys.exit(main())
