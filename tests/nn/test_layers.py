"""nn.layers and nn.initializers: what layers compute, what they are called, how they are saved."""

import numpy as np
import pytest

import nn
import tinygrad_edu as tg
from nn import initializers
from tinygrad_edu import Tensor


def network(seed=0):
    random = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(4, 3, seed=random), nn.Tanh(), nn.Dropout(0.5, seed=random), nn.Linear(3, 2)
    )


# --- what they compute -----------------------------------------------------------------------------


def test_linear_is_the_course_s_form_and_affine_the_textbook_s():
    A = np.random.default_rng(0).normal(size=(4, 7))
    linear, affine = nn.Linear(4, 3, seed=1), nn.Affine(4, 3, seed=1)
    np.testing.assert_array_equal(linear(A).data, linear.W.data @ A + linear.b.data)
    np.testing.assert_array_equal(linear.W.data, affine.W.data.T)
    np.testing.assert_allclose(affine(A.T).data, linear(A).data.T, rtol=1e-14)
    assert (affine.W.shape, affine.b.shape) == ((4, 3), (1, 3))


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), np.tanh),
        (nn.Softmax(axis=0), lambda x: np.exp(x) / np.exp(x).sum(axis=0)),
        (nn.Softmax(axis=1), lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),
    ],
)
def test_activations(layer, function):
    x = np.random.default_rng(0).normal(size=(3, 5))
    np.testing.assert_allclose(layer(Tensor(x)).data, function(x), rtol=1e-14)
    assert layer.parameters() == []


def test_gradients_of_a_whole_network():
    model = nn.Sequential(nn.Linear(3, 4, seed=1), nn.Sigmoid(), nn.Linear(4, 2, seed=2))
    X = np.random.default_rng(0).normal(size=(3, 5))
    nn.mean_squared_error(model(X), np.ones((2, 5))).backward()
    for parameter in model.parameters():
        found = parameter.grad
        for index in np.ndindex(parameter.shape):
            values = []
            for h in (1e-6, -1e-6):
                parameter.data[index] += h
                values.append(nn.mean_squared_error(model(X), np.ones((2, 5))).item())
                parameter.data[index] -= h
            assert abs((values[0] - values[1]) / 2e-6 - found[index]) < 1e-8


def test_dropout_keeps_the_mean_and_rests_in_evaluation():
    layer, x = nn.Dropout(0.25, seed=1), np.ones(100_000)
    kept = layer(x)
    assert set(np.unique(kept)) == {0, 1 / 0.75}
    assert abs(kept.mean() - 1) < 0.01
    assert layer.eval()(x) is x
    t = Tensor(x, requires_grad=True)
    out = layer.train()(t)
    out.sum().backward()
    np.testing.assert_array_equal(t.grad, out.data)
    for p in (-0.1, 1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"p is .*: expected a probability"):
            nn.Dropout(p)


def test_train_and_eval_reach_every_module():
    model = nn.Sequential(network(), nn.ReLU())
    assert len(model.modules()) == 7
    assert model.eval() is model and not any(module.training for module in model.modules())
    assert model.train() is model and all(module.training for module in model.modules())


# --- names ---------------------------------------------------------------------------------------


def test_names_follow_pytorch_and_tensors_are_numbered_by_layer():
    named = dict(network().named_parameters())
    assert list(named) == ["0.W", "0.b", "3.W", "3.b"]
    assert [tensor.name for tensor in named.values()] == ["W1", "b1", "W2", "b2"]


def test_numbers_go_on_through_nested_networks_and_own_names_stay():
    own = nn.Linear(2, 2)
    own.W.name, own.b.name = "U", "c"
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), own, nn.Linear(2, 1))
    names = ["W1", "b1", "W2", "b2", "U", "c", "W4", "b4"]
    assert [tensor.name for tensor in model.parameters()] == names


def test_parameters_are_found_in_lists_tuples_dicts_and_modules_each_once():
    class Model(nn.Module):
        def __init__(self):
            self.scale = Tensor(1.0, requires_grad=True)
            self.constant = Tensor(1.0)
            self.parts = [nn.Linear(2, 2), (nn.Linear(2, 1), {"extra": Tensor(2.0, True)})]
            self.again = self.scale
            self.me = self

        def forward(self, x):
            self.last = self.scale * x  # computed, so no parameter
            return self.last

    model = Model()
    model(np.ones(2))
    names = ["scale", "parts.0.W", "parts.0.b", "parts.1.0.W", "parts.1.0.b", "parts.1.1.extra"]
    assert [name for name, _ in model.named_parameters()] == names
    assert len(model.parameters()) == 6


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module needs a method forward"):
        nn.Module()(1)
    with pytest.raises(TypeError, match="layer 1 of Sequential is 5"):
        nn.Sequential(nn.ReLU(), 5)


