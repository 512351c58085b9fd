"""How fast log-mel features are computed, by kwsembed and by others, as ratios taken in one process.

    python -m benchmarks.frontend [FOLDER] [--rounds N]

FOLDER holds audio files; without it the project's shared recordings are used where there are any, else noise.
Everything runs on one thread and is timed in CPU time. The rivals take turns, round after round, so that a
machine that slows down slows them all; a ratio is the median over the rounds.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # read when NumPy and torch load
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.interleaved import interleaved
from kwsembed.audio import decode
from kwsembed.audio.resample import resample
from kwsembed.data.log_mel import LogMel
from kwsembed.frontend import FrontendConfig, hann_window, log_mel, mel_matrix

CONFIG = FrontendConfig()
CLIP_SAMPLES = 5 * CONFIG.sample_rate_hz
OURS = "kwsembed, tf.data map"


@dataclass(frozen=True)
class Rival:
    """A way to compute features.

    Args:
        run: Takes one pass over all clips.
        features: Gives `(frames, mels)` of a clip, to state the error; None where the definition is not ours.
    """

    run: Callable[[], object]
    features: Callable[[np.ndarray], np.ndarray] | None = None


def load_clips(folder: Path | None, *, count: int = 10) -> np.ndarray:
    """`(clips, samples)` float32: five seconds each of files spread over the folder, or noise if None."""
    if folder is None:
        return np.random.default_rng(0).normal(0, 0.1, (count, CLIP_SAMPLES)).astype(np.float32)
    paths = decode.find_audio([folder])
    clips = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        waveform, sample_rate_hz = decode.read(path)
        waveform = resample(waveform, sample_rate_hz, CONFIG.sample_rate_hz)[:CLIP_SAMPLES]
        clips.append(np.pad(waveform, (0, CLIP_SAMPLES - len(waveform))))
    return np.stack(clips).astype(np.float32)


def exact(clip: np.ndarray) -> np.ndarray:
    """The features in double precision throughout."""
    frames = np.lib.stride_tricks.sliding_window_view(clip.astype(np.float64), CONFIG.window_samples)
    spectrum = np.fft.rfft(frames[:: CONFIG.hop_samples] * hann_window(CONFIG), CONFIG.fft_length)
    return np.log(np.abs(spectrum) ** 2 @ mel_matrix(CONFIG) + CONFIG.log_offset)


def one_by_one(compute: Callable[[np.ndarray], object], clips: Iterable[np.ndarray]) -> Callable[[], object]:
    """A pass that calls `compute` on each clip."""
    return lambda: [compute(clip) for clip in clips]


def mapped(compute: Callable[[tf.Tensor], tf.Tensor], clips: np.ndarray) -> Callable[[], object]:
    """A pass of a tf.data map over the clips, one clip a call, on the thread that asks for it."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False  # no work ahead of the clock
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    features = tf.data.Dataset.from_tensor_slices(clips).repeat().map(compute)
    # One number of each clip leaves the pipeline, lest the copy into Python be timed.
    passes = iter(features.map(lambda clip: clip[0, 0]).batch(len(clips)).with_options(options))
    return lambda: next(passes)


def ours(clips: np.ndarray) -> dict[str, Rival]:
    """The two implementations in kwsembed."""
    log_mel_tf = LogMel(CONFIG)
    return {
        OURS: Rival(mapped(log_mel_tf, clips), lambda clip: log_mel_tf(clip).numpy()),
        "kwsembed, NumPy": Rival(
            one_by_one(lambda clip: log_mel(clip, CONFIG), clips), lambda clip: log_mel(clip, CONFIG)
        ),
    }


def tensorflow_rivals(clips: np.ndarray) -> dict[str, Rival]:
    """tf.signal as its guide has it, and the layer of Keras."""
    weights = tf.constant(mel_matrix(CONFIG), tf.float32)

    def textbook(clip: tf.Tensor) -> tf.Tensor:
        spectrum = tf.signal.stft(clip, CONFIG.window_samples, CONFIG.hop_samples, CONFIG.fft_length)
        return tf.math.log(tf.matmul(tf.abs(spectrum) ** 2, weights) + CONFIG.log_offset)

    layer = tf.keras.layers.MelSpectrogram(
        fft_length=CONFIG.fft_length,
        sequence_stride=CONFIG.hop_samples,
        sequence_length=CONFIG.window_samples,
        sampling_rate=CONFIG.sample_rate_hz,
        num_mel_bins=CONFIG.mel_count,
        min_freq=CONFIG.mel_low_hz,
        max_freq=CONFIG.mel_high_hz,
    )
    return {
        "tf.signal.stft, tf.data map": Rival(mapped(textbook, clips), lambda clip: textbook(clip).numpy()),
        "keras MelSpectrogram, tf.data map": Rival(mapped(layer, clips)),
    }


def centred(clips: np.ndarray) -> np.ndarray:
    """Clips with a margin that gives our frames where the window sits in the middle of the transform."""
    margin = (CONFIG.fft_length - CONFIG.window_samples) // 2
    return np.pad(clips, [(0, 0)] * (clips.ndim - 1) + [(margin, margin)])


