"""Options that several commands share: backgrounds, folds, seed, and the settings of training."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path

from kwsembed.config import TrainConfig
from kwsembed.methods import PRETRAININGS, REBALANCINGS, TEACHER

_OVERRIDES = ("backbone", "width", "pretrain", "rebalance", "teacher", "target_false_alarms_per_hour", "seed")


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Adds DATA, --background, --test-folds, --validation-folds and --seed."""
    parser.add_argument("data", metavar="DATA", help="a folder with a folder per class, or a CSV manifest")
    parser.add_argument(
        "--background",
        action="append",
        default=[],
        metavar="NAME",
        help="a further class that is background, never an event (repeatable)",
    )
    parser.add_argument(
        "--test-folds",
        type=folds,
        metavar="N[,N...]|none",
        help="folds held out for the test (default: the highest)",
    )
    parser.add_argument(
        "--validation-folds",
        type=folds,
        metavar="N[,N...]",
        help="folds that choose variant and thresholds (default: the highest one left)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of everything random (default: 0)")


def add_negatives_option(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Adds --negatives."""
    parser.add_argument(
        "--negatives",
        action="append",
        default=[],
        required=required,
        metavar="DIR",
        help="false alarms that kwsembed mine found, added to the training split (repeatable)",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Adds RUN, --out, --cache and --seed, for what makes a new run of another."""
    parser.add_argument("run_directory", metavar="RUN", help="a finished run; it stays as it is")
    parser.add_argument("--out", required=True, metavar="RUN2", help="run directory; new or empty")
    parser.add_argument(
        "--cache", metavar="DIR", help="where decoded audio is kept (default: the user's cache)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="as every command has it; RUN's own is used")


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """Adds --config and the options that override single settings of it."""
    parser.add_argument(
        "--config", metavar="FILE", help="TOML settings, such as the config.toml of another run"
    )
    for option, metavar, choices in (
        ("--pretrain", "METHOD", f"pretraining: {', '.join(PRETRAININGS)}"),
        ("--rebalance", "METHOD", f"against imbalance: {', '.join(REBALANCINGS)}"),
        ("--backbone", "NAME", "network: ds_cnn, bc_resnet, lstm"),
    ):
        parser.add_argument(option, metavar=metavar, help=f"{choices} (default: the first)")
    parser.add_argument(
        "--teacher",
        metavar="FILE",
        help="pretrain by imitating a trained .tflite or .keras model of waveforms, such as YAMNet",
    )
    parser.add_argument(
        "--unlabelled",
        metavar="DIR",
        help="recordings without labels, such as synthetic speech: the end-to-end network agrees with what a "
        "head on the model of --teacher says of them, and of the training clips",
    )
    parser.add_argument(
        "--noise",
        metavar="DIR",
        help="recordings that are mixed into training clips besides background; never heard as a class",
    )
    parser.add_argument(
        "--impulse-responses",
        metavar="DIR",
        help="measured impulse responses of rooms that training clips are put in (default: synthetic ones)",
    )
    parser.add_argument(
        "--width", type=float, metavar="X", help="factor on the network's channels (default: 1)"
    )
    parser.add_argument(
        "--target-false-alarms-per-hour",
        type=float,
        metavar="X",
        help="what thresholds aim at (default: 0.5)",
    )


def config_of(args: argparse.Namespace) -> TrainConfig:
    """The settings that were asked for: those of --config, overridden by single options."""
    config = TrainConfig.read(args.config, teacher=args.teacher) if args.config else TrainConfig()
    given = {name: getattr(args, name) for name in _OVERRIDES if getattr(args, name) is not None}
    if args.teacher is not None:
        given["pretrain"] = args.pretrain or TEACHER
    # As absolute paths: `refit`, `add` and `export` train on them again, from whatever folder.
    augment = config.augment
    if args.noise is not None:
        augment = dataclasses.replace(augment, noise=str(Path(args.noise).resolve()))
    if args.impulse_responses is not None:
        rooms = str(Path(args.impulse_responses).resolve())
        augment = dataclasses.replace(augment, impulse_responses=rooms)
    config = dataclasses.replace(config, **given, augment=augment)
    return with_teacher(config, unlabelled=args.unlabelled, taught=args.unlabelled is not None)


def with_teacher(
    config: TrainConfig, *, teacher: str | None = None, unlabelled: str | None = None, taught: bool
) -> TrainConfig:
    """The settings with a teacher and what it is asked about; None leaves what they say.

    Args:
        config: Settings.
        teacher: The teacher's file.
        unlabelled: Folder of recordings without labels.
        taught: Whether a network is taught by a head on the teacher.

    Raises:
        ConfigError: A network is to be taught, and there is no teacher.
    """
    how = config.taught
    if taught:
        how = dataclasses.replace(
            how,
            weight=how.weight or 1.0,
            unlabelled=how.unlabelled if unlabelled is None else str(Path(unlabelled).resolve()),
        )
    return dataclasses.replace(config, teacher=config.teacher if teacher is None else teacher, taught=how)


def folds(text: str) -> tuple[int, ...]:
    """Parses `5`, `4,5` or `none`.

    Example:
        >>> folds("4,5")
        (4, 5)
    """
    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected numbers such as 5 or 4,5, or none; received {text!r}"
        ) from None


def label_threshold(text: str) -> tuple[str, float]:
    """Parses `LABEL=X`.

    Example:
        >>> label_threshold("dog_bark=0.9")
        ('dog_bark', 0.9)
    """
    label, separator, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not separator or not label or not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected LABEL=X with X above 0; received {text!r}")
    return label, value


def positive(text: str) -> float:
    """Parses a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0; received {text!r}")
    return value


def whole(text: str) -> int:
    """Parses a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0; received {text!r}")
    return int(text)


def wholes(text: str) -> tuple[int, ...]:
    """Parses whole numbers above 0 between commas."""
    return tuple(whole(part) for part in text.split(","))


def seconds(text: str) -> tuple[float, ...]:
    """Parses times of 0 s or more between commas."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (math.nan,)
    if not all(0 <= value < math.inf for value in values):
        raise argparse.ArgumentTypeError(f"expected seconds such as 1 or 0.5,2; received {text!r}")
    return values


def filled_path(text: str) -> str:
    """A path that says something: an empty one would mean the folder we are in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path; received an empty one")
    return text
