"""The report's conclusions follow from the numbers, whichever way those point."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from toy_run import edit_metrics, write_toy_run

from kwsembed.report.data_tables import composition_table
from kwsembed.report.detection_findings import chance_of_at_least, hours_to_certify
from kwsembed.report.findings import findings, headline
from kwsembed.report.model_tables import quantisation_table
from kwsembed.report.operating_curves import fewest_misses
from kwsembed.report.run_facts import key_figures
from kwsembed.report.run_record import ClassFigures, read_run


def said(run, tone=None):
    return "\n".join(f.text for f in findings(read_run(run)) if tone in (None, f.tone))


@pytest.fixture(scope="module")
def clear_gain(tmp_path_factory):
    return write_toy_run(tmp_path_factory.mktemp("gain") / "RUN", strengths=(0.5, 2.0, 4.0), with_audio=False)


@pytest.fixture(scope="module")
def clear_loss(tmp_path_factory):
    return write_toy_run(tmp_path_factory.mktemp("loss") / "RUN", strengths=(4.0, 0.2, 0.5), with_audio=False)


def test_the_headline_counts_misses_and_false_alarms_together(tmp_path):
    run = write_toy_run(tmp_path / "RUN", false_alarms=2, hours=0.31, with_audio=False)

    def fix(metrics):
        for label, misses in (("dog", 3), ("siren", 6)):
            metrics["chosen"]["int8"]["test"]["per_class"][label]["misses"] = misses

    edit_metrics(run, fix)
    assert (
        headline(read_run(run)) == "Misses 9 of 60 test events (15 %), with 4 false alarms in 0.31 h of audio"
    )


def test_pretraining_that_helps_is_said_to_help(clear_gain):
    assert "Pretraining helped: +" in said(clear_gain, "good")


def test_pretraining_that_harms_is_said_to_harm(clear_loss):
    assert "Pretraining made it worse: −" in said(clear_loss, "bad")
    assert "By this figure alone another variant would have been kept" in said(clear_loss)


def test_a_network_that_started_from_random_weights_is_not_called_pretrained(tmp_path):
    run = write_toy_run(tmp_path / "RUN", strengths=(0.5, 2.0, 4.0), with_audio=False)
    assert read_run(run).name_of("end_to_end") == "pretrained, end to end"
    assert "(pretrained, end to end, against class weights only" in said(run)

    def fix(metrics):
        metrics["end_to_end"] = {"pretrained": False, "start": "from random weights: 5 windows"}

    edit_metrics(run, fix)
    record = read_run(run)
    assert (record.name_of("end_to_end"), record.name_of("new_one")) == (
        "end to end, not pretrained",
        "new one",
    )
    assert record.pretrained_variants == ("frozen",)
    assert "(pretrained, frozen, against class weights only" in said(run)
    assert "End to end starts from random weights: 5 windows." in composition_table(record).note


def test_it_says_who_teaches_the_end_to_end_network_and_of_what(tmp_path):
    run = write_toy_run(tmp_path / "RUN", strengths=(0.5, 2.0, 4.0), with_audio=False)
    assert "taught" not in composition_table(read_run(run)).note
    record = {"teacher": "yamnet.tflite", "weight": 1.0}
    edit_metrics(run, lambda metrics: metrics.update(taught=record))
    sentence = "End to end is taught by a head on yamnet.tflite, of training windows"
    assert composition_table(read_run(run)).note.endswith(f"{sentence}.")
    record |= {"unlabelled_files": 4617, "unlabelled_hours": 2.24}
    edit_metrics(run, lambda metrics: metrics.update(taught=record))
    note = composition_table(read_run(run)).note
    assert note.endswith(f"{sentence} and of 4,617 recordings without labels, 2.2 h.")


def test_a_gain_within_chance_is_not_called_a_gain(tmp_path):
    run = write_toy_run(tmp_path / "RUN", strengths=(2.0, 2.0, 2.05), clips_per_label=6, with_audio=False)
    assert "within what chance can do" in said(run, "caution")
    assert "helped" not in said(run)


def test_no_false_alarm_in_little_audio_proves_little(tmp_path):
    run = write_toy_run(tmp_path / "RUN", false_alarms=0, hours=0.31, with_audio=False)
    assert "0 false alarms in 0.31 h of test audio proves only < 9.7 per hour" in said(run)
    assert "not certified for any event class: that takes 6.0 h" in said(run)


def test_enough_silence_certifies_the_target(tmp_path):
    run = write_toy_run(tmp_path / "RUN", false_alarms=0, hours=7.0, with_audio=False)
    assert "certified for every event class" in said(run, "good")
    assert "proves only < 0.43 per hour" in said(run)


def test_false_alarms_beyond_chance_are_told_from_bad_luck(tmp_path):
    many = write_toy_run(tmp_path / "many" / "RUN", false_alarms=4, hours=2.0, with_audio=False)
    few = write_toy_run(tmp_path / "few" / "RUN", false_alarms=2, hours=2.0, with_audio=False)
    assert "dog and siren: more false alarms than the target allows, beyond chance" in said(many, "bad")
    assert "beyond chance" not in said(few)
    assert "dog 2 (1.0 per hour, proven only < 3.1)" in said(few)


def test_misses_of_the_threshold_are_told_from_those_of_the_network(tmp_path):
    run = write_toy_run(tmp_path / "RUN", false_alarms=0, hours=1.0, with_audio=False)

    def miss(metrics):
        for label, misses in (("dog", 12), ("siren", 2)):
            metrics["chosen"]["int8"]["test"]["per_class"][label]["misses"] = misses

    edit_metrics(run, miss)
    # 30 events: without a false alarm 9 are missed, and not one more at the siren's threshold than there.
    curve = {"threshold": [0.9, 0.5], "false_alarms_per_hour": [0.0, 2.0], "miss_rate": [0.3, 0.0]}
    curves = {label: {"test": {**curve, "hours": 1.0, "events": 30}} for label in ("dog", "siren")}
    (run / "details/curves.json").write_text(json.dumps(curves))
    assert "Of 14 misses on test, 3 from the threshold (dog 3): another, known only in hindsight" in said(run)
    assert "11 from the network (dog 9 and siren 2): no threshold finds these events" in said(run)


def test_more_false_alarms_than_the_target_allows_are_granted_if_they_were_made():
    curve = {"false_alarms_per_hour": [0.0, 0.5, 1.0, 2.0], "miss_rate": [0.4, 0.3, 0.2, 0.0], "events": 10}
    figures = ClassFigures(false_alarms=0, hours=4.0, target_false_alarms_per_hour=0.5)
    assert fewest_misses(curve, figures) == 3
    assert fewest_misses(curve, dataclasses.replace(figures, false_alarms=4)) == 2
    assert fewest_misses({**curve, "miss_rate": None}, figures) is None
    assert fewest_misses({}, figures) is None


def test_quantisation_is_held_against_its_bound(tmp_path):
    kept = write_toy_run(tmp_path / "kept" / "RUN", int8_noise=0.0, with_audio=False)
    lost = write_toy_run(tmp_path / "lost" / "RUN", int8_noise=3.0, with_audio=False)
    assert "int8 keeps all macro average precision" in said(kept, "good")
    assert "more than the bound of 0.010, so the export counts as failed" in said(lost, "bad")


def test_a_loss_that_chance_can_explain_is_said_to_be_one(tmp_path):
    run = write_toy_run(tmp_path / "RUN", int8_noise=3.0, with_audio=False)

    def undecided(metrics):
        metrics["chosen"]["int8_loss"].update(within_bound=True, low=-0.02, high=0.3)

    edit_metrics(run, undecided)
    assert "within what chance can do on these clips (95 % interval -0.020 to 0.300)" in said(run, "caution")


def test_a_small_loss_by_int8_is_shown_with_the_decimals_it_takes(tmp_path):
    run = write_toy_run(tmp_path / "RUN", int8_noise=0.0, with_audio=False)

    def lose_little(metrics):
        for model, macro in (("float", 0.83412), ("int8", 0.83409)):
            metrics["chosen"][model]["test"]["macro_average_precision"] = macro

    edit_metrics(run, lose_little)
    assert "int8 loses 0.00003 macro average precision on test (0.83412 float, 0.83409 int8)" in said(run)
    [figure] = [f for f in key_figures(read_run(run)) if f.name == "int8 against float"]
    assert figure.value == "−0.00003"
    macro = [cell.text for cell in quantisation_table(read_run(run)).rows[-1]]
    assert macro[2:5] == ["0.83412", "0.83409", "−0.00003"]


def test_without_a_test_split_the_figures_are_called_too_good(tmp_path):
    run = write_toy_run(tmp_path / "RUN", splits=("validation",), with_audio=False)
    assert "There is no test split" in said(run, "bad")
    assert "validation events" in headline(read_run(run))


def test_a_drop_from_validation_to_test_is_named(clear_gain, tmp_path):
    run = write_toy_run(tmp_path / "RUN", with_audio=False)
    edit_metrics(run, lambda m: m["chosen"]["int8"]["test"].update(macro_average_precision=0.5))
    assert "falls from" in said(run)
    assert "falls from" not in said(clear_gain)


def test_classes_without_clips_and_with_few_are_named(tmp_path):
    run = write_toy_run(tmp_path / "RUN", clips_per_label=5, with_audio=False)
    edit_metrics(run, lambda m: m["chosen"]["int8"]["test"]["per_class"]["siren"].update(clips=0))
    assert "No test clip of siren" in said(run, "bad")
    assert "uncertain figures: dog (5)" in said(run, "caution")


def test_a_run_without_figures_still_has_a_headline(tmp_path):
    run = write_toy_run(tmp_path / "RUN", with_audio=False)

    def forget(metrics):
        metrics["chosen"] = {"variant": "frozen"}

    edit_metrics(run, forget)
    assert headline(read_run(run)) == "Trained, but not measured: there are no validation and no test clips"
    assert "False alarms per hour are unknown" in said(run)


def test_the_hours_that_certify_are_those_of_a_poisson_count():
    assert math.exp(-0.5 * hours_to_certify(0.5)) == pytest.approx(0.05)
    assert chance_of_at_least(0, 2.0) == 1.0
    assert chance_of_at_least(1, 2.0) == pytest.approx(1 - math.exp(-2))
    assert chance_of_at_least(2, 2.0) == pytest.approx(1 - 3 * math.exp(-2))
