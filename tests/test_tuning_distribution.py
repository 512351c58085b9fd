"""Whether this process searches alone, or as chief or worker of several."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

pytest.importorskip("tensorflow", reason="the package belongs to the training ring")
pytest.importorskip("keras_tuner")
grpc = pytest.importorskip("grpc")

from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError, RunError
from kwsembed.tuning.distribution import CHIEF, WORKER, await_chief, role_of
from kwsembed.tuning.oracle import build_oracle
from kwsembed.tuning.search_folder import SearchFolder, Trial
from kwsembed.tuning.space import Range
from kwsembed.tuning.tuner import DeploymentTuner

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


def test_a_worker_keeps_knocking_where_grpc_by_itself_would_knock_ever_more_seldom():
    """Both wait as long, side by side, for somebody who hangs up on them."""

    def counted(door, knocks):
        while True:
            try:
                caller, _ = door.accept()
            except OSError:
                return
            knocks.append(time.monotonic())
            caller.close()

    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [door.getsockname() for door in doors]
    knocks = [[], []]
    for door, heard in zip(doors, knocks, strict=True):
        threading.Thread(target=counted, args=(door, heard), daemon=True).start()
    with grpc.insecure_channel("{}:{}".format(*addresses[0])) as plain:
        grpc.channel_ready_future(plain)
        with pytest.raises(RunError, match="no chief answered within 7 s"):
            await_chief({**ADDRESS, "KERASTUNER_ORACLE_PORT": str(addresses[1][1])}, patience_s=7)
    for door in doors:
        door.shutdown(socket.SHUT_RDWR)
        door.close()
    by_itself, ours = (len(heard) for heard in knocks)
    assert by_itself > 0
    assert ours > 1.5 * by_itself


def test_workers_get_their_trials_from_the_chief_over_grpc(tmp_path, monkeypatch):
    """keras-tuner's own service between threads; only training is made up (processes: `test_tune.py`)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(probe.getsockname()[1]))
    asked = {"worker0": {}, "worker1": {}, "chief": {}}
    ended = []

    def tuner_of(name, role):
        def run(number, values):
            asked[name][number] = values
            time.sleep(0.2)  # so that one worker cannot be done before the other has asked
            if number == 2:
                return Trial(number, "failed", TrainConfig(), values, 1.0, message="training diverged")
            recall = 1 / (1 + values["width"])
            return Trial(number, "completed", TrainConfig(), values, 1.0, "", recall, recall, 0.5)

        monkeypatch.setenv("KERASTUNER_TUNER_ID", name)
        oracle = build_oracle("random", [Range("width", 1.0, 0.5, 2.0)], trials=6, seed=0)
        oracle.on_end = lambda: ended.append(name)
        return oracle, DeploymentTuner(oracle, folder=SearchFolder(tmp_path), role=role, run=run)

    workers = [tuner_of(name, WORKER)[1] for name in ("worker0", "worker1")]
    oracle, chief = tuner_of("chief", CHIEF)
    service = threading.Thread(target=chief.search, daemon=True)
    service.start()
    await_chief(os.environ, patience_s=60)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker")  # what a worker's loop looks up is only that
    threads = [threading.Thread(target=worker.search, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in [*threads, service]:
        thread.join(timeout=120)
        assert not thread.is_alive()

    assert asked["worker0"]
    assert asked["worker1"]
    assert not asked["chief"]
    by_number = asked["worker0"] | asked["worker1"]
    assert sorted(by_number) == list(range(6))
    assert by_number[0] == {"width": 1.0}
    assert ended == ["chief"] * 6
    assert {trial_id: trial.status for trial_id, trial in oracle.trials.items()} == {
        str(number): "FAILED" if number == 2 else "COMPLETED" for number in range(6)
    }
    best = min(set(by_number) - {2}, key=lambda number: by_number[number]["width"])
    assert oracle.get_best_trials()[0].trial_id == str(best)
