"""Being taught by a head on a teacher: the head, what it is asked about, what the network learns of it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

tf = pytest.importorskip("tensorflow")

from toy_store import clip_of, store_of
from toy_teacher import write_tflite

from kwsembed.audio import wav
from kwsembed.cli.main import main
from kwsembed.config import ScheduleConfig, TaughtConfig, TrainConfig
from kwsembed.data.cache import build_cache
from kwsembed.data.surroundings import AS_IN_THE_DATA, Noise, Surroundings
from kwsembed.data.unlabelled import Unlabelled, heard_in
from kwsembed.errors import ConfigError, DataError, RunError
from kwsembed.manifest import assign_splits, read_manifest
from kwsembed.progress import silent
from kwsembed.teaching import fit_head
from kwsembed.teaching.head import PENALTY
from kwsembed.training.data import TrainingData
from kwsembed.training.hints import HintLoss, hints_of, with_hint_head
from kwsembed.training.lessons import evened, lessons, unlabelled_of
from kwsembed.training.networks import CLASS_WEIGHTED, END_TO_END, Networks
from kwsembed.training.rebalancing import cross_entropy
from kwsembed.training.record import taught_record
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.same_surroundings import check_same_surroundings
from kwsembed.training.stages import Stages
from kwsembed.training.taught import TaughtLoss, taught_batches
from kwsembed.tuning.tune import tune

RATE_HZ = 16000


def write_sounds(root, *, random, beeps: int, hisses: int, folder_of=None):
    """Half a second each: beeps at rising pitch in noise, and noise."""
    for label, count in {"beep": beeps, "noise": hisses}.items():
        folder = root / (folder_of or label)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            waveform = random.uniform(0.01, 0.1) * random.standard_normal(RATE_HZ // 2)
            if label == "beep":
                time_s = np.arange(RATE_HZ // 2) / RATE_HZ
                waveform += 0.3 * np.sin(2 * np.pi * (800 + 20 * number) * time_s)
            wav.write(folder / f"{label}{number}.wav", waveform.astype(np.float32), RATE_HZ)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six beeps and twelve pieces of noise, five recordings without labels, and a teacher of loudness."""
    root, random = tmp_path_factory.mktemp("taught"), np.random.default_rng(0)
    write_sounds(root / "sounds", random=random, beeps=6, hisses=12)
    write_sounds(root / "street", random=random, beeps=3, hisses=2, folder_of="")
    manifest = assign_splits(read_manifest(root / "sounds"))
    config = TrainConfig(
        backbone="lstm",  # whose step is traced soonest
        width=0.25,
        embedding_size=8,
        window_s=0.2,
        teacher=str(write_tflite(root)),
        taught=TaughtConfig(
            weight=0.5,
            windows=24,
            unlabelled=str(root / "street"),
            unlabelled_weight=2.0,
            unlabelled_windows=16,
            hint_weight=0.0,
        ),
        schedule=ScheduleConfig(batch_size=8, epoch_steps=2, scratch_epochs=3),
    )
    store = build_cache(manifest, cache_dir=root / "cache", sample_rate_hz=RATE_HZ)
    return TrainingData.of(store, manifest, config), manifest


def with_settings(data, **changes):
    training, manifest = data
    return TrainingData.of(training.store, manifest, dataclasses.replace(training.config, **changes))


def schedule_of(training):
    return training.schedule(sampling="balanced", stage=END_TO_END, even_groups=0.0)


