"""Writes the report's page: gathers findings, tables and plots, and fills the template with them."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from kwsembed import atomic
from kwsembed.report import (
    data_tables,
    findings,
    label_suspects,
    model_tables,
    parity_tables,
    plots,
    point_tables,
    run_facts,
    wording,
)
from kwsembed.report.clip_player import playable
from kwsembed.report.embedding_view import embedding_view
from kwsembed.report.run_record import RunRecord, read_run
from kwsembed.report.worst import worst_clips


def write_report(run_dir: str | Path) -> Path:
    """Writes RUN/report.html from the run directory alone, so that it can be written anew at any time.

    Args:
        run_dir: The run directory; all but its metrics.json may be missing, and the page says what is.

    Returns:
        The path of the page: one file that needs no network and no JavaScript.

    Raises:
        RunError: `run_dir` holds no readable metrics.json.

    Example:
        >>> write_report("RUN")  # doctest: +SKIP
        PosixPath('RUN/report.html')
    """
    path = Path(run_dir) / "report.html"
    atomic.write_text(path, render(read_run(run_dir)))
    return path


def render(run: RunRecord) -> str:
    """The page as HTML; equal runs give equal pages."""
    root = run.metrics.get("data", {}).get("root")
    folder = Path(root) if root else None
    precision_recall = {
        label: plots.precision_recall(run, label, number) for number, label in enumerate(run.event_labels)
    }
    detection = {
        label: plots.misses_against_false_alarms(run, label, number)
        for number, label in enumerate(run.event_labels)
    }
    return (
        page_environment("kwsembed.report")
        .get_template("template.html")
        .render(
            run=run,
            data=run.metrics.get("data", {}),
            headline=findings.headline(run),
            findings=findings.findings(run),
            key_figures=run_facts.key_figures(run),
            clips=data_tables.clips_table(run),
            composition=data_tables.composition_table(run),
            learning=[(run.name_of(stage), *plots.learning_curves(run, stage)) for stage in run.history],
            variants=model_tables.variants_table(run),
            precision=model_tables.precision_table(run),
            precision_recall=precision_recall,
            detection=detection,
            confusion=model_tables.confusion_table(run),
            operating=model_tables.operating_table(run),
            other_points=point_tables.other_points_table(run),
            settings=point_tables.settings_table(run),
            quantisation=model_tables.quantisation_table(run),
            float_against_int8=plots.float_against_int8(run),
            parity=parity_tables.certificate(run),
            parity_made_with=parity_tables.made_with(run),
            log_mel_differences=parity_tables.differences_table(run, "log_mel"),
            score_differences=parity_tables.differences_table(run, "score"),
            parity_events=parity_tables.events_table(run),
            embeddings=embedding_view(run),
            worst=[(clip, playable(clip.clip, root=folder)) for clip in worst_clips(run)],
            suspects=[
                (suspect, playable(suspect.clip, root=folder)) for suspect in label_suspects.suspects(run)
            ],
            suspects_in_all=label_suspects.summary(run),
            suspects_as_learned=run.metrics.get("labels_to_check", {}).get("training_clips_as_learned"),
            sizes=run_facts.sizes_table(run),
            durations=run_facts.durations_table(run),
            versions=run_facts.versions_table(run),
        )
        .lstrip()
    )


def page_environment(*packages: str) -> Environment:
    """What pages are rendered with: templates of the packages, and the filters that they share.

    Args:
        packages: Packages that hold templates; an earlier one's win.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ".") for package in packages]),
        autoescape=True,  # labels, file names and paths come from the user's data
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": wording.percent,
        "decimal": wording.decimal,
        "counted": wording.counted,
        "prose": _prose,
        "breakable": _breakable,
        "svg": Markup,  # drawn here, with all text in it escaped by matplotlib
    }
    return environment


def _prose(text: str) -> Markup:
    """Escaped text in which `backticks` stand for code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _breakable(name: str) -> Markup:
    """Escaped text that a narrow column breaks where a method's name has its joints, not within a word."""
    return Markup("<wbr>").join(re.split(r"(?<=[+:,=/_])(?=\w)", name))
