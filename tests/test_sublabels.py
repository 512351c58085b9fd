"""Sublabels: what clips are divided into, where it is read from, and the second head that learns it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from toy_store import EVENT_COUNT, LABELS, classes_of, tones

from kwsembed.comparison.compare import compare
from kwsembed.errors import ConfigError, DataError
from kwsembed.manifest import read_manifest
from kwsembed.models import build_classifier, build_embedder, forward
from kwsembed.training.data import TrainingData
from kwsembed.training.sublabels import sublabels_of, with_second_head

FRAMES, MELS = 20, 64


class TestDivision:
    def test_a_class_is_divided_by_what_its_clips_are(self):
        found = sublabels_of(["noise"] * 4 + ["dog"] * 2, ["rain", "wind", "wind", "rain", None, None])
        assert found.names == ("dog/", "noise/rain", "noise/wind")
        assert found.of_clip.tolist() == [1, 2, 2, 1, 0, 0]

    def test_the_same_word_in_two_classes_is_two_sublabels(self):
        found = sublabels_of(["dog", "dog", "noise", "noise"], ["outside"] * 4)
        assert found is None  # as many as classes: nothing finer
        found = sublabels_of(["dog", "dog", "noise", "noise", "noise"], ["outside"] * 4 + [None])
        assert found.names == ("dog/outside", "noise/", "noise/outside")

    def test_single_clips_and_those_without_one_are_what_is_left_of_their_class(self):
        found = sublabels_of(["noise"] * 5, ["rain", "rain", "wind", None, ""])
        assert found.names == ("noise/", "noise/rain")
        assert found.of_clip.tolist() == [1, 1, 0, 0, 0]

    def test_data_without_sublabels_have_none(self):
        assert sublabels_of(["dog", "noise"], [None, None]) is None
        assert sublabels_of(["dog", "noise"], ["beagle", "rain"]) is None  # single clips

    def test_only_training_clips_count(self):
        toy = tones(splits=("train", "validation"))
        clips = tuple(
            replace(clip, sublabel=f"kind{number % 2}" if clip.split == "train" else "unheard")
            for number, clip in enumerate(toy.clips)
        )
        store = replace(toy, clips=clips)
        data = TrainingData(store, LABELS, EVENT_COUNT, None, classes_of(store))
        assert len(data.sublabels.of_clip) == len(data.clips_of("train"))
        assert not any("unheard" in name for name in data.sublabels.names)
        assert "hiss/kind0" in data.sublabels.names


class TestManifest:
    def test_the_column_is_read(self, tmp_path):
        path = self.csv_of(tmp_path, "path,label,sublabel\n1.wav,noise,light rain\n2.wav,dog,\n")
        assert [clip.sublabel for clip in read_manifest(path).clips] == ["light rain", None]

    def test_what_cannot_be_printed_is_refused(self, tmp_path):
        path = self.csv_of(tmp_path, 'path,label,sublabel\n1.wav,noise,"a\nb"\n2.wav,dog,\n')
        with pytest.raises(DataError, match="sublabel"):
            read_manifest(path)

    def test_a_comparison_that_needs_them_says_where_they_are_missing(self, tmp_path):
        path = self.csv_of(tmp_path, "path,label\n1.wav,noise\n2.wav,dog\n")
        with pytest.raises(ConfigError, match="column sublabel"):
            compare(path, tmp_path / "STUDY", methods=["class_weight", "class_weight+sublabels"])
        assert not (tmp_path / "STUDY").exists()

    @staticmethod
    def csv_of(folder, text):
        for name in ("1.wav", "2.wav"):
            (folder / name).touch()
        path = folder / "manifest.csv"
        path.write_text(text)
        return path


class TestSecondHead:
    @pytest.fixture
    def classifier(self):
        embedder = build_embedder("ds_cnn", frames=FRAMES, mels=MELS, width=0.25, embedding_size=8)
        return build_classifier(embedder, 3)

    def test_the_first_output_is_the_classifier_s_own(self, classifier):
        two = with_second_head(classifier, 5, seed=0)
        windows = np.random.default_rng(0).normal(-5, 4, (2, FRAMES, MELS)).astype(np.float32)
        logits, finer = two(windows, training=False)
        np.testing.assert_array_equal(logits, forward(classifier, windows))
        assert finer.shape == (2, 5)

    def test_all_weights_but_its_own_are_shared(self, classifier):
        two = with_second_head(classifier, 5, seed=0)
        shared = {id(variable) for variable in classifier.variables}
        own = [variable for variable in two.variables if id(variable) not in shared]
        assert [variable.shape for variable in own] == [(8, 5)]
        assert len(two.variables) == len(classifier.variables) + 1

    def test_it_begins_as_the_seed_says(self, classifier):
        kernels = [
            with_second_head(classifier, 5, seed=seed).get_layer("sublabel_logits").get_weights()[0]
            for seed in (0, 0, 1, 2**32 - 1)
        ]
        np.testing.assert_array_equal(kernels[0], kernels[1])
        assert not np.array_equal(kernels[0], kernels[2])
        assert np.isfinite(kernels[3]).all()
