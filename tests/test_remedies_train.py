"""Training with every remedy for imbalance on a toy corpus: phases, epochs, weights, what stays frozen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from kwsembed.audio import wav
from kwsembed.config import AugmentConfig, LittleAudioConfig, ScheduleConfig, TrainConfig
from kwsembed.data.cache import ClipStore, build_cache
from kwsembed.errors import RunError
from kwsembed.manifest import Manifest, assign_splits, read_manifest
from kwsembed.methods import REBALANCINGS
from kwsembed.models import embedder_of, forward
from kwsembed.progress import silent
from kwsembed.training.data import TrainingData
from kwsembed.training.monitor import ClassifierMonitor
from kwsembed.training.networks import CLASS_WEIGHTED, COMPANION, END_TO_END, FROZEN, PRETRAIN
from kwsembed.training.rebalancing import epochs_of, rebalancing
from kwsembed.training.record import describe, end_to_end_record, remedy_in_words
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stages import Stages
from kwsembed.training.variables_file import save_variables

pytestmark = pytest.mark.slow

CLIPS = {"beep": 4, "noise": 12}
SCHEDULE = ScheduleConfig(
    batch_size=4, epoch_steps=1, finetune_epochs=2, finetune_learning_rate=0.05, scratch_epochs=3
)
ALWAYS_PRETRAINED = LittleAudioConfig(below_windows=0.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipStore, Manifest]:
    """Four beeps and twelve pieces of noise, half a second each."""
    root = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    for label, count in CLIPS.items():
        (root / label).mkdir()
        for number in range(count):
            waveform = 0.02 * random.standard_normal(8000)
            if label == "beep":
                waveform += 0.3 * np.sin(2 * np.pi * (800 + 20 * number) * np.arange(8000) / 16000)
            wav.write(root / label / f"{number}.wav", waveform.astype(np.float32), 16000)
    manifest = assign_splits(read_manifest(root))
    return build_cache(manifest, cache_dir=root.parent / "cache", sample_rate_hz=16000), manifest


@pytest.fixture
def divided(corpus: tuple[ClipStore, Manifest]) -> tuple[ClipStore, Manifest]:
    """The same, and of each piece of noise it is said of which of two kinds it is."""
    store, manifest = corpus
    other = store.with_splits([clip.split for clip in store.clips])
    other.clips = tuple(
        replace(clip, sublabel=f"kind{number % 2}" if clip.label == "noise" else None)
        for number, clip in enumerate(store.clips)
    )
    return other, manifest


def stages_of(
    corpus: tuple[ClipStore, Manifest],
    folder: Path,
    rebalance: str,
    *,
    sublabel_weight: float = 0.0,
    distillation_weight: float = 0.0,
    backwards_share: float = 0.0,
    little_audio: LittleAudioConfig = ALWAYS_PRETRAINED,
    said: list[str] | None = None,
) -> Stages:
    """Stages whose pretraining is as if it had just been finished."""
    store, manifest = corpus
    augment = AugmentConfig(speed_change=0.0, background_probability=0.0, reverberation_probability=0.0)
    config = TrainConfig(
        backbone="lstm",  # whose step is traced soonest
        width=0.25,
        embedding_size=8,
        window_s=0.2,
        rebalance=rebalance,
        sublabel_weight=sublabel_weight,
        distillation_weight=distillation_weight,
        backwards_share=backwards_share,
        little_audio=little_audio,
        schedule=SCHEDULE,
        augment=augment,
    )
    run = RunDirectory(folder / "RUN")
    run.start(config, manifest, resume=False)
    data = TrainingData.of(store, manifest, config)
    say = (lambda line: None) if said is None else said.append
    stages = Stages(data, run, progress=lambda stage: silent, say=say)
    save_variables(run.weights(PRETRAIN), stages.networks.embedder().variables)
    return stages


def state_after(folder: Path, phase: str, variables: int) -> list[np.ndarray]:
    """The network's variables as a phase's last checkpoint holds them."""
    [path] = (folder / "RUN" / "checkpoints" / f"{phase}.epochs").glob("*/state.npz")
    with np.load(path) as file:
        return [file[name] for name in sorted(file.files)][:variables]


def weights_after(corpus: tuple[ClipStore, Manifest], folder: Path, method: str) -> list[np.ndarray]:
    stages = stages_of(corpus, folder, method)
    stages.train_end_to_end()
    return stages.networks.classifier(END_TO_END).get_weights()


@pytest.mark.parametrize(
    ("method", "taken", "said"),
    [
        (
            "mild",
            "logit_adjusted:draw_power=0.5",
            "mild, logit adjustment: events have 5 windows to train on",
        ),
        (
            "mild:adjusted_below=5",
            "class_weight:strength=0.5",
            "mild:adjusted_below=5, no adjustment: events have 5 windows to train on in the median, "
            "not fewer than 5",
        ),
    ],
)
def test_mild_trains_what_it_says_it_takes(
    method: str, taken: str, said: str, corpus: tuple[ClipStore, Manifest], tmp_path: Path
) -> None:
    found = weights_after(corpus, tmp_path / "mild", method)
    for mine, other in zip(found, weights_after(corpus, tmp_path / "taken", taken), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    store, manifest = corpus
    config = replace(TrainConfig(window_s=0.2), rebalance=method)
    assert remedy_in_words(TrainingData.of(store, manifest, config)).startswith(said)


@pytest.mark.parametrize("method", [*REBALANCINGS, "logit_adjusted:draw_power=0.5"])
def test_every_remedy_trains(method: str, corpus: tuple[ClipStore, Manifest], tmp_path: Path) -> None:
    stages = stages_of(corpus, tmp_path, method)
    result = stages.train_end_to_end()
    phases = rebalancing(method).phases
    assert len(result["history"]) == sum(epochs_of(phases, SCHEDULE.finetune_epochs))
    assert all(np.isfinite(epoch["loss"]) for epoch in result["history"])
    assert sum(result["composition"].values()) == pytest.approx(1)
    weighed = [result["composition"][label] * result["class_weights"][label] for label in CLIPS]
    assert sum(weighed) == pytest.approx(1)

    classifier = stages.networks.classifier(END_TO_END)
    windows = np.zeros((1, *classifier.input_shape[1:]), np.float32)
    assert np.isfinite(forward(classifier, windows)).all()
    if method == "logit_adjusted_post_hoc":
        # The bias of the kept network is that of the last checkpoint, less the log prior.
        trained = state_after(tmp_path, END_TO_END, len(classifier.variables))[-1]
        shares = np.array([result["composition"][label] for label in CLIPS])  # natural draws
        bias = classifier.get_layer("logits").bias.numpy()
        np.testing.assert_allclose(bias, trained - np.log(shares), rtol=1e-5)
        assert bias[0] - trained[0] > bias[1] - trained[1]  # the rare class gains
    if method == "decoupled":
        kept = [variable.numpy() for variable in embedder_of(classifier).variables]
        before = state_after(tmp_path, END_TO_END, len(kept))
        start = [variable.numpy() for variable in stages.networks.pretrained().variables]
        # The first phase moves weights and batch statistics, the second neither, but makes a new head.
        moving = [i for i, a in enumerate(start) if a.size > 1 and a.dtype == np.float32]  # no random state
        assert len(moving) > 10
        assert not any(np.array_equal(before[i], start[i]) for i in moving)
        for was, now in zip(before, kept, strict=True):
            np.testing.assert_array_equal(was, now)
        plain_head = state_after(tmp_path, END_TO_END, len(kept) + 2)[-2:]
        head = [variable.numpy() for variable in classifier.get_layer("logits").variables]
        assert [part.shape for part in plain_head] == [part.shape for part in head]
        assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(plain_head, head, strict=True))


def test_events_are_heard_backwards_by_all_but_the_yardstick(
    corpus: tuple[ClipStore, Manifest], tmp_path: Path
) -> None:
    said: list[str] = []
    stages = stages_of(corpus, tmp_path, "class_weight", backwards_share=0.3, said=said)
    stages.train_head()
    stages.train_end_to_end()
    assert stages.networks.learned_probabilities() is None
    stages.train_from_scratch(watched=True)
    learned = stages.networks.learned_probabilities()
    assert learned is not None
    assert learned.shape == (sum(clip.split == "train" for clip in corpus[0].clips), len(CLIPS))
    np.testing.assert_allclose(learned.sum(axis=1), 1.0, rtol=1e-5)
    told = {line.partition(":")[0]: line for line in said}
    for variant in (FROZEN, END_TO_END):
        assert told[variant].endswith("(30 % of them events played backwards)")
    assert "backwards" not in told[CLASS_WEIGHTED]


class TestSublabels:
    """Noise of two kinds, told apart as a second task."""

    def weights_of(self, stages: Stages, variant: str) -> list[np.ndarray]:
        return [variable.numpy() for variable in stages.networks.classifier(variant).variables]

    def test_they_teach_the_end_to_end_network_and_leave_no_trace_in_its_shape(
        self, corpus: tuple[ClipStore, Manifest], divided: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        trained = {}
        for name, data in (("plain", corpus), ("divided", divided)):
            stages = stages_of(data, tmp_path / name, "class_weight", sublabel_weight=0.5)
            stages.train_end_to_end()
            trained[name] = self.weights_of(stages, END_TO_END)
        assert [w.shape for w in trained["plain"]] == [w.shape for w in trained["divided"]]
        assert any(not np.array_equal(*pair) for pair in zip(*trained.values(), strict=True))

    def test_the_yardstick_knows_nothing_of_them(
        self, corpus: tuple[ClipStore, Manifest], divided: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        trained = []
        for name, data in (("plain", corpus), ("divided", divided)):
            stages = stages_of(data, tmp_path / name, "class_weight", sublabel_weight=0.5)
            stages.train_from_scratch()
            trained.append(self.weights_of(stages, CLASS_WEIGHTED))
        for plain, other in zip(*trained, strict=True):
            np.testing.assert_array_equal(plain, other)

    def test_a_resumed_stage_ends_where_an_undisturbed_one_does(
        self, divided: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        whole = stages_of(divided, tmp_path / "whole", "class_weight", sublabel_weight=0.5)
        whole.train_end_to_end()
        broken = stages_of(divided, tmp_path / "broken", "class_weight", sublabel_weight=0.5)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClassifierMonitor, "on_epoch_end", _die_in_second_epoch)
            with pytest.raises(KeyboardInterrupt):
                broken.train_end_to_end()
        broken.train_end_to_end()
        for one, other in zip(
            self.weights_of(whole, END_TO_END), self.weights_of(broken, END_TO_END), strict=True
        ):
            np.testing.assert_array_equal(one, other)


class TestLittleAudio:
    """Beeps of five windows in all: less than what the default takes for little."""

    def trained(
        self,
        corpus: tuple[ClipStore, Manifest],
        folder: Path,
        little: LittleAudioConfig,
        *,
        pretrained: float = 1.0,
    ) -> tuple[list[np.ndarray], int]:
        """The weights of the end-to-end network, and the epochs that they took."""
        stages = stages_of(corpus, folder, "mild", little_audio=little)
        start = stages.networks.pretrained()
        start.set_weights([pretrained * weight for weight in start.get_weights()])
        save_variables(RunDirectory(folder / "RUN").weights(PRETRAIN), start.variables)
        result = stages.train_end_to_end()
        return stages.networks.classifier(END_TO_END).get_weights(), len(result["history"])

    def test_the_end_to_end_network_starts_from_random_weights(
        self, corpus: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        one, epochs = self.trained(corpus, tmp_path / "one", LittleAudioConfig())
        other, _ = self.trained(corpus, tmp_path / "other", LittleAudioConfig(), pretrained=0.5)
        assert epochs == SCHEDULE.scratch_epochs
        for mine, its in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, its)

    @pytest.mark.parametrize(
        "settings", [LittleAudioConfig(below_windows=5), LittleAudioConfig(pretrained=True)]
    )
    def test_and_from_the_pretrained_ones_where_that_is_not_little_or_is_asked_for(
        self, settings: LittleAudioConfig, corpus: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        one, epochs = self.trained(corpus, tmp_path / "one", settings)
        other, _ = self.trained(corpus, tmp_path / "other", settings, pretrained=0.5)
        assert epochs == SCHEDULE.finetune_epochs
        assert any(not np.array_equal(*pair) for pair in zip(one, other, strict=True))

    def test_sublabels_are_told_apart_there_without_being_asked_for(
        self,
        corpus: tuple[ClipStore, Manifest],
        divided: tuple[ClipStore, Manifest],
        tmp_path: Path,
    ) -> None:
        def weights(name: str, data: tuple[ClipStore, Manifest], **options: Any) -> list[np.ndarray]:
            settings = LittleAudioConfig(pretrained=True, **options)
            return self.trained(data, tmp_path / name, settings)[0]

        plain = weights("plain", corpus)
        for name, options in (("more", {"below_windows": 5.0}), ("off", {"sublabel_weight": 0.0})):
            for mine, its in zip(plain, weights(name, divided, **options), strict=True):
                np.testing.assert_allclose(mine, its, atol=1e-6)
        told_apart = weights("divided", divided)
        assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(plain, told_apart, strict=True))

    def test_the_run_says_so(
        self, corpus: tuple[ClipStore, Manifest], divided: tuple[ClipStore, Manifest]
    ) -> None:
        config = TrainConfig(window_s=0.2)
        for data, weight in ((corpus, 0.0), (divided, 0.5)):
            said: list[str] = []
            dataset = TrainingData.of(*data, config)
            describe(dataset, data[1], said.append)
            [start] = [line for line in said if line.startswith("end to end: ")]
            assert "from random weights, not the pretrained ones: events have 5 windows" in start
            assert "in the median, fewer than 22" in start
            record = end_to_end_record(dataset)
            assert (record["pretrained"], record["sublabel_weight"]) == (False, weight)
            assert record["median_event_windows"] == 5
        assert "sublabels: 3, told apart as a second task of the end-to-end network" in said
        more = replace(config, little_audio=LittleAudioConfig(below_windows=5))
        record = end_to_end_record(TrainingData.of(*divided, more))
        assert (record["pretrained"], record["sublabel_weight"]) == (True, 0)
        assert record["start"] == "from the pretrained weights"


class TestDistillation:
    """The end-to-end network learns from the head on the frozen embedding and from a companion."""

    def trained(self, stages: Stages) -> list[np.ndarray]:
        stages.train_head()
        stages.train_companion()
        stages.train_end_to_end()
        return [variable.numpy() for variable in stages.networks.classifier(END_TO_END).variables]

    def test_its_loss_is_shared_between_labels_and_their_joint_answer(
        self, corpus: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        by_labels = self.trained(stages_of(corpus, tmp_path / "labels", "class_weight"))
        stages = stages_of(corpus, tmp_path / "taught", "class_weight", distillation_weight=1.0)
        taught = self.trained(stages)
        assert [w.shape for w in by_labels] == [w.shape for w in taught]
        assert any(not np.array_equal(*pair) for pair in zip(by_labels, taught, strict=True))
        # What teaches is what the labels alone made of it.
        for variant in (FROZEN, COMPANION):
            plain = RunDirectory(tmp_path / "labels" / "RUN").weights(variant).read_bytes()
            assert plain == RunDirectory(tmp_path / "taught" / "RUN").weights(variant).read_bytes()

    def test_networks_to_learn_from_come_first(
        self, corpus: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        stages = stages_of(corpus, tmp_path, "class_weight", distillation_weight=0.5)
        stages.train_head()
        with pytest.raises(RunError, match=r"Received: no companion.*distillation_weight to 0"):
            stages.train_end_to_end()

    @pytest.mark.parametrize("sublabel_weight", [0.0, 0.5])
    def test_a_resumed_stage_ends_where_an_undisturbed_one_does(
        self, sublabel_weight: float, corpus: tuple[ClipStore, Manifest], tmp_path: Path
    ) -> None:
        settings = {"distillation_weight": 0.5, "sublabel_weight": sublabel_weight, "backwards_share": 0.3}
        whole = stages_of(corpus, tmp_path / "whole", "class_weight", **settings)
        wanted = self.trained(whole)
        broken = stages_of(corpus, tmp_path / "broken", "class_weight", **settings)
        broken.train_head()
        broken.train_companion()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClassifierMonitor, "on_epoch_end", _die_in_second_epoch)
            with pytest.raises(KeyboardInterrupt):
                broken.train_end_to_end()
        for one, other in zip(wanted, self.trained(broken), strict=True):
            np.testing.assert_array_equal(one, other)


def _die_in_second_epoch(self: ClassifierMonitor, epoch: int, logs: object = None) -> None:
    if epoch == 1:
        raise KeyboardInterrupt
