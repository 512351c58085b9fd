"""How many clips are found again when they are encoded anew: `python -m benchmarks.encoded_anew DATA`

What `--noise` and `--unlabelled` leave out: clips are trimmed by a twentieth, made softer, and written as Ogg
Vorbis, as MP3 or at another rate in turn. With `--recordings DIR` also how many recordings of a folder, none
of which should be, are taken for a clip.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from kwsembed.audio import decode
from kwsembed.audio.resample import resample
from kwsembed.data.recordings import recordings_in
from kwsembed.data.same_sound import apart_from_clips
from kwsembed.manifest import Clip, read_manifest

_TRIMMED = 0.05
_LEVEL = 0.4
_OTHER_RATE_HZ = 22050


def write_anew(clip: Clip, path: Path, kind: int) -> None:
    """Writes a clip as Ogg Vorbis (0), MP3 (1) or FLAC at another rate (2); `path` is without suffix."""
    waveform, rate_hz = decode.read(clip.path)
    start_s, stop_s = clip.part_s()
    waveform = waveform[round(start_s * rate_hz) : min(len(waveform), round(stop_s * rate_hz))]
    copy = _LEVEL * waveform[round(_TRIMMED * len(waveform)) :]
    if kind == 0:
        soundfile.write(path.with_suffix(".ogg"), copy, rate_hz, format="OGG", subtype="VORBIS")
    elif kind == 1:
        soundfile.write(path.with_suffix(".mp3"), copy, rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    else:
        soundfile.write(path.with_suffix(".flac"), resample(copy, rate_hz, _OTHER_RATE_HZ), _OTHER_RATE_HZ)


def left_out(clips: Sequence[Clip], folder: Path, cache_dir: Path) -> tuple[int, int]:
    """Recordings of a folder that are taken for clips, and how many there are."""
    files = recordings_in(str(folder), setting="recordings", kind="recordings")
    kept, _ = apart_from_clips(clips, files, folder=folder, cache_dir=cache_dir, kind="recording")
    return len(files) - len(kept), len(files)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("data", help="folder with a folder per class, or a CSV manifest")
    parser.add_argument("--clips", type=int, default=120, help="how many are encoded anew (default: 120)")
    parser.add_argument("--recordings", metavar="DIR", help="a folder that holds no clip of the data")
    parser.add_argument("--seed", type=int, default=0, help="of which clips (default: 0)")
    args = parser.parse_args(arguments)
    clips = read_manifest(Path(args.data)).clips
    chosen = np.random.default_rng(args.seed).choice(len(clips), min(args.clips, len(clips)), replace=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "anew"
        folder.mkdir()
        for turn, index in enumerate(chosen):
            write_anew(clips[index], folder / f"{index}", turn % 3)
        found, count = left_out(clips, folder, Path(name))
        print(f"encoded anew: {found} of {count} found among {len(clips)} clips")
        if args.recordings:
            taken, count = left_out(clips, Path(args.recordings), Path(name))
            print(f"{args.recordings}: {taken} of {count} taken for a clip")


if __name__ == "__main__":
    main()
