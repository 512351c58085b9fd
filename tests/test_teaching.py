"""A teacher: how it is opened, what it is asked, what of its answers is kept, and how they are imitated."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras
from tflite_models import exported
from toy_teacher import SAMPLES, loudness, write_keras, write_tflite

from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.pretraining import build_objective
from kwsembed.pretraining.teacher_objective import TeacherObjective
from kwsembed.teaching import TeacherTargets, ask_teacher, load_teacher, teacher_targets

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
def teacher(tmp_path):
    return load_teacher(write_tflite(tmp_path), sample_rate_hz=16000)


def test_a_teacher_hears_the_middle_of_a_longer_window(teacher):
    windows = np.zeros((3, SAMPLES + 2000), np.float32)
    windows[1, 1000:2000] = 0.5  # the first quarter of what is heard
    windows[2, :1000] = 0.5  # before it
    seen = []
    answers = ask_teacher(
        teacher, [windows[:2], windows[2:]], count=3, progress=lambda done, total: seen.append((done, total))
    )
    np.testing.assert_allclose(answers, [[0, 0, 0, 0], [0.25, 0, 0, 0], [0, 0, 0, 0]])
    assert answers.dtype == np.float16
    assert seen == [(2, 3), (3, 3)]


def test_around_a_shorter_window_a_teacher_hears_zeros(teacher):
    answers = ask_teacher(teacher, [np.full((1, 1001), 0.5, np.float32)], count=1)
    # 1001 of 4000 samples from 1499 on: all but 500 of the second quarter's... up to the third's 500th.
    np.testing.assert_allclose(answers, [[0, 0.25 * 0.501, 0.25 * 0.5, 0]], rtol=1e-3)


def test_answers_that_are_no_numbers_are_refused(teacher):
    broken = dataclasses.replace(teacher, features=lambda windows: np.full((len(windows), 4), np.nan))
    with pytest.raises(ConfigError, match=r"teacher\.tflite.*finite"):
        ask_teacher(broken, [np.zeros((2, SAMPLES), np.float32)], count=2)


def test_targets_keep_what_varies_and_their_squared_length_is_one_on_average():
    random = np.random.default_rng(0)
    along = random.standard_normal((30, 1)) * [[3.0, 4.0, 0.0]]
    targets = teacher_targets(along, dims=2)
    assert targets.rows.shape == (30, 2)
    assert targets.explained == pytest.approx(1.0)
    np.testing.assert_allclose(targets.rows[:, 1], 0, atol=1e-3)
    assert np.mean(np.sum(targets.rows**2, axis=1)) == pytest.approx(1.0)
    assert abs(np.corrcoef(targets.rows[:, 0], along[:, 0])[0, 1]) == pytest.approx(1.0)


def test_of_probabilities_the_roots_are_compared():
    rows = np.array([[0.0, 0.25], [0.01, 0.25], [0.25, 0.25]])
    targets = teacher_targets(rows, dims=1)
    gaps = np.abs(np.diff(targets.rows[:, 0]))
    assert gaps[1] / gaps[0] == pytest.approx(4.0, rel=1e-3)  # roots 0, 0.1, 0.5


@pytest.mark.parametrize(("count", "options"), [(141, {"fitted": slice(50)}), (20_091, {})])
def test_targets_of_many_windows_are_fitted_to_the_first_and_given_for_all(count, options):
    first = count - 91
    features = np.random.default_rng(0).standard_normal((count, 6)) * [1, 2, 4, 8, 16, 32]
    other = np.concatenate([features[:first], 3.0 * features[first:]])
    one, two = (teacher_targets(values, dims=3, **options) for values in (features, other))
    assert one.rows.shape == (count, 3)
    ratio = one.rows[:first] / two.rows[:first]  # the same directions, of another length
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)


TARGETS = TeacherTargets(rows=np.array([[0.0], [1.0], [5.0]], np.float32), explained=1.0)


def objective(**options):
    return TeacherObjective(TARGETS, class_count=2, embedding_size=2, **options)


def test_the_loss_is_the_squared_error_to_the_window_s_row():
    told = objective()
    told.kernel.assign([[0.5], [0.0]])  # 4 * 0.5 = 2 along the first direction
    told.bias.assign([0.0])
    embeddings = tf.constant([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    losses = told(embeddings, tf.constant([0, 1, 0, 0]), tf.constant([0, 1, 2, 0]))
    np.testing.assert_allclose(losses, [4.0, 1.0, 25.0, 0.0])
    assert told.round_windows == 3


def test_classes_are_told_apart_besides():
    told = objective(by_class=2.0, scale=1.0)
    told.kernel.assign(tf.zeros((2, 1)))
    told.proxies.assign([[3.0, 0.0], [0.0, 5.0]])
    labels = {"class": tf.constant([0]), "item": tf.constant([7]), "window": tf.constant([0])}
    losses = told.per_example(tf.constant([[1.0, 0.0]]), labels)
    np.testing.assert_allclose(losses, [2 * np.log(1 + np.exp(-1))], rtol=1e-6)


def test_the_config_asks_for_a_teacher_and_must_name_it():
    with pytest.raises(ConfigError, match="--teacher FILE"):
        TrainConfig(pretrain="teacher")
    config = TrainConfig(pretrain="teacher:by_class=0.5,dims=1", teacher="yamnet.tflite", embedding_size=2)
    assert config.pretraining_sampling == "square_root"
    built = build_objective(config, np.array([0, 1]), 2, targets=lambda dims, windows: TARGETS)
    assert isinstance(built, TeacherObjective)
    assert built.by_class == 0.5


def test_a_student_learns_what_its_teacher_hears():
    random = np.random.default_rng(0)
    heard = random.standard_normal((200, 3)).astype(np.float32)
    told = TeacherObjective(teacher_targets(heard, dims=3), class_count=2, embedding_size=8)
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
    windows, zeros = tf.range(200), tf.zeros(200, tf.int32)
    weights = [*student.trainable_variables, *told.trainable_variables]
    losses = []
    for _ in range(150):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(told(student(given), zeros, windows))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        losses.append(float(loss))
    assert losses[-1] < 0.2 * losses[0]
