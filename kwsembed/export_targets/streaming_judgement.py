"""What a streaming model scores on a run's streams, so that its thresholds are chosen on its own scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from kwsembed.detection.replay import ScoredStream
from kwsembed.evaluation.judge import Judgement, SplitAudio
from kwsembed.evaluation.streams import Stream
from kwsembed.runtime.streaming import StreamingClassifier
from kwsembed.stream_bundle import StreamBundle, StreamTiming


def judge_streams(bundle: StreamBundle, audio: SplitAudio, *, runtime: str | None = None) -> Judgement:
    """Plays the streams of a split to a streaming model.

    Args:
        bundle: The model; its thresholds play no part.
        audio: The split.
        runtime: Interpreter to use, see `load_interpreter`.

    Returns:
        The judgement, without clip evidence: a streaming model judges no clips.
    """
    classifier = StreamingClassifier(bundle, runtime=runtime)

    def heard(streams: Iterable[Stream]) -> list[ScoredStream]:
        return [scored(classifier, bundle.timing, stream) for stream in streams]

    return Judgement(
        evidence=np.zeros((0, len(audio.labels))),
        negatives=heard(audio.negative_streams()),
        positives={label: heard(audio.positive_streams(label)) for label in bundle.event_labels},
        audio=audio,
        post=bundle.post,
    )


def scored(classifier: StreamingClassifier, timing: StreamTiming, stream: Stream) -> ScoredStream:
    """A stream from the first score after the warm-up on; its events are moved to where that is time 0."""
    classifier.reset()
    tail = np.zeros(timing.lag_samples + timing.hop_samples, np.float32)  # as the detector ends a stream
    scores = classifier.process(np.concatenate([stream.waveform, tail]))[timing.warm_up_hops :]
    shift_s = timing.first_start_s
    events = tuple(
        replace(event, onset_s=event.onset_s - shift_s, offset_s=event.offset_s - shift_s)
        for event in stream.events
    )
    return ScoredStream(scores, len(stream.waveform) / timing.sample_rate_hz - shift_s, events)
