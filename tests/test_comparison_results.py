"""What a study writes from its cells, however few: the table and the page."""

from __future__ import annotations

import csv
import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from test_report_page import Page
from toy_study import plan_of, write_toy_study

from kwsembed.comparison.results import COLUMNS, write_results

SECTIONS = ("findings", "imbalance-1", "imbalance-2", "embeddings", "study")


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """A tenth of the draws, which are as good for what is tested here."""
    from kwsembed.comparison import bootstrap, statistics

    monkeypatch.setattr(bootstrap, "RESAMPLES", 200)
    original = statistics.statistics_of
    monkeypatch.setattr(
        "kwsembed.comparison.page.statistics_of", lambda folder: original(folder, resamples=200)
    )


def written(folder):
    said = []
    path = write_results(folder, say=said.append)
    assert path == folder.page
    return Page(path.read_text(encoding="utf-8")), said


def test_the_table_has_one_row_a_number_and_the_numbers_are_the_records(tmp_path):
    folder = write_toy_study(tmp_path, plan_of(), streams=True)
    written(folder)
    with folder.results.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    for record in folder.records():
        of_cell = {
            (row["split"], row["label"], row["metric"]): float(row["value"])
            for row in rows
            if (row["contender"], int(row["fold"])) == (record["contender"]["name"], record["fold"])
        }
        for split in ("validation", "test"):
            expected = record[split]["balanced_error"]
            assert of_cell[split, "", "balanced_error"] == pytest.approx(expected, rel=1e-5)
        dog = record["test"]["per_class"]["dog"]["average_precision"]
        assert of_cell["test", "dog", "average_precision"] == pytest.approx(dog, rel=1e-5)
        assert of_cell["test", "siren", "miss_rate"] == 0.25
        at_rates = record["test"]["per_class"]["dog"]["miss_rate_at_false_alarms_per_hour"]
        at_10 = of_cell["test", "dog", "miss_rate_at_10_false_alarms_per_hour"]
        assert at_10 == pytest.approx(at_rates["10"], rel=1e-5)
        assert of_cell["train", "", "failed"] == 0
        assert ("validation", "noise", "within") not in of_cell, "undefined numbers have no row"
    keys = [(*row.values(),)[:-1] for row in rows]
    assert len(keys) == len(set(keys))


def test_the_page_shows_every_part_of_a_study(tmp_path):
    folder = write_toy_study(tmp_path, plan_of(ratios=(0.0, 100.0)), streams=True, failing=("none",))
    page, said = written(folder)
    assert set(SECTIONS) <= set(page.values("id"))
    for text in (
        "clustering has", "fewer balanced errors than class weights", "95 % interval", "verdict",
        "kwsembed compare sounds --out STUDY", "the loss is not finite", "1.26.4",
        "config.schedule.batch_size",
        "On the data as they are", "At 100:1", "p (Holm)", "clustering against siamese",
        "false alarms per h", "Misses at equal false alarms, in streams", "at 10 false alarms an hour",
        "against class weights at equally many false alarms: clustering has",
    ):  # fmt: skip
        assert text in page.text, text
    assert said[0] in page.text
    drawn = page.values("aria-label")
    for start in (
        "Fewer balanced errors by each method at 100:1",
        "Macro average precision gained by each method on the data as they are",
        "Average precision of siren by each method at 100:1",
        "Miss rate against false-alarm rate on clips for all events",
        "Effective rank of each method's embedding",
        "Spread within classes against",
        "Fewer balanced errors, against class weights, by imbalance",
        "Macro average precision gained, against class weights, by imbalance",
    ):
        assert any(label.startswith(start) for label in drawn), start


def test_the_page_fetches_nothing_and_runs_nothing_and_is_the_same_each_time(tmp_path):
    folder = write_toy_study(tmp_path, plan_of())
    page, _ = written(folder)
    html = folder.page.read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert not [tag for tag, _ in page.elements if tag in ("script", "iframe", "object", "embed")]
    targets = [v for name in ("src", "href", "xlink:href", "srcset", "action") for v in page.values(name)]
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert not re.search(r"url\((?!#)|@import|@font-face|https?://(?!www\.w3\.org/)", html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:xlink:href="|url\()#([\w-]+)', html)) <= set(ids)
    written(folder)
    assert folder.page.read_text(encoding="utf-8") == html
    assert not re.search(r"\b(None|nan|inf)\b", page.text)


def test_a_study_without_a_cell_has_a_page_that_says_so(tmp_path):
    plan = plan_of(contenders=("class_weight",))
    page, said = written(write_toy_study(tmp_path, plan, leave_out=("class_weight",)))
    assert said[0] == "No training is finished yet"
    assert said[0] in page.text


def test_without_the_yardstick_the_page_says_so_instead_of_failing(tmp_path):
    page, _ = written(write_toy_study(tmp_path, plan_of(), leave_out=("class_weight",)))
    assert "No training with class weights is finished yet" in page.text
    assert "Nothing to compare with class weights yet" in page.text
    assert "8 of 10 trainings are done" in page.text


def test_nothing_from_the_data_becomes_markup(tmp_path):
    folder = write_toy_study(tmp_path, plan_of(contenders=("class_weight", "none"), folds=(1,)))
    folder.claim(plan_of(), command='kwsembed compare "<script>alert(1)</script>"')
    page, _ = written(folder)
    assert "<script" not in folder.page.read_text(encoding="utf-8")
    assert '"<script>alert(1)</script>"' in page.text


def test_a_long_name_may_be_broken_at_its_joints_and_not_within_a_word(tmp_path):
    name = "clustering+class_weight:strength=0.5"
    plan = plan_of(contenders=("class_weight", name))
    folder = write_toy_study(tmp_path, plan, strengths={"class_weight": 1.0, name: 4.0})
    page, _ = written(folder)
    html = folder.page.read_text(encoding="utf-8")
    assert '<th scope="row">clustering+<wbr>class_<wbr>weight:<wbr>strength=<wbr>0.5</th>' in html
    assert name in page.text


def test_figures_of_the_page_can_be_taken_out_and_stand_by_themselves(tmp_path):
    from benchmarks.page_figure import standing_alone

    folder = write_toy_study(tmp_path, plan_of(ratios=(0.0, 100.0)))
    written(folder)
    page = folder.page.read_text(encoding="utf-8")
    headings = [
        "Fewer balanced errors, against imbalance",
        "Macro average precision gained, against imbalance",
    ]
    text = standing_alone(page, headings)
    drawing = ElementTree.fromstring(text)
    assert "var(" not in text, "colours are the page's no more"
    assert drawing.get("viewBox").startswith("0 0 880 ")
    words = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    for expected in (*headings, "class_weight", "clustering"):
        assert expected in words
    with pytest.raises(SystemExit, match=r"no 'Nothing'.*Fewer balanced errors, against imbalance"):
        standing_alone(page, ["Nothing"])
