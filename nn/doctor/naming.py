"""What the names in a learner's code mean: arguments, results, gradients."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

ROLES: dict[str, str] = {
    name: role
    for role, names in {
        "params": "parameters params param weights theta thetas w_b model network net p ws weight "
        "nn_params initial_nn_params all_theta",
        "X": "x a0 a_0 inputs input data x_train train_x x_batch features xs batch x_data input_data "
        "samples sample example feature images image img pixels pattern patterns observation train_data "
        "x_in inp inputs_list",
        "Y": "y t labels label targets target y_true y_train train_y true truth ys y_batch ground_truth "
        "expected outputs_true t_train actual actual_output desired desired_output targets_list "
        "target_list targets_train",
        "output": "al a a_l y_hat yhat y_pred ypred pred preds prediction predictions output out "
        "probs prob outputs probabilities a_last activation_last final_output o scores logits "
        "y_predicted predicted a_out aout yp last_activation",
        "cache": "caches cache memory forward_cache intermediates store saved cached activations "
        "acts values history ctx context memo forward_results intermediate state layers_cache tape",
        "grads": "grads gradients grad gradient derivatives g",
        "lr": "learning_rate lr alpha eta rate step_size epsilon_lr learn_rate learningrate nu "
        "l_rate lrate learnrate",
        "m": "m n_examples batch_size n_samples num_examples batch m_samples num_train m_train "
        "num_samples example_count example_ct n_train num_data",
        "L": "l num_layers n_layers layers_count",
        "upstream": "dout dal grad_output d_out upstream dy",
        "cost": "cost loss j",
        "lambd": "lambd lambda_ lambda lam lamb lamda lmd lmbda lamda_reg reg reg_lambda lambda_reg "
        "regularization weight_decay l2 l2_reg",
        "keep_prob": "keep_prob keep_probs keep keep_probability keep_rate keep_ratio keep_p p_keep "
        "retain_prob",
        "eps": "eps epsilon",
        "hot": "one_hot onehot y_onehot one_hot_y y_one_hot onehot_y y_hot one_hot_labels",
    }.items()
    for name in names.split()
}


class CannotExamine(Exception):
    """Why this code cannot be examined."""


class Hopeless(CannotExamine):
    """The same whatever the numbers: it asks for input, does not end, returns no gradients ..."""


class Unbound(CannotExamine):
    """An argument of the learner's function that the doctor cannot give a value."""


def role_of(name: str) -> str | None:
    """What an argument of this name usually is.

    >>> role_of("parameters"), role_of("Y_hat"), role_of("x_train"), role_of("training_outputs")
    ('params', 'output', 'X', 'Y')
    """
    low = name.lower().strip("_")
    if low in ROLES:
        return ROLES[low]
    part = re.sub(
        r"_?(?:shuf\w*|perm\w*|batch|mini|b|i|list|tr|data|val|valid|test|dev|layer|vec)$", "", low
    )
    if ROLES.get(part) in ("X", "Y"):
        return ROLES[part]
    if re.fullmatch(r"(?:a|z|y_?hat|out|output|o)_?\d", low):
        return "output"
    return next((role for role, form in FORMS.items() if form.fullmatch(low)), None)


FORMS = {  # of names for data that are put together
    "Y": re.compile(
        r"(?:expected|desired|target|true|actual|wanted|ideal|correct|train(?:ing)?(?:_set|_data)?)_?"
        r"(?:out(?:put)?s?|targets?|values?|results?|labels?|y|answers?)"
        r"|(?:y|out(?:put)?s?|labels?|targets?)_?(?:true|real|expected|desired|actual|train(?:ing)?|gt)"
    ),
    "X": re.compile(
        r"(?:train(?:ing)?(?:_set|_data)?|sample|network)_?(?:in(?:put)?s?|features?|images?|x|examples)"
        r"|(?:in(?:put)?s?|features?|images?|x)_?(?:train(?:ing)?|vector|array|list|row|values?)"
    ),
}


