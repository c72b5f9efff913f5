"""The L-layer model on Tensors against published numbers and the formulas derived by hand."""

import numpy as np
import pytest

import nn
from tinygrad_edu import Tensor

DEEP = [12288, 20, 7, 5, 1]
DEEP_COSTS = [
    0.7717493284237686,
    0.6720534400822914,
    0.6482632048575212,
    0.6115068816101356,
    0.5670473268366111,
]
SHALLOW = [12288, 7, 1]
SHALLOW_COSTS = [
    0.693049735659989,
    0.6464320953428849,
    0.6325140647912677,
    0.6015024920354665,
    0.5601966311605747,
]


@pytest.fixture(scope="module")
def cats(catvnoncat):
    X, Y, X_test, Y_test, _ = catvnoncat
    return nn.datasets.flatten(X), Y, nn.datasets.flatten(X_test), Y_test


@pytest.mark.parametrize(
    ("dims", "start", "published", "accuracies"),
    [
        (DEEP, nn.manual.initialize_parameters_deep(DEEP), DEEP_COSTS, (0.9856459330143539, 0.8)),
        (SHALLOW, nn.manual.initialize_parameters(*SHALLOW), SHALLOW_COSTS, (1.0, 0.72)),
    ],
)
def test_published_numbers_of_the_cat_classifier(cats, dims, start, published, accuracies):
    X, Y, X_test, Y_test = cats
    model = nn.LLayerModel(dims, parameters=start)
    first = nn.compare(model, X, Y)
    costs = model.fit(X, Y, learning_rate=0.0075, num_iterations=2499).costs
    last = nn.compare(model, X, Y)
    costs += model.fit(X, Y, learning_rate=0.0075, num_iterations=1).costs
    np.testing.assert_allclose(costs[:401:100], published, rtol=1e-12)
    measured = model.accuracy(X, Y), model.accuracy(X_test, Y_test)
    np.testing.assert_allclose(measured, accuracies, rtol=1e-15)
    assert max(first.worst, last.worst) <= 1e-12


def small(seed=0, n_x=4, m=30):
    random = np.random.RandomState(seed)
    X = random.randn(n_x, m)
    return X, (X[:1] * X[1:2] > 0).astype(int)


@pytest.mark.parametrize("dims", [[4, 1], [4, 3, 1], [4, 5, 3, 2, 1]])
def test_training_equals_training_by_hand(dims):
    X, Y = small()
    ours, costs = nn.L_layer_model(X, Y, dims, 0.1, 301)
    by_hand, costs_by_hand = nn.manual.L_layer_model(X, Y, dims, 0.1, 301)
    np.testing.assert_allclose(costs, costs_by_hand, rtol=1e-12)
    assert list(ours) == list(by_hand)
    for name in ours:
        np.testing.assert_allclose(ours[name], by_hand[name], rtol=1e-10, atol=1e-13)


def test_two_layer_model_equals_that_by_hand(capsys):
    X, Y = small()
    ours = nn.two_layer_model(X, Y, (4, 3, 1), 0.1, 201, print_cost=True)
    printed = capsys.readouterr().out
    by_hand = nn.manual.two_layer_model(X, Y, (4, 3, 1), 0.1, 201, print_cost=True)
    np.testing.assert_allclose(ours[1], by_hand[1], rtol=1e-12)
    assert printed.startswith("Cost after iteration 0: 0.69")
    assert len(printed.splitlines()) == 3 == len(capsys.readouterr().out.splitlines())


def test_compare_finds_a_planted_mistake(monkeypatch):
    X, Y = small()
    model = nn.LLayerModel([4, 3, 1])
    assert nn.compare(model, X, Y).worst < 1e-13
    monkeypatch.setattr(nn.manual, "relu_backward", lambda dA, Z: dA * (Z > 0.5))
    wrong = nn.compare(model, X, Y)
    assert {row.name for row in wrong.rows if row.error > 1e-6} == {"dZ1", "dW1", "db1", "dA0"}
    assert wrong.rows[0].error == wrong.worst == max(wrong.as_dict().values())
    assert "m times" in str(wrong) and "m = 30" in str(wrong)


def test_the_cost_stays_finite_where_the_sigmoid_saturates():
    parameters = {"W1": np.array([[1e4]]), "b1": np.array([[0.0]])}
    model = nn.LLayerModel([1, 1], parameters=parameters)
    X, Y = np.array([[-1.0, 1.0, 1.0]]), np.array([[1, 0, 1]])
    cost = model.cost(X, Y)
    cost.backward()
    assert model(X).data[0, 1] == 1.0
    assert np.isfinite(cost.item()) and cost.item() > 100
    assert np.isfinite(model.parameters()["W1"].grad).all()
    assert nn.compare(model, X, Y).worst <= 1e-12


