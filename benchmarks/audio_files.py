"""How fast files become features: resampling alone, and decoding, resampling and log-mel together.

    python -m benchmarks.audio_files [FOLDER] [--rounds N]

FOLDER holds recordings to start from; without it noise is used. They are written to a temporary folder, as
OGG at 44.1 kHz and as WAV at 16 kHz. One thread, CPU time; all take turns, round after round; a ratio is the
median over the rounds, above 1 where we are faster. What is not installed is left out, saying so.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ[_variable] = "1"  # read when NumPy, TensorFlow and torch load
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import tensorflow as tf
from scipy import signal

from benchmarks.frontend import CONFIG, load_clips
from benchmarks.interleaved import interleaved, ratio
from kwsembed.audio import decode
from kwsembed.audio.resample import design_filter, resample
from kwsembed.data.log_mel import LogMel
from kwsembed.data.shards import write_shard

RATE_HZ = 44100
UP, DOWN = 160, 441
OURS = "kwsembed"


def resamplers() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """44.1 kHz to 16 kHz, by us and by others."""
    taps = design_filter(UP, DOWN) / UP
    found = {
        OURS: lambda waveform: resample(waveform, RATE_HZ, CONFIG.sample_rate_hz),
        "scipy.signal.resample_poly, our filter": lambda waveform: signal.resample_poly(
            waveform, UP, DOWN, window=taps
        ),
        "scipy.signal.resample_poly, its own filter": lambda waveform: signal.resample_poly(
            waveform, UP, DOWN
        ),
    }
    if importlib.util.find_spec("soxr"):
        import soxr

        found["soxr HQ"] = lambda waveform: soxr.resample(waveform, RATE_HZ, CONFIG.sample_rate_hz, "HQ")
    return found


def paths_to_features(paths: Sequence[Path]) -> dict[str, Callable[[], object]]:
    """From files to log-mel, file by file, by us and by others."""
    # A graph, as in a tf.data map: called eagerly, most of its time would go into starting operations.
    to_log_mel, rate_hz = tf.function(LogMel(CONFIG)), CONFIG.sample_rate_hz

    def ours() -> None:
        for path in paths:
            waveform, found_hz = decode.read(path)
            to_log_mel(tf.constant(resample(waveform, found_hz, rate_hz)))

    found: dict[str, Callable[[], object]] = {OURS: ours}
    if importlib.util.find_spec("librosa"):
        import librosa

        def theirs() -> None:
            for path in paths:
                waveform, _ = librosa.load(path, sr=rate_hz)
                mel = librosa.feature.melspectrogram(
                    y=waveform,
                    sr=rate_hz,
                    n_fft=CONFIG.fft_length,
                    hop_length=CONFIG.hop_samples,
                    win_length=CONFIG.window_samples,
                    n_mels=CONFIG.mel_count,
                )
                np.log(mel + np.float32(CONFIG.log_offset))

        found["librosa.load and its mel spectrogram"] = theirs
    return found


def records_to_features(paths: Sequence[Path], folder: Path) -> Callable[[], object]:
    """From TFRecord of 16-bit samples to log-mel in a map of tf.data: files that training decoded before."""
    shard, to_log_mel = folder / "clips.tfrecord", LogMel(CONFIG)
    write_shard(shard, (soundfile.read(path, dtype="int16")[0].tobytes() for path in paths))

    def features(record: tf.Tensor) -> tf.Tensor:
        return to_log_mel(tf.cast(tf.io.decode_raw(record, tf.int16), tf.float32) / 32768)

    options = tf.data.Options()
    options.threading.private_threadpool_size = options.threading.max_intra_op_parallelism = 1
    # Nothing is worked ahead: that would fall into the turns of the others.
    options.autotune.enabled = options.experimental_optimization.inject_prefetch = False
    forever = iter(tf.data.TFRecordDataset(str(shard)).map(features).repeat().with_options(options))
    return lambda: [next(forever) for _ in paths]


def written(clips: np.ndarray, folder: Path) -> dict[str, list[Path]]:
    """The clips as OGG files at 44.1 kHz and as WAV files at the model's rate."""
    files: dict[str, list[Path]] = {"ogg, 44.1 kHz": [], "wav, 16 kHz": []}
    for number, clip in enumerate(clips):
        at_44100 = signal.resample_poly(clip, DOWN, UP).astype(np.float32)
        for (name, paths), waveform, rate_hz in zip(
            files.items(), (at_44100, clip), (RATE_HZ, CONFIG.sample_rate_hz), strict=True
        ):
            paths.append(folder / f"{number}.{name[:3]}")
            soundfile.write(paths[-1], waveform.clip(-1, 1), rate_hz)
    return files


def print_ratios(title: str, calls: dict[str, Callable[[], object]], *, audio_s: float, rounds: int) -> None:
    """A line per rival: its time over ours, and how fast it is."""
    seconds = interleaved(calls, rounds=rounds)
    print(f"\n| {title} | CPU time over ours | audio s per CPU s |\n|---|---|---|")
    for name in calls:
        rate = audio_s / float(np.median(seconds[name]))
        print(f"| {name} | {ratio(seconds, name, OURS):.2f} | {rate:.0f} |")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (default: %(default)s)")
    arguments = parser.parse_args()
    absent = [name for name in ("soxr", "librosa") if importlib.util.find_spec(name) is None]
    clips = load_clips(arguments.folder)
    audio_s = clips.size / CONFIG.sample_rate_hz
    print(f"{len(clips)} clips of 5 s; NumPy {np.__version__}; absent: {', '.join(absent) or 'none'}")

    rivals = resamplers()
    inputs = [signal.resample_poly(clip, DOWN, UP).astype(np.float32) for clip in clips]
    print_ratios(
        "44.1 kHz to 16 kHz",
        {name: _on_each(call, inputs) for name, call in rivals.items()},
        audio_s=audio_s,
        rounds=arguments.rounds,
    )
    exact = [
        signal.resample_poly(x.astype(np.float64), UP, DOWN, window=design_filter(UP, DOWN) / UP)
        for x in inputs
    ]
    errors = [np.abs(rivals[OURS](x) - y).max() for x, y in zip(inputs, exact, strict=True)]
    print(f"\nlargest difference from SciPy with the same filter in float64: {max(errors):.1e}")

    with tempfile.TemporaryDirectory() as folder:
        for name, paths in written(clips, Path(folder)).items():
            calls = paths_to_features(paths)
            if name.startswith("wav"):
                calls["kwsembed, from TFRecord of the same"] = records_to_features(paths, Path(folder))
            print_ratios(f"{name}, to log-mel", calls, audio_s=audio_s, rounds=arguments.rounds)


def _on_each(call: Callable[[np.ndarray], object], inputs: Sequence[np.ndarray]) -> Callable[[], object]:
    return lambda: [call(waveform) for waveform in inputs]


if __name__ == "__main__":
    main()
