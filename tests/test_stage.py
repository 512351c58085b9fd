"""A training stage: learning rate, checkpoints, and a killed one ends like an undisturbed one."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras
from keras import layers
from tensorflow.python.framework.config import disable_op_determinism

from kwsembed.errors import DivergenceError, KwsembedError
from kwsembed.losses.classification import focal
from kwsembed.pretraining import AnchorEmbeddings, ClusteringObjective, EmbeddingPretrainer, RefreshObjective
from kwsembed.progress import silent
from kwsembed.training.checkpointing import spent_s
from kwsembed.training.learning_rate import WarmupCosine
from kwsembed.training.rebalancing import MeanOf
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stage import StagePlan, run_stage
from kwsembed.training.training_dynamics import TrainingDynamics

CLASSES = np.arange(24) % 3
ANCHORS = np.random.default_rng(0).standard_normal((24, 6)).astype(np.float32)
PLAN = StagePlan(name="toy", epochs=4, epoch_steps=3, learning_rate=0.05, weight_decay=0.01)


@pytest.fixture
def deterministic():
    tf.config.experimental.enable_op_determinism()
    yield
    disable_op_determinism()


class Kill(keras.callbacks.Callback):
    """Ends the process, as far as a test can, when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise KeyboardInterrupt


def embedder():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    hidden = layers.BatchNormalization()(layers.Dense(8, activation="relu")(inputs))
    return keras.Model(inputs, layers.UnitNormalization()(layers.Dense(4)(hidden)))


# These models train faster step by step than a graph of them is made.
def classifier(*, eagerly=True):
    body = embedder()
    model = keras.Model(body.input, layers.Dense(3)(body.output))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(PLAN.optimizer(model.trainable_variables), loss, run_eagerly=eagerly)
    return model, []


def pretrainer(*, eagerly=True):
    objective = ClusteringObjective(
        CLASSES, class_count=3, embedding_size=4, cluster_size=3, refresh_epochs=2
    )
    model = EmbeddingPretrainer(embedder(), objective)
    model.compile(PLAN.optimizer(model.trainable_variables), run_eagerly=eagerly)
    return model, [RefreshObjective(objective, AnchorEmbeddings(model.embedder, ANCHORS), seed=0)]


def steps_of(kind):
    """Batches that depend on their step alone, as those of `training_dataset` do."""

    def batch(step):
        items = tf.random.stateless_uniform((8,), tf.stack([step, 7]), 0, len(CLASSES), dtype=tf.int32)
        features = tf.gather(ANCHORS, items) + 0.1 * tf.random.stateless_normal((8, 6), tf.stack([step, 8]))
        classes = tf.gather(tf.constant(CLASSES, tf.int32), items)
        return (features, classes) if kind is classifier else (features, {"class": classes, "item": items})

    return lambda first, last: tf.data.Dataset.range(first, last).map(batch)


def trained(kind, folder, *, callbacks=(), eagerly=True):
    model, own = kind(eagerly=eagerly)
    history = run_stage(
        model,
        PLAN,
        dataset=steps_of(kind),
        run=RunDirectory(folder),
        callbacks=[*own, *callbacks],
        progress=silent,
    )
    return model, history


# ---- resuming