def test_predictions_and_accuracy():
    model = nn.LLayerModel([1, 1], parameters={"W1": np.array([[1.0]]), "b1": np.array([[0.0]])})
    X = np.array([[-1.0, 2.0, 3.0, -4.0]])
    np.testing.assert_array_equal(model.predict(X), [[0, 1, 1, 0]])
    assert model.accuracy(X, [0, 1, 0, 0]) == 0.75
    AL = model(Tensor(X, requires_grad=True))
    np.testing.assert_allclose(AL.data, 1 / (1 + np.exp(-X)), rtol=1e-15)


def test_saved_models_come_back(tmp_path):
    X, _ = small()
    model = nn.LLayerModel([4, 3, 1], seed=3)
    model.save(tmp_path / "model.npz")
    again = nn.LLayerModel.load(tmp_path / "model.npz")
    assert again.layers_dims == [4, 3, 1]
    np.testing.assert_array_equal(again(X).data, model(X).data)
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "model.npz"
    with pytest.raises(FileNotFoundError, match=r"model\.npz does not exist"):
        nn.LLayerModel.load(path)
    for content in (b"", b"PK\x03\x04 cut off", b"hello"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a file of saved arrays"):
            nn.LLayerModel.load(path)
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match=r"\['a'\]"):
        nn.LLayerModel.load(path)
    np.savez(path, W1=np.ones((2, 3)), b1=np.ones((2, 1)), W2=np.ones((1, 3)), b2=np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"W2 has shape \(1, 3\).*\(1, 2\)"):
        nn.LLayerModel.load(path)
    np.savez(path, W1=np.array([[object()]]), b1=np.ones((1, 1)))
    with pytest.raises(ValueError, match="not a file of saved arrays"):
        nn.LLayerModel.load(path)


@pytest.mark.parametrize(
    ("X", "Y", "dims", "rate", "words"),
    [
        (np.ones((9, 4)), np.ones(9), [4, 3, 1], 0.1, ["Y", "(9,)", "(9, 4)", "X.T"]),
        (np.ones((4, 9)), np.ones(8), [4, 3, 1], 0.1, ["Y", "(8,)", "(1, 9)"]),
        (np.ones((4, 9)), np.full(9, 2), [4, 3, 1], 0.1, ["Y", "2", "0 and 1"]),
        (np.full((4, 9), np.nan), np.ones(9), [4, 3, 1], 0.1, ["X", "NaN", "X[0, 0]"]),
        (np.ones((5, 9)), np.ones(9), [4, 3, 1], 0.1, ["layers_dims", "4", "5"]),
        (np.ones((4, 9)), np.ones(9), [4, 0, 1], 0.1, ["layers_dims[1]", "0"]),
        (np.ones((4, 9)), np.ones(9), [4, 2.5, 1], 0.1, ["layers_dims[1]", "2.5"]),
        (np.ones((4, 9)), np.ones(9), [4, 3, 2], 0.1, ["layers_dims", "2", "expected 1"]),
        (np.ones((4, 9)), np.ones(9), [4, 3, 1], -1, ["learning_rate", "-1", "positive"]),
        (np.ones((4, 9)), np.ones(9), [4, 3, 1], np.inf, ["learning_rate", "inf"]),
    ],
)
@pytest.mark.parametrize("train", [nn.L_layer_model, nn.manual.L_layer_model])
def test_bad_input_is_answered_with_one_sentence(train, X, Y, dims, rate, words):
    with pytest.raises(ValueError) as caught:
        train(X, Y, dims, rate, 2)
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message


def test_x_that_does_not_fit_w1_is_named():
    model = nn.LLayerModel([4, 3, 1])
    with pytest.raises(ValueError, match=r"W1 has shape \(3, 4\) and X has shape \(9, 4\).*X\.T"):
        model(np.ones((9, 4)))
    W, X = Tensor(np.ones((3, 4)), name="W"), Tensor(np.ones((9, 4)), name="X")
    with pytest.raises(ValueError, match=r"W of shape \(3, 4\) and X of shape \(9, 4\).*X\.T"):
        W @ X
    with pytest.raises(ValueError, match=r"add of W of shape \(3, 4\) and X of shape \(9, 4\)"):
        W + X


def test_diverging_training_is_an_error():
    X, Y = small()
    with pytest.raises(ArithmeticError, match="smaller learning rate"), np.errstate(all="ignore"):
        nn.L_layer_model(X * 1e5, Y, [4, 1], 1e305, 50)
