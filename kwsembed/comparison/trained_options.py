"""Which options a cell was trained with: a name such as `clustering` stands for the defaults of its day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kwsembed.comparison.contender import Contender
from kwsembed.errors import RunError
from kwsembed.methods import PRETRAININGS, REBALANCINGS, parse_method

_BEFORE_THERE_WAS_ONE = {"learned_centroids": 0.0}
"""What cells did, in values of an option, that were trained by a version which did not know it yet."""


def options_of(contender: Contender) -> dict[str, dict[str, float]]:
    """All options of a contender's methods, defaults included.

    Example:
        >>> from kwsembed.comparison.contender import parse_contender
        >>> options_of(parse_contender("siamese/frozen"))
        {'rebalance': {'strength': 1.0}, 'pretrain': {'margin': 1.0}}
    """
    return _options(contender.pretrain, contender.rebalance)


def refuse_other_options(records: Iterable[Mapping[str, Any]], *, where: Path) -> None:
    """Checks that finished cells were trained with what their names stand for now.

    Args:
        records: Of finished cells.
        where: File or folder to name in an error.

    Raises:
        RunError: A cell was trained when its name stood for another default.
    """
    for record in records:
        for text, option, was, now in _changed(record):
            called = f"{text}{',' if ':' in text else ':'}{option}={was:g}"
            raise RunError(
                f"the folder holds cells of {text} from before its default {option} changed",
                expected=f"{option}={now:g}, which {text} stands for now",
                received=f"{option}={was:g}",
                where=where,
                fix=f"choose another --out; what these cells are is called {called} now",
            )


def _changed(record: Mapping[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """Methods, and their options that the name leaves open and whose defaults were others: then and now."""
    named, trained = record["contender"], record.get("options", {})
    for kind, options in _options(named.get("pretrain"), named["rebalance"]).items():
        then = trained.get(kind, {})
        for option, now in options.items():
            was = then.get(option, _BEFORE_THERE_WAS_ONE.get(option, now))
            if was != now and f"{option}=" not in named[kind]:
                yield named[kind], option, was, now


def _options(pretrain: str | None, rebalance: str) -> dict[str, dict[str, float]]:
    found = {"rebalance": parse_method(rebalance, REBALANCINGS, kind="method")[1]}
    if pretrain is not None:
        found["pretrain"] = parse_method(pretrain, PRETRAININGS, kind="method")[1]
    return found
