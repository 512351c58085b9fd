"""Target `streaming`: a model that takes one hop of audio per call and passes its states along."""

from __future__ import annotations

import argparse
import dataclasses
from importlib import resources
from pathlib import Path

from kwsembed.bundle import Bundle
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.export_targets.output import writing
from kwsembed.export_targets.run_data import open_run_audio
from kwsembed.export_targets.streaming_judgement import judge_streams
from kwsembed.stream_bundle import StreamBundle, StreamState, StreamTiming
from kwsembed.tflite.state_variables import with_variables
from kwsembed.tflite.streaming_export import StreamingModel, export_streaming


def run(args: argparse.Namespace) -> str:
    """Makes the target from parsed options; returns what to tell the user."""
    made = export(
        Path(args.run),
        Path(args.out),
        data=args.data,
        keep_thresholds=args.keep_thresholds,
        hop_ms=args.hop_ms,
        state_form=args.state or "passed",
    )
    timing = made.timing
    states = f"{len(made.states)} states" if made.states else "states kept inside"
    return (
        f"{args.out}: a call per {timing.hop_s:g} s of audio, {states}; scores come "
        f"{timing.lag_samples / timing.sample_rate_hz:g} s after the window that they stand for\n"
        f"thresholds: {made.extra['thresholds']}"
    )


def export(
    run: Path,
    out: Path,
    *,
    data: str | None = None,
    keep_thresholds: bool = False,
    hop_ms: float | None = None,
    state_form: str = "passed",
) -> StreamBundle:
    """Writes the streaming model of a run, with thresholds chosen on streamed validation audio.

    Streamed scores differ from those of the windowed model (their convolutions see true audio where a
    window's see zeros), so the bundle's thresholds do not hold for them.

    Args:
        run: A finished run.
        out: Folder to make.
        data: The run's clips, if they have moved.
        keep_thresholds: Do without the clips; the bundle's thresholds are written, and marked as not chosen
            for streams.
        hop_ms: Audio per call, see `export_streaming`.
        state_form: `passed`, or `variables` for a model that keeps its states itself.

    Raises:
        ConfigError: The run's backbone cannot be streamed, or an option is out of range.
        RunError: The run's clips are not there and `keep_thresholds` is False.
    """
    source = Bundle.load(run / "bundle")
    made = stream_bundle(source, export_streaming(source, hop_ms=hop_ms), state_form=state_form)
    if not keep_thresholds:
        audio = open_run_audio(run, source, split="validation", data=data)
        targets = {point.target_false_alarms_per_hour for point in source.operating_points.values()}
        points = judge_streams(made, audio).choose_thresholds(max(targets))
        made = with_points(made, points)
    with writing(out, target="streaming", bundle=source) as folder:
        made.write(folder)
        (folder / "README.md").write_text(_readme(made), encoding="utf-8")
    return made


def stream_bundle(source: Bundle, exported: StreamingModel, *, state_form: str = "passed") -> StreamBundle:
    """Describes a streaming model, for now with the operating points of the bundle that it comes from."""
    inside = state_form == "variables"
    rate = source.sample_rate_hz
    timing = StreamTiming(
        sample_rate_hz=rate,
        hop_samples=exported.hop_samples,
        window_samples=source.window_samples,
        first_window_start=exported.first_window_start,
        lag_samples=exported.lag_samples,
        lead_samples=exported.lead_samples,
        warm_up_hops=exported.warm_up_hops,
    )
    smoothed_s = source.post.smoothing_windows * source.post.hop_s
    consecutive_s = source.post.min_consecutive * source.post.hop_s
    post = PostProcessing(
        hop_s=timing.hop_s,
        smoothing_windows=max(1, round(smoothed_s / timing.hop_s)),
        min_consecutive=max(1, round(consecutive_s / timing.hop_s)) if source.post.min_consecutive > 1 else 1,
        refractory_s=source.post.refractory_s,
        onset_shift_s=source.post.onset_shift_s,
    )
    return StreamBundle(
        model=with_variables(exported.model, exported.states) if inside else exported.model,
        labels=source.labels,
        background_labels=source.background_labels,
        timing=timing,
        states=() if inside else tuple(StreamState(**dataclasses.asdict(state)) for state in exported.states),
        post=post,
        operating_points=source.operating_points,
        state_form=state_form,
        extra={"thresholds": "those of the windowed bundle, not chosen on streamed scores"},
    )


def with_points(bundle: StreamBundle, points: dict[str, OperatingPoint]) -> StreamBundle:
    """The bundle with operating points that were chosen on its own scores."""
    extra = {**bundle.extra, "thresholds": "chosen on the run's validation audio, streamed"}
    return dataclasses.replace(bundle, operating_points=points, extra=extra)


def _readme(made: StreamBundle) -> str:
    timing = made.timing
    rate = timing.sample_rate_hz
    return _text("streaming.md").format(
        labels=", ".join(made.labels),
        hop=timing.hop_samples,
        rate=rate,
        hop_s=f"{timing.hop_s:g}",
        lag_s=f"{timing.lag_samples / rate:g}",
        lead_s=f"{timing.lead_samples / rate:g}",
        window_s=f"{timing.window_samples / rate:g}",
        first=timing.first_window_start,
        warm_up=timing.warm_up_hops,
        warm_up_s=f"{timing.warm_up_hops * timing.hop_s:g}",
        interface=_interface(made),
        thresholds="\n".join(f"| {name} | {value:.6g} |" for name, value in made.thresholds.items()),
        origin=made.extra["thresholds"],
        smoothing=made.post.smoothing_windows,
        consecutive=made.post.min_consecutive,
        refractory=made.post.refractory_s,
    )


def _interface(made: StreamBundle) -> str:
    """Who keeps the states, and the model's inputs and outputs."""
    states = "\n".join(
        f"| `{s.input}` | `{s.output}` | {'x'.join(map(str, s.shape))} | {s.type.lower()} | {s.start} |"
        for s in made.states
    )
    return (
        _text(f"streaming_{made.state_form}.md")
        .format(hop=made.timing.hop_samples, label_count=len(made.labels), states=states)
        .rstrip()
    )


def _text(name: str) -> str:
    return resources.files("kwsembed.export_targets").joinpath(name).read_text(encoding="utf-8")