class TestHead:
    def test_it_is_a_balanced_logistic_regression_on_standardised_answers(self):
        random = np.random.default_rng(1)
        classes = np.repeat([0, 1, 2], (80, 15, 5))
        answers = random.normal(size=(100, 6)) * [1, 1, 1, 1, 100, 0.01] + np.eye(6)[classes]
        by_scikit_learn = make_pipeline(
            StandardScaler(), LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
        ).fit(answers, classes)
        np.testing.assert_allclose(
            fit_head(answers, classes, 3).probabilities(answers),
            by_scikit_learn.predict_proba(answers),
            atol=1e-5,
        )

    def test_two_classes_are_told_apart_as_well(self):
        random = np.random.default_rng(2)
        classes = np.repeat([0, 1], (30, 10))
        answers = random.normal(size=(40, 3)) + classes[:, np.newaxis]
        by_scikit_learn = make_pipeline(
            StandardScaler(), LogisticRegression(C=PENALTY, class_weight="balanced")
        ).fit(answers, classes)
        found = fit_head(answers, classes, 2).probabilities(answers)
        np.testing.assert_allclose(found, by_scikit_learn.predict_proba(answers), atol=1e-3)

    def test_a_class_without_a_window_is_never_said(self):
        answers = np.random.default_rng(3).normal(size=(20, 3))
        found = fit_head(answers, np.arange(20) % 2 * 2, 4).probabilities(answers)
        assert found.shape == (20, 4)
        np.testing.assert_allclose(found[:, [1, 3]], 0.0, atol=1e-9)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)

    def test_scores_count_by_their_logarithm_down_to_a_ten_thousandth(self):
        classes = np.arange(12) % 2
        scores = np.where(classes == 1, 1e-3, 1e-9)[:, np.newaxis]
        head = fit_head(scores, classes, 2)
        assert head.scores
        np.testing.assert_allclose(head.mean, [(np.log(1e-3) + np.log(1e-4)) / 2])
        one, other = head.probabilities(np.array([[0.0], [1e-4]]))
        np.testing.assert_array_equal(one, other)

    def test_far_answers_give_probabilities(self):
        head = fit_head(np.array([[-1.0], [2.0]]), np.array([0, 1]), 2)
        np.testing.assert_allclose(head.probabilities(np.array([[1e6], [-1e6]])), [[0, 1], [1, 0]], atol=1e-6)


class TestUnlabelled:
    def of(self, folder, clips, tmp_path):
        return Unlabelled.of(str(folder), clips, cache_dir=tmp_path / "cache", sample_rate_hz=RATE_HZ)

    def test_a_clip_of_the_data_is_left_out_whatever_it_is_called(self, data, tmp_path):
        _, manifest = data
        street = write_sounds(tmp_path / "street", random=np.random.default_rng(4), beeps=2, hisses=0)
        test_clip = next(clip for clip in manifest.clips if clip.split == "test")
        (street / "beep" / "other_name.wav").write_bytes(test_clip.path.read_bytes())
        found = self.of(street, manifest.clips, tmp_path)
        assert [clip.name for clip in found.store.clips] == ["beep/beep0.wav", "beep/beep1.wav"]
        [left_out] = found.skipped
        assert left_out.name.endswith("other_name.wav")
        assert left_out.reason == "a clip of the data, so it is no recording without a label"
        assert found.hours == pytest.approx(1 / 3600)

    def test_nothing_but_clips_of_the_data_is_refused(self, data, tmp_path):
        _, manifest = data
        with pytest.raises(DataError, match="every recording without a label is a clip of the data"):
            self.of(manifest.root, manifest.clips, tmp_path)

    def test_a_folder_without_audio_is_refused(self, data, tmp_path):
        with pytest.raises(ConfigError, match="no audio to take as recordings without labels"):
            self.of(tmp_path, data[1].clips, tmp_path)

    def test_a_bad_file_is_skipped_and_told(self, data, tmp_path):
        street = write_sounds(tmp_path / "street", random=np.random.default_rng(4), beeps=1, hisses=0)
        (street / "broken.wav").write_bytes(b"RIFF....")
        found = self.of(street, data[1].clips, tmp_path)
        assert [file.name for file in found.skipped] == ["broken.wav"]
        assert len(found.store.clips) == 1

    def test_other_audio_has_another_digest(self, data, tmp_path):
        found = []
        for seed in (4, 4, 5):
            street = tmp_path / f"{len(found)}" / "street"
            write_sounds(street, random=np.random.default_rng(seed), beeps=1, hisses=seed)
            found.append(self.of(street, data[1].clips, tmp_path).digest)
        assert found[0] == found[1] != found[2]

    def test_windows_come_from_all_of_it(self, data, tmp_path):
        found = unlabelled_of(data[0])
        schedule = found.schedule(window_samples=3200, batch_size=8, seed=0)
        drawn = np.concatenate([schedule.draw(step).items for step in range(20)])
        assert set(drawn) == set(range(5))

    def test_what_is_mixed_in_is_background_of_the_training_split(self):
        pieces = [(clip_of("hiss", n), np.full(100, level), None) for n, level in enumerate((0.1, 0.2, 0.3))]
        surroundings = heard_in(AS_IN_THE_DATA, store_of(pieces), np.array([1]))
        mixed = surroundings.mixed(np.zeros((50, 10), np.int16), np.array([1, 2]))
        assert np.unique(mixed).tolist() == [round(0.2 * 32768)]

    def test_the_user_s_noise_keeps_its_share(self):
        background = store_of([(clip_of("hiss", 0), np.full(100, 0.2), None)])
        noise = Noise(store_of([(clip_of("hiss", 1), np.full(100, 0.4), None)]), share=0.5, hours=1.0)
        surroundings = heard_in(Surroundings(noise=noise), background, np.array([0]))
        mixed = surroundings.mixed(np.zeros((400, 10), np.int16), np.array([1, 2]))[:, 0]
        assert set(mixed) == {round(0.2 * 32768), round(0.4 * 32768)}
        assert 0.4 < np.mean(mixed == round(0.4 * 32768)) < 0.6


