"""nn.losses: values and gradients, against PyTorch and by definition; labels that do not do."""

import numpy as np
import pytest

import nn
from tinygrad_edu import Tensor

random = np.random.default_rng(0)
Z, Y = random.normal(size=(4, 6)) * 3, random.random((4, 6))
LABELS = random.integers(0, 4, 6)


def value_and_grad(loss, array, *arguments, **options):
    x = Tensor(array, requires_grad=True)
    cost = loss(x, *arguments, **options)
    cost.backward()
    return cost.item(), x.grad


def test_losses_against_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch, the reference, is not installed")
    functional = torch.nn.functional
    z, y = torch.tensor(Z, requires_grad=True), torch.tensor(Y)
    cases = [
        (
            nn.binary_cross_entropy_with_logits,
            (Y,),
            {},
            functional.binary_cross_entropy_with_logits(z, y),
        ),
        (nn.mean_squared_error, (Y,), {}, functional.mse_loss(z, y)),
        (
            nn.cross_entropy,
            (LABELS,),
            {"axis": 0},
            functional.cross_entropy(z.T, torch.tensor(LABELS)),
        ),
        (nn.cross_entropy, (Y,), {"axis": 0}, functional.cross_entropy(z.T, y.T)),
        (nn.cross_entropy, (Y,), {"axis": 1}, functional.cross_entropy(z, y)),
    ]
    for loss, arguments, options, theirs in cases:
        (expected,) = torch.autograd.grad(theirs, z, retain_graph=True)
        cost, found = value_and_grad(loss, Z, *arguments, **options)
        np.testing.assert_allclose(cost, theirs.item(), rtol=1e-14)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-11, atol=1e-16)


def test_cross_entropy_by_definition_in_all_its_forms():
    P = np.exp(Z) / np.exp(Z).sum(axis=0)
    hot = np.zeros_like(Z)
    hot[LABELS, np.arange(6)] = 1
    expected = -np.mean(np.log(P[LABELS, np.arange(6)]))
    forms = [
        (Z, LABELS, 0),
        (Z, LABELS[None], 0),
        (Z, LABELS.tolist(), -2),
        (Z, Tensor(LABELS), 0),
        (Z, hot, 0),
        (Z, Tensor(hot), 0),
        (Z, hot.astype(int), 0),
        (Z.T, LABELS, 1),
        (Z.T, LABELS[:, None], 1),
        (Z.T, hot.T, -1),
    ]
    for scores, labels, axis in forms:
        cost, grad = value_and_grad(nn.cross_entropy, scores, labels, axis)
        np.testing.assert_allclose(cost, expected, rtol=1e-14)
        np.testing.assert_allclose(grad if scores is Z else grad.T, (P - hot) / 6, atol=1e-16)


def test_the_gradient_with_logits_is_A_minus_Y():
    labels = (Y > 0.5).astype(float)
    cost, grad = value_and_grad(nn.binary_cross_entropy_with_logits, Z, labels)
    np.testing.assert_allclose(grad, (1 / (1 + np.exp(-Z)) - labels) / 24, atol=1e-16)
    A = Tensor(1 / (1 + np.exp(-Z)))
    np.testing.assert_allclose(cost, nn.binary_cross_entropy(A, labels).item(), rtol=1e-13)


def test_large_scores_overflow_nowhere():
    scores = np.array([[1e4, -1e4], [-1e4, 1e4]])
    with np.errstate(all="raise", under="ignore"):
        cost, grad = value_and_grad(nn.cross_entropy, scores, [1, 1], 0)
        assert cost == 1e4 and np.isfinite(grad).all()
        cost, grad = value_and_grad(nn.binary_cross_entropy_with_logits, scores, np.eye(2))
    assert cost == 0 and np.all(abs(grad) < 1e-300)


def test_second_derivative_of_the_logistic_loss():
    from tinygrad_edu import hessian

    y = np.array([1.0, 0.0])
    found = hessian(lambda z: nn.binary_cross_entropy_with_logits(z, y))(np.array([0.3, -2.0]))
    a = 1 / (1 + np.exp(-np.array([0.3, -2.0])))
    np.testing.assert_allclose(found, np.diag(a * (1 - a) / 2), atol=1e-16)


def test_float32_stays_float32():
    z = Tensor(Z.astype(np.float32), requires_grad=True)
    for cost in (
        nn.cross_entropy(z, LABELS, 0),
        nn.binary_cross_entropy_with_logits(z, Y.astype(np.float32)),
        nn.mean_squared_error(z, Y.astype(np.float32)),
        nn.l2_penalty([z], 0.1),
    ):
        assert cost.dtype == np.float32
        cost.backward()
        assert z.grad.dtype == np.float32


def test_l2_penalty_is_weight_decay():
    W, b = Tensor([[1.0, -2.0]], requires_grad=True), Tensor([3.0], requires_grad=True)
    penalty = nn.l2_penalty({"W": W, "b": b}, 0.1)
    penalty.backward()
    assert penalty.item() == pytest.approx(0.05 * 14)
    np.testing.assert_allclose(W.grad, 0.1 * W.data)
    with pytest.raises(ValueError, match="weights is empty"):
        nn.l2_penalty([], 0.1)


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0, 1, 2, 3, 4, 0], ValueError, ["label 4 at position 4", "4 classes are 0 to 3"]),
        ([0, 1, -1, 3, 0, 0], ValueError, ["label -1 at position 2"]),
        ([0, 1, 2], ValueError, ["shape (3,)", "(4, 6)", "along axis 0", "(6,)"]),
        (np.zeros((6, 4)), ValueError, ["shape (6, 4)", "targets of shape (4, 6)"]),
        ([0.0, 1, 2, 3, 0, 0], TypeError, ["float64", "whole numbers"]),
        (["a"] * 6, TypeError, ["<U1", "whole numbers"]),
    ],
)
def test_labels_that_do_not_do(labels, error, words):
    with pytest.raises(error) as caught:
        nn.cross_entropy(Tensor(Z), labels, axis=0)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


def test_shapes_that_numpy_would_broadcast_are_refused():
    for loss in (nn.binary_cross_entropy_with_logits, nn.mean_squared_error):
        with pytest.raises(ValueError, match=r"Y has shape \(6,\) and .* has shape \(1, 6\)"):
            loss(Tensor(np.zeros((1, 6))), np.zeros(6))
        with pytest.raises(ValueError, match="expected the same shape"):
            loss(Tensor(np.zeros((1, 6))), np.zeros((6, 1)))