@pytest.mark.parametrize(
    ("kind", "killed_before_epoch", "eagerly"),
    [
        (classifier, 2, True),
        (pretrainer, 2, True),  # clusters are renewed in the epoch that is resumed
        (pretrainer, 3, True),  # clusters come from the checkpoint
        pytest.param(pretrainer, 3, False, marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("deterministic")
def test_a_killed_stage_ends_like_an_undisturbed_one(kind, killed_before_epoch, eagerly, tmp_path):
    whole, history = trained(kind, tmp_path / "whole", eagerly=eagerly)
    with pytest.raises(KeyboardInterrupt):
        trained(kind, tmp_path / "killed", callbacks=[Kill(killed_before_epoch)], eagerly=eagerly)
    resumed, history_again = trained(kind, tmp_path / "killed", eagerly=eagerly)

    assert len(history) == 4
    assert history_again == history
    assert len(whole.weights) == len(resumed.weights)
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert int(resumed.optimizer.iterations.numpy()) == 12


@pytest.mark.usefixtures("deterministic")
def test_what_a_network_thinks_of_its_clips_is_averaged_over_all_epochs_of_all_sittings(tmp_path):
    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logits = self.model(ANCHORS, training=False).numpy()
            thought.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))

    def watched(folder, *callbacks):
        model, _ = classifier()
        dynamics = TrainingDynamics(len(ANCHORS), 3).watch(model, ANCHORS)
        run_stage(
            model,
            PLAN,
            dataset=steps_of(classifier),
            run=RunDirectory(folder),
            callbacks=[dynamics, *callbacks],
            carried=dynamics.carried,
            progress=silent,
        )
        return dynamics.mean()

    thought = []
    whole = watched(tmp_path / "whole", Remember())
    assert len(thought) == 4
    np.testing.assert_allclose(whole, np.mean(thought, axis=0), atol=1e-6)
    with pytest.raises(KeyboardInterrupt):
        watched(tmp_path / "killed", Kill(2))
    np.testing.assert_array_equal(watched(tmp_path / "killed"), whole)
    np.testing.assert_array_equal(watched(tmp_path / "killed"), whole)  # finished: not watched again
    with pytest.raises(ValueError, match="no epoch was watched"):
        TrainingDynamics(24, 3).mean()


def test_time_spent_before_a_resume_counts(tmp_path):
    class Slow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            time.sleep(0.2)

    folder = RunDirectory(tmp_path).epochs("toy")
    assert spent_s(folder) == 0
    with pytest.raises(KeyboardInterrupt):
        trained(classifier, tmp_path, callbacks=[Slow(), Kill(3)])
    earlier_s = spent_s(folder)
    assert earlier_s >= 0.6
    trained(classifier, tmp_path)
    assert spent_s(folder) > earlier_s


@pytest.mark.parametrize("kind", [classifier, pretrainer])
def test_a_step_is_traced_once(kind, tmp_path):
    model, own = kind(eagerly=False)
    step, traced = model.train_step, []
    model.train_step = lambda data: (traced.append(1), step(data))[1]
    run_stage(model, PLAN, dataset=steps_of(kind), run=RunDirectory(tmp_path), callbacks=own, progress=silent)
    assert len(traced) == 1


def test_a_finished_stage_is_not_trained_again(tmp_path):
    _, history = trained(classifier, tmp_path)
    model, again = trained(classifier, tmp_path, callbacks=[Kill(0)])
    assert again == history
    assert int(model.optimizer.iterations.numpy()) == 12


def test_only_the_newest_checkpoint_is_kept(tmp_path):
    trained(classifier, tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints" / "toy.epochs").iterdir()] == ["0004"]


def test_half_a_checkpoint_is_no_checkpoint(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        trained(classifier, tmp_path, callbacks=[Kill(2)])
    leftover = tmp_path / "checkpoints" / "toy.epochs" / ".0003.abc.part"
    leftover.mkdir()
    (leftover / "history.json").write_text("[")
    _, history = trained(classifier, tmp_path)
    assert len(history) == 4


def test_tensorboard_gets_a_log_of_the_stage(tmp_path):
    trained(classifier, tmp_path)
    assert list((tmp_path / "logs" / "toy").rglob("events.out.tfevents.*"))


def test_what_other_callbacks_log_is_part_of_the_history(tmp_path):
    class Logs(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_made_up"] = epoch / 10

    _, history = trained(classifier, tmp_path, callbacks=[Logs()])
    assert [epoch["val_made_up"] for epoch in history] == [0.0, 0.1, 0.2, 0.3]
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_loss_that_is_no_number_stops_the_stage_and_leaves_no_checkpoint(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.set_weights([np.full_like(weight, np.nan) for weight in self.model.get_weights()])

    class Never(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert epoch == 0, "a broken network must not be judged"

    with pytest.raises(
        KwsembedError, match=r"diverged in epoch 2\. Received: loss=nan\. To mend it: lower the lear"
    ):
        trained(classifier, tmp_path, callbacks=[Break(), Never()])
    assert [path.name for path in (tmp_path / "checkpoints" / "toy.epochs").iterdir()] == ["0001"]


def test_a_loss_of_ours_that_refuses_its_numbers_is_told_as_divergence(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations == 3:
                self.model.set_weights([np.full_like(weight, np.nan) for weight in self.model.get_weights()])

    model, _ = classifier()
    model.compile(model.optimizer, MeanOf(focal), run_eagerly=True)
    settings = {"dataset": steps_of(classifier), "run": RunDirectory(tmp_path), "progress": silent}
    with pytest.raises(DivergenceError, match=r"diverged in epoch 2\. Received: a loss that is NaN or inf"):
        run_stage(model, PLAN, callbacks=[Break()], **settings)


def test_progress_reaches_its_end(tmp_path):
    shown = []
    model, _ = classifier()
    run_stage(
        model,
        PLAN,
        dataset=steps_of(classifier),
        run=RunDirectory(tmp_path),
        progress=lambda done, total: shown.append((done, total)),
    )
    assert shown[-1] == (12, 12)
    assert shown == sorted(shown)


# ---- the learning rate


def rates(plan):
    schedule = plan.optimizer([])._learning_rate
    return np.array([float(schedule(step)) for step in range(plan.epochs * plan.epoch_steps + 1)])


def test_the_learning_rate_warms_up_and_falls_to_zero():
    found = rates(StagePlan(name="", epochs=10, epoch_steps=20, learning_rate=0.3, weight_decay=0.0))
    peak = int(found.argmax())
    assert peak == 10  # a twentieth of 200 steps
    assert found[0] == pytest.approx(0.03)
    assert found[peak] == pytest.approx(0.3)
    assert np.all(np.diff(found[: peak + 1]) > 0)
    assert np.all(np.diff(found[peak:]) < 0)
    assert found[peak + 95] == pytest.approx(0.15, rel=1e-3)  # half way down the cosine
    assert found[-1] == pytest.approx(0.0, abs=1e-6)


def test_the_learning_rate_is_that_of_keras_without_its_branch():
    keras_own = keras.optimizers.schedules.CosineDecay(0.03, 190, warmup_target=0.3, warmup_steps=10)
    found = rates(StagePlan(name="", epochs=10, epoch_steps=20, learning_rate=0.3, weight_decay=0.0))
    np.testing.assert_allclose(found, [float(keras_own(step)) for step in range(201)], rtol=1e-5, atol=1e-7)
    graph = tf.function(WarmupCosine(0.03, 0.3, warmup_steps=10, decay_steps=190)).get_concrete_function(
        tf.TensorSpec((), tf.int64)
    )
    assert not {"If", "StatelessIf"} & {operation.type for operation in graph.graph.get_operations()}


def test_a_very_short_stage_has_a_learning_rate_too():
    found = rates(StagePlan(name="", epochs=1, epoch_steps=1, learning_rate=0.3, weight_decay=0.0))
    assert np.all(np.isfinite(found))
    assert found[0] > 0


def test_the_optimizer_decays_weights_and_clips_gradients():
    plan = StagePlan(name="", epochs=1, epoch_steps=50, learning_rate=0.3, weight_decay=0.02)
    optimizer = plan.optimizer([])
    assert math.isclose(optimizer.weight_decay, 0.02)
    assert optimizer.clipnorm == 1.0