class TestLessons:
    def test_head_and_windows_are_those_of_the_schedule(self, data):
        training, _ = data
        found = lessons(training, schedule_of(training), steps=100)
        assert found.labelled.told.shape == (24, 2)
        assert found.unlabelled.told.shape == (16, 2)
        assert (found.labelled.round_steps, found.unlabelled.round_steps) == (3, 2)
        assert set(found.labelled.weight) == {0.5}
        assert set(found.unlabelled.weight) == {2.0}
        for heard in (found.labelled, found.unlabelled):
            np.testing.assert_allclose(heard.told.sum(axis=1), 1.0, rtol=1e-5)

    def test_no_more_windows_are_asked_about_than_the_steps_hold(self, data):
        training, _ = data
        found = lessons(training, schedule_of(training), steps=1)
        assert (len(found.labelled.told), len(found.unlabelled.told)) == (8, 8)

    def test_without_recordings_only_training_windows_are_asked_about(self, data):
        taught = dataclasses.replace(data[0].config.taught, unlabelled="")
        training = with_settings(data, taught=taught)
        assert lessons(training, schedule_of(training), steps=5).unlabelled is None

    def test_the_teacher_is_asked_once(self, data, monkeypatch):
        training, _ = data
        for kept in training.store.folder.glob("teacher-*.npz"):
            kept.unlink()
        first = lessons(training, schedule_of(training), steps=100)
        with monkeypatch.context() as patch:
            patch.setattr("kwsembed.training.teacher_answers.ask_teacher", None)
            again = lessons(training, schedule_of(training), steps=100)
        np.testing.assert_array_equal(first.labelled.told, again.labelled.told)
        np.testing.assert_array_equal(first.unlabelled.told, again.unlabelled.told)
        answers = list(training.store.folder.glob("teacher-*.npz"))
        assert len(answers) == 2  # of training windows, and of the others
        for kept in answers:
            kept.write_bytes(b"half a file")
        mended = lessons(training, schedule_of(training), steps=100)
        np.testing.assert_array_equal(first.unlabelled.told, mended.unlabelled.told)

    def test_windows_of_one_label_make_no_head(self, data, monkeypatch):
        training, _ = data
        schedule = schedule_of(training)
        monkeypatch.setattr(schedule, "classes", np.zeros_like(schedule.classes))
        monkeypatch.setattr(TrainingData, "classes_of", lambda self, split: np.zeros(99, int))
        with pytest.raises(ConfigError, match=r"all of one label.*24 windows \(taught\.windows=24\)"):
            lessons(training, schedule, steps=5)

    def test_a_label_that_the_head_never_heard_is_told(self, data, monkeypatch):
        training = dataclasses.replace(data[0], labels=("beep", "noise", "siren"))
        said = []
        lessons(training, schedule_of(data[0]), steps=100, say=said.append)
        assert "note: the head on the teacher heard no window of siren, and never says it" in said

    def test_recordings_that_were_read_already_are_not_read_again(self, data):
        found = unlabelled_of(data[0])
        known = dataclasses.replace(data[0], unlabelled=found)
        assert unlabelled_of(known) is found

    def test_another_seed_asks_about_other_windows(self, data):
        one = lessons(data[0], schedule_of(data[0]), steps=100)
        other_data = with_settings(data, seed=1)
        other = lessons(other_data, schedule_of(other_data), steps=100)
        assert not np.array_equal(one.labelled.told, other.labelled.told)


