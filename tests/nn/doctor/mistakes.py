"""The mistakes that people make, each put into a program of the forms where it can occur.

A row: the form, what stands in the right program, what stands there instead, which occurrence of it, and
the kinds of cause that name the mistake. A kind ending in * is a beginning.
"""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    form: str
    right: str
    wrong: str
    kinds: str  # separated by |
    occurrence: int = 0


TABLE: list[Mistake] = [
    # --- in the source articles
    Mistake(
        "course update",
        'L = len(parameters) // 2\n    for l in range(L):\n        parameters["W"',
        'L = len(parameters)\n    for l in range(L):\n        parameters["W"',
        "loop over len(parameters)",
    ),
    Mistake("course", "    caches.append(cache)\n    return AL", "    return AL", "cache missing"),
    Mistake(
        "course",
        'grads["dA" + str(l + 1)], current_cache, "relu")',
        'grads["dA" + str(l + 1)], current_cache, "sigmoid")',
        "another activation",
    ),
    Mistake("course update", "    parameters = dict(parameters)\n", "", "note:caller's"),
    Mistake(
        "product",
        "self.x = x\n        self.y = y",
        "self.x = y\n        self.y = y",
        "swapped|another name*|another attribute",
    ),
    Mistake("layers", "dx = dout.copy()\n", "dx = dout\n", "note:in place"),
    Mistake("layers", "np.dot(dout, self.W.T)", "np.dot(dout, self.W)", "transpose missing"),
    Mistake(
        "layers",
        "self.db = np.sum(dout, axis=0)",
        "self.db = np.sum(dout, axit=0)",
        "TypeError|axis or keepdims",
    ),
    Mistake(
        "layers",
        "-np.sum(t * np.log(self.y + 1e-7)) / t.shape[0]",
        "-np.sum(t * np.log(self.y + 1e-7))",
        "convention:1 / m",
    ),
    # --- scale
    Mistake("course", "dW = np.dot(dZ, A_prev.T) / m", "dW = np.dot(dZ, A_prev.T)", "missing 1/m"),
    Mistake(
        "course",
        "db = np.sum(dZ, axis=1, keepdims=True) / m",
        "db = np.sum(dZ, axis=1, keepdims=True)",
        "missing 1/m",
    ),
    Mistake(
        "course", "dW = np.dot(dZ, A_prev.T) / m", "dW = np.dot(dZ, A_prev.T) / m / m", "1/m twice"
    ),
    Mistake(
        "course",
        "m = A_prev.shape[1]\n",
        "m = A_prev.shape[0]\n",
        "features for m|divided by*|another array|constant*|size*|another number|*",
    ),
    Mistake("planar", "dW2 = np.dot(dZ2, A1.T) / m", "dW2 = np.dot(dZ2, A1.T)", "missing 1/m"),
    Mistake(
        "planar",
        "db1 = np.sum(dZ1, axis=1, keepdims=True) / m",
        "db1 = np.sum(dZ1, axis=1, keepdims=True) * m",
        "missing 1/m|*",
    ),
    Mistake("planar", "dZ3 = A3 - Y", "dZ3 = Y - A3", "convention:in common"),
    Mistake("planar", "dZ2 = dA2", "dZ2 = -dA2", "sign"),
    Mistake("planar", "dW2 = np.dot(dZ2, A1.T) / m", "dW2 = -np.dot(dZ2, A1.T) / m", "sign"),
    Mistake(
        "planar",
        "dW2 = np.dot(dZ2, A1.T) / m",
        "dW2 = 0.7 * np.dot(dZ2, A1.T) / m",
        "constant factor",
    ),
    Mistake("planar", "dW2 = np.dot(dZ2, A1.T) / m", "dW2 = 2 * np.dot(dZ2, A1.T) / m", "factor 2"),
    Mistake(
        "network",
        "self.dW2 = self.a1.T @ delta2",
        "self.dW2 = self.a1.T @ delta2 / 2",
        "factor 1/2",
    ),
    Mistake(
        "network", "self.dW1 = self.X.T @ delta1", "self.dW1 = self.X.T @ delta1 / m", "1/m twice"
    ),
    Mistake("rows", "dW1 = x.T @ dz1", "dW1 = x.T @ dz1 * batch_size", "missing 1/m"),
    Mistake(
        "regression",
        "dW = X.T.dot(dscores)\n",
        "dW = X.T.dot(dscores) * n\n",
        "missing 1/m|1/n too many|something too many|*",
    ),
    Mistake("step", "db1 = dz.sum(axis=0)", "db1 = 2 * dz.sum(axis=0)", "factor 2"),
    Mistake("step", "dW1 = X.T @ dz", "dW1 = -X.T @ dz", "sign"),
    # --- reductions
    Mistake(
        "course",
        "db = np.sum(dZ, axis=1, keepdims=True) / m",
        "db = np.sum(dZ) / m",
        "sum over everything",
    ),
    Mistake(
        "course",
        "db = np.sum(dZ, axis=1, keepdims=True) / m",
        "db = np.sum(dZ, axis=1) / m",
        "squeezed",
    ),
    Mistake(
        "course",
        "db = np.sum(dZ, axis=1, keepdims=True) / m",
        "db = np.sum(dZ, axis=0, keepdims=True) / m",
        "wrong axis",
    ),
    Mistake("course", "db = np.sum(dZ, axis=1, keepdims=True) / m", "db = dZ / m", "not summed"),
    Mistake(
        "course",
        "db = np.sum(dZ, axis=1, keepdims=True) / m",
        "db = np.mean(dZ, axis=1, keepdims=True) / m",
        "1/m twice|mean for sum",
    ),
    Mistake(
        "planar",
        "db2 = np.sum(dZ2, axis=1, keepdims=True) / m",
        "db2 = np.sum(dZ2, keepdims=True) / m",
        "sum over everything",
    ),
    Mistake("rows", "db1 = np.sum(dz1, axis=0)", "db1 = np.sum(dz1, axis=1)", "wrong axis"),
    Mistake("rows", "db2 = np.sum(dz2, axis=0)", "db2 = np.sum(dz2)", "sum over everything"),
    Mistake(
        "rows", "db1 = np.sum(dz1, axis=0)", "db1 = np.mean(dz1, axis=0)", "mean for sum|1/m twice"
    ),
    Mistake(
        "network",
        "self.db1 = delta1.sum(axis=0)",
        "self.db1 = delta1.mean(axis=0)",
        "mean for sum|1/m twice",
    ),
    Mistake("network", "self.db2 = delta2.sum(axis=0)", "self.db2 = delta2", "not summed"),
    Mistake(
        "layers",
        "self.db = np.sum(dout, axis=0)",
        "self.db = np.sum(dout, axis=1)",
        "wrong axis|axis or keepdims",
    ),
    Mistake(
        "layers",
        "self.db = np.sum(dout, axis=0)",
        "self.db = np.sum(dout)",
        "sum over everything|axis or keepdims",
    ),
    Mistake("layers", "self.db = np.sum(dout, axis=0)", "self.db = dout", "not summed"),
    Mistake(
        "layers",
        "self.db = np.sum(dout, axis=0)",
        "self.db = np.mean(dout, axis=0)",
        "1/m twice|mean for sum|axis*",
    ),
    # --- linear algebra
    Mistake(
        "course",
        "dA_prev = np.dot(W.T, dZ)",
        "dA_prev = np.dot(W, dZ)",
        "transpose missing|W not transposed",
    ),
    Mistake(
        "planar",
        "dA1 = np.dot(W2.T, dZ2)",
        "dA1 = np.dot(W2, dZ2)",
        "transpose missing|W not transposed",
    ),
    Mistake(
        "planar",
        "dA1 = np.dot(W2.T, dZ2)",
        "dA1 = np.dot(np.linalg.pinv(W2), dZ2)",
        "inverse for transpose",
    ),
    Mistake("planar", "dW2 = np.dot(dZ2, A1.T) / m", "dW2 = np.dot(A1, dZ2.T) / m", "transposed"),
    Mistake(
        "planar", "dW2 = np.dot(dZ2, A1.T) / m", "dW2 = np.dot(dZ2, Z1.T) / m", "operand of dW"
    ),
    Mistake(
        "planar",
        "dW2 = np.dot(dZ2, A1.T) / m",
        "dW2 = np.dot(dZ2, A2.T) / m",
        "operand of dW|another name",
    ),
    Mistake(
        "planar",
        "dW3 = np.dot(dZ3, A2.T) / m",
        "dW3 = np.dot(dZ3, A1.T) / m",
        "operand of dW|another name",
    ),
    Mistake("rows", "dW2 = a1.T @ dz2", "dW2 = z1.T @ dz2", "operand of dW"),
    Mistake("rows", "da1 = dz2 @ W2.T", "da1 = dz2 @ W2", "transpose missing|W not transposed"),
    Mistake(
        "network",
        "delta1 = (delta2 @ self.W2.T)",
        "delta1 = (delta2 @ self.W2)",
        "transpose missing|W not transposed",
    ),
    Mistake(
        "network", "self.dW1 = self.X.T @ delta1", "self.dW1 = delta1.T @ self.X", "transposed"
    ),
    Mistake("step", "dW2 = h.T @ dout", "dW2 = (X @ W1 + b1).T @ dout", "operand of dW"),
    # --- the activation's derivative
    Mistake("course", "dZ[Z <= 0] = 0", "dZ[Z > 0] = 0", "mask inverted|another comparison"),
    Mistake("course", "    dZ[Z <= 0] = 0\n    return dZ", "    return dZ", "derivative missing"),
    Mistake("course", "dZ = dA * s * (1 - s)", "dZ = s * (1 - s)", "upstream missing"),
    Mistake("course", "dZ = dA * s * (1 - s)", "dZ = dA * s", "sigmoid's slope|a factor missing"),
    Mistake("course", "dZ = dA * s * (1 - s)", "dZ = dA", "derivative missing"),
    Mistake(
        "course",
        "    s = 1 / (1 + np.exp(-Z))\n",
        "    s = 1 / (1 + np.exp(-1 / (1 + np.exp(-Z))))\n",
        "derivative at A",
    ),
    Mistake(
        "course",
        "    dZ = np.array(dA, copy=True)\n    dZ[Z <= 0] = 0\n",
        "    dZ = dA * np.maximum(0, Z)\n",
        "value for slope",
    ),
    Mistake(
        "planar",
        "dZ1 = dA1 * (1 - np.power(A1, 2))",
        "dZ1 = dA1 * (1 + np.power(A1, 2))",
        "tanh's slope|*sign*",
    ),
    Mistake("planar", "dZ1 = dA1 * (1 - np.power(A1, 2))", "dZ1 = dA1 * A1", "tanh's slope"),
    Mistake("planar", "dZ1 = dA1 * (1 - np.power(A1, 2))", "dZ1 = dA1 * (1 - A1)", "tanh's slope"),
    Mistake(
        "planar",
        "dZ1 = dA1 * (1 - np.power(A1, 2))",
        "dZ1 = dA1 * (1 - np.tanh(A1) ** 2)",
        "derivative at A",
    ),
    Mistake("planar", "dZ1 = dA1 * (1 - np.power(A1, 2))", "dZ1 = dA1 * A1 * (1 - A1)", "*"),
    Mistake("planar", "dZ2 = dA2 * (1 - np.power(A2, 2))", "dZ2 = dA2", "derivative missing"),
    Mistake(
        "planar", "dZ2 = dA2 * (1 - np.power(A2, 2))", "dZ2 = dA2 * (A2 > 0)", "another activation"
    ),
    Mistake(
        "planar",
        "dZ2 = dA2 * (1 - np.power(A2, 2))",
        "dZ2 = 1 - np.power(A2, 2)",
        "upstream missing",
    ),
    Mistake(
        "planar",
        "dZ2 = dA2 * (1 - np.power(A2, 2))",
        "dZ2 = dA2 * (1 - np.power(A2, 2)) ** 2",
        "derivative twice",
    ),
    Mistake(
        "planar",
        "dZ2 = dA2 * (1 - np.power(A2, 2))",
        "dZ2 = dA2 * (1 - np.power(Z2, 2))",
        "tanh's slope",
    ),
    Mistake(
        "rows",
        "dz1 = da1 * a1 * (1 - a1)",
        "dz1 = da1 * (1 - a1)",
        "sigmoid's slope|a factor missing",
    ),
    Mistake("rows", "dz1 = da1 * a1 * (1 - a1)", "dz1 = da1 * z1 * (1 - z1)", "sigmoid's slope"),
    Mistake("rows", "dz1 = da1 * a1 * (1 - a1)", "dz1 = da1 * (1 - a1 ** 2)", "*"),
    Mistake("network", "* self.a1 * (1 - self.a1)", "* self.z1 * (1 - self.z1)", "sigmoid's slope"),
    Mistake("network", "* self.a1 * (1 - self.a1)", "", "derivative missing"),
    Mistake("layers", "dx[self.mask] = 0", "dx[~self.mask] = 0", "mask inverted"),
    Mistake(
        "layers",
        "return dout * self.out * (1 - self.out)",
        "return dout * self.out",
        "value for slope|sigmoid's slope",
    ),
    Mistake(
        "layers",
        "return dout * self.out * (1 - self.out)",
        "return self.out * (1 - self.out)",
        "upstream missing",
    ),
    Mistake(
        "layers",
        "return dout * self.out * (1 - self.out)",
        "return dout * (1 - self.out ** 2)",
        "*",
    ),
    Mistake("step", "dz = dh * (1 - h ** 2)", "dz = dh", "derivative*"),
    Mistake("step", "dz = dh * (1 - h ** 2)", "dz = dh * (1 - h)", "tanh's slope|another name|*"),
    Mistake(
        "sigmoid pair",
        "return sigmoid(x) * (1 - sigmoid(x))",
        "return sigmoid(x) * (1 + sigmoid(x))",
        "?*",
    ),
    Mistake(
        "sigmoid pair",
        "return sigmoid(x) * (1 - sigmoid(x))",
        "return 1 - np.tanh(x) ** 2",
        "another activation",
    ),
    Mistake(
        "sigmoid pair",
        "return sigmoid(x) * (1 - sigmoid(x))",
        "return sigmoid(x)",
        "value for slope",
    ),
    Mistake("relu pair", "return (x > 0) * 1.0", "return (x < 0) * 1.0", "mask inverted"),
    Mistake("relu pair", "return (x > 0) * 1.0", "return np.maximum(0, x)", "value for slope"),
    Mistake(
        "leaky pair",
        "return np.where(x > 0, 1.0, 0.1)",
        "return np.where(x > 0, 1.0, 0.0)",
        "another activation",
    ),
    Mistake(
        "softmax pair",
        "return p * (dA - np.sum(dA * p, axis=-1, keepdims=True))",
        "return dA * p * (1 - p)",
        "softmax as p (1 - p)",
    ),
    # --- output and cost
    Mistake(
        "planar",
        "dZ3 = A3 - Y",
        "dZ3 = (A3 - Y) * A3 * (1 - A3)",
        "slope of the output twice|derivative twice",
    ),
    Mistake("planar", "dZ3 = A3 - Y", "dZ3 = A3 + Y", "cost's gradient"),
    Mistake(
        "course",
        "dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
        "dAL = AL - Y",
        "another cost",
    ),
    Mistake(
        "course",
        "dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
        "dAL = -(np.divide(Y, AL) + np.divide(1 - Y, 1 - AL))",
        "sign of a term",
    ),
    Mistake(
        "course",
        "dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
        "dAL = -np.divide(Y, AL)",
        "term missing",
    ),
    Mistake("rows", "dz2 = (y - t) / batch_size", "dz2 = (y - t) * y * (1 - y) / batch_size", "*"),
    Mistake(
        "network",
        "delta2 = 2 * (self.out - y) / (m * n)",
        "delta2 = 2 * (self.out - y) * self.out * (1 - self.out) / (m * n)",
        "*",
    ),
    Mistake(
        "regression",
        "dscores[np.arange(n), y] -= 1",
        "dscores[np.arange(n), y - 1] -= 1",
        "index off by one|*",
    ),
    Mistake("regression", "    dW = dW + reg * W\n", "", "regularisation*|a term missing"),
    Mistake(
        "regression",
        "    dW = dW + reg * W\n",
        "    dW = dW + 2 * reg * W\n",
        "regularisation*|something too many|*",
    ),
    Mistake(
        "decay",
        'dW2 = dZ2 @ A1.T / m + lambd / m * params["W2"]',
        "dW2 = dZ2 @ A1.T / m",
        "regularisation*",
    ),
    Mistake(
        "decay",
        'dW2 = dZ2 @ A1.T / m + lambd / m * params["W2"]',
        'dW2 = dZ2 @ A1.T / m + lambd * params["W2"]',
        "regularisation",
    ),
    Mistake(
        "decay",
        'dW2 = dZ2 @ A1.T / m + lambd / m * params["W2"]',
        'dW2 = dZ2 @ A1.T / m + 2 * lambd / m * params["W2"]',
        "regularisation",
    ),
    Mistake(
        "decay",
        'dW2 = dZ2 @ A1.T / m + lambd / m * params["W2"]',
        'dW2 = dZ2 @ A1.T / m - lambd / m * params["W2"]',
        "regularisation*|a sign inside",
    ),
    Mistake(
        "decay",
        "db1 = np.sum(dZ1, axis=1, keepdims=True) / m",
        'db1 = np.sum(dZ1, axis=1, keepdims=True) / m + lambd / m * params["b1"]',
        "regularis*",
    ),
    # --- wiring
    Mistake(
        "course",
        'linear_activation_backward(grads["dA" + str(l + 1)], current_cache',
        "linear_activation_backward(dAL, current_cache",
        "upstream*|another array|another name|*",
    ),
    Mistake(
        "course",
        "current_cache = caches[l]\n",
        "current_cache = caches[L - 2 - l]\n",
        "*cache*|another*|something*|*",
    ),
    Mistake(
        "course",
        "current_cache = caches[l]\n",
        "current_cache = caches[l + 1]\n",
        "index off by one|another number|something too many|*cache*|*",
    ),
    Mistake("course", 'grads["dW" + str(l + 1)] = dW', 'grads["dW" + str(l)] = dW', "*"),
    Mistake(
        "planar", "dA1 = np.dot(W2.T, dZ2)", "dA1 = np.dot(W1.T, dZ2)", "another array|another name"
    ),
    Mistake(
        "planar",
        "dZ1 = dA1 * (1 - np.power(A1, 2))",
        "dZ1 = dA1 * (1 - np.power(A2, 2))",
        "cache of another layer|another array|another name",
    ),
    Mistake("planar", '"dW2": dW2, "db2": db2', '"dW2": dW3, "db2": db2', "*"),
    Mistake("planar", "for", "for", "skip"),
    # --- order and state
    Mistake(
        "planar",
        "    dA1 = np.dot(W2.T, dZ2)\n",
        "    W2 = W2 - 0.05 * dW2\n    dA1 = np.dot(W2.T, dZ2)\n",
        "updated W",
    ),
    Mistake(
        "planar",
        "    dA1 = np.dot(W2.T, dZ2)\n",
        "    W2 -= 0.05 * dW2\n    dA1 = np.dot(W2.T, dZ2)\n",
        "updated W",
    ),
    Mistake(
        "network",
        "        self.dW2 = self.a1.T @ delta2\n",
        "        self.dW2 = getattr(self, 'dW2', 0) + self.a1.T @ delta2\n",
        "state",
    ),
    Mistake(
        "dropout",
        'dA1 = dA1 * cache["D1"] / keep_prob',
        'dA1 = dA1 * cache["D1"]',
        "dropout factor missing|a divisor missing|*factor*|something*",
    ),
    Mistake("dropout", '    dA1 = dA1 * cache["D1"] / keep_prob\n', "", "dropout mask missing|*"),
    Mistake(
        "dropout",
        'dA1 = dA1 * cache["D1"] / keep_prob',
        "dA1 = dA1 * (np.random.rand(*dA1.shape) < keep_prob) / keep_prob",
        "*",
    ),
    # --- normalisation
    Mistake("layers", "        dx = dxc - dmu / m\n", "        dx = dxc\n", "a term missing|*"),
    Mistake("layers", "        dxc += (2.0 / m) * self.xc * dvar\n", "", "a term missing|*"),
    Mistake(
        "layers",
        "dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)",
        "dstd = -np.sum((dxn * self.xc) / self.std, axis=0)",
        "*",
    ),
    # --- updates
    Mistake(
        "course update",
        '- learning_rate * grads["dW" + str(l + 1)]',
        '+ learning_rate * grads["dW" + str(l + 1)]',
        "sign of the update",
    ),
    Mistake(
        "course update",
        '- learning_rate * grads["dW" + str(l + 1)]',
        '- learning_rate * learning_rate * grads["dW" + str(l + 1)]',
        "learning rate twice",
    ),
    Mistake(
        "course update",
        '- learning_rate * grads["db" + str(l + 1)]',
        '- learning_rate * grads["dW" + str(l + 1)]',
        "wrong key|shape",
    ),
    Mistake(
        "course update",
        "for l in range(L):\n",
        "for l in range(L - 1):\n",
        "not updated",
    ),
]

