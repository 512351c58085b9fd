"""What a device pays before the first score: time of the process so far, and the most memory it had.

Run by `benchmarks.device` in a process of its own, with NumPy, an interpreter and kwsembed:

    python -m benchmarks.edge_process BUNDLE windowed|streaming
"""

from __future__ import annotations

import json
import sys
import time


def main(folder: str, form: str) -> dict[str, object]:
    """Imports, loads, scores once; returns what that took."""
    started_s = time.process_time()
    import kwsembed

    imported_s = time.process_time() - started_s
    import numpy as np

    if form == "windowed":
        from kwsembed import Bundle
        from kwsembed.runtime.stream_scores import StreamScorer

        bundle = Bundle.load(folder)
        scorer = StreamScorer(bundle, bundle.sample_rate_hz)
        scores = scorer.process(np.zeros(bundle.window_samples, np.float32))
    else:
        from kwsembed.runtime.streaming import StreamingClassifier
        from kwsembed.stream_bundle import StreamBundle

        stream_bundle = StreamBundle.load(folder)
        scores = StreamingClassifier(stream_bundle).process(
            np.zeros(stream_bundle.timing.hop_samples, np.float32)
        )
    assert len(scores) == 1
    return {
        "import_s": imported_s,
        "cpu_s": time.process_time(),  # since the process began: Python and NumPy are in it
        "memory_bytes": _most_memory_bytes(),
        "packages": sorted({name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)),
        "numpy": np.__version__,
        "kwsembed": kwsembed.__version__,
    }


def _most_memory_bytes() -> int:
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
