"""The search from data to the best configuration, by one process or by a chief and workers."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import grpc
import keras_tuner

from kwsembed.config import TrainConfig
from kwsembed.data.cache import build_cache, default_cache_dir
from kwsembed.data.surroundings import Surroundings, check_folders
from kwsembed.data.unlabelled import Unlabelled, check_unlabelled
from kwsembed.errors import ConfigError, KwsembedError, RunError
from kwsembed.manifest import Manifest, assign_splits, read_manifest
from kwsembed.methods import SEARCH_GROUPS
from kwsembed.progress import ProgressLine
from kwsembed.sole_use import sole_use
from kwsembed.training.class_weights import class_factors
from kwsembed.training.same_surroundings import check_same_surroundings
from kwsembed.training.teacher import teacher_record
from kwsembed.tuning import hparams
from kwsembed.tuning.account import Account, what_changes_nothing, what_is_judged
from kwsembed.tuning.distribution import CHIEF, WORKER, await_chief, role_of
from kwsembed.tuning.oracle import build_oracle
from kwsembed.tuning.result import TuneResult, result_of, train_command
from kwsembed.tuning.search_folder import BACKGROUND_LABELS, SearchFolder, Trial
from kwsembed.tuning.space import search_space, shortened
from kwsembed.tuning.trial import TrialSetting, trial_runner
from kwsembed.tuning.tuner import DeploymentTuner, RunTrial
from kwsembed.tuning.usable_data import check_decoded, check_validation

Say = Callable[[str], None]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tune(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: TrainConfig | None = None,
    trials: int = 20,
    seeds: int = 2,
    epochs_share: float = 1.0,
    method: str = "random",
    search: Sequence[str] = SEARCH_GROUPS,
    frozen: bool = False,
    background: Sequence[str] = (),
    test_folds: Sequence[int] | None = None,
    validation_folds: Sequence[int] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    say: Say = _say,
) -> TuneResult:
    """Searches for settings that find more at the target of false alarms; as `kwsembed tune DATA --out DIR`.

    Trial 0 is `config` itself. The same call goes on with a search that was stopped, with more `trials` too.
    Clips of the test split are taken out before anything is decoded. Where keras-tuner's environment
    variables are set, this process is the chief or a worker of a search by several.

    Args:
        data: Folder with a folder per class, or a CSV manifest.
        out: Folder of the search; new, empty, or that of an earlier call with the same settings.
        config: Where the search starts; the defaults if None.
        trials: Configurations to try in all.
        seeds: Networks to train of each, whose figures are averaged: `config.seed` and those that follow. All
            have the split of the first.
        epochs_share: Share of the schedule's epochs that trials train, above 0 to 1.
        method: `random` or `bayesian`.
        search: Groups of settings to search, some of `kwsembed.methods.SEARCH_GROUPS`.
        frozen: Also judge a head on the frozen embedding, and take the variant that training would keep.
        background: Further labels that are background.
        test_folds: Folds held out for the test; the highest if None; `()` for none.
        validation_folds: Folds to judge on; the highest one left if None.
        cache_dir: Where decoded audio is kept; a folder in the user's cache if None.
        say: Receives lines for the user.

    Raises:
        ConfigError: A setting is out of range.
        DataError: The data cannot be trained on.
        RunError: `out` is in use for something else, or the chief does not answer.
        KwsembedError: Every trial failed.

    Example:
        >>> result = tune("sounds", "SEARCH", trials=10)  # doctest: +SKIP
        >>> train("sounds", "RUN", config=result.best.config)  # doctest: +SKIP
    """
    asked = config or TrainConfig()
    _check(trials=trials, seeds=seeds, epochs_share=epochs_share)
    role = role_of(os.environ)
    start = dataclasses.replace(asked, schedule=shortened(asked.schedule, epochs_share))
    check_folders(start.augment)
    if start.taught.unlabelled:
        check_unlabelled(start.taught.unlabelled)
    whole = assign_splits(
        read_manifest(data, background=background),
        test_folds=test_folds,
        validation_folds=validation_folds,
        seed=start.seed,
    )
    manifest = _without_test(whole)
    check_validation(manifest)
    class_factors(start.class_weights, manifest.labels)
    space = search_space(
        start,
        event_labels=manifest.event_labels,
        background_labels=manifest.background_labels,
        groups=search,
        frozen=frozen,
        sublabels=any(clip.sublabel for clip in manifest.of_split("train")),
    )
    oracle = build_oracle(method, space, trials=trials, seed=start.seed)
    folder = SearchFolder(out)
    settings = {
        "config": asked.to_dict(),
        "seeds": seeds,
        "epochs_share": epochs_share,
        "method": method,
        "search": list(search),
        "frozen": frozen,
        BACKGROUND_LABELS: list(manifest.background_labels),
    }
    folder.check(settings, manifest)  # before clips are decoded, which may take long
    shared, in_vain = None, ""
    if role != CHIEF:
        teacher_record(start)  # a teacher that cannot be asked is refused
        store = build_cache(
            manifest,
            cache_dir=cache_dir or default_cache_dir(data),
            sample_rate_hz=start.frontend.sample_rate_hz,
            progress=ProgressLine("decoding", unit="clips"),
        )
        surroundings = Surroundings.of(
            start.augment,
            whole,  # clips of the test are no noise either
            cache_dir=store.folder,
            sample_rate_hz=start.frontend.sample_rate_hz,
            progress=ProgressLine("reading noise", unit="files"),
        )
        unlabelled = None
        if start.taught.unlabelled:
            unlabelled = Unlabelled.of(
                start.taught.unlabelled,
                whole.clips,  # likewise
                cache_dir=store.folder,
                sample_rate_hz=start.frontend.sample_rate_hz,
                progress=ProgressLine("reading recordings without labels", unit="files"),
            )
        first = check_decoded(store, manifest, start, surroundings)
        in_vain = what_changes_nothing(first, space, frozen=frozen)
        shared = TrialSetting(
            manifest,
            store,
            seeds=seeds,
            frozen=frozen,
            surroundings=surroundings,
            unlabelled=unlabelled,
        )
    # Only now: data that cannot be used leave no folder behind, in the way once they are mended.
    folder.start(settings, manifest)

    run: RunTrial = _refuse
    if shared is not None:
        check_same_surroundings(folder.surroundings, shared.surroundings)
        check_same_surroundings(folder.unlabelled, shared.unlabelled)
        say(what_is_judged(shared.store, manifest, start))
        if in_vain:
            say(in_vain)
        for file in shared.store.skipped:
            say(f"note: {file.name}: {file.reason}")
        run = trial_runner(start, shared, folder, trials=trials, say=say)
    with nullcontext() if role == WORKER else sole_use(folder.root):  # workers share it with their chief
        if role != WORKER:
            hparams.write_space(folder.logs, space)
            oracle.on_end = Account(folder, asked, trials=trials, say=say)
        tuner = DeploymentTuner(oracle, folder=folder, role=role, run=run)
        _search(tuner, role, say)
    command = train_command(
        data, folder, background=background, test_folds=test_folds, validation_folds=validation_folds
    )
    return result_of(folder, asked, role, command=command, say=say)


def _refuse(number: int, values: dict[str, float | str]) -> Trial:
    raise KwsembedError("the chief trains no trial")  # keras-tuner never asks it to


def _check(*, trials: int, seeds: int, epochs_share: float) -> None:
    for name, value in (("trials", trials), ("seeds", seeds)):
        if value < 1:
            raise ConfigError(f"{name} is out of range", expected="1 or more", received=f"{name}={value}")
    if not 0 < epochs_share <= 1:
        raise ConfigError(
            "epochs_share is out of range", expected="above 0 to 1", received=f"epochs_share={epochs_share}"
        )


def _without_test(manifest: Manifest) -> Manifest:
    clips = tuple(clip for clip in manifest.clips if clip.split != "test")
    return dataclasses.replace(manifest, clips=clips)


def _search(tuner: DeploymentTuner, role: str, say: Say) -> None:
    if role == WORKER:
        say("waiting for the chief")
        await_chief(os.environ)
    if role == CHIEF:
        say("chief: waiting for workers")
    try:
        tuner.search()
    except keras_tuner.errors.FatalError as error:
        raise (error.__cause__ or error) from None
    except grpc.RpcError as error:
        raise RunError(
            "the chief no longer answers",
            received=str(error.code()) if isinstance(error, grpc.Call) else error,
            fix="start the chief again, then this worker: the search goes on",
        ) from None
    except RuntimeError as error:
        if role == CHIEF and "bind" in str(error):
            raise RunError(
                "the chief cannot listen at its address", received=error, fix="choose another port"
            ) from None
        raise
