"""This process's part in a search, as keras-tuner's variables say: alone, or chief or worker of several."""

from __future__ import annotations

from collections.abc import Mapping

from kwsembed.errors import ConfigError, RunError

ALONE = "alone"
CHIEF = "chief"
WORKER = "worker"

_ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
_ID = "KERASTUNER_TUNER_ID"

# gRPC knocks ever more seldom, up to every two minutes, at an address where nobody answered: the worker that
# has waited longest would notice the chief last, when the others have done the trials.
_KNOCKING = (("grpc.initial_reconnect_backoff_ms", 500), ("grpc.max_reconnect_backoff_ms", 1000))


def role_of(environment: Mapping[str, str]) -> str:
    """`alone`, `chief` or `worker`.

    keras-tuner reads `KERASTUNER_ORACLE_IP`, `KERASTUNER_ORACLE_PORT` and `KERASTUNER_TUNER_ID`; a process
    whose ID holds the word chief is the chief, as keras-tuner has it.

    Raises:
        ConfigError: Some of the variables are set and others are not.

    Example:
        >>> role_of({})
        'alone'
    """
    names = (*_ADDRESS, _ID)
    given = [name for name in names if environment.get(name)]
    if not any(name in given for name in _ADDRESS):
        return ALONE
    missing = [name for name in names if name not in given]
    if missing or not environment[_ADDRESS[1]].isdigit():
        raise ConfigError(
            "a search by several processes needs an address, a port and an ID of each process",
            expected="a number" if not missing else f"{', '.join(names)} in the environment",
            received=f"{missing[0]} not set" if missing else f"{_ADDRESS[1]}={environment[_ADDRESS[1]]}",
        )
    return CHIEF if CHIEF in environment[_ID] else WORKER


def await_chief(environment: Mapping[str, str], *, patience_s: float = 600.0) -> None:
    """Returns once the chief answers, so that a wrong address is not waited for without a word.

    Raises:
        RunError: It did not within `patience_s`.
    """
    import grpc

    address = ":".join(environment[name] for name in _ADDRESS)
    with grpc.insecure_channel(address, options=_KNOCKING) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=patience_s)
        except grpc.FutureTimeoutError:
            raise RunError(
                f"no chief answered within {patience_s:.0f} s",
                received=f"address={address}",
                fix="start the chief with the same address and port, then the workers",
            ) from None