def test_zero_grad_and_repr():
    model = network()
    model(np.ones((4, 2))).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert repr(model) == "Sequential(Linear(4, 3), Tanh(), Dropout(0.5), Linear(3, 2))"
    assert repr(nn.Softmax(0)) == "Softmax(axis=0)" and repr(nn.Affine(2, 3)) == "Affine(2, 3)"
    assert len(model) == 4 and model[1] is model.layers[1]


# --- saving ----------------------------------------------------------------------------------------


def test_save_and_load(tmp_path):
    first, second = network(1), network(2)
    first.save(tmp_path / "model.npz")
    second.load(tmp_path / "model.npz")
    for a, b in zip(first.parameters(), second.parameters()):
        assert a is not b and a.data is not b.data
        np.testing.assert_array_equal(a.data, b.data)
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


def test_state_dict_is_a_copy():
    model = network()
    state = model.state_dict()
    state["0.W"][:] = 7
    assert not np.any(model[0].W.data == 7)
    model.load_state_dict(state)
    state["0.W"][:] = 8
    assert np.all(model[0].W.data == 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("3.b"), ["lacks 3.b", "another model"]),
        (lambda s: s.update(extra=np.zeros(1)), ["has extra, which this model does not have"]),
        (lambda s: s.update({"3.W": np.zeros((3, 2))}), ["3.W", "(3, 2)", "(2, 3)"]),
        (lambda s: s.update({"3.W": np.zeros((2, 3), np.float32)}), ["3.W", "float32", "float64"]),
        (lambda s: s.update({"3.W": np.zeros((2, 3), int)}), ["3.W", "int64"]),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(tmp_path, change, words):
    model, state = network(1), network(2).state_dict()
    before = model.state_dict()
    change(state)
    with pytest.raises(ValueError) as caught:
        model.load_state_dict(state)
    assert all(word in str(caught.value) for word in ["the state", *words])
    assert "\n" not in str(caught.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# --- initializers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "std"),
    [
        (0.01, 0.01),
        (initializers.normal(0.5), 0.5),
        ("zeros", 0),
        ("lecun", (1 / 300) ** 0.5),
        ("xavier", (2 / 500) ** 0.5),
        ("he", (2 / 300) ** 0.5),
        (initializers.xavier_uniform, (2 / 500) ** 0.5),
        (initializers.he_uniform, (2 / 300) ** 0.5),
    ],
)
def test_initializers_have_their_spread_and_are_seeded(init, std):
    W = nn.Linear(300, 200, init=init, seed=3).W.data
    assert W.shape == (200, 300)
    assert abs(W.std() - std) <= 0.02 * std and abs(W.mean()) <= 0.02 * std
    np.testing.assert_array_equal(W, nn.Linear(300, 200, init=init, seed=3).W.data)
    if std:
        assert np.any(nn.Linear(300, 200, init=init, seed=4).W.data != W)


def test_a_shared_generator_gives_each_layer_other_weights():
    random = np.random.default_rng(1)
    a, b = nn.Linear(3, 3, seed=random), nn.Linear(3, 3, seed=random)
    assert np.all(a.W.data != b.W.data)


@pytest.mark.parametrize("init", ["glorot", -1, None, float("nan")])
def test_an_unknown_initializer(init):
    with pytest.raises(ValueError, match=r"init is .*: expected a number, a function, or one of"):
        nn.Linear(2, 2, init=init)


@pytest.mark.parametrize("sizes", [(0, 1), (2, -1), (2.5, 1)])
def test_wrong_sizes(sizes):
    with pytest.raises(ValueError, match=r"n_(in|out) is .*: expected a whole number"):
        nn.Linear(*sizes)


def test_the_formulas_of_a_network_of_layers_can_be_read():
    model = nn.Sequential(nn.Linear(2, 3, seed=1), nn.Tanh(), nn.Linear(3, 1, seed=2))
    X, Y = Tensor(np.ones((2, 5)), name="X"), Tensor(np.ones((1, 5)), name="Y")
    cost = nn.binary_cross_entropy_with_logits(model(X), Y)
    cost.name = "cost"
    text = str(tg.derive(cost))
    assert "sigmoid" in text and "dW2 =" in text and "db1 =" in text
