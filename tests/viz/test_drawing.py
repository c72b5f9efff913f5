"""What a drawing shows, read back from its DOT text by Graphviz or from its SVG by an XML parser."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_edu as tg
import viz
from nn import doctor
from tinygrad_edu import Tensor


def busy() -> float:
    """Seconds of processor time of this process and of those that it waited for: what a clock shows
    on a machine with nothing else to do."""
    return sum(os.times()[:4])


def parsed(drawing):
    """The DOT text as Graphviz reads it: nodes by key, edges, clusters with title and members."""
    pygraphviz = pytest.importorskip("pygraphviz", reason="needs pygraphviz to read DOT back")
    graph = pygraphviz.AGraph(string=drawing.source)
    clusters = {c.name: (c.graph_attr["label"], set(c.nodes())) for c in graph.subgraphs()}
    nodes = {str(node): dict(node.attr) for node in graph.nodes()}
    return SimpleNamespace(nodes=nodes, edges=[tuple(e) for e in graph.edges()], clusters=clusters)


def labels(graph):
    return [node["label"] for node in graph.nodes.values()]


def boxes(graph):
    """By the first line of each box's label."""
    found = [node for node in graph.nodes.values() if node["shape"] == "box"]
    return {node["label"].split("\\n")[0]: node for node in found}


def arrows(graph):
    """Edges between labels: a circle's or ellipse's symbol, a box's first line."""
    label = {key: node["label"].split("\\n")[0] for key, node in graph.nodes.items()}
    return sorted((label[a], label[b]) for a, b in graph.edges)


def svg_texts(svg):
    return [element.text for element in ET.fromstring(svg).iter() if element.tag.endswith("}text")]


def test_a_network_is_drawn_as_it_was_computed(networks):
    graph = parsed(viz.draw(networks.classifier(4, 3, 1)))
    assert arrows(graph) == sorted(
        [
            ("X", "@"), ("W1", "@"), ("@", "+"), ("b1", "+"), ("+", "Z1"), ("Z1", "relu"),
            ("relu", "A1"), ("A1", "@"), ("W2", "@"), ("@", "+"), ("b2", "+"), ("+", "Z2"),
            ("Z2", "σ"), ("σ", "A2"), ("A2", "cross"), ("Y", "cross"), ("cross", "cost"),
        ]
    )  # fmt: skip
    drawn = boxes(graph)
    assert drawn["W1"]["label"] == "W1\\n(3, 4)"
    fills = {name: drawn[name]["fillcolor"] for name in ("W1", "X", "Z1", "cost")}
    assert fills == {"W1": "#d9ead3", "X": "#cfe2f3", "Z1": "#ffffff", "cost": "#f4cccc"}


def test_each_layer_is_a_cluster_and_its_last_result_is_outside(networks):
    graph = parsed(viz.draw(networks.classifier(4, 3, 2, 1)))
    titles = {title for title, _ in graph.clusters.values()}
    relu = {"layer 1 · linear → relu", "layer 2 · linear → relu"}
    assert titles == relu | {"layer 3 · linear → sigmoid"}
    members = graph.clusters["cluster_layer1"][1]
    inside = {graph.nodes[key]["label"].split("\\n")[0] for key in members}
    assert inside == {"W1", "b1", "@", "+", "Z1", "relu"}


def test_the_overview_has_a_box_per_layer(networks):
    drawing = viz.draw(networks.classifier(12288, 20, 7, 5, 1), level="layers")
    graph = parsed(drawing)
    assert "layer 1: linear → relu\\nW1 (20, 12288)\\nb1 (20, 1)\\n245,780 params" in labels(graph)
    assert len(graph.nodes) == 4 + 4  # X, Y, the loss, the cost
    assert 'label="A1 (20, 6)"' in drawing.source
    assert "rankdir=LR" in drawing.source


def test_collapse_draws_a_layer_or_a_result_as_one_box(networks):
    cost = networks.classifier(4, 3, 1)
    drawing = viz.draw(cost, level="operations", collapse=["layer 1", "cost"])
    found = labels(parsed(drawing))
    assert "cross\\nentropy" in found
    assert "layer 1: linear → relu\\nW1 (3, 4)\\nb1 (3, 1)\\n15 params" in found
    assert "W2\\n(1, 3)" in found


