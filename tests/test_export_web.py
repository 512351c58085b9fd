"""The page's JavaScript does what the Python does, and its folder holds all that it needs."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from export.web import export_web
from export.web.__main__ import main
from export.web.folder import _CALIBRATION_FILE, _RUNTIME_FILES, HERE, PACKAGE, page_settings
from kwsembed.audio import wav
from kwsembed.audio.resample import Resampler
from kwsembed.bundle import Bundle, write_bundle
from kwsembed.detection.events import EventDetector
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import BundleError, MissingDependencyError, RunError
from kwsembed.runtime.windows import WindowBuffer

PAGE = HERE / "page"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def in_node(code: str, given: object) -> object:
    """Runs the body of an async function under Node.js: `given` in, what it returns out; both as JSON."""
    imports = "".join(
        f"import * as {name} from {json.dumps((PAGE / f'{name}.js').as_uri())};\n"
        for name in ("detection", "level", "resampler", "stream", "wav_file", "windows", "audio_file")
    )
    script = f"""{imports}
import {{ readFileSync }} from "node:fs";
const given = JSON.parse(readFileSync(0));
process.stdout.write(JSON.stringify(await (async () => {{ {code} }})()));
"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_javascript(post: PostProcessing) -> dict[str, float]:
    names = {name: re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in asdict(post)}
    return {names[name]: value for name, value in asdict(post).items()}


@needs_node
def test_detections_are_those_of_python_to_the_last_bit() -> None:
    random = np.random.default_rng(0)
    labels, cases, wanted = ["a", "b", "c"], [], []
    for _ in range(60):
        post = PostProcessing(
            hop_s=float(random.choice([0.1, 0.25, 0.5])),
            smoothing_windows=int(random.integers(1, 5)),
            min_consecutive=int(random.integers(1, 4)),
            refractory_s=float(random.choice([0.0, 0.3, 1.0, 2.2])),
            onset_shift_s=float(random.choice([0.0, 0.2, -0.1])),
        )
        hops = int(random.integers(1, 120))
        # Runs of some length, so that all the rules have something to do.
        scores = np.repeat(random.uniform(size=(hops, 3)), random.integers(1, 5, hops), axis=0)
        scores = scores.astype(np.float32)
        thresholds = {"a": 0.5, "b": float(random.uniform(0.2, 0.9)), "c": float(scores[0, 2])}
        end_s = float(random.choice([len(scores) * post.hop_s + 1.0, len(scores) * post.hop_s / 2]))
        detector = EventDetector(labels, thresholds, post, window_s=1.0)
        found = detector.process(scores) + detector.flush(end_s=end_s)
        wanted.append([[d.label, d.onset_s, d.offset_s, d.score] for d in found])
        cases.append(
            {
                "scores": scores.astype(np.float64).tolist(),
                "thresholds": thresholds,
                "post": as_javascript(post),
                "endS": end_s,
            }
        )
    code = """
return given.map(({ scores, thresholds, post, endS }) => {
  const detector = new detection.EventDetector(["a", "b", "c"], thresholds, post, 1.0);
  const found = scores.flatMap((row) => detector.process(row).detections);
  found.push(...detector.flush(endS));
  return found.map((d) => [d.label, d.onsetS, d.offsetS, d.score]);
});"""
    assert sum(map(len, wanted)) > 200
    assert in_node(code, cases) == wanted


