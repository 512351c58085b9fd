"""Compiles the exported app's Kotlin, runs its tests, and listens with it to a recording.

    python -m checks.android RUN --work DIR --audio EVENTS.wav [MORE ...]

Needs Java, npm, and Debian's junit4, aapt and android-framework-res; npm packages go to DIR and are kept for
the next time. Exits 1 where the app and this package differ:

- tests: the detector's own, against what Python computes (`export/android/golden.py`);
- recording: each file, at 48 kHz and in odd chunks, goes through the Kotlin detector, which asks for the
  scores of its windows here; windows, detections from these scores, and the events of `kwsembed detect`;
- app: resources and manifest, by aapt against Android 10; the app's Kotlin, against declarations of what it
  uses of Android and LiteRT (`checks/android_api`), since the libraries themselves cannot be had
  here. Nothing is built that could run on a phone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from export.android import export_android
from kwsembed.audio.decode import find_audio, read
from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.runtime import Classifier, Detector
from kwsembed.runtime.stream_scores import to_float
from kwsembed.runtime.windows import WindowBuffer

HERE = Path(__file__).resolve().parent
RATE_HZ = 48000
JUNIT = [Path("/usr/share/java", name) for name in ("junit4.jar", "hamcrest.jar")]
ANDROID = Path("/usr/share/android-framework-res/framework-res.apk")
# Short runs: neither the second compiler nor a parallel collector pays.
JAVA = ["java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
# The app's resampler adds in another order than NumPy's.
SAMPLE_TOLERANCE = 2e-6
# Such differences take a value across the border of an int8 step, now and then, and scores move (see web.py).
SCORE_TOLERANCE = 0.1


def main() -> int:
    """Checks the app; prints a line for each comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory or bundle folder")
    parser.add_argument("--work", type=Path, required=True, help="for npm packages, project and classes")
    parser.add_argument("--audio", nargs="+", required=True, help="files in which something is detected")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    shutil.rmtree(work / "app", ignore_errors=True)
    project = export_android(arguments.run, work / "app")
    java = _Java(project, work)
    problems = java.compile() or java.test()
    if not problems:
        for path in find_audio(arguments.audio):
            problems += _recording(java, path)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return int(bool(problems))


