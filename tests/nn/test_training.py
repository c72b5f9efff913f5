"""nn.training: batches, schedules, the loop, and checkpoints that survive kill -9 bit for bit."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest

import nn
from nn import training

X = np.random.default_rng(0).normal(size=(3, 50))
Y = (X[:1] * X[1:2] > 0).astype(float)
LOSS = nn.binary_cross_entropy_with_logits


def network(seed=0, dropout=0.2):
    stream = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Linear(3, 8, seed=stream),
        nn.Tanh(),
        nn.Dropout(dropout, seed=seed),
        nn.Linear(8, 1, seed=stream),
    )


def start(seed=0, batch_size=20, **options):
    model = network(seed, **options)
    optimizer = nn.Adam(model.parameters(), lr=0.02)
    return model, LOSS, nn.MiniBatches(X, Y, batch_size, seed=5), optimizer


def equal(a, b):
    return all(np.array_equal(x.data, y.data) for x, y in zip(a.parameters(), b.parameters()))


# --- mini-batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 0])
def test_an_epoch_has_every_example_once_with_its_label(axis):
    m = 23
    examples, labels = np.arange(2 * m).reshape(2, m), np.arange(m)
    batches = nn.MiniBatches(examples if axis else examples.T, labels, 5, axis=axis)
    orders = []
    for number in range(3):
        parts = list(batches.epoch(number))
        assert len(parts) == len(batches) == 5
        order = np.concatenate([y for _, y in parts])
        assert sorted(order) == list(range(m))
        for x, y in parts:
            np.testing.assert_array_equal(x if axis else x.T, examples[:, y])
        orders.append(order.tolist())
    assert orders[0] != orders[1] != orders[2]


def test_the_order_follows_from_the_seed_alone():
    def order(seed):
        batches = nn.MiniBatches(X, np.arange(50), 8, seed=seed)
        return [y.tolist() for number in range(2) for _, y in batches.epoch(number)]

    assert order(1) == order(1) != order(2)
    batches = nn.MiniBatches(X, np.arange(50), 8, seed=1)
    assert [batches.batch(i)[1].tolist() for i in (13, 0, 7)] == [order(1)[i] for i in (13, 0, 7)]


def test_without_shuffle_without_the_rest_and_in_one_portion():
    batches = nn.MiniBatches(X, Y, 20, shuffle=False)
    np.testing.assert_array_equal(np.hstack([x for x, _ in batches.epoch(3)]), X)
    assert [y.shape for _, y in nn.MiniBatches(X, Y, 20, drop_last=True).epoch(0)] == [(1, 20)] * 2
    ((x, y),) = nn.MiniBatches(X, Y, 50).epoch(0)
    assert x.shape == X.shape and y.shape == Y.shape


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X, Y, 0), ValueError, ["batch_size is 0", "1 or greater"]),
        ((X, Y, 51), ValueError, ["batch_size is 51", "50 examples", "1 to 50"]),
        ((X, Y, 2.5), ValueError, ["batch_size is 2.5"]),
        ((X, Y, "5"), TypeError, ["batch_size is '5'"]),
        ((X, Y[:, 1:], 5), ValueError, ["(3, 50)", "(1, 49)", "axis -1"]),
        ((X.T, Y[0], 5), ValueError, ["(50, 3)", "(50,)", "pass axis=0"]),
        ((X, 1.0, 5), ValueError, ["Y has shape ()"]),
        ((X, Y, 5, 1), ValueError, ["axis is 1", "-1, examples in columns, or 0, in rows"]),
    ],
)
def test_bad_batches(arguments, error, words):
    with pytest.raises(error) as caught:
        nn.MiniBatches(*arguments[:3], axis=arguments[3] if len(arguments) > 3 else -1)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


# --- schedules -------------------------------------------------------------------------------------


def test_schedules_as_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch, the reference, is not installed")
    rates = torch.optim.lr_scheduler
    for ours, make in (
        (nn.step_decay(0.5, every=7, factor=0.3), lambda o: rates.StepLR(o, 7, 0.3)),
        (nn.exponential_decay(0.5, 0.9), lambda o: rates.ExponentialLR(o, 0.9)),
        (nn.cosine_decay(0.5, 29, 0.1), lambda o: rates.CosineAnnealingLR(o, 29, 0.1)),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        theirs = make(optimizer)
        for i in range(30):
            assert ours(i) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
            optimizer.step()
            theirs.step()


def test_inverse_decay_and_warm_up():
    assert nn.inverse_decay(0.5, 1.0, every=10)(25) == 0.5 / 3
    rising = nn.warm_up(nn.step_decay(1.0, 10), 5)
    assert [rising(i) for i in (0, 4, 5, 10)] == [0.2, 1.0, 1.0, 0.1]
    for wrong in (lambda: nn.step_decay(1, 0), lambda: nn.warm_up(rising, 0)):
        with pytest.raises(ValueError, match="is 0: expected a whole number, 1 or greater"):
            wrong()


# --- the loop --------------------------------------------------------------------------------------


def test_training_learns_and_is_the_loop_one_would_write():
    model, loss, batches, optimizer = start(dropout=0.0)
    history = nn.train(model, loss, batches, optimizer, 300)
    assert np.mean(history.costs[-20:]) < 0.3 < history.costs[0]
    twin, loss, batches, optimizer = start(dropout=0.0)
    costs = []
    for number in range(100):
        for x, y in batches.epoch(number):
            cost = loss(twin(x), y)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            costs.append(cost.item())
    assert costs == history.costs and equal(model, twin)


def test_schedule_clipping_and_the_mode_afterwards():
    rates, norms = [], []

    class Watched(nn.SGD):
        def step(self):
            rates.append(self.lr)
            norms.append(sum((t.grad**2).sum() for t in self.params.values()) ** 0.5)
            assert model.training
            super().step()

    model, loss, batches, _ = start()
    optimizer = Watched(model.parameters(), 1.0)
    nn.train(
        model, loss, batches, optimizer, 4, schedule=nn.step_decay(0.5, 2, 0.1), clip_norm=0.01
    )
    assert rates == pytest.approx([0.5, 0.5, 0.05, 0.05])
    assert norms == pytest.approx([0.01] * 4)
    assert not model.training


def test_evaluation_is_without_dropout_and_recording():
    model, *rest = start()
    seen = []

    def evaluate():
        cost = LOSS(model(X), Y)
        seen.append((model.training, cost.requires_grad))
        return cost.item()

    history = nn.train(model, *rest, 6, evaluate=evaluate)
    assert [done for done, _ in history.evaluations] == [3, 6]  # after each epoch
    assert seen == [(False, False)] * 2
    assert history.evaluations[1][1] == LOSS(model(X), Y).item()


def test_early_stopping_and_other_callbacks():
    values = iter([5.0, 4.0, 4.5, 4.2, 4.1, 1.0])
    calls = []
    history = nn.train(
        *start(),
        100,
        evaluate=lambda: next(values),
        evaluate_every=2,
        callbacks=[nn.early_stopping(patience=3), lambda history: calls.append(len(history.costs))],
    )
    assert [value for _, value in history.evaluations] == [5.0, 4.0, 4.5, 4.2, 4.1]
    assert len(history.costs) == 10 and calls == list(range(1, 11))


def test_min_delta_is_how_much_better_counts():
    values = [(i, v) for i, v in enumerate([1.0, 0.99, 0.98])]
    history = training.History([], values)
    assert not nn.early_stopping(2)(history)
    assert nn.early_stopping(2, min_delta=0.05)(history)


def test_a_cost_that_is_no_number_ends_the_training():
    model, _, batches, optimizer = start()
    before = model.state_dict()
    with pytest.raises(FloatingPointError, match=r"the cost is nan at iteration 0: lower the"):
        nn.train(model, lambda z, y: LOSS(z, y) * float("nan"), batches, optimizer, 3)
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


def test_progress_without_a_terminal_shows_nothing(capfd):
    nn.train(*start(), 3, progress=True)
    out, err = capfd.readouterr()
    assert "\x1b" not in out + err and "training" not in out + err


@pytest.mark.parametrize(
    ("name", "value"),
    [("iterations", -1), ("checkpoint_every", 0), ("evaluate_every", 0), ("clip_norm", -1)],
)
def test_wrong_options(name, value):
    options = {"iterations": 3, name: value}
    with pytest.raises(ValueError, match=rf"{name} is {value}: expected"):
        nn.train(*start(), **options)


# --- checkpoints -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop_at", [1, 7, 20, 39])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, stop_at):
    path = tmp_path / "run.npz"

    def run(*options, **more):
        model, *rest = start()
        evaluate = lambda: LOSS(model(X), Y).item()  # noqa: E731
        schedule = nn.cosine_decay(0.05, 40)
        history = nn.train(
            model, *rest, *options, evaluate=evaluate, schedule=schedule, clip_norm=0.5, **more
        )
        return model, history

    whole, whole_history = run(40)
    run(stop_at, checkpoint=path, checkpoint_every=3)
    resumed, history = run(40, checkpoint=path, checkpoint_every=3)
    assert equal(whole, resumed)
    assert history == whole_history
    again, history = run(40, checkpoint=path)
    assert equal(again, resumed) and len(history.costs) == 40  # nothing left to do


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    def run():
        model, *rest = start()
        options = {"evaluate": lambda: 1.0, "callbacks": [nn.early_stopping(2)]}
        return model, nn.train(model, *rest, 100, checkpoint=tmp_path / "run.npz", **options)

    (first, history), (second, again) = run(), run()
    assert history == again and equal(first, second) and len(history.costs) == 9


@pytest.mark.parametrize("generator", ["PCG64", "MT19937", "Philox", "SFC64"])
def test_every_kind_of_random_generator_is_restored(tmp_path, generator):
    model, _, batches, optimizer = start()
    model[2].random = np.random.Generator(getattr(np.random, generator)(3))
    model[2].random.normal(size=7)
    nn.save_checkpoint(tmp_path / "c.npz", model, optimizer, batches, nn.History())
    expected = model[2].random.normal(size=5)
    nn.load_checkpoint(tmp_path / "c.npz", model, optimizer, batches)
    np.testing.assert_array_equal(model[2].random.normal(size=5), expected)


def snapshot(model, optimizer):
    random = [repr(g.bit_generator.state) for g in training.generators(model)]
    arrays = {**model.state_dict(), **optimizer.state_dict()}
    return {name: array.tolist() for name, array in arrays.items()}, random


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("model.0.W"), ["lacks model.0.W"]),
        (lambda a: a.pop("random"), ["the random state does not fit"]),
        (lambda a: a.pop("costs"), ["lacks costs"]),
        (lambda a: a.update({"optimizer.m.0": np.zeros(3)}), ["optimizer.m.0", "(3,)"]),
        (lambda a: a.update({"model.3.b": np.zeros((1, 1), ">f8")}), ["model.3.b", ">f8"]),
        (lambda a: a.update(extra=np.zeros(3)), ["has extra"]),
        (lambda a: a.update(iteration=np.array(2)), ["3 costs of 2 steps"]),
        (lambda a: a.update(costs=np.zeros((1, 3))), ["costs has shape (1, 3)"]),
        (lambda a: a.update(batches=a["batches"] + 1), ["was saved with batches", "[51, 21"]),
        (lambda a: a.update(random=np.array(["{}"])), ["random state does not fit"]),
        (lambda a: a.update(random=np.array(["not json"])), ["random state does not fit"]),
        (lambda a: a.update(random=np.array([], str)), ["0 states for 1 generators"]),
        (lambda a: a.update(random=np.array(3)), ["random state does not fit"]),
    ],
)
def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path, change, words):
    from nn.files import load_arrays, save_arrays

    path = tmp_path / "run.npz"
    nn.train(*start(), 3, checkpoint=path)
    arrays = load_arrays(path)
    change(arrays)
    save_arrays(path, arrays)
    model, loss, batches, optimizer = start(seed=1)
    before = snapshot(model, optimizer)
    with pytest.raises(ValueError) as caught:
        nn.train(model, loss, batches, optimizer, 5, checkpoint=path)
    assert all(word in str(caught.value) for word in [str(path), *words]), caught.value
    assert "\n" not in str(caught.value)
    assert snapshot(model, optimizer) == before


def test_a_checkpoint_of_another_optimizer(tmp_path):
    path = tmp_path / "run.npz"
    nn.train(*start(), 3, checkpoint=path)
    model, loss, batches, _ = start()
    with pytest.raises(ValueError, match=r"has optimizer\.m\.0, optimizer\.v\.0"):
        nn.train(model, loss, batches, nn.SGD(model.parameters(), 0.1), 5, checkpoint=path)


RUN = """
import sys
import numpy as np
import nn

