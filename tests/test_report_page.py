"""The page: it shows what a run holds, says what is missing, fetches nothing, and is the same each time."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import wave
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from toy_run import edit_metrics, write_toy_run

from kwsembed.errors import RunError
from kwsembed.report import label_suspects, write_report
from kwsembed.report.page import render
from kwsembed.report.point_tables import other_points_table, settings_table
from kwsembed.report.run_record import read_run

SECTIONS = (
    "findings",
    "data",
    "learning",
    "variants",
    "detection",
    "classes",
    "int8",
    "embeddings",
    "worst",
    "labels",
    "run",
)
VOID = {"meta", "link", "img", "br", "path", "use", "circle", "rect", "line", "input", "wbr"}


class Page(HTMLParser):
    """Collects text, elements and attributes, and checks that every element is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._within_word = False
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._within_word = tag == "wbr"
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        if self._within_word:
            self.words[-1] += data
        elif not self._open or self._open[-1] != "style":
            self.words.append(data)
        self._within_word = False

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [found for _, attributes in self.elements if (found := attributes.get(attribute))]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_toy_run(tmp_path_factory.mktemp("page") / "RUN", false_alarms=1, clips_per_label=12)
    write_report(run)
    return run


@pytest.fixture(scope="module")
def html(run):
    return (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def without(run, tmp_path, change):
    """The page of a copy of the run after `change(copy)`."""
    copy = tmp_path / "RUN"
    shutil.copytree(run, copy)
    change(copy)
    return Page(write_report(copy).read_text(encoding="utf-8"))


def test_it_shows_every_part_of_the_run(page):
    assert set(SECTIONS) <= set(page.values("id"))
    for words in (
        "kwsembed train sounds --out RUN", "with seed 7", 'backbone = "ds_cnn"', "dog/torn.ogg",
        "it holds no audio",
        "class weights only", "pretrained, frozen", "pretrained, end to end", "prevalence", "true label",
        "500.0 kB", "310 µs", "3 min 20 s", "1.26.4", "Silhouette", "proven below", "32,644",
    ):  # fmt: skip
        assert words in page.text, words
    drawn = [label for label in page.values("aria-label") if label != "Sections"]
    assert sum("Precision against recall" in label for label in drawn) == 2  # one for each event
    assert sum("Miss rate against false alarms" in label for label in drawn) == 2
    assert sum("2-D view" in label for label in drawn) == 3
    assert sum("Float score against int8" in label for label in drawn) == 1


def test_it_fetches_nothing_and_runs_nothing(html, page):
    assert not [tag for tag, _ in page.elements if tag in ("script", "iframe", "object", "embed")]
    targets = [v for name in ("src", "href", "xlink:href", "srcset", "action") for v in page.values(name)]
    assert targets
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert not re.search(r"url\((?!#)|@import|@font-face|https?://(?!www\.w3\.org/)", html)


def test_the_browser_is_told_to_fetch_and_run_nothing(html, page):
    [policy] = [
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    assert html.index("Content-Security-Policy") < html.index("<style"), "it holds for what follows it"
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    needed = {"img": "img-src", "audio": "media-src"}
    for tag, attributes in page.elements:
        if tag in needed and attributes.get("src"):
            assert attributes["src"].startswith(allowed[needed[tag]]), tag
    assert allowed["style-src"] == "'unsafe-inline'"
    assert "script-src" not in allowed


def test_every_reference_inside_a_drawing_is_met_and_no_id_comes_twice(html, page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:xlink:href="|url\()#([\w-]+)', html)) <= set(ids)


def test_it_is_one_small_file_and_the_same_each_time(run, html):
    assert html.startswith("<!DOCTYPE html>")
    assert len(html.encode()) < 6_000_000
    assert write_report(str(run)) == run / "report.html"
    assert (run / "report.html").read_text(encoding="utf-8") == html


def test_worst_errors_can_be_played(page):
    sounds = [attributes["src"] for tag, attributes in page.elements if tag == "audio"]
    assert len(sounds) == 12 + 2  # with the labels to check
    with wave.open(io.BytesIO(base64.b64decode(sounds[0].removeprefix("data:audio/wav;base64,")))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getnframes()) == (16000, 1, 8000)


def test_labels_to_check_are_named_with_what_they_sound_like(run, page):
    sentence = "2 clips sound more like another label than like their own: "
    assert page.text.count(sentence) == 2  # among the findings, and over the clips
    first, second = read_run(run).suspected_labels
    assert f"{first['label']}, or {first['suggested']}?" in page.text
    assert f"of {second['suggested']} most like {second['nearest']}" in " ".join(page.text.split())


def test_of_many_labels_those_with_the_most_clips_to_check_are_named(run):
    def told(labels):
        record = replace(read_run(run), suspected_labels=[{"label": label} for label in labels])
        return label_suspects.summary(record)

    assert told("abb").endswith("2 of b and 1 of a.")
    assert told("abbccdde").endswith("2 of b, 2 of c, 2 of d, 1 of a and 1 of e.")
    assert told("aabbccddefg").endswith("2 of a, 2 of b, 2 of c, 2 of d and 3 of other labels.")
    assert told("a") == "1 clip sounds more like another label than like its own: 1 of a."


def test_how_training_clips_were_judged_is_said(run, page, tmp_path):
    assert "learned wrong labels by heart" in page.text
    shutil.copytree(run, tmp_path / "RUN")
    metrics = json.loads((tmp_path / "RUN" / "metrics.json").read_text())
    metrics["labels_to_check"] = {"clips": 2, "training_clips_as_learned": True}
    (tmp_path / "RUN" / "metrics.json").write_text(json.dumps(metrics))
    html = render(read_run(tmp_path / "RUN"))
    assert "on average over its training" in html
    assert "by heart" not in html


def test_a_run_without_suspects_says_so(run, tmp_path):
    shutil.copytree(run, tmp_path / "RUN")
    (tmp_path / "RUN" / "details" / "suspected_labels.csv").unlink()
    html = render(read_run(tmp_path / "RUN"))
    assert "No clip sounds clearly more like another label" in html


def test_nothing_from_the_data_becomes_markup(tmp_path):
    bad = '<script>alert("x")</script>&$x_1$'
    run = write_toy_run(tmp_path / "RUN", events=(bad, "dog"), clips_per_label=12)

    def poison(metrics):
        metrics["command"] = metrics["data"]["source"] = bad
        metrics["data"]["warnings"] = [f"{bad} `code`"]
        metrics["data"]["skipped"] = [{"name": bad, "reason": bad}]
        metrics["versions"]["numpy"] = bad
        metrics["chosen"]["criterion"] = bad

    edit_metrics(run, poison)
    html = write_report(run).read_text(encoding="utf-8")
    assert "<script" not in html
    page = Page(html)
    assert page.text.count(bad) > 10
    assert any(bad in label for label in page.values("aria-label"))


def test_missing_files_are_said_in_words(run, tmp_path):
    def forget(copy):
        shutil.rmtree(copy / "details")
        (copy / "config.toml").unlink()

    text = without(run, tmp_path, forget).text
    for words in (
        "The run holds no learning curves",
        "The run holds no scores of single clips",
        "there are no curves of misses against false alarms",
        "there are no curves of precision and recall",
        "The run holds no embeddings",
        "The run holds no config.toml",
    ):
        assert words in text


def test_without_the_list_of_clips_their_audio_is_not_guessed(run, tmp_path):
    page = without(run, tmp_path, lambda copy: (copy / "data.csv").unlink())
    assert "The run does not say where this clip's audio is" in page.text
    assert "audio" not in [tag for tag, _ in page.elements]


def test_metrics_alone_with_nothing_in_them_still_give_a_page(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    text = Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    assert "Trained, but not measured" in text
    for words in (
        "No variant was measured",
        "No operating point was measured",
        "unknown command",
        "not measured",
    ):
        assert words in text


def test_nulls_and_missing_keys_are_shown_as_unknown(run, tmp_path):
    def thin(copy):
        def change(metrics):
            for split in ("validation", "test"):
                figures = metrics["chosen"]["int8"][split]["per_class"]["siren"]
                for key in figures:
                    figures[key] = None if key != "clips" else 0
            metrics["chosen"]["latency_us"] = {}
            del (
                metrics["chosen"]["size_bytes"],
                metrics["class_weights"],
                metrics["versions"],
            )
            metrics["variants"]["frozen"] = None
            metrics["stage_s"]["pretrain"] = None

        edit_metrics(copy, change)
        curves = json.loads((copy / "details/curves.json").read_text())
        curves["siren"] = {"test": {**curves["dog"]["test"], "miss_rate": [None] * 3, "events": 0}}
        (copy / "details/curves.json").write_text(json.dumps(curves))

    page = without(run, tmp_path, thin)
    assert "no event" in page.text
    assert "pretraining not recorded" in page.text
    assert "all that were recorded 2 min" in page.text
    assert "Without a curve, for want of events or of audio without them in test: siren." in page.text
    assert not re.search(r"\b(None|nan|inf)\b", page.text)


def test_without_a_test_split_validation_is_shown(tmp_path):
    page = Page(
        write_report(write_toy_run(tmp_path / "RUN", splits=("validation",))).read_text(encoding="utf-8")
    )
    assert "There is no test split." in page.text
    assert "over validation audio" in page.text
    assert [tag for tag, _ in page.elements].count("audio") == 12 + 2


def test_sublabels_that_were_trained_on_are_counted(run, page, tmp_path):
    def divide(copy):
        edit_metrics(copy, lambda metrics: metrics["data"].update(sublabels=["dog/", "noise/", "noise/rain"]))

    assert "divided further into 3 sublabels" in without(run, tmp_path, divide).text
    assert "sublabels" not in page.text


def test_audio_that_is_gone_or_outside_is_said_so(run, tmp_path):
    def move(copy):
        edit_metrics(copy, lambda m: m["data"].update(root=str(tmp_path / "nowhere")))

    page = without(run, tmp_path, move)
    assert "The audio is no longer where it was during training" in page.text
    assert "audio" not in [tag for tag, _ in page.elements]


def test_one_epoch_one_label_and_a_collapsed_embedding_are_drawn(tmp_path):
    run = write_toy_run(tmp_path / "RUN", events=("dog",), epochs=1, clips_per_label=12, with_audio=False)
    with np.load(run / "details/embeddings.npz") as arrays:
        np.savez(run / "details/embeddings.npz", **{**arrays, "chosen": np.ones((24, 8), np.float32)})
    page = Page(write_report(run).read_text(encoding="utf-8"))
    text = page.text
    assert "after the only epoch" in text
    assert re.search(r"\b1 epoch\b", text), "the only tick of the axis, then its name"
    assert "0.96 " not in text, "no tick inside an epoch"
    assert "The network that was kept" in text


@pytest.mark.slow
def test_eighteen_keywords_give_a_page_of_bounded_size(tmp_path):
    words = [f"word_{i}" for i in range(16)]
    run = write_toy_run(
        tmp_path / "RUN", events=words, backgrounds=("_silence_", "_unknown_"), clips_per_label=6
    )
    path = write_report(run)
    assert path.stat().st_size < 6_000_000
    page = Page(path.read_text(encoding="utf-8"))
    assert sum("Miss rate against" in label for label in page.values("aria-label")) == 16


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_that_is_no_run_is_refused_and_nothing_is_written(tmp_path, content):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(RunError, match=r"kwsembed train --out"):
        write_report(tmp_path)
    assert not list(tmp_path.glob("*.html"))


def test_a_label_without_events_has_no_curve_and_is_still_reported(tmp_path):
    run = write_toy_run(tmp_path / "RUN")
    curves = json.loads((run / "details" / "curves.json").read_text())
    label = next(iter(curves))
    for by_split in curves[label].values():
        by_split.update(miss_rate=None, events=0)
    (run / "details" / "curves.json").write_text(json.dumps(curves))

    html = write_report(run).read_text()

    assert html.count("Miss rate against false alarms per hour for") == len(curves) - 1
    assert f"Miss rate against false alarms per hour for {label}" not in html


def test_other_points_and_settings_are_shown_where_the_run_has_them(tmp_path):
    run = write_toy_run(tmp_path / "RUN")
    metrics = json.loads((run / "metrics.json").read_text())
    settings = [
        {"smoothing_windows": windows, "min_consecutive": 1, "refractory_s": 1.0} for windows in range(1, 10)
    ]
    metrics["chosen"]["setting"] = {
        **settings[0],
        "criterion": "fewest misses",
        "default": settings[8],
        "candidates": [{**one, "miss_rate": 0.1 * rank} for rank, one in enumerate(settings)],
    }
    (run / "metrics.json").write_text(json.dumps(metrics))
    record = read_run(run)

    tried = settings_table(record)
    assert [row[0].text for row in tried.rows] == ["1", "2", "3", "4", "5", "6", "9"]
    assert (tried.rows[0][-1].text, tried.rows[-1][-1].text) == ("chosen", "default")

    points = other_points_table(record)
    # The curve's three points: 18, 9 and 0 of 30 missed, with none, 2 and 28 false alarms in 0.31 h.
    assert [row[5].text for row in points.rows] == ["18 of 30 (60 %)", "9 of 30 (30 %)", "0 of 30 (0 %)"] * 2
    assert points.rows[0][6].text == "42 % to 75 %"

    html = render(record)
    assert "Other points to choose" in html
    assert "Settings of the detector" in html
    bare = replace(record, curves={}, metrics={**record.metrics, "chosen": {"variant": "end_to_end"}})
    assert settings_table(bare) is None
    assert other_points_table(bare) is None
    assert "Settings of the detector" not in render(bare)