class TestLoss:
    def test_label_and_what_was_told_weigh_as_each_row_says(self):
        logits = tf.constant([[1.0, 0.0], [0.0, 2.0], [0.5, 0.5]])
        told = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], np.float32)
        rows = np.array([[0, 1, 0], [1, 2, 3], [0, 0, 1]], np.float32)  # class, its weight, that of told
        targets = tf.constant(np.concatenate([rows, told], axis=1))
        surprise = -tf.nn.log_softmax(logits).numpy()
        by_hand = [
            surprise[0, 0],
            2 * surprise[1, 1] + 3 * (0.9 * surprise[1, 0] + 0.1 * surprise[1, 1]),
            0.2 * surprise[2, 0] + 0.8 * surprise[2, 1],
        ]
        np.testing.assert_allclose(TaughtLoss(cross_entropy).call(targets, logits), by_hand, rtol=1e-6)
        assert float(TaughtLoss(cross_entropy)(targets, logits)) == pytest.approx(np.mean(by_hand))


class TestBatches:
    def test_labels_are_of_labelled_windows_only_and_both_halves_count_by_their_own_mean(self, data):
        training, _ = data
        taught = lessons(training, schedule_of(training), steps=100)
        weights = np.array([3.0, 1.0], np.float32)
        batches = list(taught_batches(taught, training.config, weights, None)(0, 4))
        assert len(batches) == 4
        for step, (log_mel, targets) in enumerate(batches):
            assert log_mel.shape[0] == 16
            classes = training.classes_of("train")[taught.labelled.schedule.draw(step % 3).items]
            own, others = targets.numpy()[:8], targets.numpy()[8:]
            np.testing.assert_array_equal(own[:, 0], classes)
            np.testing.assert_array_equal(own[:, 1], 2 * weights[classes])
            np.testing.assert_array_equal(own[:, 2], 2 * 0.5)
            first = step % 3 * 8  # three steps make a round of the labelled, two of the others
            np.testing.assert_array_equal(own[:, 3:], taught.labelled.told[first : first + 8])
            np.testing.assert_array_equal(others[:, :2], 0.0)
            np.testing.assert_array_equal(others[:, 2], 2 * 2.0)
            first = step % 2 * 8
            np.testing.assert_array_equal(others[:, 3:], taught.unlabelled.told[first : first + 8])

    def test_a_window_sounds_the_same_in_every_round(self, data):
        training, _ = data
        taught = lessons(training, schedule_of(training), steps=100)
        heard = [x.numpy() for x, _ in taught_batches(taught, training.config, np.ones(2), None)(0, 7)]
        np.testing.assert_array_equal(heard[0], heard[6])  # 6: a multiple of three and of two
        assert not np.array_equal(heard[0][:8], heard[1][:8])

    def test_they_go_on_from_any_step(self, data):
        training, _ = data
        taught = lessons(training, schedule_of(training), steps=100)
        batches = taught_batches(taught, training.config, np.ones(2), None)
        whole, rest = list(batches(0, 5)), list(batches(3, 5))
        for one, other in zip(whole[3:], rest, strict=True):
            for part, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(part, same)

    def test_sublabels_are_of_labelled_windows_only(self, data):
        training, _ = data
        taught = lessons(training, schedule_of(training), steps=100)
        of_clip = np.arange(100, 100 + len(training.clips_of("train")), dtype=np.int32)
        [(_, (targets, finer), (ones, second))] = taught_batches(
            taught, training.config, np.ones(2), of_clip
        )(0, 1)
        assert targets.shape == (16, 5)
        np.testing.assert_array_equal(finer[:8], of_clip[taught.labelled.schedule.draw(0).items])
        np.testing.assert_array_equal(second, [2.0] * 8 + [0.0] * 8)
        np.testing.assert_array_equal(ones, 1.0)

    def test_without_recordings_a_batch_is_the_labelled_windows(self, data):
        training = with_settings(data, taught=dataclasses.replace(data[0].config.taught, unlabelled=""))
        taught = lessons(training, schedule_of(training), steps=100)
        [(log_mel, targets)] = taught_batches(taught, training.config, np.ones(2), None)(0, 1)
        assert len(log_mel) == len(targets) == 8
        np.testing.assert_array_equal(targets[:, 1:3], [[1.0, 0.5]] * 8)


