// The whole path from samples of any rate to scores and detections: kwsembed.runtime.Detector for the page.

import { EventDetector } from "./detection.js";
import { Resampler } from "./resampler.js";
import { WindowBuffer } from "./windows.js";

export class StreamDetector {
  /** `settings`: the page's settings.json; `score`: a window (Float32Array) -> the scores of all labels. */
  constructor(settings, sampleRateHz, score) {
    this.settings = settings;
    this.sampleRateHz = sampleRateHz;
    this.score = score;
    this.resampler = new Resampler(sampleRateHz, settings.sampleRateHz);
    this.windows = new WindowBuffer(settings.windowSamples, settings.hopSamples);
    this.eventColumns = settings.eventLabels.map((label) => settings.labels.indexOf(label));
    const windowS = settings.windowSamples / settings.sampleRateHz;
    this.detector = new EventDetector(settings.eventLabels, settings.thresholds, settings.post, windowS);
    this.hop = 0;
    this.heard = 0; // samples taken so far, at the stream's rate
  }

  /**
   * Takes the next samples of one channel. Returns `samples`, those at the model's rate that they completed;
   * `hops`, one {hop, window, scores, smoothed} per window; and `detections`, those that closed.
   */
  process(chunk) {
    this.heard += chunk.length;
    const samples = this.resampler.process(chunk);
    return { samples, ...this.#judge(this.windows.process(samples)) };
  }

  /** Ends the stream: judges its tail and closes what is open. */
  flush() {
    const samples = this.resampler.process(new Float32Array(0), { final: true });
    const last = this.#judge([...this.windows.process(samples), ...this.windows.flush()]);
    last.detections.push(...this.detector.flush(this.heard / this.sampleRateHz));
    this.hop = 0;
    this.heard = 0;
    return { samples, ...last };
  }

  #judge(windows) {
    const hops = [];
    const detections = [];
    for (const window of windows) {
      const scores = this.score(window);
      const judged = this.detector.process(this.eventColumns.map((column) => scores[column]));
      hops.push({ hop: this.hop, window, scores, smoothed: judged.smoothed });
      detections.push(...judged.detections);
      this.hop += 1;
    }
    return { hops, detections };
  }
}