class _Java:
    """The Kotlin compiler, and the classes that it makes of a project."""

    def __init__(self, project: Path, work: Path) -> None:
        self.assets = project / "app" / "src" / "main" / "assets"
        self._project, self._work = project, work
        missing = [str(path) for path in [*JUNIT, ANDROID] if not path.exists()]
        if missing or shutil.which("aapt") is None or shutil.which("java") is None:
            sys.exit(f"apt-get install default-jre-headless junit4 aapt android-framework-res: {missing}")
        self._kotlin = _kotlin(work / "npm")
        libraries = [self._kotlin / "lib" / f"kotlin-{name}.jar" for name in ("stdlib", "test", "test-junit")]
        self._libraries = [*libraries, *JUNIT]
        self._classes = work / "classes"

    def compile(self) -> list[str]:
        """Resources first, whose names the sources use; then all Kotlin, and no warning is let pass."""
        generated = self._work / "generated"
        for folder in (generated, self._classes):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        problems = self._resources(generated)
        sources = [f"{module}/src/main/kotlin" for module in ("detector", "app")] + [
            "detector/src/test/kotlin"
        ]
        compiler = self._kotlin / "lib" / "kotlin-compiler.jar"
        command = [*JAVA, "-cp", compiler, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"]
        command += ["-kotlin-home", self._kotlin, "-no-stdlib", "-no-reflect", "-jvm-target", "17", "-Werror"]
        command += ["-cp", _path(self._libraries), "-d", self._classes, HERE / "android_api", generated]
        done = subprocess.run([*command, *(self._project / source for source in sources)])
        print(f"compiled by Kotlin {json.loads((self._kotlin / 'package.json').read_text())['version']}")
        return problems + ["Kotlin refuses the sources"] * bool(done.returncode)

    def _resources(self, generated: Path) -> list[str]:
        """The class R of the app's resources, made by the tool that packs them, which checks them too."""
        main = self._project / "app" / "src" / "main"
        # Gradle adds these from build.gradle.kts; 29 is the level of the framework at hand.
        manifest = (main / "AndroidManifest.xml").read_text()
        manifest = manifest.replace("<manifest ", '<manifest package="kwsembed.app" ', 1)
        (generated / "AndroidManifest.xml").write_text(manifest)
        command = ["aapt", "package", "-f", "-m", "-J", generated, "-M", generated / "AndroidManifest.xml"]
        command += ["-S", main / "res", "-A", self.assets, "-I", ANDROID, "-F", self._work / "resources.apk"]
        done = subprocess.run([*command, "--min-sdk-version", "26", "--target-sdk-version", "29"])
        print(f"aapt: resources and manifest {'refused' if done.returncode else 'packed'}")
        return ["aapt refuses the resources"] * bool(done.returncode)

    def test(self) -> list[str]:
        """The detector's own tests."""
        sources = self._project / "detector" / "src" / "test"
        names = [f"kwsembed.detector.{path.stem}" for path in sorted(sources.rglob("*Test.kt"))]
        command = self.command("org.junit.runner.JUnitCore", *names, resources=sources / "resources")
        # Where Gradle would run them, so that they find the app's assets.
        done = subprocess.run(command, cwd=self._project / "detector", capture_output=True, text=True)
        summary = [line for line in done.stdout.splitlines() if line.startswith(("OK", "Tests run"))]
        if done.returncode:
            print(done.stdout + done.stderr)
        print(f"tests in {len(names)} files: {' '.join(summary)}")
        return ["tests failed"] * bool(done.returncode or not summary)

    def command(self, main: str, *arguments: object, resources: Path | None = None) -> list[str]:
        """The command line that runs a class."""
        path = [*self._libraries, self._classes, *([resources] if resources else [])]
        return [*JAVA, "-cp", _path(path), main, *map(str, arguments)]


def _recording(java: _Java, path: Path) -> list[str]:
    """Listens to a file in Kotlin, with the model here, and compares with Python."""
    bundle = Bundle.load(java.assets)
    samples, rate_hz = read(path)
    pcm = np.round(32767 * np.clip(resample(samples, rate_hz, RATE_HZ), -1, 1)).astype(np.int16)
    classifier = Classifier(bundle)
    windows, scores, found = _listen(java, pcm, classifier, bundle)
    buffer = WindowBuffer(bundle.window_samples, bundle.hop_samples)
    wanted_windows = [
        *buffer.process(resample(to_float(pcm), RATE_HZ, bundle.sample_rate_hz)),
        *buffer.flush(),
    ]
    if len(windows) != len(wanted_windows):
        return [f"{path.name}: {len(windows)} windows, in Python {len(wanted_windows)}"]
    difference = float(np.abs(windows - np.stack(wanted_windows)).max())
    print(f"{path.name}: samples of {len(windows)} windows differ by at most {difference:.2g}")
    problems = [f"{path.name}: samples differ"] * bool(difference > SAMPLE_TOLERANCE)

    events = EventDetector(bundle.event_labels, bundle.thresholds, bundle.post, bundle.window_s)
    same_scores = events.process(scores[:, ~bundle.background_mask])
    same_scores += events.flush(end_s=len(pcm) / RATE_HZ)
    exact = found == same_scores
    print(
        f"{path.name}: {len(found)} detections, {'' if exact else 'not '}those of Python from the same scores"
    )
    problems += [f"{path.name}: {found}, by Python {same_scores}"] * (not exact)
    return problems + _events(path.name, found, pcm, bundle)


def _listen(
    java: _Java, pcm: np.ndarray, classifier: Classifier, bundle: Bundle
) -> tuple[np.ndarray, np.ndarray, list[Detection]]:
    """Windows (windows, samples), their scores (windows, labels), and detections of the Kotlin detector."""
    file = java.assets / "recording.pcm"
    pcm.astype("<i2").tofile(file)
    windows, scores = [], []
    command = java.command("kwsembed.detector.PipeKt", java.assets, file, RATE_HZ)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while process.stdout.read(1) == b"w":
            windows.append(np.frombuffer(process.stdout.read(4 * bundle.window_samples), "<f4"))
            scores.append(classifier.score_windows(windows[-1][None])[0])
            process.stdin.write(scores[-1].astype("<f4").tobytes())
            process.stdin.flush()
        answer = process.stdout.read()
    file.unlink()
    if process.returncode or not windows:
        sys.exit(f"the Kotlin detector failed on {len(windows)} windows")
    return np.stack(windows), np.stack(scores), [Detection(*row) for row in json.loads(answer)]


def _events(name: str, found: list[Detection], pcm: np.ndarray, bundle: Bundle) -> list[str]:
    """Against the whole path in Python."""
    detector = Detector(bundle, RATE_HZ)
    wanted = detector.process(pcm) + detector.flush()
    if [d.label for d in found] != [d.label for d in wanted]:
        return [f"{name}: {found}, by kwsembed {wanted}"]
    if not wanted:
        return [f"{name}: nothing is detected, so nothing is proved"]
    pairs = list(zip(found, wanted, strict=True))
    late_s = max(max(abs(a.onset_s - b.onset_s), abs(a.offset_s - b.offset_s)) for a, b in pairs)
    off = max(abs(a.score - b.score) for a, b in pairs)
    print(f"{name}: kwsembed detects the same; times differ by at most {late_s:.2g} s, scores by {off:.2g}")
    agree = late_s <= bundle.post.hop_s + 1e-6 and off <= SCORE_TOLERANCE
    return [] if agree else [f"{name}: detections differ"]


def _kotlin(folder: Path) -> Path:
    """The Kotlin compiler's folder, filled from npm where it is not there yet."""
    compiler = folder / "node_modules" / "kotlin-compiler"
    packages = HERE / "android_packages"
    wanted = json.loads((packages / "package.json").read_text())["dependencies"]["kotlin-compiler"]
    if not compiler.exists() or json.loads((compiler / "package.json").read_text())["version"] != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(packages / name, folder / name)
        subprocess.run(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=folder, check=True)
    return compiler


def _path(entries: list[Path]) -> str:
    return ":".join(map(str, entries))


if __name__ == "__main__":
    sys.exit(main())
