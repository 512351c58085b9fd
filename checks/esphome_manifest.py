"""Validates a manifest and a device's YAML that uses it, as ESPHome does before it compiles; needs `esphome`.

    python checks/esphome_manifest.py MANIFEST.json

Prints the version of the client; ends with an error where ESPHome finds a fault.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from esphome.components import micro_wake_word
from esphome.const import __version__

DEVICE = """
esphome:
  name: listener
esp32:
  board: esp32-s3-devkitc-1
  variant: esp32s3
  framework:
    type: esp-idf
psram:
  mode: octal
logger:
i2s_audio:
  - i2s_lrclk_pin: GPIO14
    i2s_bclk_pin: GPIO13
microphone:
  - platform: i2s_audio
    i2s_din_pin: GPIO12
    adc_type: external
    pdm: false
    sample_rate: 16000
"""


def main(manifest: str) -> int:
    """Returns 0 if ESPHome takes manifest and YAML."""
    path = Path(manifest).resolve()
    content, model = micro_wake_word._load_model_data(path)
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    snippet = readme.split("```yaml")[1].split("```")[0]
    device = path.parent / "device.yaml"
    device.write_text(DEVICE + snippet, encoding="utf-8")
    try:
        checked = subprocess.run(
            [sys.executable, "-m", "esphome", "config", device], capture_output=True, text=True, timeout=300
        )
    finally:
        device.unlink()
    if checked.returncode:
        print(checked.stdout + checked.stderr, file=sys.stderr)
        return 1
    client = f"esphome {__version__}"
    print(json.dumps({"client": client, "wake_word": content["wake_word"], "model_bytes": len(model)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