path, result = sys.argv[1:]
random = np.random.default_rng(1)
X = random.normal(size=(20, 300))
Y = (X[:1] * X[1:2] > 0).astype(float)
stream = np.random.default_rng(2)
model = nn.Sequential(
    nn.Linear(20, 60, seed=stream), nn.ReLU(), nn.Dropout(0.3, seed=stream), nn.Linear(60, 1)
)
model[3].W.data = stream.normal(size=(1, 60))
optimizer = nn.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
loss = nn.binary_cross_entropy_with_logits
print("ready", flush=True)
nn.train(
    model, loss, nn.MiniBatches(X, Y, 32, seed=3), optimizer, 900,
    schedule=nn.cosine_decay(0.1, 900), evaluate=lambda: loss(model(X), Y).item(),
    checkpoint=path, checkpoint_every=2,
)
model.save(result)
"""


def test_killed_at_random_moments_and_resumed_gives_the_same_bits(tmp_path):
    def begin(checkpoint, result):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(checkpoint), str(result)], stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"ready\n"
        return process

    process = begin(tmp_path / "whole.npz", tmp_path / "whole_result.npz")
    began = time.perf_counter()
    assert process.wait() == 0
    duration = time.perf_counter() - began

    moments, iterations = random.Random(4), []
    checkpoint, result = tmp_path / "killed.npz", tmp_path / "killed_result.npz"
    while len(iterations) < 8:
        process = begin(checkpoint, result)
        time.sleep(moments.uniform(0, duration / 6))
        process.kill()  # SIGKILL: nothing can be caught, nothing tidied up
        process.wait()
        process.stdout.close()
        if checkpoint.exists():
            with np.load(checkpoint) as arrays:
                iterations.append(int(arrays["iteration"]))
        else:
            iterations.append(0)
    assert begin(checkpoint, result).wait() == 0
    with np.load(tmp_path / "whole_result.npz") as whole, np.load(result) as resumed:
        assert set(whole.files) == set(resumed.files)
        assert all(whole[name].tobytes() == resumed[name].tobytes() for name in whole.files)
    assert len(set(iterations)) > 3 and max(iterations) > 0, iterations
    assert (tmp_path / "whole.npz").read_bytes() == checkpoint.read_bytes()
    assert not list(tmp_path.glob("*.tmp"))