def source_tree(function: Callable[..., Any]) -> ast.AST | None:
    """The parsed definition of a function, with the line numbers of its file."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    return tree_of(code) if code is not None else None


class Mangled(ast.NodeTransformer):
    """The names of private attributes as the class makes them: self.__sigmoid."""

    def __init__(self, kind: str | None):
        self.kind = kind

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if self.kind and node.attr.startswith("__") and not node.attr.endswith("__"):
            node.attr = f"_{self.kind.lstrip('_')}{node.attr}"
        return node


TREES: dict[CodeType, ast.AST] = {}  # of code that stands in no file as it was compiled


@lru_cache(512)
def tree_of(code: CodeType) -> ast.AST | None:
    """The parsed definition that was compiled to this code."""
    if code in TREES:
        return TREES[code]
    try:
        lines, start = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    ast.increment_lineno(tree, max(start, 1) - 1)
    return tree.body[0] if tree.body else None


def free_names(function: Callable[..., Any]) -> list[str]:
    """The names that a function takes from outside, also those that it declares global.

    >>> def step(X):
    ...     return [w * X for w in weights]
    >>> free_names(step)
    ['weights']
    """
    tree = source_tree(function)
    nodes = list(ast.walk(tree)) if tree is not None else []
    own = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    own |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    own |= {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
    own -= {name for n in nodes if isinstance(n, ast.Global) for name in n.names}
    found = [n.id for n in nodes if isinstance(n, ast.Name)]
    return [n for n in dict.fromkeys(found) if n not in own and not hasattr(builtins, n)]


def result_names(function: Callable[..., Any]) -> list[str | None]:
    """The names in the last ``return`` of a function: of a tuple its parts, else the one name."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    if function not in RESULTS:
        tree = source_tree(function)
        RESULTS[function] = [] if tree is None else names_returned(tree)
    return list(RESULTS[function])


RESULTS: WeakKeyDictionary[Any, list[str | None]] = WeakKeyDictionary()


