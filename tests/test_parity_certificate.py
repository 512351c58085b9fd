"""The certificate: made with a network and a bundle, recomputed, and found out where it is wrong."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tflite_models as toy
import toy_store

from kwsembed.bundle import Bundle, write_bundle
from kwsembed.cli.main import main
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import BundleError
from kwsembed.evaluation.golden_clips import golden_clips
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.evaluation.scoring import network_scorer
from kwsembed.frontend import log_mel
from kwsembed.parity.certificate import read_certificate, summary
from kwsembed.parity.computing import graph_log_mels
from kwsembed.parity.recompute import recompute
from kwsembed.runtime.interpreter import RUNTIMES, runtime_status
from kwsembed.tflite.parts import log_mel_tensor
from kwsembed.training.certifying import certify

EVENT_COUNT = 3
INSTALLED = [name for name in RUNTIMES if runtime_status(name).problem is None]


def split_audio() -> SplitAudio:
    """Two clips of `low` and of `high` and one of `noise`, as the network was trained on; none of `sweep`."""
    waveforms, labels = toy.waveforms(40, seed=5)
    chosen = [
        int(at) for label, count in ((0, 2), (1, 2), (3, 1)) for at in np.flatnonzero(labels == label)[:count]
    ]
    names = [toy.LABELS[labels[at]] for at in chosen]
    store = toy_store.store_of(
        [(toy_store.clip_of(name, at), waveforms[at], None) for name, at in zip(names, chosen, strict=True)]
    )
    classes = np.array([toy.LABELS.index(name) for name in names])
    return SplitAudio(
        store=store,
        clips=np.arange(len(classes)),
        classes=classes,
        labels=toy.LABELS,
        event_count=EVENT_COUNT,
        sample_rate_hz=toy.FRONTEND.sample_rate_hz,
        window_samples=toy.WINDOW_SAMPLES,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small network that was trained for a few seconds: an untrained one's scores are all or nothing."""
    return write_bundle(
        tmp_path_factory.mktemp("toy") / "bundle",
        model=toy.exported().int8,
        labels=toy.LABELS,
        background_labels=toy.LABELS[EVENT_COUNT:],
        frontend=toy.FRONTEND,
        window_samples=toy.WINDOW_SAMPLES,
        post=PostProcessing(hop_s=0.125),
        operating_points={
            label: OperatingPoint(label, 0.6, 0.5, 0, 10.0, 0.0, 0.3, True, 10, 0, 0.0)
            for label in toy.LABELS[:EVENT_COUNT]
        },
    )


@pytest.fixture(scope="module")
def certificate(bundle: Bundle) -> dict:
    audio = split_audio()
    evidence = np.zeros((len(audio.clips), len(toy.LABELS)))
    network = network_scorer(toy.trained_core(), toy.FRONTEND)
    with pytest.MonkeyPatch.context() as patch:
        # Trained for seconds and heard in a few windows: quantisation costs it more than a real network.
        patch.setattr("kwsembed.training.certifying.INT8_BOUNDS", {"mean": 0.1, "p99": 0.6})
        return certify(bundle, network, audio, evidence, split="test")


