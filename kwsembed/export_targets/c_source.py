"""Writing tables as C source."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

_COLUMNS = 110


def define(name: str, value: object) -> str:
    """`#define NAME VALUE`; floats as C floats.

    Example:
        >>> define("KWSEMBED_HOP_S", 0.25)
        '#define KWSEMBED_HOP_S 0.25f'
    """
    return f"#define {name} {literal(value)}"


def literal(value: object) -> str:
    """A number or a text as C writes it; a float with all the digits of float32."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float | np.floating):
        text = f"{float(np.float32(value)):.9g}"
        return f"{text}f" if any(mark in text for mark in ".e") else f"{text}.0f"
    return str(value)


def array(declaration: str, values: np.ndarray | Sequence[str]) -> str:
    """A constant array of one or two axes.

    Args:
        declaration: Such as `const float kwsembed_window[]`.
        values: Numbers `(n,)` or `(rows, n)`, or texts.

    Example:
        >>> print(array("const int8_t row[]", np.array([1, -2], np.int8)))
        const int8_t row[] = {
          1, -2
        };
    """
    if isinstance(values, np.ndarray) and values.ndim == 2:
        rows = ",\n".join("  {" + _wrapped(row).strip() + "}" for row in values)
        return f"{declaration} = {{\n{rows}\n}};"
    return f"{declaration} = {{\n{_wrapped(values)}\n}};"


def _wrapped(values: Iterable[object]) -> str:
    lines, line = [], "  "
    for item in ", ".join(literal(value) for value in values).split(" "):
        if len(line) + len(item) > _COLUMNS:
            lines.append(line.rstrip())
            line = "  "
        line += f"{item} "
    return "\n".join([*lines, line.rstrip()])
