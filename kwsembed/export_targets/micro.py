"""Target `micro`: C and C++ sources for TensorFlow Lite Micro, with tables, golden values and an example."""

from __future__ import annotations

import argparse
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.bundle_files import sha256_of
from kwsembed.errors import ConfigError, KwsembedError
from kwsembed.export_targets.c_source import array, define
from kwsembed.export_targets.micro_arena import Arena, arena
from kwsembed.export_targets.micro_golden import Golden, golden, golden_source
from kwsembed.export_targets.micro_tables import tables
from kwsembed.export_targets.output import writing
from kwsembed.tflite.clients import describe
from kwsembed.tflite.micro import MicroModel, micro_model
from kwsembed.tflite.parts import ModelParts, parts_of

# Operations that models of kwsembed use and TensorFlow Lite Micro has, and how its resolver adds them.
RESOLVER = {
    "ADD": "AddAdd",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "DEQUANTIZE": "AddDequantize",
    "FULLY_CONNECTED": "AddFullyConnected",
    "L2_NORMALIZATION": "AddL2Normalization",
    "LOGISTIC": "AddLogistic",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MUL": "AddMul",
    "PAD": "AddPad",
    "QUANTIZE": "AddQuantize",
    "RELU": "AddRelu",
    "RESHAPE": "AddReshape",
    "SPLIT": "AddSplit",
    "SPLIT_V": "AddSplitV",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
    "TANH": "AddTanh",
    "TRANSPOSE": "AddTranspose",
    "UNPACK": "AddUnpack",
}
_SOURCES = (
    "Makefile",
    "kwsembed_detector.c",
    "kwsembed_detector.h",
    "kwsembed_frontend.c",
    "kwsembed_frontend.h",
    "kwsembed_run.cc",
    "kwsembed_test.c",
)
# Golden logits are those of the reference kernels; TensorFlow Lite Micro rounds alike but for a step.
_MOST_STEPS = 1


def run(args: argparse.Namespace) -> str:
    """Makes the target from parsed options; returns what to tell the user."""
    made = export(Path(args.run), Path(args.out), int8_head=args.int8_head)
    return (
        f"{args.out}: arena of {made.bytes} bytes, {made.source}\ntest on this computer: make -C {args.out}"
    )


def export(run: Path, out: Path, *, int8_head: bool = False) -> Arena:
    """Writes the C sources of a run's bundle.

    Args:
        run: A run directory; only its bundle is read.
        out: Folder to make.
        int8_head: See `micro_model`.

    Returns:
        The memory that the interpreter needs.

    Raises:
        ConfigError: TensorFlow Lite Micro lacks an operation of the model, or the C front end cannot compute
            its features.
        KwsembedError: TensorFlow Lite Micro is installed and computes something else than the reference.
    """
    bundle = Bundle.load(run / "bundle")
    parts = parts_of(bundle.model, mels=bundle.frontend.mel_count)
    model = micro_model(parts, int8_head=int8_head)
    operations = _operations(model.model)
    values = golden(bundle, parts, model)
    needed = arena(model.model, values.features)
    if needed.logits is not None:
        _check(values.logits, needed.logits)
    texts = {
        **tables(bundle, parts, model),
        **golden_source(bundle, values),
        **_model_source(model, operations, needed),
        "README.md": _readme(bundle, parts, model, operations, values, needed),
        "labels.txt": "".join(f"{label}\n" for label in bundle.labels),
    }
    with writing(out, target="micro", bundle=bundle) as folder:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name in _SOURCES:
            source = resources.files("kwsembed.export_targets").joinpath("micro_sources", name)
            (folder / name).write_bytes(source.read_bytes())
        (folder / "model.tflite").write_bytes(model.model)
    return needed


def _operations(model: bytes) -> dict[str, int]:
    """How often each operation occurs, by name; all of them are in TensorFlow Lite Micro."""
    operations = Counter(operation.name for operation in describe(model).operations)
    missing = sorted(set(operations) - set(RESOLVER))
    if missing:
        raise ConfigError(
            "TensorFlow Lite Micro does not run this network",
            expected=f"operations among {', '.join(RESOLVER)}",
            received=", ".join(missing),
            fix="train with --backbone ds_cnn",
        )
    return dict(sorted(operations.items()))


def _check(expected: np.ndarray, received: np.ndarray) -> None:
    if np.abs(expected.astype(int) - received).max() > _MOST_STEPS:
        raise KwsembedError(
            "TensorFlow Lite Micro computes other logits than TensorFlow Lite",
            expected=f"{expected.tolist()}, give or take {_MOST_STEPS}",
            received=received.tolist(),
        )


def _model_source(model: MicroModel, operations: dict[str, int], needed: Arena) -> dict[str, str]:
    header = "\n".join(
        [
            "// Made by kwsembed from a bundle; do not edit.",
            "#ifndef KWSEMBED_MODEL_H_",
            "#define KWSEMBED_MODEL_H_",
            "",
            "#include <cstdint>",
            "",
            f"// {needed.source}; kernels with buffers of their own, such as CMSIS-NN's, may need more.",
            define("KWSEMBED_ARENA_BYTES", needed.bytes),
            define("KWSEMBED_MODEL_BYTES", len(model.model)),
            define("KWSEMBED_OPERATIONS", len(operations)),
            "",
            "alignas(16) extern const uint8_t kwsembed_model[KWSEMBED_MODEL_BYTES];",
            "",
            "// `resolver` is a tflite::MicroMutableOpResolver<KWSEMBED_OPERATIONS>.",
            "template <class Resolver>",
            "void kwsembed_add_operations(Resolver& resolver) {",
            *(f"  resolver.{RESOLVER[name]}();" for name in operations),
            "}",
            "",
            "#endif",
            "",
        ]
    )
    content = array(
        "alignas(16) const uint8_t kwsembed_model[KWSEMBED_MODEL_BYTES]", np.frombuffer(model.model, np.uint8)
    )
    return {"kwsembed_model.h": header, "kwsembed_model.cc": f'#include "kwsembed_model.h"\n\n{content}\n'}


def _readme(
    bundle: Bundle,
    parts: ModelParts,
    model: MicroModel,
    operations: dict[str, int],
    values: Golden,
    needed: Arena,
) -> str:
    text = resources.files("kwsembed.export_targets").joinpath("micro.md").read_text(encoding="utf-8")
    return text.format(
        labels=", ".join(bundle.labels),
        rate=bundle.sample_rate_hz,
        frames=parts.frames,
        mels=bundle.frontend.mel_count,
        feature_scale=f"{model.feature_scale:.9g}",
        feature_zero_point=model.feature_zero_point,
        logit_scale=f"{model.logit_scale:.9g}",
        label_count=len(bundle.labels),
        operations=", ".join(f"{name} {count}" for name, count in operations.items()),
        model_bytes=len(model.model),
        sha256=sha256_of(model.model),
        arena=needed.bytes,
        arena_used="not measured" if needed.measured is None else f"{needed.measured} bytes",
        arena_source=needed.source,
        hop_s=f"{bundle.post.hop_s:g}",
        window_s=f"{bundle.window_s:g}",
        golden_logits=", ".join(map(str, values.logits.tolist())),
        thresholds="\n".join(f"| {label} | {value:.6g} |" for label, value in bundle.thresholds.items()),
        smoothing=bundle.post.smoothing_windows,
        consecutive=bundle.post.min_consecutive,
        refractory=f"{bundle.post.refractory_s:g}",
    )
