"""The report of a training run: one self-contained HTML page, computed from the run directory alone."""

from kwsembed.report.page import write_report

__all__ = ["write_report"]