class TestEvened:
    def test_every_label_weighs_as_much_as_another(self):
        told = np.eye(3)[[0] * 6 + [1] * 3 + [2]]
        weights = evened(told, power=1.0)
        assert (told * weights[:, np.newaxis]).sum(axis=0) == pytest.approx([10 / 3] * 3)
        assert weights[[0, 6, 9]] == pytest.approx([10 / 18, 10 / 9, 10 / 3])

    def test_a_doubtful_window_weighs_what_its_labels_do_by_their_probability(self):
        told = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])  # of the mean 3 / 4 and 1 / 4
        assert evened(told, power=1.0) == pytest.approx([2 / 3, 2 / 3, 4 / 3, 4 / 3])

    def test_its_power_0_leaves_all_alike(self):
        told = np.random.default_rng(7).dirichlet([0.1, 1, 2], size=50)
        np.testing.assert_allclose(evened(told, power=0.0), 1.0)
        half, whole = evened(told, power=0.5), evened(told, power=1.0)
        assert np.ptp(half) < np.ptp(whole)

    def test_hardly_a_window_of_a_label_does_not_outweigh_all_others(self):
        told = np.eye(2)[[0] * 999 + [1]]
        weights = evened(told, power=1.0)
        assert weights[-1] / weights[0] == pytest.approx(10 / (0.5 / 0.999), rel=1e-6)
        assert weights.mean() == pytest.approx(1.0)

    def test_a_label_that_is_never_told_does_not_matter(self):
        told = np.eye(3)[[0, 0, 0, 1]]
        np.testing.assert_allclose(evened(told, power=1.0), evened(told[:, :2], power=1.0), rtol=1e-6)

    def test_windows_without_labels_are_evened_if_asked_for(self, data):
        taught = dataclasses.replace(data[0].config.taught, unlabelled_balance=1.0)
        training = with_settings(data, taught=taught)
        found = lessons(training, schedule_of(training), steps=100)
        np.testing.assert_allclose(
            found.unlabelled.weight, 2.0 * evened(found.unlabelled.told, power=1.0), rtol=1e-6
        )
        [(_, targets)] = taught_batches(found, training.config, np.ones(2), None)(0, 1)
        np.testing.assert_allclose(targets[8:, 2], 2 * found.unlabelled.weight[:8], rtol=1e-6)
        np.testing.assert_array_equal(targets[:8, 2], 2 * 0.5)