def names_returned(tree: ast.AST) -> list[str | None]:
    """What a function returns, by name; of several returns the last of those that give most."""
    found: list[str | None] = []
    for node in walk_own(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            parts = (
                node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else [node.value]
            )
            found = found if len(parts) < len(found) else [name_of(part) for part in parts]
    return found


def walk_own(tree: ast.AST) -> list[ast.AST]:
    """The nodes of a function in the order of the text, without those of functions inside it."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        found.append(child)
        found += walk_own(child)
    return found


def name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        cast = ast.unparse(node.func).split(".")[0] in (
            "np",
            "numpy",
            "float",
            "list",
            "tuple",
            "dict",
        )
        return name_of(node.args[0]) if cast else None
    if isinstance(node, ast.BinOp):  # dW / m, C * loss + 0.5 * np.sum(w**2)
        names = dict.fromkeys(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
        found = [
            n for n in names if role_of(n) == "cost" or re.match(r"d_?[wWbB]\w?\d?$|d?grad", n)
        ]
        return found[0] if len(found) == 1 else None
    return None


def bind(
    function: Callable[..., Any],
    pool: Mapping[str, Any],
    roles: Mapping[str, Any],
    extra: Mapping[str, Any],
    *defaults: str,
) -> dict[str, Any]:
    """Values for the arguments of ``function``: by their own name first, then by what such a name
    usually means; one that is left over is the first of the ``defaults``, roles, that no other is.
    `Unbound` says which is."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise Unbound(f"the arguments of {label(function)} cannot be read") from None
    lower = {name.lower(): name for name in pool}
    bound: dict[str, Any] = {}
    missing = []
    targets = [p.name for p in parameters if role_of(p.name) == "Y"]
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        role = role_of(p.name)
        if p.name.lower() == "y" and len(targets) == 2 and "output" in roles:
            role = "output"  # beside t, or y_true
        if p.name in extra:
            given = extra[p.name]
            bound[p.name] = np.array(given) if isinstance(given, np.ndarray) else given
        elif p.name in pool:
            bound[p.name] = pool[p.name]
        elif (
            role is not None
            and role in roles
            and (p.default is p.empty or role in {"X", "Y", "params"})
        ):
            bound[p.name] = roles[role]
        elif p.default is not p.empty:
            continue
        elif p.name.lower() in lower:
            bound[p.name] = pool[lower[p.name.lower()]]
        elif re.search(r"iter|epoch|n_?steps|rounds", p.name.lower()):
            bound[p.name] = 1
        else:
            missing.append(p.name)
    if missing:
        used = {id(value) for value in bound.values()}
        if any(p in bound and role_of(p) not in roles for p in pool):  # the parameters one by one
            used.add(id(roles.get("params")))
        free = [r for r in ("params", "X", "output", "Y", "cache", "grads") if r in roles]
        free = [r for r in free if id(roles[r]) not in used]
        likely = [r for r in defaults if r in free] or (free if len(free) == 1 else [])
        if len(missing) == 1 and likely:
            bound[missing[0]] = roles[likely[0]]
            missing = []
        elif len(missing) == len(free) == 2 and set(free) == {"params", "X"}:
            bound |= {missing[0]: roles["X"], missing[1]: roles["params"]}
            missing = []
        elif len(missing) == 2 and defaults and {"X", "Y"} <= {*free}:
            bound |= {missing[0]: roles["X"], missing[1]: roles["Y"]}
            missing = []
    if missing:
        names = " and ".join(repr(name) for name in missing)
        raise Unbound(
            f"{label(function)} takes {names}, and nothing of that name is known: call it as what it "
            f"holds (X, Y, params, W1, ...), or give the doctor an argument {missing[0]}"
        )
    return bound


def call_with(function: Callable[..., Any], bound: Mapping[str, Any]) -> Any:
    """Call with the bound arguments, positional where they have to be."""
    positional, named = [], {}
    for p in inspect.signature(function).parameters.values():
        if p.name in bound:
            if p.kind is p.POSITIONAL_ONLY:
                positional.append(bound[p.name])
            else:
                named[p.name] = bound[p.name]
    return function(*positional, **named)


def required(function: Any) -> list[str]:
    """The arguments that have no default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind in kinds]


def lacks_cache(f: Callable[..., Any], g: Callable[..., Any]) -> bool:
    """Whether ``g``, the backward of ``f``, takes things out of a cache that ``f`` does not return.

    >>> def relu(Z):
    ...     return np.maximum(Z, 0)
    >>> def relu_backward(dA, cache):
    ...     Z, A = cache
    ...     return dA * (Z > 0)
    >>> lacks_cache(relu, relu_backward)
    True
    """
    tree = source_tree(g)
    text = ast.unparse(tree) if tree is not None else ""
    caches = [n for n in required(g) if role_of(n) == "cache"]
    inside = [n for n in caches if re.search(rf", \w+\)? = {n}\b|\b{n}\[", text)]
    return bool(inside) and len(result_names(f)) < 2


def label(function: Any) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


GRADIENT = re.compile(
    r"^(?:d_?(?:l|j|c|e|loss|cost|error)_?d_?|grads?_?(?:of_)?|gradients?_?|nabla_?|delta_?|del_?|d_?|g_)"
    r"(?=[a-z])"
)


@lru_cache(10_000)
def plain(name: str) -> str:
    """A name without what people decorate names with.

    >>> plain("self.W_1"), plain("weights[0]"), plain("params['b2']"), plain("params.W.1")
    ('w1', 'weights0', 'b2', 'w1')
    """
    name = last_part(name)
    quoted = re.search(r"\['([^']+)'\]$", name)
    return re.sub(r"[^a-z0-9]", "", (quoted[1] if quoted else name).lower())


def last_part(name: str) -> str:
    """What stands behind the last dot, with the word before it where that is a number only."""
    match = re.search(r"[^.]*(?:\.\d+)*$", name)
    return (match[0] if match else name).replace(".", "")


def parameter_meant(key: str, params: Sequence[str]) -> str | None:
    """The parameter whose gradient is kept under ``key``, by its name.

    >>> [parameter_meant(k, ["W1", "b1"]) for k in ("dW1", "db_1", "grad_W1", "W1", "dL_dW1", "dA1")]
    ['W1', 'b1', 'W1', 'W1', 'W1', None]
    """
    return among(str(key), tuple(params))


@lru_cache(10_000)
def among(key: str, params: tuple[str, ...]) -> str | None:
    beside = re.fullmatch(r"(.+)\.(?:grad\w*|g|dvalue)", key)  # of W.data
    for p in params:
        if beside and re.fullmatch(re.escape(beside[1]) + r"\.(?:data|val(?:ue)?s?|array)", p):
            return p
    quoted = re.search(r"\['([^']+)'\]$", key)
    low = (quoted[1] if quoted else last_part(key)).lower().strip("_")
    forms = {initials(plain(p)): p for p in params} | {plain(p): p for p in params}
    tried = [GRADIENT.sub("", low), re.sub(r"_?(?:grads?|gradient|g)$", "", low), low]
    for form in tried:
        form = re.sub(r"[^a-z0-9]", "", form)
        name = forms.get(form) or forms.get(initials(form))
        if name is not None:
            return name
        if re.fullmatch(r"[wb]\d+", form):  # of a list with a longer name
            alike = [p for f, p in forms.items() if re.fullmatch(f"{form[0]}[a-z]*{form[1:]}", f)]
            if len(set(alike)) == 1:
                return alike[0]
    return None


def initials(name: str) -> str:
    """``weights0`` and ``w0`` are one name, and so are ``biases0``, ``bias0`` and ``b0``."""
    return re.sub(r"^bias(?:es)?(?=\d|$)", "b", re.sub(r"^weights?(?=\d|$)", "w", name))


def last_name(node: ast.AST) -> str:
    """The name of a variable, or of an attribute; of what is called it is that of the function.

    >>> [last_name(ast.parse(text).body[0].value) for text in ("f", "net.f", "3")]
    ['f', 'f', '']
    """
    return str(getattr(node, "attr", getattr(node, "id", "")))


def rate_of(functions: Sequence[Callable[..., Any]]) -> float | None:
    """The learning rate that a function has as a default or assigns; None where it is an argument,
    1 where there is none.

    >>> def step(W, dW, lr=0.5):
    ...     return W - lr * dW
    >>> rate_of([step]), rate_of([lambda W, dW, lr: W - lr * dW]), rate_of([lambda W, dW: W - dW])
    (0.5, None, 1.0)
    """
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            continue
        for p in parameters:
            if role_of(p.name) == "lr":
                return None if p.default is p.empty else float(p.default)
        tree = source_tree(function)
        for node in walk_own(tree) if tree is not None else []:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names = [n.id for n in node.targets if isinstance(n, ast.Name)]
                if any(role_of(n) == "lr" for n in names):
                    return float(node.value.value)  # type: ignore[arg-type]
        code = getattr(inspect.unwrap(function), "__code__", None)
        names = [n for n in getattr(code, "co_names", ()) if role_of(n) == "lr"]
        values = [getattr(function, "__globals__", {}).get(n) for n in names]
        if found := [v for v in values if isinstance(v, float) and v]:
            return found[0]
    return 1.0


def intermediate_meant(key: str) -> str | None:
    """``dA1`` and ``dZ1`` under their usual names.

    >>> [intermediate_meant(k) for k in ("dA1", "da_2", "dZ2", "delta1", "dW1")]
    ['dA1', 'dA2', 'dZ2', 'dZ1', None]
    """
    low = re.sub(r"[^a-z0-9]", "", key.lower())
    match = re.fullmatch(r"(?:d|grad)?(da|dz|delta|aprev|da_prev)(\d+)", low)
    if not match:
        return None
    return {"da": "dA", "dz": "dZ", "delta": "dZ"}.get(match[1], "dA") + match[2]


def flatten(tree: Any, prefix: str = "", depth: int = 7) -> dict[str, Any]:
    """The float arrays of nested dictionaries and sequences, by path; also for lists of floats.

    >>> list(flatten({"W1": [0.5, 1.0], "layers": [np.ones(1), {"b": np.ones(1)}]}))
    ['W1', 'layers[0]', 'layers[1].b']
    """
    if isinstance(tree, np.ndarray):
        return {prefix: tree}
    if isinstance(tree, list) and (array := of_numbers(tree)) is not None:
        return {prefix: array} if array.dtype.kind == "f" else {}
    found: dict[str, Any] = {}
    if depth == 0:
        return found
    if isinstance(tree, Mapping):
        for k, v in tree.items():
            found |= flatten(v, f"{prefix}.{k}" if prefix else str(k), depth - 1)
    elif isinstance(tree, list | tuple):
        for i, v in enumerate(tree):
            found |= flatten(v, f"{prefix}[{i}]", depth - 1)
    elif isinstance(tree, np.floating) or (isinstance(tree, float) and prefix):
        return {prefix: np.asarray(tree)}
    return found


def fresh(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of arrays; of an array without axes its number, which ``+=`` does not change in place."""
    return {k: np.array(v)[()] if isinstance(v, np.ndarray) else v for k, v in values.items()}


def rebuild(tree: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    """``tree`` anew, with ``values`` in the place of its arrays; of another length if they are.

    >>> rebuild({"W": [np.ones(2)], "n": 1}, {"W[0]": 5, "W[1]": 6})
    {'W': [5, 6], 'n': 1}
    """
    if prefix in values:
        return values[prefix] if of_numbers(tree) is None else listed(values[prefix])
    if isinstance(tree, Mapping):
        if not prefix and all(isinstance(v, np.ndarray | np.floating) for v in tree.values()):
            return dict(values)
        return {
            k: rebuild(v, values, f"{prefix}.{k}" if prefix else str(k)) for k, v in tree.items()
        }
    if isinstance(tree, list | tuple):
        found = [int(m[1]) for k in values if (m := re.match(re.escape(prefix) + r"\[(\d+)\]", k))]
        length = max(found) + 1 if found else len(tree)
        parts = [
            rebuild(tree[min(i, len(tree) - 1)], values, f"{prefix}[{i}]") for i in range(length)
        ]
        return type(tree)(parts) if type(tree) in (list, tuple) else type(tree)(*parts)
    return tree


def of_numbers(value: Any) -> Any:
    """An array for numbers in a list, or in lists of one length; None for what is something else."""
    if not isinstance(value, list | tuple) or not value:
        return None
    if all(isinstance(v, int | float) for v in value):
        return np.asarray(value)
    rows = [of_numbers(v) for v in value]
    same = all(r is not None and r.shape == rows[0].shape for r in rows)
    return np.asarray(value) if same else None


def listed(value: Any) -> Any:
    """The numbers of an array, or of a Tensor, in lists."""
    return [listed(v) for v in value] if np.ndim(value) else value


def numbered(name: str) -> tuple[str, int | None]:
    """The letters and the number of a parameter's name.

    >>> numbered("W2"), numbered("weights[0]"), numbered("W_out")
    (('w', 2), ('weights', 0), ('w_out', None))
    """
    match = re.search(r"\d+", name)
    letters = re.sub(r"[\d\[\]'\".]", "", name.rpartition(".")[2] or name).lower()
    if "." in name and not letters.strip("_"):
        letters = re.sub(r"[\d\[\]'\".]", "", name).lower()
    return letters, int(match[0]) if match else None


def argument_names(method: Callable[..., Any]) -> list[str]:
    return [
        p.name
        for p in inspect.signature(method).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
