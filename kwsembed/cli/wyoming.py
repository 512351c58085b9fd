"""`kwsembed wyoming`: a server that tells Home Assistant and others what is in the audio they send."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import Any

from kwsembed.cli.audio_files import add_runtime_options, add_threshold_option
from kwsembed.cli.options import positive, whole
from kwsembed.runtime.either import load_bundle

DEFAULT_URI = "tcp://0.0.0.0:10400"


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "wyoming",
        help="serve a detector to Home Assistant, by the Wyoming protocol",
        description="Listens on TCP until it is stopped. Clients send audio of any format and are told of "
        "events as they begin; each event label is a wake model. BUNDLE may be a streaming export. "
        "Whoever reaches the port may use the detector: there is no password in this protocol.",
        epilog=f"example: kwsembed wyoming RUN/bundle --uri {DEFAULT_URI}",
    )
    add_runtime_options(parser)
    parser.add_argument("--uri", default=DEFAULT_URI, help=f"where to listen (default: {DEFAULT_URI})")
    add_threshold_option(parser)
    parser.add_argument(
        "--most-clients", type=whole, default=16, metavar="N", help="clients at a time (default: 16)"
    )
    parser.add_argument(
        "--patience-s",
        type=positive,
        default=10.0,
        metavar="S",
        help="how long a client may leave its answers untaken (default: 10)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command until it is interrupted or terminated."""
    from kwsembed.serving.wyoming_server import WyomingServer, parse_uri

    parse_uri(args.uri)
    server = WyomingServer(
        load_bundle(args.bundle),
        thresholds=dict(args.threshold),
        runtime=args.runtime,
        most_clients=args.most_clients,
        patience_s=args.patience_s,
        say=_say,
    )
    asyncio.run(_serve(server, args.uri))
    return 0


async def _serve(server: Any, uri: str) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # where there are no signals, Ctrl-C still interrupts
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    _say(f"listening on {await server.start(uri)} for {', '.join(server.bundle.event_labels)}")
    try:
        await stopped.wait()
    finally:
        await server.close()


def _say(text: str) -> None:
    print(f"kwsembed wyoming: {text}", file=sys.stderr, flush=True)
