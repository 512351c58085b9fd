"""The report says whether the parity certificate holds, loudly where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_run import edit_metrics, write_toy_run

from kwsembed.parity.agreement import Agreement, failures
from kwsembed.report import write_report
from kwsembed.report.findings import findings
from kwsembed.report.parity_tables import differences_table, events_table
from kwsembed.report.run_record import read_run
from kwsembed.report.wording import small
from kwsembed.training.outcome import parity

HERE = "litert 2.3"


def certificate(*, score_p99: float = 0.05, unmatched: int = 0) -> dict[str, Any]:
    """A certificate of two levels, with a bound of 0.1 on scores."""
    differences = {"values": 9, "largest": 0.5, "p99": score_p99, "mean": 0.001}
    agreements = [
        Agreement(what, "real", level, computed, against, figures, bounds)
        for level in (0, -60)
        for what, computed, against, figures, bounds in (
            ("log_mel", "NumPy", "float64", {**differences, "largest": 4e-7}, {"largest": 1e-5}),
            ("score", HERE, "the float network", differences, {"p99": 0.1}),
        )
    ]
    counts = {"computed": 7, "against": 7, "matched": 7, "unmatched": unmatched}
    agreements.append(Agreement("events", "real", None, "chunks", "at once", counts, {"unmatched": 0}))
    agreements.append(Agreement("events", "real", None, HERE, "the float network", counts, {}))
    failed = failures(agreements)
    return {
        "version": 1,
        "passed": not failed,
        "failures": failed,
        "computed_with": {"system": "Linux", "machine": "armv7l"},
        "synthetic": {"seed": 0},
        "real": {"split": "test"},
        "agreements": [agreement.to_dict() for agreement in agreements],
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_toy_run(tmp_path / "RUN", with_audio=False, clips_per_label=6, epochs=2)


def certified(run: Path, **figures: Any) -> Path:
    edit_metrics(run, lambda metrics: metrics["chosen"].update(parity=certificate(**figures)))
    return run


def said(run: Path, tone: str) -> str:
    return "\n".join(finding.text for finding in findings(read_run(run)) if finding.tone == tone)


def test_a_certificate_that_holds_is_a_good_finding(run: Path) -> None:
    assert "5 comparisons on golden audio, quiet and loud, keep their bounds" in said(certified(run), "good")


def test_a_certificate_that_fails_is_a_bad_finding_with_its_figures(run: Path) -> None:
    text = said(certified(run, score_p99=0.2, unmatched=1), "bad")
    assert "Parity fails: 3 of 5 comparisons" in text
    assert "score of litert 2.3 against the float network, real audio at 0 dBFS" in text


def test_levels_stand_side_by_side_and_a_row_fails_with_any_of_them(run: Path) -> None:
    record = read_run(certified(run, score_p99=0.2))
    log_mel, score = (differences_table(record, what) for what in ("log_mel", "score"))
    assert log_mel is not None
    assert score is not None
    assert log_mel.columns == ("golden audio", "", "0 dBFS", "−60 dBFS", "allowed")
    texts = [cell.text for cell in log_mel.rows[0]]
    assert texts == ["real: NumPy against float64", "holds", "4e−7", "4e−7", "1e−5"]
    assert [cell.text for cell in score.rows[0][1:]] == ["fails", "0.200", "0.200", "0.100"]
    assert score.rows[0][1].tone == "bad"


def test_counts_without_a_bound_are_to_know_only(run: Path) -> None:
    events = events_table(read_run(certified(run, unmatched=2)))
    assert events is not None
    assert [row[1].text for row in events.rows] == ["fails", "to know"]


def test_the_page_shows_the_certificate_or_that_there_is_none(run: Path) -> None:
    assert "The run holds no parity certificate." in write_report(run).read_text(encoding="utf-8")
    page = write_report(certified(run, score_p99=0.2)).read_text(encoding="utf-8")
    for words in ("litert 2.3, on Linux, armv7l", "0.200", "(allowed 0.1)", '<td class="bad">fails</td>'):
        assert words in page, words


def test_training_says_each_failure_in_a_line() -> None:
    assert list(parity(certificate())) == [
        "parity: 5 comparisons of what ships with what was trained keep their bounds"
    ]
    lines = list(parity(certificate(score_p99=0.2)))
    assert len(lines) == 2
    assert all(line.startswith("FAILURE: parity: score of litert 2.3") for line in lines)


@pytest.mark.parametrize(
    "value, text", [(0.0, "0"), (4.77e-7, "5e−7"), (0.00043, "4e−4"), (0.0314, "0.031"), (None, "–")]
)
def test_small_differences_keep_their_order_of_magnitude(value: float | None, text: str) -> None:
    assert small(value) == text