@needs_node
@pytest.mark.parametrize("rate_in_hz", [8000, 16000, 44100, 48000])
def test_resampling_is_that_of_python_in_any_chunks(rate_in_hz: int) -> None:
    waveform = np.random.default_rng(1).normal(0, 0.3, rate_in_hz // 4 + 7).astype(np.float32)
    wanted = Resampler(rate_in_hz, 16000).process(waveform, final=True)
    code = """
const resample = (sizes) => {
  const resampler_ = new resampler.Resampler(given.rate, 16000);
  const out = [];
  let at = 0;
  for (const size of sizes) out.push(...resampler_.process(given.waveform.slice(at, (at += size))));
  out.push(...resampler_.process(given.waveform.slice(at), { final: true }));
  return out;
};
return [resample([]), resample([1, 0, 128, 2048, 5])];"""
    whole, chunked = in_node(code, {"rate": rate_in_hz, "waveform": waveform.astype(float).tolist()})
    assert whole == chunked
    assert len(whole) == len(wanted)
    np.testing.assert_allclose(whole, wanted, atol=2e-6)


@needs_node
@pytest.mark.parametrize("samples", [0, 3, 4, 5, 6, 11])
def test_windows_are_cut_as_python_cuts_them(samples: int) -> None:
    waveform = np.arange(1, samples + 1, dtype=np.float32)
    buffer = WindowBuffer(4, 2)
    wanted = [*buffer.process(waveform[:5]).tolist(), *buffer.process(waveform[5:]).tolist()]
    wanted += buffer.flush().tolist()
    code = """
const buffer = new windows.WindowBuffer(4, 2);
const chunks = [given.slice(0, 5), given.slice(5)].map((chunk) => Float32Array.from(chunk));
const found = chunks.flatMap((chunk) => buffer.process(chunk));
return [...found, ...buffer.flush()].map((window) => Array.from(window));"""
    assert in_node(code, waveform.tolist()) == wanted


@needs_node
def test_the_whole_path_keeps_time_and_ends_with_the_recording() -> None:
    post = PostProcessing(hop_s=0.5, smoothing_windows=1, refractory_s=0.0)
    settings = {
        "labels": ["quiet", "loud"],
        "eventLabels": ["loud"],
        "thresholds": {"loud": 0.5},
        "sampleRateHz": 8,
        "windowSamples": 8,
        "hopSamples": 4,
        "post": as_javascript(post),
    }
    code = """
const score = (window) => { const loud = Math.max(...window); return [1 - loud, loud]; };
const detector = new stream.StreamDetector(given, 8, score);
const first = detector.process(Float32Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
const last = detector.flush();
return [first.hops.length, last.hops.length, last.detections];"""
    first, last, detections = in_node(code, settings)
    assert (first, last) == (2, 1)  # the tail, with zeros behind it
    assert detections == [{"label": "loud", "onsetS": 1.25, "offsetS": 1.75, "score": 1}]


@needs_node
def test_meters_reach_their_middle_exactly_at_the_threshold() -> None:
    cases = [[s, t] for t in (0.01, 0.5, 0.9977) for s in (0, t / 2, t - 1e-6, t, (1 + t) / 2, 1)]
    levels = in_node("return given.map(([score, threshold]) => level.level(score, threshold));", cases)
    assert [value >= 0.5 for value in levels] == [score >= threshold for score, threshold in cases]
    assert in_node("return level.level(1, 1.5);", None) == 0


@needs_node
def test_wav_files_are_read_as_python_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    wav.write(path, np.random.default_rng(2).uniform(-1, 1, 50).astype(np.float32), 22050)
    content = path.read_bytes()
    code = """
const { samples, sampleRateHz } = wav_file.readWav(new DataView(Uint8Array.from(given).buffer));
return [sampleRateHz, Array.from(samples)];"""
    rate_hz, samples = in_node(code, list(content))
    pcm = np.frombuffer(content[-100:], "<i2")
    assert rate_hz == 22050
    np.testing.assert_array_equal(np.float32(samples), pcm.astype(np.float32) / 32768)


@needs_node
def test_other_files_state_their_rate_in_their_header(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    contents, wanted = [], []
    for suffix, kind, rate_hz in (
        ("flac", None, 44100),
        ("ogg", "VORBIS", 22050),
        ("ogg", "OPUS", 48000),
        ("mp3", None, 32000),
        ("mp3", None, 24000),
    ):
        if suffix.upper() not in soundfile.available_formats():
            continue
        path = tmp_path / f"{kind}{rate_hz}.{suffix}"
        soundfile.write(path, np.zeros(rate_hz), rate_hz, subtype=kind)
        contents.append(list(path.read_bytes()[:5000]))
        wanted.append(rate_hz)
    code = """
return given.map((bytes) => audio_file.headerRateHz(new DataView(Uint8Array.from(bytes).buffer)));"""
    assert len(wanted) >= 3
    assert in_node(code, contents) == wanted
    assert in_node(code, [list(b"no audio at all, just text"), [], [255]]) == [None, None, None]


@pytest.fixture
def described_bundle(tone_bundle: Path, tmp_path: Path) -> Path:
    """The hand-made bundle, its model with metadata as an exported one has them, thresholds included."""
    from kwsembed.tflite import with_thresholds, write_metadata

    bundle = Bundle.load(tone_bundle)
    model = write_metadata(
        bundle.model, name="tones", description="Hears tones.", sample_rate_hz=16000, labels=bundle.labels
    )
    write_bundle(
        tmp_path / "RUN" / "bundle",
        model=with_thresholds(model, bundle.thresholds),
        labels=bundle.labels,
        background_labels=bundle.background_labels,
        frontend=bundle.frontend,
        window_samples=bundle.window_samples,
        post=bundle.post,
        operating_points=bundle.operating_points,
    )
    return tmp_path / "RUN"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A node_modules that looks like the real one, without the 14 MB."""
    folder = tmp_path / "node_modules" / PACKAGE
    (folder / "wasm").mkdir(parents=True)
    for name in _RUNTIME_FILES:
        (folder / name).write_text(name)
    version = json.loads((HERE / "package.json").read_text())["dependencies"][PACKAGE]
    (folder / "package.json").write_text(json.dumps({"version": version}))
    return tmp_path / "node_modules"


def test_the_folder_holds_the_page_the_model_and_the_runtime(
    described_bundle: Path, packages: Path, tmp_path: Path
) -> None:
    page = export_web(described_bundle, tmp_path / "page", packages=packages)
    bundle = Bundle.load(described_bundle / "bundle")
    assert json.loads((page / "settings.json").read_text()) == page_settings(bundle)
    assert (page / "vendor/mediapipe/tasks-audio.js").read_text() == "audio_bundle.mjs"
    assert "Apache License" in (page / "vendor/mediapipe/LICENSE").read_text()
    with zipfile.ZipFile(io.BytesIO((page / "model.tflite").read_bytes())) as files:
        assert files.namelist() == ["labels.txt"]  # plain scores: the page has thresholds of its own
    with zipfile.ZipFile(io.BytesIO(bundle.model)) as files:
        assert _CALIBRATION_FILE in files.namelist()
    # Again in its place, but in no other folder's.
    assert export_web(described_bundle / "bundle", page, packages=packages) == page
    with pytest.raises(RunError, match="holds something else"):
        export_web(described_bundle, tmp_path, packages=packages)


def test_the_page_names_no_file_that_is_missing_and_no_other_server(
    described_bundle: Path, packages: Path, tmp_path: Path
) -> None:
    page = export_web(described_bundle, tmp_path / "page", packages=packages)
    named = set()
    for path in [*page.glob("*.js"), page / "index.html"]:
        text = path.read_text()
        named |= set(re.findall(r'(?:from|src=|href=) ?"(?:\./)?([^"]+)"', text))
        named |= set(re.findall(r'(?:fetch|addModule)\("([^"]+)"', text))
        addresses = re.findall(r"https?://[\w.]+", text.replace("http://localhost", ""))
        assert addresses == [], path
    assert {"main.js", "settings.json", "capture_worklet.js", "vendor/mediapipe/tasks-audio.js"} <= named
    assert [name for name in sorted(named) if not (page / name).is_file()] == []
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (page / "index.html").read_text())
    assert policy is not None
    allowed = {source for rule in policy[1].split(";") for source in rule.split()[1:]}
    assert allowed == {"'none'", "'self'", "'wasm-unsafe-eval'"}


def test_what_is_missing_is_named_with_what_to_run(
    described_bundle: Path, packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere" / "node_modules"
    with pytest.raises(MissingDependencyError, match=r"npm install --prefix \S+ @mediapipe/tasks-audio@1"):
        export_web(described_bundle, tmp_path / "page", packages=nowhere)
    (packages / PACKAGE / "wasm/audio_wasm_internal.wasm").unlink()
    with pytest.raises(MissingDependencyError, match=r"without wasm/audio_wasm_internal\.wasm"):
        export_web(described_bundle, tmp_path / "page", packages=packages)
    assert not (tmp_path / "page").exists()
    arguments = [str(described_bundle), "--out", str(tmp_path / "page"), "--packages", str(nowhere)]
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_model_without_metadata_is_refused(tone_bundle: Path, packages: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no metadata for MediaPipe"):
        export_web(tone_bundle, tmp_path / "page", packages=packages)


def test_kwsembed_export_makes_the_same_page(
    described_bundle: Path,
    packages: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from kwsembed.cli import main as command

    monkeypatch.setattr("export.web.folder.HERE", _beside(packages, tmp_path))
    out = tmp_path / "page"
    assert command.main(["export", str(described_bundle), "--out", str(out), "--target", "web"]) == 0
    assert "python -m http.server" in capsys.readouterr().out
    assert (out / "index.html").exists()


def _beside(packages: Path, folder: Path) -> Path:
    """A copy of the export's own folder with these packages in it."""
    here = folder / "export" / "web"
    shutil.copytree(HERE, here, ignore=shutil.ignore_patterns("node_modules"))
    shutil.copyfile(HERE.parents[1] / "LICENSE", folder / "LICENSE")
    shutil.copytree(packages, here / "node_modules")
    return here
