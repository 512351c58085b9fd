"""A method of one study against a method of another, such as class weights that were tuned by themselves.

    python -m benchmarks.two_studies STUDY METHOD OTHER_STUDY OTHER_METHOD

Both must have judged the same test clips. What is compared are the imbalances, folds and seeds that both
have, with the intervals that a study's own page has.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from kwsembed import atomic
from kwsembed.comparison.clips import JudgedClips, read_judged_clips
from kwsembed.comparison.contender import YARDSTICK
from kwsembed.comparison.standing import Difference
from kwsembed.comparison.statistics import statistics_of
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.errors import DataError, UserError
from kwsembed.report.intervals import Interval

_FIRST = "first"  # what the first method is called in the study that is put together


def compared(study: Path, method: str, other_study: Path, other_method: str) -> list[Difference]:
    """The first method against the second, one difference for each imbalance that both have.

    Args:
        study: Folder of a study that trained `method`.
        method: Name of a contender as the study's table has it, tuned or not.
        other_study: Folder of a study that trained `other_method`; may be the same.
        other_method: Takes the yardstick's place.

    Raises:
        DataError: A study has no finished cell of its method, the two judged different test clips, or no
            imbalance is in both.
        RunError: A study's files are damaged.
    """
    first, second = StudyFolder(study), StudyFolder(other_study)
    if _test_clips(first) != _test_clips(second):
        raise DataError(
            "the two studies judged different test clips",
            expected=f"the clips of {first.clips}",
            received=f"those of {second.clips}",
            fix="compare studies of the same data and folds",
        )
    with tempfile.TemporaryDirectory() as place:
        joined = StudyFolder(Path(place))
        joined.cells.mkdir()
        shutil.copyfile(first.clips, joined.clips)
        _copy(first, method, joined, _FIRST)
        _copy(second, other_method, joined, YARDSTICK)
        found = statistics_of(joined)
    differences = [] if found is None else list(found.against_yardstick.values())
    shared = [difference for difference in differences if difference.cells]
    if not shared:
        raise DataError(
            "no imbalance, fold and seed is in both studies",
            expected=f"cells that {study} and {other_study} share",
            received="none",
            fix="compare studies with the same --ratios, --folds and --seeds",
        )
    return shared


def _test_clips(folder: StudyFolder) -> dict[int, JudgedClips]:
    judged = read_judged_clips(folder.clips)
    return {fold: clips for (fold, split), clips in judged.items() if split == "test"}


def _copy(source: StudyFolder, method: str, target: StudyFolder, name: str) -> None:
    """Copies the cells of a method's comparison, none of its tuning, under another name."""
    records = [record for record in source.records() if record["trial"] == 0]
    wanted = [record for record in records if record["contender"]["name"] == method]
    if not wanted:
        known = sorted({record["contender"]["name"] for record in records})
        raise DataError(
            "a study has no finished cell of this method",
            expected=f"one of {', '.join(known) or 'its methods'}",
            received=f"method={method!r}",
            where=source.cells,
            fix="name it as the table of the study does",
        )
    for record in wanted:
        cell = f"{name}-{record['name']}"
        renamed = {**record, "contender": {**record["contender"], "name": name}}
        atomic.write_text(target.cells / f"{cell}.json", json.dumps(renamed))
        evidence = source.cells / f"{record['name']}.npz"
        if evidence.exists():  # a failed training left none
            shutil.copyfile(evidence, target.cells / f"{cell}.npz")


def _text(interval: Interval | None, *, scale: float, form: str) -> str:
    if interval is None:
        return "not measured"
    mean, low, high = (format(scale * x, form) for x in (interval.estimate, interval.low, interval.high))
    return f"{mean} ({low} to {high})"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of a study")
    parser.add_argument("method", help="a method of it")
    parser.add_argument("other_study", type=Path, help="folder of a study, the same or another")
    parser.add_argument("other_method", help="a method of that")
    arguments = parser.parse_args()
    try:
        found = compared(arguments.study, arguments.method, arguments.other_study, arguments.other_method)
    except UserError as error:
        raise SystemExit(str(error)) from None
    for difference in found:
        imbalance = f"{difference.ratio:g}:1" if difference.ratio else "whole data"
        print(f"{imbalance}, {difference.cells} pairs of fold and seed, 95 % intervals:")
        print(f"  fewer balanced errors, %  {_text(difference.fewer_errors, scale=100, form='.1f')}")
        print(f"  precision gained          {_text(difference.precision_gain, scale=1, form='.3f')}")
        for rate, fewer in difference.fewer_misses.items():
            print(f"  fewer missed at {rate:g}/h, %   {_text(fewer, scale=100, form='.1f')}")


if __name__ == "__main__":
    main()