def test_the_loss_is_named_only_where_it_is_known(networks):
    W = networks.parameter(2, 3, name="W1")
    x = networks.input(3, 5, name="X")
    squares = viz.draw(((W @ x - np.full((2, 5), 7.0)) ** 2).mean() * 0.5)
    assert "squared error" in str(squares)
    something = viz.draw(np.mean(np.exp(np.sin(np.cos(np.abs(W @ x))))) * 2)
    assert "entropy" not in str(something)
    penalty = np.sum(W * W) * 0.1
    assert "entropy" not in str(viz.draw(-np.mean(np.log(tg.sigmoid(W @ x))) + penalty))


def test_softmax_of_several_operations_is_one_layer(networks):
    source = viz.draw(networks.softmax()).source
    assert "layer 2 · linear → softmax" in source
    assert "cross\\nentropy" in source


def test_a_shared_value_is_drawn_once_and_quickly():
    y = Tensor(1.0, requires_grad=True, name="y")
    for _ in range(40):
        y = y + y
    start = busy()
    drawing = viz.draw(y)
    assert busy() - start < 1
    nodes = drawing.picture.nodes.values()
    assert sum(node.role == "operation" for node in nodes) == 40
    assert len(drawing.picture.edges) == 2 * 40 + 1  # and the one to the result


def test_a_very_long_chain_is_read_without_recursion():
    y = Tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        y = -y
    assert "× 1999" in viz.draw(y).source


def test_values_gradients_and_dtypes_on_request(networks):
    price = networks.apples()
    before = viz.draw(price, show=("value", "grad", "dtype")).source
    assert "apple\\nfloat64\\n100\\n∂apple not computed" in before
    price.backward()
    after = viz.draw(price, show=("value", "grad")).source
    for line in ("∂apple 2.2", "∂apples 110", "∂orange 3.3", "∂oranges 165", "∂tax 650"):
        assert line in after
    assert "label=200" in after and "label=450" in after and "label=650" in after  # on the edges
    assert "not computed" not in after


def test_the_norm_of_a_gradient_is_that_of_the_array(networks):
    W, x = networks.parameter(3, 4, name="W"), networks.input(4, 2)
    loss = (W @ x).sum()
    loss.backward()
    norm = np.sqrt(3 * np.sum(x.data.sum(axis=1) ** 2))
    assert f"‖∂W‖ {norm:.1e}" in viz.draw(loss, show="grad").source


def test_a_gradient_of_zero_and_one_not_computed_differ():
    x, unused = Tensor(2.0, True, name="x"), Tensor(2.0, True, name="unused")
    loss = x * 0.0
    loss.backward()
    assert "∂x 0" in viz.draw(loss, show="grad").source
    assert "∂unused not computed" in viz.draw(unused * 1.0, show="grad").source


@pytest.mark.parametrize(
    ("constants", "expected"),
    [("inline", ["* 3", "x", "y"]), ("nodes", ["*", "3", "x", "y"]), ("hide", ["*", "x", "y"])],
)
def test_constants(constants, expected):
    y = Tensor(2.0, requires_grad=True, name="x") * 3
    y.name = "y"
    graph = parsed(viz.draw(y, constants=constants))
    assert sorted(label.split("\\n")[0] for label in labels(graph)) == expected


def test_the_side_on_which_a_number_stands():
    x = Tensor(2.0, requires_grad=True, name="x")
    for y, label in ((1 - x, "1 -"), (x - 1, "- 1"), (x**2, "** 2"), (5 / x, "5 /")):
        assert f'label="{label}"' in viz.draw(y).source


def test_names_from_locals_and_from_a_model():
    W, x = Tensor([[1.0, 2.0]], requires_grad=True), Tensor([[1.0], [2.0]])
    y = W @ x
    assert {"W", "x", "y"} <= set(boxes(parsed(viz.draw(y, names=locals()))))

    class Model:
        def __init__(self):
            self.weight = W

        def named_parameters(self):
            return {"layers.0.weight": self.weight}

        def __call__(self, x):
            return tg.relu(self.weight @ x)

    drawing = viz.draw(Model(), x, level="tensors")
    assert "layers.0.weight" in boxes(parsed(drawing))
    assert "layers.0 · linear → relu" in drawing.source