class TestHints:
    """What is told of the teacher's answers: of four features, two directions at most."""

    def hinted(self, data, **changes):
        taught = dataclasses.replace(data[0].config.taught, hint_weight=0.5, hint_dims=2, **changes)
        return with_settings(data, taught=taught)

    def test_directions_are_those_of_both_kinds_of_windows_together(self):
        random = np.random.default_rng(5)
        own, others = random.normal(size=(30, 4)), 3 + random.normal(size=(50, 4))
        (of_own, of_others), explained = hints_of([own, others], dims=2)
        assert (of_own.shape, of_others.shape, of_own.dtype) == ((30, 2), (50, 2), np.float32)
        analysis = PCA(2, svd_solver="full").fit(np.concatenate([own, others]))
        by_scikit_learn = analysis.transform(np.concatenate([own, others]))
        by_scikit_learn /= np.sqrt(np.mean(np.sum(by_scikit_learn**2, axis=1)))
        np.testing.assert_allclose(np.concatenate([of_own, of_others]), by_scikit_learn, atol=1e-5)
        assert explained == pytest.approx(analysis.explained_variance_ratio_.sum(), abs=1e-5)

    def test_of_very_many_windows_directions_are_fitted_to_some_of_either_kind(self, monkeypatch):
        monkeypatch.setattr("kwsembed.training.hints.MOST_FITTED", 30)
        rows = np.random.default_rng(6).normal(size=(90, 3))
        (of_own, of_others), _ = hints_of([rows[:20], rows[20:]], dims=1)
        direction = PCA(1, svd_solver="full").fit(rows[::3]).transform(rows)
        told = np.concatenate([of_own, of_others])
        np.testing.assert_allclose(told, direction / np.sqrt(np.mean(direction**2)), rtol=1e-4)

    def test_the_loss_is_the_squared_distance(self):
        told, wanted = tf.constant([[1.0, 2.0], [0.0, 0.0]]), tf.constant([[1.0, 0.0], [3.0, 4.0]])
        np.testing.assert_allclose(HintLoss().call(wanted, told), [4.0, 25.0])
        assert float(HintLoss()(wanted, told)) == 14.5

    def test_they_come_with_their_windows_beside_the_other_tasks(self, data):
        training = self.hinted(data)
        found = lessons(training, schedule_of(training), steps=100)
        assert (found.labelled.hint.shape, found.unlabelled.hint.shape) == ((24, 2), (16, 2))
        of_clip = np.arange(len(training.clips_of("train")), dtype=np.int32)
        batches = taught_batches(found, training.config, np.ones(2), of_clip)
        for step, (_, targets, weights) in enumerate(batches(0, 4)):
            assert [target.shape for target in targets] == [(16, 5), (16,), (16, 2)]
            first, other = step % 3 * 8, step % 2 * 8
            np.testing.assert_array_equal(targets[2][:8], found.labelled.hint[first : first + 8])
            np.testing.assert_array_equal(targets[2][8:], found.unlabelled.hint[other : other + 8])
            np.testing.assert_array_equal(weights[0], 1.0)
            np.testing.assert_array_equal(weights[2], 1.0)
        [(_, targets, _)] = taught_batches(found, training.config, np.ones(2), None)(0, 1)
        assert [target.shape for target in targets] == [(16, 5), (16, 2)]

    def test_without_recordings_they_are_of_training_windows(self, data):
        training = self.hinted(data, unlabelled="")
        found = lessons(training, schedule_of(training), steps=100)
        [(log_mel, targets, weights)] = taught_batches(found, training.config, np.ones(2), None)(0, 1)
        assert [len(part) for part in (log_mel, *targets, *weights)] == [8] * 5
        np.testing.assert_array_equal(targets[1], found.labelled.hint[:8])

    def test_their_head_shares_the_embedding_and_stays_out_of_the_classifier(self, data):
        networks = Networks(data[0], RunDirectory("unused"))
        classifier = networks.classifier_on(networks.embedder())
        before = len(classifier.weights)
        hinted = with_hint_head(classifier, classifier, 2, seed=0)
        assert [tensor.shape for tensor in hinted.outputs] == [(None, 2), (None, 2)]
        assert len(classifier.weights) == before == len(hinted.weights) - 2
        again = with_hint_head(classifier, classifier, 2, seed=0)
        np.testing.assert_array_equal(hinted.get_layer("hint").kernel, again.get_layer("hint").kernel)

    def test_what_was_trained_before_there_were_hints_had_none(self):
        recorded = TrainConfig.recorded({"teacher": "t.tflite", "taught": {"weight": 1.0}})
        assert (recorded.taught.weight, recorded.taught.hint_weight) == (1.0, 0.0)
        assert TrainConfig.recorded({}).taught.hint_weight == 0.0
        with pytest.raises(ConfigError, match="taught is a section"):
            TrainConfig.recorded({"taught": 1.0})


