"""Whether this process searches alone, or as chief or worker of several."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow", reason="the package belongs to the training ring")

from kwsembed.errors import ConfigError, RunError
from kwsembed.tuning.distribution import await_chief, role_of

ADDRESS = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": "8000"}


def test_the_variables_of_keras_tuner_say_the_role():
    assert role_of({}) == "alone"
    assert role_of({"KERASTUNER_TUNER_ID": "tuner0"}) == "alone"
    assert role_of({**ADDRESS, "KERASTUNER_TUNER_ID": "chief"}) == "chief"
    assert role_of({**ADDRESS, "KERASTUNER_TUNER_ID": "worker0"}) == "worker"


@pytest.mark.parametrize("missing", [*ADDRESS, "KERASTUNER_TUNER_ID"])
def test_a_variable_that_is_missing_is_named(missing):
    environment = {**ADDRESS, "KERASTUNER_TUNER_ID": "chief"}
    del environment[missing]
    with pytest.raises(ConfigError, match=f"Received: {missing} not set"):
        role_of(environment)


def test_a_port_that_is_no_number_is_named():
    with pytest.raises(ConfigError, match="Received: KERASTUNER_ORACLE_PORT=http"):
        role_of({**ADDRESS, "KERASTUNER_ORACLE_PORT": "http", "KERASTUNER_TUNER_ID": "chief"})


def test_a_chief_that_does_not_answer_is_an_error_with_its_address():
    with pytest.raises(RunError, match=r"no chief answered within 0 s\. Received: address=127\.0\.0\.1:1\."):
        await_chief({**ADDRESS, "KERASTUNER_ORACLE_PORT": "1"}, patience_s=0.1)
