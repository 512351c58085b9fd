"""A teacher: how it is opened, what it is asked, what of its answers is kept, and how they are imitated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras
from tflite_models import exported
from toy_store import clip_of, store_of
from toy_teacher import SAMPLES, loudness, write_keras, write_tflite

from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.pretraining import build_objective
from kwsembed.pretraining.teacher_objective import TeacherObjective
from kwsembed.teaching import TeacherTargets, ask_teacher, load_teacher, teacher_targets
from kwsembed.teaching.features import window_count

WINDOWS = np.random.default_rng(0).uniform(-1, 1, (3, SAMPLES)).astype(np.float32)


@pytest.mark.parametrize("write", [write_tflite, write_keras])
def test_a_teacher_is_opened_and_answers_window_by_window(tmp_path, write):
    teacher = load_teacher(write(tmp_path), sample_rate_hz=16000)
    assert (teacher.window_samples, teacher.feature_count) == (SAMPLES, 4)
    np.testing.assert_allclose(teacher.features(WINDOWS), loudness(WINDOWS), rtol=1e-5)
    np.testing.assert_allclose(teacher.features(WINDOWS[1:2]), loudness(WINDOWS)[1:2], rtol=1e-5)
    assert teacher.features(WINDOWS[:0]).shape == (0, 4)


def test_what_is_no_teacher_is_refused_in_a_line(tmp_path):
    def refusal(name, content=None):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError) as raised:
            load_teacher(tmp_path / name, sample_rate_hz=16000)
        return str(raised.value)

    assert "cannot be read" in refusal("missing.tflite")
    assert "no model that can be run" in refusal("text.tflite", b"not a model" * 100)
    assert "cannot be loaded as a Keras model" in refusal("text.keras", b"not an archive")
    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Flatten()(image)).save(tmp_path / "image.keras")
    assert "interface" in refusal("image.keras")


def test_a_keras_teacher_may_bring_no_code(tmp_path):
    waveform = keras.Input((SAMPLES,))
    model = keras.Model(waveform, keras.layers.Lambda(lambda x: x[:, :4], output_shape=(4,))(waveform))
    model.save(tmp_path / "code.keras")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_teacher(tmp_path / "code.keras", sample_rate_hz=16000)


def test_a_rate_that_the_metadata_name_must_be_ours(tmp_path):
    path = tmp_path / "ours.tflite"  # a model that we exported is a teacher too
    path.write_bytes(exported().int8)
    assert load_teacher(path, sample_rate_hz=16000).feature_count == 4
    with pytest.raises(ConfigError, match=r"Expected 8000 Hz.*16000 Hz"):
        load_teacher(path, sample_rate_hz=8000)


@pytest.fixture
def store(tmp_path):
    """Two clips of half a second, the first loud at its end; in one shard."""
    quiet, loud = np.zeros(8000), np.zeros(8001)
    loud[6000:] = 0.5
    toy = store_of([(clip_of("hiss", 0), quiet, None), (clip_of("hiss", 1), loud, None)])
    object.__setattr__(toy, "by_shard", lambda: {tmp_path / "shard.tfrecord": [0, 1]})
    return toy


@pytest.fixture
def teacher(tmp_path):
    return load_teacher(write_tflite(tmp_path), sample_rate_hz=16000)


def test_windows_are_centred_every_hop_from_the_start_to_past_the_end():
    assert [window_count(n, 4000) for n in (1, 4000, 4001, 8000)] == [2, 2, 3, 3]


def test_answers_are_those_of_the_windows_with_zeros_around_the_clip(store, teacher):
    answers = ask_teacher(store, teacher, hop_samples=4000).of_clips(np.array([1, 0]))
    assert [len(rows) for rows in answers] == [4, 3]
    assert not answers[1].any()
    # Centred at 0, 4000, 8000, 12000, of 1000 samples a quarter: 6000 to 8001 is loud.
    np.testing.assert_allclose(
        answers[0],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0.25, 0.25, 0.00025, 0], [0, 0, 0, 0]],
        rtol=2e-3,
    )


def test_answers_are_kept_and_a_damaged_file_is_asked_about_anew(store, teacher, tmp_path):
    asked = []

    def counting(windows):
        asked.append(len(windows))
        return teacher.features(windows)

    watched = dataclasses.replace(teacher, features=counting)
    first = ask_teacher(store, watched, hop_samples=4000).of_clips(np.array([0, 1]))
    again = ask_teacher(store, watched, hop_samples=4000).of_clips(np.array([0, 1]))
    assert sum(asked) == 7
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    (kept,) = tmp_path.glob("shard.*.npy")
    kept.write_bytes(kept.read_bytes()[:40])
    ask_teacher(store, watched, hop_samples=4000)
    assert sum(asked) == 14
    ask_teacher(store, watched, hop_samples=2000)
    assert sum(asked) > 14, "another hop is another question"


def test_answers_that_are_no_numbers_are_refused(store, teacher):
    broken = dataclasses.replace(teacher, features=lambda windows: np.full((len(windows), 4), np.nan))
    with pytest.raises(ConfigError, match=r"finite.*hiss/0\.wav"):
        ask_teacher(store, broken, hop_samples=4000)


def test_targets_keep_what_varies_and_their_squared_length_is_one_on_average():
    random = np.random.default_rng(0)
    along = random.standard_normal((30, 1)) * [[3.0, 4.0, 0.0]]
    targets = teacher_targets([along[:10], along[10:]], dims=2, hop_samples=1)
    assert targets.rows.shape == (30, 2)
    assert targets.explained == pytest.approx(1.0)
    np.testing.assert_allclose(targets.rows[:, 1], 0, atol=1e-3)
    assert np.mean(np.sum(targets.rows**2, axis=1)) == pytest.approx(1.0)
    assert abs(np.corrcoef(targets.rows[:, 0], along[:, 0])[0, 1]) == pytest.approx(1.0)
    np.testing.assert_array_equal(targets.first_rows, [0, 10])
    np.testing.assert_array_equal(targets.counts, [10, 20])


def test_of_probabilities_the_roots_are_compared():
    rows = np.array([[0.0, 0.25], [0.01, 0.25], [0.25, 0.25]])
    targets = teacher_targets([rows], dims=1, hop_samples=1)
    gaps = np.abs(np.diff(targets.rows[:, 0]))
    assert gaps[1] / gaps[0] == pytest.approx(4.0, rel=1e-3)  # roots 0, 0.1, 0.5


def test_targets_of_many_windows_are_fitted_to_some_and_given_for_all(monkeypatch):
    monkeypatch.setattr("kwsembed.teaching.targets._MOST_FITTED", 50)
    random = np.random.default_rng(0)
    clips = [random.standard_normal((size, 6)) for size in (100, 1, 40)]
    one, other = (teacher_targets(clips, dims=3, hop_samples=1, seed=seed) for seed in (0, 1))
    assert one.rows.shape == (141, 3)
    assert not np.allclose(np.abs(one.rows), np.abs(other.rows))
    np.testing.assert_array_equal(one.rows, teacher_targets(clips, dims=3, hop_samples=1, seed=0).rows)


TARGETS = TeacherTargets(
    rows=np.array([[0.0], [1.0], [5.0]], np.float32),
    first_rows=np.array([0, 2]),
    counts=np.array([2, 1]),
    hop_samples=100,
    explained=1.0,
)


def objective(**options):
    return TeacherObjective(TARGETS, class_count=2, embedding_size=2, window_samples=80, **options)


def test_the_loss_is_the_squared_error_at_the_nearest_window():
    told = objective(by_class=0.0)
    told.kernel.assign([[0.5], [0.0]])  # 4 * 0.5 = 2 along the first direction
    told.bias.assign([0.0])
    embeddings = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    items, starts = tf.constant([0, 0, 1, 0]), tf.constant([-40, 70, 1000, -5000])
    # Centres 0, 110, 1040, -4960: rows 0, 1, the last of item 1, the first of item 0.
    losses = told(embeddings, tf.constant([0, 1, 0, 0]), items, starts)
    np.testing.assert_allclose(losses, [4.0, 1.0, 25.0, 0.0])


def test_classes_are_told_apart_besides():
    told = objective(by_class=2.0, scale=1.0)
    told.kernel.assign(tf.zeros((2, 1)))
    told.proxies.assign([[3.0, 0.0], [0.0, 5.0]])
    labels = {"class": tf.constant([0]), "item": tf.constant([0]), "start": tf.constant([-40])}
    losses = told.per_example(tf.constant([[1.0, 0.0]]), labels)
    np.testing.assert_allclose(losses, [2 * np.log(1 + np.exp(-1))], rtol=1e-6)


def test_the_config_asks_for_a_teacher_and_must_name_it():
    with pytest.raises(ConfigError, match="--teacher FILE"):
        TrainConfig(pretrain="teacher")
    config = TrainConfig(pretrain="teacher:by_class=0.5,dims=1", teacher="yamnet.tflite", embedding_size=2)
    assert config.pretraining_sampling == "square_root"
    built = build_objective(config, np.array([0, 1]), 2, targets=lambda dims: TARGETS)
    assert isinstance(built, TeacherObjective)
    assert built.by_class == 0.5


def test_a_student_learns_what_its_teacher_hears():
    random = np.random.default_rng(0)
    heard = random.standard_normal((200, 3)).astype(np.float32)
    targets = teacher_targets([row[np.newaxis] for row in heard], dims=3, hop_samples=100)
    told = TeacherObjective(targets, class_count=2, embedding_size=8, window_samples=80, by_class=0.0)
    given = tf.constant(heard @ random.standard_normal((3, 16)).astype(np.float32))
    student = keras.Sequential(
        [
            keras.Input((16,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(8),
            keras.layers.UnitNormalization(),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    items, zeros = tf.range(200), tf.zeros(200, tf.int32)
    weights = [*student.trainable_variables, *told.trainable_variables]
    losses = []
    for _ in range(150):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(told(student(given), zeros, items, zeros))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        losses.append(float(loss))
    assert losses[-1] < 0.2 * losses[0]