def test_the_backward_pass_can_be_drawn(networks):
    W, x = networks.parameter(2, 3, name="W"), networks.input(3, 2, name="x")
    (gradient,) = tg.gradients(np.tanh(W @ x).sum(), [W], graph=True)
    found = labels(parsed(viz.draw(gradient)))
    assert found.count("@") == 2 and {"tanh", "** 2", "1 -", "T"} <= set(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_hostile_names_are_shown_as_they_are(networks, renderer, theme):
    names = ['"><script>alert(1)</script>', "a|b{c}", "가중치 权重 ∂L/∂w", "&lt;b&gt;", "<b>bold</b>",
             r"\N and \l and \n", "--> ]]>", "<>", "%s"]  # fmt: skip
    y = sum((Tensor(1.0, requires_grad=True, name=name) for name in names), start=Tensor(0.0))
    drawing = viz.draw(y, theme=theme, names=None)
    svg = drawing.svg()
    assert set(names) <= {text.replace("\xa0", " ") for text in svg_texts(svg)}
    assert "<script" not in svg and "<script" not in drawing.html()
    assert "<script" not in drawing._repr_mimebundle_()["text/html"]
    assert set(names) <= {node.lines[0] for node in drawing.picture.nodes.values()}
    for name in names:
        assert name in str(drawing)


def test_long_names_and_names_of_several_lines():
    y = Tensor(1.0, True, name="first\nsecond") * Tensor(1.0, True, name="x" * 500)
    lines = {node.lines[0] for node in viz.draw(y).picture.nodes.values()}
    assert "first second" in lines and "x" * 39 + "…" in lines


def test_values_that_are_not_finite_are_shown_as_such():
    x = Tensor([1.0, np.nan, np.inf, -np.inf, 2.0], requires_grad=True, name="x")
    with np.errstate(invalid="ignore"):
        source = viz.draw(x.sum(), show="value").source
    assert "1 to 2, 1 nan, 2 inf" in source
    assert "label=nan" in source
    empty = viz.draw(Tensor(np.zeros((0, 3)), requires_grad=True, name="e") * 2, show="value")
    assert "empty" in empty.source


def test_the_text_is_the_same_every_time(networks):
    program = (
        "import numpy as np, viz\nfrom tinygrad_edu import Tensor\n"
        "W = Tensor(np.ones((2, 2)), True, name='W1')\nx = Tensor(np.ones((2, 3)), name='X')\n"
        "c = np.mean(np.tanh(W @ x) + x[:, :1] * W[0, 0])\nprint(viz.draw(c).source)"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(viz.__file__).parents[1])},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(texts) == 1 and texts.pop().startswith(b"digraph computation {")


def test_the_text_tree(networks):
    assert str(viz.draw(networks.classifier(4, 3, 1))).splitlines()[1:] == [
        "├ cross entropy ← Y  (1, 6)",
        "A2  (1, 6)",
        "── layer 2 · linear → sigmoid ──",
        "├ σ",
        "Z2  (1, 6)",
        "├ + ← b2  (1, 1)",
        "├ @ ← W2  (1, 3)",
        "A1  (3, 6)",
        "── layer 1 · linear → relu ──",
        "├ relu",
        "Z1  (3, 6)",
        "├ + ← b1  (3, 1)",
        "├ @ ← W1  (3, 4)",
        "X  (4, 6)",
    ]
    x = Tensor(2.0, requires_grad=True, name="x")
    y = x * x
    z = np.exp(y) + np.sin(y)
    assert str(viz.draw(z)).splitlines()[1:] == [
        "├ +",
        "│  ├ sin ← #1",
        "├ exp",
        "├ #1 = * ← x",
        "x",
    ]


# --- highlighting ----------------------------------------------------------------------------------


def test_a_report_is_shown_on_the_graph(networks):
    rows = [("dW2", "WRONG", 0.5), ("db2", "ok", 1e-16), ("dW1", "follows", 0.5)]
    report = SimpleNamespace(
        rows=[SimpleNamespace(name=n, verdict=v, error=e) for n, v, e in rows],
        causes=[SimpleNamespace(quantity="dW2", says="missing 1/m")],
        first_wrong="dW2",
    )
    drawn = boxes(parsed(viz.draw(networks.classifier(4, 3, 1), highlight=report)))
    assert drawn["W2"]["label"].endswith("✗ dW2 · rel err 5e-01\\nmissing 1/m")
    assert (drawn["W2"]["color"], drawn["W2"]["penwidth"]) == ("#cf222e", "3")
    assert drawn["W1"]["label"].endswith("~ dW1 follows from dW2")
    assert "dashed" in drawn["W1"]["style"]
    assert drawn["b2"]["label"].endswith("✓ 1e-16")