class TestTraining:
    def trained(self, data, folder, variant, **changes):
        training = with_settings(data, **changes)
        run = RunDirectory(folder)
        run.start(training.config, data[1], resume=True)
        stages = Stages(training, run, progress=lambda stage: silent, say=lambda line: None)
        if variant == CLASS_WEIGHTED:
            stages.train_from_scratch()
        else:
            stages.train(variant)
        found = [weight.numpy() for weight in stages.networks.classifier(variant).variables]
        return found, {name for name in ("pretrain", variant) if run.result(name) is not None}

    def test_the_network_keeps_its_shape_and_learns_something_else(self, data, tmp_path):
        taught, stages = self.trained(data, tmp_path / "TAUGHT", END_TO_END)
        assert stages == {END_TO_END}  # with so little audio nothing is pretrained
        plain, _ = self.trained(data, tmp_path / "PLAIN", END_TO_END, taught=TaughtConfig())
        assert [weight.shape for weight in taught] == [weight.shape for weight in plain]
        assert any(not np.array_equal(*pair) for pair in zip(taught, plain, strict=True))

    def test_hints_teach_it_something_else_again(self, data, tmp_path):
        taught = data[0].config.taught
        plain, _ = self.trained(data, tmp_path / "PLAIN", END_TO_END)
        hinted, _ = self.trained(
            data, tmp_path / "HINTED", END_TO_END, taught=dataclasses.replace(taught, hint_weight=1.0)
        )
        assert [weight.shape for weight in hinted] == [weight.shape for weight in plain]
        assert any(not np.array_equal(*pair) for pair in zip(hinted, plain, strict=True))

    def test_the_yardstick_is_not_taught(self, data, tmp_path):
        one, _ = self.trained(data, tmp_path / "ONE", CLASS_WEIGHTED)
        other, _ = self.trained(data, tmp_path / "OTHER", CLASS_WEIGHTED, taught=TaughtConfig())
        for pair in zip(one, other, strict=True):
            np.testing.assert_array_equal(*pair)

    @pytest.mark.slow
    @pytest.mark.parametrize("hint_weight", [0.0, 1.0])
    def test_a_stage_that_was_stopped_ends_where_an_undisturbed_one_does(
        self, data, tmp_path, monkeypatch, hint_weight
    ):
        settings = {"taught": dataclasses.replace(data[0].config.taught, hint_weight=hint_weight)}
        whole, _ = self.trained(data, tmp_path / "WHOLE", END_TO_END, **settings)
        with monkeypatch.context() as patch:
            patch.setattr(
                "kwsembed.training.classifying.ClassifierMonitor.on_epoch_end", _die_in_second_epoch
            )
            with pytest.raises(KeyboardInterrupt):
                self.trained(data, tmp_path / "BROKEN", END_TO_END, **settings)
        resumed, _ = self.trained(data, tmp_path / "BROKEN", END_TO_END, **settings)
        for one, other in zip(whole, resumed, strict=True):
            np.testing.assert_array_equal(one, other)


def _die_in_second_epoch(self, epoch, logs=None):
    if epoch == 1:
        raise KeyboardInterrupt