TABLE = [m for m in TABLE if m.kinds != "skip"]

RIGHT_BUT_DIFFERENT: list[tuple[str, str, str]] = [
    ("course", 'grads["dA" + str(L - 1)] = dA', 'grads["dA" + str(L - 1)] = dA'),
    ("planar", "dZ3 = A3 - Y", "dZ3 = (A3 - Y).astype(np.float32).astype(np.float64)"),
    ("planar", "dZ3 = A3 - Y", "dZ3 = -(Y - A3)"),
    ("planar", "dZ3 = A3 - Y", "dZ3 = Y - A3"),
    ("planar", "dZ3 = A3 - Y", "dZ3 = 2 * (A3 - Y)"),
    ("planar", "dZ3 = A3 - Y", "dZ3 = (A3 - Y) / 2"),
    ("planar", "dZ3 = A3 - Y", "dZ3 = (A3 - Y) * m"),
    ("planar", "dZ3 = A3 - Y", "dZ3 = (A3 - Y) / m"),
    ("planar", "return -np.sum(logprobs) / m", "return -np.sum(logprobs)"),
    ("planar", "return -np.sum(logprobs) / m", "return float(-np.sum(logprobs) / m)"),
    ("planar", "return -np.sum(logprobs) / m", "return (-np.sum(logprobs) / m).item()"),
    ("planar", "return -np.sum(logprobs) / m", "return np.sum(logprobs) / m"),
    ("planar", "np.log(A3), Y", "np.log(A3 + 1e-8), Y"),
    ("planar", "np.log(A3), Y", "np.log(np.clip(A3, 1e-10, 1)), Y"),
    ("planar", "dZ2 = dA2 * (1 - np.power(A2, 2))", "dZ2 = dA2 * (1 - np.tanh(Z2) ** 2)"),
    ("course", "dZ[Z <= 0] = 0", "dZ[Z < 0] = 0"),
    ("course", "cost = np.squeeze(cost)", "cost = float(np.squeeze(cost))"),
    ("rows", "dz2 = (y - t) / batch_size", "dz2 = y - t"),
    ("rows", "db1 = np.sum(dz1, axis=0)", "db1 = np.sum(dz1, axis=0, keepdims=True)[0]"),
    (
        "rows",
        "return -np.sum(t * np.log(y)) / batch_size",
        "return -np.sum(t * np.log(y + 1e-7)) / batch_size",
    ),
    ("rows", "return dW1, db1, dW2, db2", "return {'W1': dW1, 'b1': db1, 'W2': dW2, 'b2': db2}"),
    ("rows", "return dW1, db1, dW2, db2", "return dW2, db2, dW1, db1"),
    ("network", "delta2 = 2 * (self.out - y) / (m * n)", "delta2 = (self.out - y) / m"),
    ("network", "return np.mean((self.out - y) ** 2)", "return 0.5 * np.sum((self.out - y) ** 2)"),
    ("step", "dh = dout @ W2.T", "dh = dout * W2.T"),  # one output: the same
    ("network", "    def backward(self, y):\n", "    def backward(self, y, lr=0.1):\n"),
]
