"""Golden inputs and outputs of the micro target: what Python computes, for the C code to be compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kwsembed.audio.wav import to_float, to_int16
from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.detection.post_processing import smooth
from kwsembed.export_targets.c_source import array, define, literal
from kwsembed.frontend import log_mel
from kwsembed.tflite.micro import MicroModel
from kwsembed.tflite.parts import ModelParts

_HOPS = 160
# Nearer to a threshold, C's single precision and Python's double precision may decide differently.
_CLEAR_OF_THRESHOLD = 1e-6


@dataclass(frozen=True)
class Golden:
    """One window through front end and model, and one stream of scores through the detector.

    Attributes:
        samples: `(window_samples,)` int16, synthesised: a rising tone in noise from -60 to -6 dBFS.
        log_mel: `(frames, mels)` float32.
        features: `(frames, mels)` int8.
        logits: `(labels,)` int8, of TensorFlow Lite's reference kernels.
        probabilities: `(labels,)` float32.
        scores: `(hops, labels)` float32.
        detections: What the detector makes of them.
    """

    samples: np.ndarray
    log_mel: np.ndarray
    features: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    scores: np.ndarray
    detections: tuple[Detection, ...]


def golden(bundle: Bundle, parts: ModelParts, model: MicroModel) -> Golden:
    """Computes them; the same bundle gives the same."""
    random = np.random.default_rng(0)
    time_s = np.arange(bundle.window_samples) / bundle.sample_rate_hz
    highest_hz = 0.4 * bundle.sample_rate_hz
    tone = np.sin(np.pi * highest_hz * time_s**2 / bundle.window_s)
    level = 10 ** (np.linspace(-60, -6, len(time_s)) / 20)
    samples = to_int16(level * (0.6 * tone + 0.1 * random.normal(size=len(time_s))))
    rows = log_mel(to_float(samples), bundle.frontend)
    features = quantised(rows, parts)
    logits = run_reference(model.model, features)
    powers = np.exp((logits.astype(np.float64) - logits.max()) * model.logit_scale)
    scores, detections = _stream(bundle, random)
    return Golden(samples, rows, features, logits, powers / powers.sum(), scores, detections)


def quantised(log_mel_rows: np.ndarray, parts: ModelParts) -> np.ndarray:
    """The model's int8 input, `(frames, mels)`, of log-mel features."""
    steps = (log_mel_rows * parts.slope + parts.offset) / parts.input_scale
    return np.clip(np.rint(steps) + parts.input_zero_point, -128, 127).astype(np.int8)


def run_reference(model: bytes, features: np.ndarray) -> np.ndarray:
    """Logits by TensorFlow Lite's reference kernels, which TensorFlow Lite Micro's are written after."""
    interpreter = tf.lite.Interpreter(
        model_content=model, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], features[None, :, :, None])
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])


def _stream(bundle: Bundle, random: np.random.Generator) -> tuple[np.ndarray, tuple[Detection, ...]]:
    """Scores that wander across the thresholds, and the detections in them."""
    events = ~bundle.background_mask
    thresholds = np.array([bundle.thresholds[label] for label in bundle.event_labels])
    middle = np.zeros(len(bundle.labels))
    inside = np.clip(thresholds, 1e-6, 1 - 1e-6)
    middle[events] = np.log(inside / (1 - inside))
    while True:
        wander = np.cumsum(random.normal(size=(_HOPS, len(bundle.labels))), axis=0)
        scores = (1 / (1 + np.exp(2 * np.sin(wander) - middle))).astype(np.float32)
        scores[-1 - bundle.post.smoothing_windows :] = 0.0  # so that every detection ends
        smoothed = smooth(scores[:, events], bundle.post.smoothing_windows)
        if np.abs(smoothed - thresholds).min() > _CLEAR_OF_THRESHOLD:
            break
    detector = EventDetector(bundle.event_labels, bundle.thresholds, bundle.post, bundle.window_s)
    return scores, tuple(detector.process(scores[:, events]))


def golden_source(bundle: Bundle, values: Golden) -> dict[str, str]:
    """`kwsembed_golden.h` and `kwsembed_golden.c`."""
    sizes = {
        "SAMPLES": len(values.samples),
        "HOPS": len(values.scores),
        "DETECTIONS": len(values.detections),
    }
    declarations = [
        "const int16_t kwsembed_golden_samples[KWSEMBED_GOLDEN_SAMPLES]",
        "const float kwsembed_golden_log_mel[KWSEMBED_FRAMES][KWSEMBED_MELS]",
        "const int8_t kwsembed_golden_features[KWSEMBED_FRAMES][KWSEMBED_MELS]",
        "const int8_t kwsembed_golden_logits[KWSEMBED_LABELS]",
        "const float kwsembed_golden_probabilities[KWSEMBED_LABELS]",
        "const float kwsembed_golden_scores[KWSEMBED_GOLDEN_HOPS][KWSEMBED_LABELS]",
        "const kwsembed_detection kwsembed_golden_detections[KWSEMBED_GOLDEN_DETECTIONS + 1]",
    ]
    found = [
        "{"
        + ", ".join(
            literal(value)
            for value in (bundle.event_labels.index(d.label), d.onset_s, d.offset_s, float(d.score))
        )
        + "}"
        for d in values.detections
    ]
    arrays = [values.samples, values.log_mel, values.features, values.logits]
    arrays += [values.probabilities.astype(np.float32), values.scores]
    header = "\n".join(
        [
            "/* Made by kwsembed: inputs and outputs to test with; leave them out of the product. */",
            "#ifndef KWSEMBED_GOLDEN_H_",
            "#define KWSEMBED_GOLDEN_H_",
            "",
            '#include "kwsembed_detector.h"',
            "",
            *(define(f"KWSEMBED_GOLDEN_{name}", value) for name, value in sizes.items()),
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            *(f"extern {declaration};" for declaration in declarations),
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "#endif",
            "",
        ]
    )
    source = "\n\n".join(
        [
            '#include "kwsembed_golden.h"',
            *(array(*pair) for pair in zip(declarations[:-1], arrays, strict=True)),
            f"{declarations[-1]} = {{\n  " + ",\n  ".join([*found, "{0, 0.0f, 0.0f, 0.0f}"]) + "\n};",
            "",
        ]
    )
    return {"kwsembed_golden.h": header, "kwsembed_golden.c": source}
