"""The C tables of the micro target: front end, quantisation, labels, thresholds, post-processing."""

from __future__ import annotations

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.errors import ConfigError
from kwsembed.export_targets.c_source import array, define, literal
from kwsembed.frontend import FrontendConfig, hann_window, mel_matrix
from kwsembed.tflite.micro import MicroModel
from kwsembed.tflite.parts import ModelParts

_NOTE = "/* Made by kwsembed from a bundle; do not edit. */"


def tables(bundle: Bundle, parts: ModelParts, model: MicroModel) -> dict[str, str]:
    """`kwsembed_tables.h` and `kwsembed_tables.c`.

    Raises:
        ConfigError: The front end's transform is no power of two, or the hop of windows no whole number of
            frames: the C code cannot compute the same features.
    """
    frontend = bundle.frontend
    hop_frames = _checked_hop_frames(bundle, parts.frames)
    first, stop = frontend.bin_range
    settings = {
        "SAMPLE_RATE_HZ": frontend.sample_rate_hz,
        "WINDOW_SAMPLES": frontend.window_samples,
        "HOP_SAMPLES": frontend.hop_samples,
        "FFT_LENGTH": frontend.fft_length,
        "FIRST_BIN": first,
        "STOP_BIN": stop,
        "MELS": frontend.mel_count,
        "LOG_OFFSET": float(frontend.log_offset),
        "FRAMES": parts.frames,
        "HOP_FRAMES": hop_frames,
        "LABELS": len(bundle.labels),
        "EVENTS": len(bundle.event_labels),
        "LOGIT_SCALE": model.logit_scale,
        "HOP_S": float(bundle.post.hop_s),
        "WINDOW_S": float(bundle.window_s),
        "SMOOTHING_WINDOWS": bundle.post.smoothing_windows,
        "MIN_CONSECUTIVE": bundle.post.min_consecutive,
        "REFRACTORY_HOPS": bundle.post.refractory_hops,
        "ONSET_SHIFT_S": float(bundle.post.onset_shift_s),
    }
    header = "\n".join(
        [
            _NOTE,
            "#ifndef KWSEMBED_TABLES_H_",
            "#define KWSEMBED_TABLES_H_",
            "",
            "#include <stdint.h>",
            "",
            *(define(f"KWSEMBED_{name}", value) for name, value in settings.items()),
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            "/* A bin of the transform and the two mel bands that weigh it. */",
            "typedef struct {",
            "  uint8_t band;",
            "  float weight, weight_of_next;",
            "} kwsembed_mel_bin;",
            "",
            "extern const float kwsembed_window[KWSEMBED_WINDOW_SAMPLES];",
            "extern const float kwsembed_cosine[KWSEMBED_FFT_LENGTH / 2];",
            "extern const float kwsembed_sine[KWSEMBED_FFT_LENGTH / 2];",
            "extern const kwsembed_mel_bin kwsembed_mel_bins[KWSEMBED_STOP_BIN - KWSEMBED_FIRST_BIN];",
            "/* int8 feature = round(log_mel * factor + addend) */",
            "extern const float kwsembed_feature_factor[KWSEMBED_MELS];",
            "extern const float kwsembed_feature_addend[KWSEMBED_MELS];",
            "extern const char *const kwsembed_labels[KWSEMBED_LABELS]; /* in the order of the logits */",
            "extern const char *const kwsembed_events[KWSEMBED_EVENTS]; /* those that are detected */",
            "extern const uint8_t kwsembed_label_of_event[KWSEMBED_EVENTS];",
            "extern const float kwsembed_threshold[KWSEMBED_EVENTS]; /* of the smoothed probability */",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "#endif",
            "",
        ]
    )
    angles = 2 * np.pi * np.arange(frontend.fft_length // 2) / frontend.fft_length
    factor = parts.slope.astype(np.float64) / model.feature_scale
    addend = parts.offset.astype(np.float64) / model.feature_scale + model.feature_zero_point
    events = [bundle.labels.index(label) for label in bundle.event_labels]
    thresholds = np.array([bundle.thresholds[label] for label in bundle.event_labels], np.float32)
    source = "\n\n".join(
        [
            _NOTE + '\n#include "kwsembed_tables.h"',
            array("const float kwsembed_window[]", hann_window(frontend).astype(np.float32)),
            array("const float kwsembed_cosine[]", np.cos(angles).astype(np.float32)),
            array("const float kwsembed_sine[]", np.sin(angles).astype(np.float32)),
            _mel_bins(frontend),
            array("const float kwsembed_feature_factor[]", factor.astype(np.float32)),
            array("const float kwsembed_feature_addend[]", addend.astype(np.float32)),
            array("const char *const kwsembed_labels[]", bundle.labels),
            array("const char *const kwsembed_events[]", bundle.event_labels),
            array("const uint8_t kwsembed_label_of_event[]", np.array(events)),
            array("const float kwsembed_threshold[]", thresholds),
            "",
        ]
    )
    return {"kwsembed_tables.h": header, "kwsembed_tables.c": source}


def _checked_hop_frames(bundle: Bundle, frames: int) -> int:
    frontend = bundle.frontend
    if frontend.fft_length & (frontend.fft_length - 1):
        raise ConfigError(
            "the micro target's transform needs another length",
            expected="a power of two",
            received=f"fft_length={frontend.fft_length}",
        )
    if frontend.mel_count > 255:
        raise ConfigError(
            "the micro target's tables hold fewer bands",
            expected="at most 255",
            received=f"mel_count={frontend.mel_count}",
        )
    if bundle.hop_samples % frontend.hop_samples or bundle.hop_samples > frames * frontend.hop_samples:
        raise ConfigError(
            "windows of the micro target start at frames",
            expected=f"a hop of whole frames of {frontend.hop_ms:g} ms, at most {frames}",
            received=f"hop_s={bundle.post.hop_s:g}",
        )
    return bundle.hop_samples // frontend.hop_samples


def _mel_bins(frontend: FrontendConfig) -> str:
    """Neighbouring triangles overlap in pairs, so two weights tell all of a bin."""
    first, stop = frontend.bin_range
    rows = []
    for weights in mel_matrix(frontend)[first:stop]:
        bands = np.flatnonzero(weights)
        band = int(bands[0]) if len(bands) else 0
        following = weights[band + 1] if band + 1 < len(weights) else 0.0
        rows.append(f"  {{{band}, {literal(float(weights[band]))}, {literal(float(following))}}}")
    return "const kwsembed_mel_bin kwsembed_mel_bins[] = {\n" + ",\n".join(rows) + "\n};"