def test_the_report_of_the_doctor_is_drawn_with_the_wrong_quantity_where_it_flows():
    def forward(X, W1, b1, W2, b2):
        A1 = np.tanh(W1 @ X + b1)
        A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
        return A1, A2

    def cost(A2, Y):
        return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))

    def backward(X, Y, A1, A2, W2):
        m = X.shape[1]
        dZ2 = (A2 - Y) / m
        dZ1 = W2.T @ dZ2 * (1 - A1)
        dW1, db1 = dZ1 @ X.T, dZ1.sum(axis=1, keepdims=True)
        dW2, db2 = dZ2 @ A1.T, dZ2.sum(axis=1, keepdims=True)
        return dW1, db1, dW2, db2

    rng = np.random.default_rng(0)
    params = {"W1": rng.normal(size=(3, 2)), "b1": np.zeros((3, 1))}
    params |= {"W2": rng.normal(size=(1, 3)), "b2": np.zeros((1, 1))}
    X = rng.normal(size=(2, 5))
    report = doctor.check(forward, cost, backward, params, X, 1.0 * (X[:1] > 0))
    drawn = boxes(parsed(viz.draw(report)))
    assert "✗ dZ1 · wrong\\nline " in drawn["Z1"]["label"] and "1 - A1" in drawn["Z1"]["label"]
    assert [n for n, box in drawn.items() if box.get("penwidth") == "3"] == ["Z1"]
    assert drawn["W1"]["label"].endswith("~ dW1 follows from dZ1")
    assert "✓" in drawn["W2"]["label"] and "✓" not in drawn["Z1"]["label"]
    assert "tanh" in str(viz.draw(report)) and "cross entropy" in str(viz.draw(report))

    unknown = doctor.check_pair(np.tanh, lambda x: 1 - np.tanh(x))
    with pytest.raises(ValueError, match="no network was recognised"):
        viz.draw(unknown)


def test_the_comparison_with_the_formulas_by_hand(networks):
    rows = [SimpleNamespace(name="dW2", shape=(1, 3), error=3e-16)]
    source = viz.draw(networks.classifier(4, 3, 1), highlight=SimpleNamespace(rows=rows)).source
    assert "✓ 3e-16" in source


def test_tensors_and_names_can_be_highlighted():
    x, w = Tensor(1.0, True, name="x"), Tensor(2.0, True)
    y = x * w
    marks = [node.mark for node in viz.draw(y, highlight=[w, "x"]).picture.nodes.values()]
    assert marks.count("chosen") == 2
    noted = viz.draw(y, highlight={"x": "look here"}).picture
    assert [node.lines[-1] for node in noted.nodes.values() if node.mark] == ["look here"]
    with pytest.raises(ValueError, match="not part of this graph"):
        viz.draw(y, highlight=Tensor(1.0))
    with pytest.raises(TypeError, match="highlight takes tensors"):
        viz.draw(y, highlight=3)


# --- folding ---------------------------------------------------------------------------------------


def test_an_rnn_is_folded_into_the_step_that_repeats(networks):
    drawing = viz.draw(networks.rnn(50))
    picture = drawing.picture
    shown = sum(node.role == "operation" for node in picture.nodes.values())
    assert len(picture.nodes) < 30
    assert f"{50 * 4 + 2 - shown} operations that repeat" in drawing.source  # none is lost
    (title,) = picture.clusters.values()
    times = int(title.removeprefix("× "))
    assert shown == 50 * 4 + 2 - 4 * (times - 1)
    assert f"and {times - 1} more" in drawing.source  # the inputs of the other steps
    assert [edge.role for edge in picture.edges].count("loop") == 1
    assert sum("Wh" in node.lines for node in picture.nodes.values()) == 1


def test_many_layers_are_drawn_as_layers_and_folded(networks):
    forty = viz.draw(networks.classifier(4, *[5] * 40, 1))
    assert sum(node.role == "group" for node in forty.picture.nodes.values()) == 41
    assert "By layers" in forty.source
    two_hundred = viz.draw(networks.classifier(4, *[5] * 200, 1))
    assert "× 199" in two_hundred.source
    assert sum(node.role == "group" for node in two_hundred.picture.nodes.values()) == 3


