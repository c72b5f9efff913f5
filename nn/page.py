"""The page that shows a run of the cat classifier: its numbers and its pictures."""

from __future__ import annotations

from html import escape
from typing import Any

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tinygrad-edu cats</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
td, th {{ padding: 0.15rem 1rem 0.15rem 0; text-align: left; font-variant-numeric: tabular-nums; }}
img {{ max-width: 100%; background: white; }}
iframe {{ width: 100%; height: 46rem; border: 1px solid #8888; }}
</style>
</head>
<body>
<h1>The L-layer cat classifier</h1>
<p>{data}. Network {network}, learning rate {rate}, {iterations} iterations{interrupted}.</p>
<table>
<tr><th>accuracy on the training pictures</th><td>{train}</td></tr>
<tr><th>accuracy on the test pictures</th><td>{test}</td></tr>
<tr><th>cost at the end</th><td>{cost}</td></tr>
<tr><th>worst relative error of a gradient, autodiff against the formulas by hand</th>
<td>{worst:.1e}</td></tr>
</table>
{pictures}
<h2>Autodiff against the formulas derived by hand</h2>
<table>
<tr><th>gradient</th><th>first iteration</th><th>last iteration</th></tr>
{gradients}
</table>
<p>{convention}</p>
<h2>Cost</h2>
<table>
<tr><th>iteration</th><th>cost</th></tr>
{costs}
</table>
</body>
</html>
"""

PICTURES = {
    "costs.png": "The cost during training",
    "mislabelled.png": "The mislabelled test pictures",
    "graph.svg": "The computation graph",
}


def page(summary: dict[str, Any]) -> str:
    """The summary of a run as HTML, with the pictures that lie beside it."""
    first, last = summary["comparison"]["first"], summary["comparison"]["last"]
    pictures = [
        f'<h2>{title}</h2>\n<img src="{name}" alt="{title}">'
        for name, title in PICTURES.items()
        if name in summary["files"]
    ]
    pictures.append(
        "<h2>Forward and backward, step by step</h2>\n"
        '<p><a href="player.html">On a page of its own</a></p>\n'
        '<iframe src="player.html" title="Forward and backward, step by step"></iframe>'
    )
    return PAGE.format(
        data=escape(summary["data"]).rstrip("."),
        network=" - ".join(map(str, summary["layers_dims"])),
        rate=summary["learning_rate"],
        iterations=summary["iterations"],
        interrupted=" (interrupted)" if summary["interrupted"] else "",
        train=summary["accuracy"]["train"],
        test=summary["accuracy"]["test"],
        cost=summary["final_cost"],
        worst=summary["comparison"]["worst"],
        convention=escape(summary["comparison"]["convention"]),
        pictures="\n".join(pictures),
        gradients="\n".join(
            f"<tr><td>{escape(name)}</td><td>{first[name]:.2e}</td><td>{last[name]:.2e}</td></tr>"
            for name in sorted(first)
        ),
        costs="\n".join(f"<tr><td>{i}</td><td>{c}</td></tr>" for i, c in summary["costs"].items()),
    )
