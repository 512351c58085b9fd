"""The tables of the imbalance study say what its published numbers say, and cells make those numbers."""

from __future__ import annotations

import csv
import re
import tarfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kwsembed.comparison.results import tidy_csv
from kwsembed.comparison.study_folder import StudyFolder

PAGES = Path(__file__).parents[1] / "docs"
FILES = PAGES / "imbalance-study"

METRICS = {
    "macro average precision": "macro_average_precision",
    "balanced error": "balanced_error",
    "error without the bias": "balanced_error_without_bias",
}
MISSED = "missed at 3, 10, 30 false alarms an hour"

Numbers = dict[tuple[str, str, str], dict[tuple[str, ...], float]]
"""By contender, imbalance (0 for whole data) and metric: the value on test of each fold, seed and label."""


def numbers_of(path: Path) -> Numbers:
    found: Numbers = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "test":
                key = row["contender"], row["ratio"], row["metric"]
                found[key][row["fold"], row["seed"], row["label"]] = float(row["value"])
    return found


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables_of(section: str) -> list[list[dict[str, str]]]:
    """Markdown tables, each a list of rows by column; a blank first cell repeats the one above it."""
    tables: list[list[dict[str, str]]] = []
    header: list[str] = []
    for line in section.splitlines():
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells_of(line)
            tables.append([])
        elif not set(line) <= set("|-: "):
            row = dict(zip(header, cells_of(line), strict=False))
            if tables[-1] and not row[header[0]]:
                row[header[0]] = tables[-1][-1][header[0]]
            tables[-1].append(row)
    return tables


def imbalance_of(row: dict[str, str]) -> str:
    """As the numbers have it; empty where the row does not say."""
    told = " ".join(row.get(column, "") for column in ("imbalance", "steps, data", "data"))
    ratio = re.search(r"(\d+):1", told)
    return ratio[1] if ratio else "0" if "whole" in told else ""


def contender_of(row: dict[str, str], page: str) -> str:
    """As the numbers name it; the page of the first rates says at its top what it shortens."""
    method = next(text for column, text in row.items() if column.startswith("method"))
    name = re.search(r"`([^`]+)`", method)
    assert name, f"{page}: a method without a name: {row}"
    if page == "imbalance-study-first-rates":
        return re.sub(r"^clustering\b", "clustering:learned_centroids=0", name[1])
    return name[1]


def rows_of_the_pages() -> list[Any]:
    """Every row of a table of methods: what it says, whom of, and the files of numbers last named."""
    found = []
    for page in sorted(PAGES.glob("imbalance-study*.md")):
        files: list[str] = []
        for section in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]:
            files = re.findall(r"\(imbalance-study/([^)]+\.csv)\)", section) or files
            title = section.partition("\n")[0]
            for table in tables_of(section):
                if not {*METRICS, MISSED} & set(table[0]):
                    continue
                for row in table:
                    contender = contender_of(row, page.stem)
                    name = f"{page.stem}, {title}, {imbalance_of(row)}, {contender}"
                    found.append(pytest.param(row, contender, files, id=name))
    return found


def disagreements(row: dict[str, str], contender: str, numbers: Numbers, imbalance: str) -> list[str]:
    """What a row prints that these numbers do not say, by half of its last digit and a rounding's worth."""

    def mean(metric: str) -> float:
        values = list(numbers[contender, imbalance, metric].values())
        return float(np.mean(values)) if values else np.nan  # a study of clips only has no streams

    def paired(metric: str) -> tuple[float, float]:
        of_it, of_weights = numbers[contender, imbalance, metric], numbers["class_weight", imbalance, metric]
        both = of_it.keys() & of_weights.keys()
        return float(np.mean([of_it[key] for key in both])), float(np.mean([of_weights[key] for key in both]))

    wanted: list[tuple[str, float, float]] = []
    for column, text in row.items():
        number = r"(?P<number>[+-]?[\d.]+)"
        if column in METRICS and (found := re.fullmatch(number, text)):
            wanted.append((found["number"], mean(METRICS[column]), 0.00051))
        elif column.startswith("fewer balanced errors") and (found := re.match(rf"\W*?{number} %", text)):
            error, of_weights = paired("balanced_error")
            digits = len(found["number"].partition(".")[2])
            wanted.append((found["number"], 100 * (1 - error / of_weights), 0.51 * 10.0**-digits))
        elif column.startswith("precision gained") and (found := re.match(rf"\W*?{number}\W", text)):
            precision, of_weights = paired("macro_average_precision")
            wanted.append((found["number"], precision - of_weights, 0.00051))
        elif column == MISSED:
            for share, rate in zip(re.findall(r"\d+", text), (3, 10, 30), strict=True):
                missed = 100 * mean(f"miss_rate_at_{rate}_false_alarms_per_hour")
                wanted.append((share, missed, 0.51))
    assert wanted, f"nothing to compare in {row}"
    return [
        f"printed {text}, is {value:.4f}"
        for text, value, bound in wanted
        if not abs(float(text) - value) <= bound
    ]


