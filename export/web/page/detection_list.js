// The table of detections, newest first, and its download as the TSV that `kwsembed detect` writes.

import { scoreText } from "./level.js";

const SHOWN = 200;

export class DetectionList {
  constructor({ body, empty, download }) {
    Object.assign(this, { body, empty, download });
    download.addEventListener("click", () => this.#save());
    this.clear("mic");
  }

  /** Begins a new list; `source` is the name of the file, or "mic". */
  clear(source) {
    this.source = source;
    this.detections = [];
    this.body.replaceChildren();
    this.#refresh();
  }

  add(detection) {
    this.detections.push(detection);
    const row = this.body.insertRow(0);
    const lengthS = detection.offsetS - detection.onsetS;
    const label = detection.label.replaceAll("_", " ");
    for (const text of [clock(detection.onsetS), label, `${lengthS.toFixed(1)} s`, scoreText(detection.score)]) {
      row.insertCell().textContent = text;
    }
    if (this.body.rows.length > SHOWN) this.body.deleteRow(-1);
    this.#refresh();
  }

  #refresh() {
    this.empty.hidden = this.detections.length > 0;
    this.body.parentElement.hidden = this.detections.length === 0;
    this.download.disabled = this.detections.length === 0;
  }

  #save() {
    const rows = [...this.detections]
      .sort((a, b) => a.onsetS - b.onsetS)
      .map((d) => [this.source, d.onsetS.toFixed(3), d.offsetS.toFixed(3), d.label, d.score.toFixed(4)].join("\t"));
    const text = ["filename\tonset\toffset\tevent_label\tscore", ...rows, ""].join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
    link.download = "detections.tsv";
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

/** Seconds as minutes and seconds: 75.25 -> "1:15.3". */
export function clock(timeS) {
  const tenths = Math.round(timeS * 10);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${String(((tenths % 600) / 10).toFixed(1)).padStart(4, "0")}`;
}