@pytest.fixture
def certified(bundle: Bundle, certificate: dict, tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    write_bundle(folder, **{**vars(bundle), "parity": {"certificate": certificate}})
    return folder


def changed(folder: Path, certificate: dict, **synthetic: object) -> Bundle:
    """The bundle with other entries in the synthetic part of its certificate."""
    other = copy.deepcopy(certificate)
    other["synthetic"].update(synthetic)
    return dataclasses.replace(Bundle.load(folder), parity={"certificate": other})


@pytest.mark.parametrize("runtime", INSTALLED)
def test_the_model_holds_the_front_ends_log_mel(bundle: Bundle, runtime: str) -> None:
    windows = toy.waveforms(3, seed=9)[0]
    inside = graph_log_mels(bundle, log_mel_tensor(bundle.model), windows, runtime=runtime)
    expected = np.stack([log_mel(window, toy.FRONTEND) for window in windows])
    np.testing.assert_allclose(inside, expected, atol=1e-3)


def test_a_sound_export_is_certified(certificate: dict) -> None:
    assert certificate["failures"] == []
    assert certificate["passed"] is True
    compared = {(one["what"], one["audio"], one["level_dbfs"]) for one in certificate["agreements"]}
    for audio in ("synthetic", "real"):
        assert {
            (what, audio, level) for what in ("log_mel", "score") for level in (0, -20, -40, -60)
        } <= compared
        assert ("events", audio, None) in compared
    assert any(one["figures"].get("computed", 0) > 0 for one in certificate["agreements"]), "no event at all"
    assert certificate["real"]["labels"] == ["low", "high"]


def test_a_network_that_the_model_is_not_made_of_fails_but_stops_nothing(bundle: Bundle) -> None:
    def other(windows: np.ndarray) -> np.ndarray:
        return np.roll(network_scorer(toy.trained_core(), toy.FRONTEND)(windows), 1, axis=1)

    audio = split_audio()
    made = certify(bundle, other, audio, np.zeros((len(audio.clips), len(toy.LABELS))), split="validation")
    assert made["passed"] is False
    assert all("against the float network" in failure for failure in made["failures"])


@pytest.mark.parametrize("runtime", INSTALLED)
def test_this_very_machine_agrees_under_every_interpreter(certified: Path, runtime: str) -> None:
    outcomes = list(recompute(Bundle.load(certified), runtime=runtime))
    assert len(outcomes) == 6
    assert [detail for holds, detail in outcomes if not holds] == []


def test_new_thresholds_and_settings_leave_the_certificate_valid(certified: Path) -> None:
    source = Bundle.load(certified)
    points = {
        label: dataclasses.replace(point, threshold=0.99) for label, point in source.operating_points.items()
    }
    calibrated = dataclasses.replace(
        source, operating_points=points, post=PostProcessing(hop_s=0.125, smoothing_windows=4)
    )
    assert all(holds for holds, _ in recompute(calibrated))


def test_other_scores_are_found_out(certified: Path, certificate: dict) -> None:
    expected = copy.deepcopy(certificate["synthetic"]["expected"])
    for one in expected:
        one["scores"] = np.roll(np.array(one["scores"]), 1, axis=1).tolist()
    failed = [
        detail for holds, detail in recompute(changed(certified, certificate, expected=expected)) if not holds
    ]
    assert len(failed) == 1
    assert failed[0].startswith("score of ")


def test_another_tensor_than_log_mel_is_found_out(certified: Path, certificate: dict) -> None:
    source = changed(certified, certificate)
    scaled = log_mel_tensor(source.model) + 2  # log-mel too, but reshaped and scaled for the core
    failed = [
        detail
        for holds, detail in recompute(changed(certified, certificate, log_mel_tensor=scaled))
        if not holds
    ]
    assert any(detail.startswith("log_mel of ") for detail in failed)


def test_another_golden_signal_is_found_out_before_anything_is_compared(
    certified: Path, certificate: dict
) -> None:
    ((holds, detail),) = recompute(changed(certified, certificate, seed=1))
    assert not holds
    assert "another signal" in detail


@pytest.mark.parametrize(
    "certificate, message",
    [
        ({"version": 2}, "another version.*Expected version 1. Received: version=2.*upgrade"),
        ({"version": 1}, "damaged: KeyError"),
        ({"version": 1, "synthetic": {"expected": 3}}, "damaged: TypeError"),
        ([], "damaged: TypeError"),
    ],
)
def test_a_certificate_that_is_not_understood_is_said_so_in_a_line(
    bundle: Bundle, certificate: object, message: str
) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        read_certificate(dataclasses.replace(bundle, parity={"certificate": certificate}))
    assert "\n" not in str(caught.value)


def test_the_summary_leaves_out_only_what_a_recomputation_needs(certificate: dict) -> None:
    short = summary(certificate)
    assert short["agreements"] == certificate["agreements"]
    assert "expected" not in short["synthetic"]
    assert len(json.dumps(short)) < len(json.dumps(certificate))


def test_doctor_says_whether_the_device_agrees(
    certified: Path, bundle: Bundle, tmp_path: Path, capsys
) -> None:
    assert main(["doctor", "--bundle", str(certified)]) == 0
    said = capsys.readouterr().out
    assert said.count("ok     parity: ") == 6
    write_bundle(tmp_path / "older", **{**vars(bundle), "parity": None})
    assert main(["doctor", "--bundle", str(tmp_path / "older")]) == 0
    assert "-      parity: not known" in capsys.readouterr().out


def test_doctor_fails_where_the_device_does_not_agree(certified: Path, certificate: dict, capsys) -> None:
    write_bundle(certified, **vars(changed(certified, certificate, seed=1)))
    assert main(["doctor", "--bundle", str(certified)]) == 1
    assert "FAILED parity: " in capsys.readouterr().out


def test_real_golden_audio_has_a_loud_piece_of_each_event_between_background() -> None:
    audio = split_audio()
    evidence = np.zeros((len(audio.clips), len(toy.LABELS)))
    evidence[1, 0] = 1.0
    waveform = golden_clips(audio, evidence)
    rate = audio.sample_rate_hz
    assert np.abs(waveform).max() == pytest.approx(1.0, abs=1e-3)
    assert np.abs(waveform[: rate - 400]).max() < 0.11, "background comes first"
    event = audio.store.waveform(1)
    middle = event[2000:6000] / np.abs(event).max()  # its ends fade
    assert np.abs(np.correlate(waveform[: 4 * rate], middle)).max() == pytest.approx(
        middle @ middle, rel=0.01
    )