@pytest.fixture(scope="module")
def published() -> dict[str, Numbers]:
    return {path.name: numbers_of(path) for path in FILES.glob("*.csv")}


@pytest.mark.parametrize(("row", "contender", "files"), rows_of_the_pages())
def test_a_row_of_a_table_says_what_the_numbers_of_its_section_say(row, contender, files, published):
    found = {
        (name, imbalance): disagreements(row, contender, published[name], imbalance)
        for name in files
        for imbalance in {key[1] for key in published[name] if key[0] == contender}
        if imbalance_of(row) in ("", imbalance)
    }
    assert found, f"no numbers of {contender} in {files}"
    assert [] in found.values(), found


ADDED_LATER = ("-further-cells", "-sublabels-cells")
"""Endings of the archives that are to be unpacked over `NAME-cells`, in this order."""


def archives_of_studies() -> list[list[Path]]:
    """The cells of each study: an archive, and after it those that were added to it."""

    def order(path: Path) -> list[bool]:
        return [ending in path.name for ending in reversed(ADDED_LATER)]

    studies: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(FILES.glob("*-cells.tar.xz")):
        name = path.name
        for ending in ADDED_LATER:
            name = name.replace(ending, "-cells")
        studies[name].append(path)
    return [sorted(paths, key=order) for paths in studies.values()]


@pytest.mark.parametrize("archives", archives_of_studies(), ids=lambda paths: paths[0].name)
def test_the_cells_that_one_may_go_on_from_make_the_published_numbers(archives, tmp_path):
    for archive in archives:
        with tarfile.open(archive) as packed:
            packed.extractall(tmp_path, filter="data")
    texts = {path.read_text() for path in FILES.glob("*.csv")}
    studies = [cells.parent for cells in tmp_path.glob("*/cells")]
    assert studies
    for study in studies:
        assert tidy_csv(StudyFolder(study).records()) in texts, f"{study.name}: no file has these numbers"


OPENING_COLUMNS = ("fewer errors on clips", "precision gained", "fewer events missed in streams")
"""Of the tables that README and the study's pages begin with, which repeat what sections below them say."""


def bounds_in(text: str) -> set[tuple[float, float]]:
    """Intervals, in either way that the pages write them: `-9.3 to +32`, or `9.3 more to 32 fewer` errors."""
    number = r"(\d+(?:\.\d+)?)"
    plain = re.findall(rf"([+-]?{number}) to ([+-]?{number})", text)
    crossing = re.findall(rf"{number} (?:% )?(?:more|less) to {number} (?:% )?(?:fewer|more)", text)
    return {(float(low), float(high)) for low, _, high, _ in plain} | {
        (-float(low), float(high)) for low, high in crossing
    }


def opening_tables(page: str) -> tuple[list[str], str]:
    """The rows of a page's opening tables, and all else that it says."""
    rows, rest, inside = [], [], False
    for line in page.splitlines():
        inside = line.startswith("|") and (inside or all(column in line for column in OPENING_COLUMNS))
        (rows if inside else rest).append(line)
    return [row for row in rows if bounds_in(row)], "\n".join(rest)


STUDY_PAGES = [path.read_text() for path in sorted(PAGES.glob("imbalance-study*.md"))]


@pytest.mark.parametrize(
    "row",
    [
        row
        for page in (PAGES.parent.joinpath("README.md").read_text(), *STUDY_PAGES)
        for row in opening_tables(page)[0]
    ],
)
def test_a_row_of_an_opening_table_has_intervals_that_the_studys_sections_have(row):
    sections = bounds_in("\n".join(opening_tables(page)[1] for page in STUDY_PAGES))
    assert bounds_in(row) <= sections, f"no section has {bounds_in(row) - sections}"
