"""How many wrong labels a run finds: `python -m benchmarks.planted_labels DATA --out DIR`

Copies the data, gives some clips of every split another label, trains as `kwsembed train` does, and counts
which of them are among the run's labels to check. Options that it does not know go to `kwsembed train`.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.cli.main import main as kwsembed
from kwsembed.manifest import Manifest, manifest_text, read_manifest

_COUNTED = (12, 25, 50, 100)  # of the first so many suspects


def plant(manifest: Manifest, *, share: float, seed: int) -> tuple[Manifest, dict[str, str]]:
    """The manifest with wrong labels, and by path what was right.

    Clips are drawn evenly, events and background alike, and so is the wrong label. Sublabels, which would
    tell, are dropped.

    Args:
        manifest: The data.
        share: How many of the clips get a wrong label, 0 to 1.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    right: dict[str, str] = {}
    clips = []
    for clip in manifest.clips:
        label = clip.label
        if random.random() < share:
            label = str(random.choice([other for other in manifest.labels if other != clip.label]))
            right[clip.name] = clip.label
        clips.append(dataclasses.replace(clip, label=label, sublabel=None))
    return dataclasses.replace(manifest, clips=tuple(clips)), right


def counted(suspects: Sequence[dict[str, str]], right: dict[str, str], splits: dict[str, str]) -> list[str]:
    """Lines on how many planted labels are among the suspects, and with the right label suggested."""
    hit = [row["path"] in right for row in suspects]
    named = sum(right.get(row["path"]) == row["suggested"] for row in suspects)
    lines = [
        f"{len(right)} wrong labels planted, {len(suspects)} clips suspected, {sum(hit)} of them rightly "
        f"({named} with the right label suggested)"
    ]
    lines += [f"of the first {most}: {sum(hit[:most])}" for most in _COUNTED if most < len(suspects)]
    for split in ("train", "validation", "test"):
        planted = sum(splits[path] == split for path in right)
        own = [wrong for row, wrong in zip(suspects, hit, strict=True) if row["split"] == split]
        lines.append(f"{split}: {planted} planted, {len(own)} suspected, {sum(own)} rightly")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", help="folder of classes, or manifest")
    parser.add_argument("--out", type=Path, required=True, help="folder to make: copy of the data, run")
    parser.add_argument("--share", type=float, default=0.05, help="of the clips (default: 0.05)")
    parser.add_argument("--plant-seed", type=int, default=0)
    asked, further = parser.parse_known_args(arguments)
    manifest, right = plant(read_manifest(asked.data), share=asked.share, seed=asked.plant_seed)
    copy = asked.out / "data"
    for clip in manifest.clips:
        (copy / clip.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip.path, copy / clip.name)
    atomic.write_text(copy / "manifest.csv", manifest_text(manifest))
    run = asked.out / "RUN"
    background = [option for label in manifest.background_labels for option in ("--background", label)]
    if kwsembed(["train", str(copy / "manifest.csv"), "--out", str(run), *background, *further]):
        raise SystemExit(2)
    with (run / "details" / "suspected_labels.csv").open(encoding="utf-8", newline="") as file:
        suspects = list(csv.DictReader(file))
    with (run / "data.csv").open(encoding="utf-8", newline="") as file:
        splits = {row["path"]: row["split"] for row in csv.DictReader(file)}
    print("\n".join(counted(suspects, right, splits)))


if __name__ == "__main__":
    main()
