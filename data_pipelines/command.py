"""The command line of all recipes: get the corpus, check it, write the manifest, say what comes next."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from data_pipelines.corpus import Corpus, ValidationReport
from data_pipelines.obtain import obtain
from kwsembed.errors import KwsembedError, UserError
from kwsembed.manifest import SPLITS, Manifest
from kwsembed.progress import Progress, ProgressLine


@dataclass(frozen=True)
class Recipe:
    """What the shared command needs to know of one recipe.

    Args:
        corpus: What it is about.
        module: The name after `python -m`.
        example: Arguments of a typical call, for `--help`.
        add_options: Adds the recipe's own options.
        validate: Checks the files under ROOT.
        build: Writes ROOT/manifest.csv.
    """

    corpus: Corpus
    module: str
    example: str
    add_options: Callable[[ArgumentParser], None]
    validate: Callable[[Path, Namespace, Progress], ValidationReport]
    build: Callable[[Path, Namespace], Manifest]


class OneLineParser(ArgumentParser):
    """Says what is wrong with a command in one line; run it within `reported`."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, fix=f"see {self.prog} --help")


def run(recipe: Recipe, argv: Sequence[str] | None = None) -> int:
    """Runs a recipe as its command; returns what `reported` does."""

    def prepare() -> None:
        arguments = _parser(recipe).parse_args(argv)
        _prepare(recipe, arguments.root.resolve(), arguments)

    return reported(recipe.module, prepare)


def reported(module: str, work: Callable[[], None]) -> int:
    """Does a command's work; returns 0 if done, 1 for a fault of ours, 2 for one in what was given."""
    try:
        work()
    except KwsembedError as error:
        print(f"{module}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # no room, no permission: the system's own words, and the file
        print(f"{module}: {error.strerror or error}: {error.filename}", file=sys.stderr)
        return UserError.exit_code
    except KeyboardInterrupt:
        print("stopped; run again to go on", file=sys.stderr)
        return 130
    return 0


def _parser(recipe: Recipe) -> ArgumentParser:
    corpus = recipe.corpus
    command = f"python -m {recipe.module}"
    parser = OneLineParser(
        prog=command,
        description=f"{corpus.name}: checks the files under ROOT, writes ROOT/manifest.csv.\n"
        f"Licence: {corpus.licence}.",
        epilog=f"Example:\n  {command} {recipe.example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "root", metavar="ROOT", type=Path, help="the folder that holds, or shall hold, the corpus"
    )
    if corpus.remote is not None:
        size_mib = corpus.remote.size_bytes >> 20
        parser.add_argument(
            "--download",
            action="store_true",
            help=f"fetch {corpus.remote.filename} ({size_mib} MiB) if the corpus is not there",
        )
        parser.add_argument(
            "--base-url", metavar="URL", help=f"fetch URL/{corpus.remote.filename} from this mirror instead"
        )
    recipe.add_options(parser)
    return parser


def _prepare(recipe: Recipe, root: Path, arguments: Namespace) -> None:
    corpus = recipe.corpus
    if corpus.remote is not None:
        folder = obtain(corpus, root, fetch=arguments.download, base_url=arguments.base_url)
        fix = f"delete {folder} and run again, with --download unless {corpus.remote.filename} is in {root}"
    else:
        fix = "mend the files or their annotations"
    progress = ProgressLine(f"checking {corpus.name}", unit="files")
    report = recipe.validate(root, arguments, progress)
    report.require_ok(fix)
    print(report.text())
    manifest = recipe.build(root, arguments)
    print(_summary(manifest))
    print(f"licence: {corpus.licence}")
    print(f"cite: {corpus.homepage} (BibTeX: {recipe.module}.CORPUS.citation)")
    print(f"next:\nkwsembed train {shlex.quote(str(manifest.source))} --out RUN")


def _summary(manifest: Manifest) -> str:
    """What the manifest holds: clips per label, and where they are, as a table; then its notes."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    groups: dict[str, set[str]] = defaultdict(set)
    for clip in manifest.clips:
        place = clip.split or (f"fold {clip.fold}" if clip.fold is not None else "clips")
        counts[clip.label][place] += 1
        groups[clip.label].add(clip.group)
    found = {place for of_label in counts.values() for place in of_label}
    places = [split for split in SPLITS if split in found] or sorted(found)
    lines = [f"{manifest.source}: {len(manifest.clips)} clips"]
    lines.append("  ".join([f"{'label':<20}", *(f"{place:>10}" for place in places), f"{'groups':>8}"]))
    for label in manifest.labels:
        cells = (f"{counts[label][place]:>10}" for place in places)
        lines.append("  ".join([f"{label:<20}", *cells, f"{len(groups[label]):>8}"]))
    lines += [f"note: {note}" for note in manifest.warnings]
    return "\n".join(lines)