def librosa_rivals(clips: np.ndarray) -> dict[str, Rival]:
    """librosa's mel spectrogram, set to our definition."""
    import librosa

    def compute(clip: np.ndarray) -> np.ndarray:
        power = librosa.feature.melspectrogram(
            y=clip,
            sr=CONFIG.sample_rate_hz,
            n_fft=CONFIG.fft_length,
            hop_length=CONFIG.hop_samples,
            win_length=CONFIG.window_samples,
            center=False,
            n_mels=CONFIG.mel_count,
            fmin=CONFIG.mel_low_hz,
            fmax=CONFIG.mel_high_hz,
            htk=True,
            norm=None,
        )
        return np.log(power + np.float32(CONFIG.log_offset))

    # librosa's triangles are straight in hertz, so its values are not ours.
    return {f"librosa {librosa.__version__}": Rival(one_by_one(compute, centred(clips)))}


def scipy_rivals(clips: np.ndarray) -> dict[str, Rival]:
    """Frames as a view, scipy.fft in float32, matmul."""
    import scipy

    window, weights = hann_window(CONFIG).astype(np.float32), mel_matrix(CONFIG).astype(np.float32)

    def compute(clip: np.ndarray) -> np.ndarray:
        frames = np.lib.stride_tricks.sliding_window_view(clip, CONFIG.window_samples)[:: CONFIG.hop_samples]
        spectrum = scipy.fft.rfft(frames * window, CONFIG.fft_length)
        return np.log((spectrum.real**2 + spectrum.imag**2) @ weights + np.float32(CONFIG.log_offset))

    return {f"scipy.fft {scipy.__version__}": Rival(one_by_one(compute, clips), compute)}


def torch_rivals(clips: np.ndarray) -> dict[str, Rival]:
    """torch.stft and matmul; MKL transforms where torch is built with it."""
    import torch

    torch.set_num_threads(1)
    window = torch.tensor(hann_window(CONFIG), dtype=torch.float32)
    weights = torch.tensor(mel_matrix(CONFIG), dtype=torch.float32)

    def compute(clip: np.ndarray) -> np.ndarray:
        spectrum = torch.stft(
            torch.from_numpy(clip),
            CONFIG.fft_length,
            CONFIG.hop_samples,
            CONFIG.window_samples,
            window,
            center=False,
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log(power.T @ weights + CONFIG.log_offset).numpy()

    name = f"torch.stft {torch.__version__}" + (" (MKL)" if torch.backends.mkl.is_available() else "")
    return {name: Rival(one_by_one(compute, centred(clips)), lambda clip: compute(centred(clip)))}


def kaldi_rivals(clips: np.ndarray) -> dict[str, Rival]:
    """kaldi-native-fbank through its Python interface, frame by frame as its documentation has it."""
    import kaldi_native_fbank as kaldi

    options = kaldi.FbankOptions()
    options.frame_opts.samp_freq = CONFIG.sample_rate_hz
    options.frame_opts.frame_length_ms = CONFIG.window_ms
    options.frame_opts.frame_shift_ms = CONFIG.hop_ms
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = 0
    options.frame_opts.remove_dc_offset = False
    options.frame_opts.window_type = "hanning"
    options.mel_opts.num_bins = CONFIG.mel_count
    options.mel_opts.low_freq = CONFIG.mel_low_hz
    options.mel_opts.high_freq = CONFIG.mel_high_hz

    def compute(clip: np.ndarray) -> np.ndarray:
        bank = kaldi.OnlineFbank(options)
        bank.accept_waveform(CONFIG.sample_rate_hz, clip.tolist())
        bank.input_finished()
        return np.stack([bank.get_frame(frame) for frame in range(bank.num_frames_ready)])

    return {"kaldi-native-fbank, Python": Rival(one_by_one(compute, clips))}


OPTIONAL = {
    "librosa": librosa_rivals,
    "scipy": scipy_rivals,
    "torch": torch_rivals,
    "kaldi_native_fbank": kaldi_rivals,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontend", description="Log-mel, timed.")
    parser.add_argument("folder", nargs="?", type=Path, help="audio files to compute features of")
    parser.add_argument("--rounds", type=int, default=15, help="passes of each rival (default: %(default)s)")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    shared = Path(os.environ.get("KWSEMBED_SHARED", Path(__file__).parents[2] / "shared")) / "data" / "rare"
    folder = arguments.folder or (shared if shared.is_dir() else None)
    clips = load_clips(folder)
    rivals = {**ours(clips), **tensorflow_rivals(clips)}
    absent = [name for name in OPTIONAL if importlib.util.find_spec(name) is None]
    for name, make in OPTIONAL.items():
        if name not in absent:
            rivals.update(make(clips))
    references = [exact(clip) for clip in clips]

    seconds = interleaved({name: rival.run for name, rival in rivals.items()}, rounds=arguments.rounds)
    audio = "noise" if folder is None else "recordings"
    print(f"{len(clips)} clips of 5 s, {audio}; {arguments.rounds} rounds")
    print(f"TensorFlow {tf.__version__}, NumPy {np.__version__}; absent: {', '.join(absent) or 'none'}\n")
    print("| | CPU time over our map's | audio s per CPU s | error against float64: 99.9 % below, largest |")
    print("|---|---|---|---|")
    for name, rival in rivals.items():
        ratio = np.median(seconds[name] / seconds[OURS])
        rate = clips.size / CONFIG.sample_rate_hz / np.median(seconds[name])
        error = "other definition"
        if rival.features is not None:
            differences = [
                np.abs(rival.features(clip) - reference)
                for clip, reference in zip(clips, references, strict=True)
            ]
            error = f"{np.quantile(differences, 0.999):.1e}, {np.max(differences):.1e}"
        print(f"| {name} | {ratio:.2f} | {rate:.0f} | {error} |")


if __name__ == "__main__":
    main()