class TestRun:
    def test_metrics_say_who_taught_and_of_what(self, data):
        training, _ = data
        record = taught_record(training, unlabelled_of(training))
        assert record["teacher"] == "teacher.tflite"
        assert (record["weight"], record["unlabelled_weight"]) == (0.5, 2.0)
        assert (record["hint_weight"], record["unlabelled_balance"]) == (0.0, 0.0)
        assert (record["unlabelled_files"], record["skipped"]) == (5, [])
        assert taught_record(with_settings(data, taught=TaughtConfig()), None) is None

    def test_other_recordings_under_the_same_name_are_noticed(self, data, tmp_path):
        first = unlabelled_of(data[0])
        note = tmp_path / "unlabelled.json"
        check_same_surroundings(note, first)
        assert json.loads(note.read_text())["unlabelled_files"] == 5
        check_same_surroundings(note, first)
        with pytest.raises(RunError, match="5 recordings without labels of SHA-256"):
            check_same_surroundings(note, dataclasses.replace(first, digest="0" * 64))

    def test_a_search_asks_about_no_clip_of_the_test_it_never_sees(self, data, tmp_path, monkeypatch):
        training, manifest = data
        street = write_sounds(tmp_path / "street", random=np.random.default_rng(4), beeps=1, hisses=0)
        for number, clip in enumerate(clip for clip in manifest.clips if clip.split == "test"):
            (street / f"{number}.wav").write_bytes(clip.path.read_bytes())
        taught = dataclasses.replace(training.config.taught, unlabelled=str(street))
        seen = []

        def trial_runner(start, shared, folder, **options):
            seen.append(shared)
            raise KeyboardInterrupt

        monkeypatch.setattr("kwsembed.tuning.tune.trial_runner", trial_runner)
        with pytest.raises(KeyboardInterrupt):
            tune(
                manifest.root,
                tmp_path / "SEARCH",
                config=dataclasses.replace(training.config, taught=taught),
                cache_dir=tmp_path / "cache",
            )
        assert [clip.name for clip in seen[0].unlabelled.store.clips] == ["beep/beep0.wav"]
        assert (tmp_path / "SEARCH" / "unlabelled.json").exists()


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"taught": TaughtConfig(weight=1.0)}, "a network that is taught needs a teacher"),
            (
                {"taught": TaughtConfig(weight=1.0), "teacher": "t.tflite", "distillation_weight": 0.5},
                "by a teacher or by its companion",
            ),
        ],
    )
    def test_what_contradicts_itself_is_refused(self, settings, message):
        with pytest.raises(ConfigError, match=message):
            TrainConfig(**settings)

    def test_a_teacher_on_the_command_line_does_for_a_file_that_names_none(self, tmp_path):
        file = tmp_path / "taught.toml"
        file.write_text("[taught]\nweight = 1.0\n")
        with pytest.raises(ConfigError, match="needs a teacher"):
            TrainConfig.read(file)
        assert TrainConfig.read(file, teacher="yamnet.tflite").taught.weight == 1.0

    def test_hints_need_a_network_that_is_taught(self, tmp_path, monkeypatch, capsys):
        write_sounds(tmp_path / "sounds", random=np.random.default_rng(4), beeps=3, hisses=3)
        write_tflite(tmp_path)
        (tmp_path / "hints.toml").write_text("[taught]\nhint_weight = 1.0\n")
        monkeypatch.chdir(tmp_path)
        command = "train sounds --out RUN --teacher teacher.tflite --config hints.toml"
        assert main(command.split()) == 2
        [line] = [line for line in capsys.readouterr().err.splitlines() if "kwsembed " in line]
        assert "hints are for a network that is taught" in line
        assert "--unlabelled" in line
        assert not (tmp_path / "RUN").exists()

    def test_recordings_need_a_network_that_is_taught(self):
        with pytest.raises(ConfigError, match=r"taught\.weight above 0"):
            TaughtConfig(unlabelled="street")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["train", "sounds", "--out", "RUN", "--unlabelled", "street"], "needs a teacher"),
            (
                ["compare", "sounds", "--out", "S", "--methods", "class_weight", "--unlabelled", "street"],
                "no method of the study hears recordings without labels",
            ),
            (
                ["compare", "sounds", "--out", "S", "--methods", "class_weight", "class_weight+taught"],
                "needs a teacher",
            ),
        ],
    )
    def test_the_command_says_what_is_missing(self, arguments, message, tmp_path, monkeypatch, capsys):
        write_sounds(tmp_path / "sounds", random=np.random.default_rng(4), beeps=1, hisses=1)
        monkeypatch.chdir(tmp_path)
        assert main(arguments) == 2
        [line] = [line for line in capsys.readouterr().err.splitlines() if "kwsembed " in line]
        assert message in line
        assert not (tmp_path / arguments[3]).exists()