def test_folding_is_strict_before_it_is_loose():
    """Steps that are wired otherwise are not taken for repetitions while it can be avoided."""
    y = x = Tensor(1.0, requires_grad=True, name="x")
    results = [x]
    for k in range(60):
        y = np.tanh(y) + results[k // 2]  # from another distance every time
        results.append(y)
    assert "folded" not in viz.draw(y, max_nodes=150).source
    assert "× " not in viz.draw(y, max_nodes=200).source


@pytest.mark.parametrize("limit", [2, 10, 40, 150])
def test_never_more_than_max_nodes(networks, limit):
    drawing = viz.draw(networks.irregular(300), max_nodes=limit)
    assert len(drawing.picture.nodes) <= limit
    assert "nearest to the result" in drawing.source
    keys = set(drawing.picture.nodes)
    assert all(edge.tail in keys and edge.head in keys for edge in drawing.picture.edges)
    assert str(drawing)


def test_repetitions_are_found_as_by_trying_them_all():
    from viz.folding import repeats

    rng = np.random.default_rng(1)
    for _ in range(300):
        tokens = rng.integers(0, 3, rng.integers(1, 25)).tolist()
        taken = [False] * len(tokens)
        for start, period, times in repeats(tokens):
            part = tokens[start : start + period]
            assert tokens[start : start + period * times] == part * times and times >= 3
            assert not any(taken[start : start + period * times])
            taken[start : start + period * times] = [True] * (period * times)
        most = max(
            (
                (times - 1) * period
                for period in range(1, len(tokens) // 3 + 1)
                for start in range(len(tokens))
                for times in range(3, len(tokens) // period + 1)
                if tokens[start : start + period * times] == tokens[start : start + period] * times
            ),
            default=0,
        )
        assert max(((t - 1) * p for _, p, t in repeats(tokens)), default=0) == (
            most if most > 2 else 0
        )


def test_ten_thousand_nodes_are_folded_in_five_seconds(networks):
    irregular, rnn = networks.irregular(5_000), networks.rnn(2_500)
    start = busy()
    assert len(viz.draw(irregular).picture.nodes) <= 150
    assert busy() - start < 5
    start = busy()
    assert len(viz.draw(rnn).picture.nodes) < 30
    assert busy() - start < 5


def test_two_hundred_nodes_are_drawn_in_a_second(networks, renderer):
    """Each picture is drawn in a process of its own, so every one is a first one."""
    cost = networks.irregular(50)
    times = []
    for _ in range(3):
        start = busy()
        drawing = viz.draw(cost, level="tensors", max_nodes=300)
        drawing.svg()
        times.append(busy() - start)
    assert len(drawing.picture.nodes) >= 200
    assert min(times) < 1


# --- bad input -------------------------------------------------------------------------------------


def test_what_cannot_be_drawn(networks):
    for thing in (np.ones(3), 3.0, None, "loss", [Tensor(1.0)]):
        with pytest.raises(TypeError, match="draw needs a Tensor, or a model and its input"):
            viz.draw(thing)
    with pytest.raises(TypeError, match="The model returned ndarray"):
        viz.draw(lambda x: np.ones(3), 1)
    with pytest.raises(TypeError, match="takes its options by name"):
        viz.draw(Tensor(1.0), "layers")


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": "layer"}, {"direction": "up"}, {"show": ("shapes",)}, {"constants": "no"},
        {"theme": "blue"}, {"max_nodes": 0}, {"max_nodes": 1.5}, {"max_nodes": True},
    ],
)  # fmt: skip
def test_unknown_choices_name_the_argument(wrong):
    (argument,) = wrong
    with pytest.raises(ValueError, match=argument):
        viz.draw(Tensor(1.0), **wrong)


def test_a_tensor_without_a_history():
    drawing = viz.draw(Tensor([1.0, 2.0], name="x"))
    assert [node.lines for node in drawing.picture.nodes.values()] == [["x", "(2,)"]]
    assert str(drawing) == "x  (2,)"


def test_a_cycle_made_by_hand():
    x = Tensor(1.0, requires_grad=True, name="x")
    y = x * 2
    y._inputs = (y, None)
    y._order = y._order  # the graph claims that y was made of itself
    with pytest.raises((ValueError, RuntimeError)) as error:
        viz.draw(y)
    assert "cycle" in str(error.value) or "changed after" in str(error.value)


def test_layers_of_a_graph_that_has_none(networks):
    drawing = viz.draw(networks.apples(), level="layers")
    assert "No layers found" in drawing.source and "tax" in drawing.source
