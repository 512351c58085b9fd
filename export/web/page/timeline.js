// The picture of the stream: its spectrogram and, below, a lane per event label with scores and detections.

import { centreS } from "./detection.js";
import { level } from "./level.js";
import { Spectrum } from "./spectrum.js";

const BANDS = 64;
const COLUMNS = 500;
const LIVE_S = 10;
const LANE_PX = 18;
const GAP_PX = 4;
// Dark to bright, evenly in lightness: silence is dark in both colour schemes, as in any spectrogram.
const COLOURS = [[9, 11, 28], [40, 22, 84], [95, 27, 111], [160, 44, 96], [216, 81, 63], [247, 146, 33], [252, 233, 150]];

export class Timeline {
  constructor(canvas, settings) {
    this.canvas = canvas;
    this.settings = settings;
    this.spectrum = new Spectrum(settings.sampleRateHz, BANDS);
    this.image = new OffscreenCanvas(COLUMNS, BANDS);
    this.pixels = this.image.getContext("2d");
    this.column = this.pixels.createImageData(1, BANDS);
    this.begin(null);
  }

  /** Begins a stream: `durationS` of a recording that is shown whole, or null for one that scrolls. */
  begin(durationS) {
    this.live = durationS === null;
    this.spanS = this.live ? LIVE_S : Math.max(durationS, 1);
    this.columnSamples = Math.max(1, (this.spanS * this.settings.sampleRateHz) / COLUMNS);
    this.columns = 0;
    this.samples = 0;
    this.pending = new Float32Array(0);
    this.pendingFrom = 0;
    this.marks = []; // {label index, centreS, level}
    this.detections = [];
    this.pixels.fillStyle = colour(0);
    this.pixels.fillRect(0, 0, COLUMNS, BANDS);
  }

  /** Takes the next samples at the model's rate. */
  addSamples(samples) {
    const joined = new Float32Array(this.pending.length + samples.length);
    joined.set(this.pending);
    joined.set(samples, this.pending.length);
    this.samples += samples.length;
    for (;;) {
      const at = Math.round(this.columns * this.columnSamples) - this.pendingFrom;
      if (at + this.spectrum.frameSamples > joined.length) break;
      if (this.live || this.columns < COLUMNS) {
        this.#paint(this.spectrum.levels(joined.subarray(at, at + this.spectrum.frameSamples)));
      }
      this.columns += 1;
    }
    const keptFrom = Math.min(Math.round(this.columns * this.columnSamples) - this.pendingFrom, joined.length);
    this.pending = joined.slice(keptFrom);
    this.pendingFrom += keptFrom;
  }

  /** Takes the smoothed scores of a hop. */
  addHop(hop, smoothed) {
    const { post, windowSamples, sampleRateHz } = this.settings;
    const atS = centreS(hop, post, windowSamples / sampleRateHz);
    this.settings.eventLabels.forEach((label, lane) => {
      this.marks.push({ lane, centreS: atS, height: level(smoothed[lane], this.settings.thresholds[label]) });
    });
    if (this.live) {
      const keptFromS = atS - 2 * LIVE_S;
      this.marks = this.marks.filter((mark) => mark.centreS > keptFromS);
      this.detections = this.detections.filter((detection) => detection.offsetS > keptFromS);
    }
  }

  addDetection(detection) {
    this.detections.push(detection);
  }

  /** Seconds at the left end of the picture. */
  get leftS() {
    return this.live ? Math.max(0, this.samples / this.settings.sampleRateHz - this.spanS) : 0;
  }

  /** Height in CSS pixels that the lanes need below a spectrogram of `spectrogramPx`. */
  heightPx(spectrogramPx) {
    return spectrogramPx + GAP_PX + this.settings.eventLabels.length * LANE_PX;
  }

  draw() {
    const scale = globalThis.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width) return;
    const [fullWidth, fullHeight] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.canvas.width !== fullWidth || this.canvas.height !== fullHeight) {
      [this.canvas.width, this.canvas.height] = [fullWidth, fullHeight];
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const spectrogramPx = height - GAP_PX - this.settings.eventLabels.length * LANE_PX;
    this.#drawSpectrogram(context, width, spectrogramPx);
    this.#drawLanes(context, width, spectrogramPx + GAP_PX);
  }

  #paint(levels) {
    for (let row = 0; row < BANDS; row++) {
      const [red, green, blue] = rgb(levels[BANDS - 1 - row]);
      this.column.data.set([red, green, blue, 255], 4 * row);
    }
    this.pixels.putImageData(this.column, this.columns % COLUMNS, 0);
  }

  #drawSpectrogram(context, width, height) {
    context.fillStyle = colour(0);
    context.fillRect(0, 0, width, height);
    const columnPx = width / COLUMNS;
    const oldest = this.live && this.columns > COLUMNS ? this.columns % COLUMNS : 0;
    const behind = COLUMNS - oldest; // the columns from `oldest` on come first
    context.drawImage(this.image, oldest, 0, behind, BANDS, 0, 0, behind * columnPx, height);
    if (oldest) {
      context.drawImage(this.image, 0, 0, oldest, BANDS, behind * columnPx, 0, oldest * columnPx, height);
    }
  }

  #drawLanes(context, width, top) {
    const style = getComputedStyle(this.canvas);
    const [quiet, accent, text] = ["--quiet", "--accent", "--text"].map((name) => style.getPropertyValue(name));
    const x = (timeS) => ((timeS - this.leftS) / this.spanS) * width;
    const hopPx = (this.settings.post.hopS / this.spanS) * width;
    this.settings.eventLabels.forEach((label, lane) => {
      const y = top + lane * LANE_PX;
      context.fillStyle = quiet;
      context.fillRect(0, y, width, LANE_PX - 2);
      context.fillStyle = accent;
      for (const mark of this.marks) {
        if (mark.lane !== lane) continue;
        const markPx = mark.height * (LANE_PX - 2);
        context.globalAlpha = mark.height >= 0.5 ? 1 : 0.45;
        context.fillRect(x(mark.centreS) - hopPx / 2, y + LANE_PX - 2 - markPx, Math.max(hopPx, 1), markPx);
      }
      context.globalAlpha = 1;
      context.strokeStyle = text;
      context.lineWidth = 1.5;
      for (const detection of this.detections) {
        if (detection.label !== label) continue;
        const spanPx = Math.max(x(detection.offsetS) - x(detection.onsetS), 3);
        context.strokeRect(x(detection.onsetS), y, spanPx, LANE_PX - 2);
      }
      context.font = "600 11px system-ui, sans-serif";
      context.textBaseline = "middle";
      context.lineWidth = 3;
      context.strokeStyle = quiet;
      context.fillStyle = text;
      context.strokeText(label.replaceAll("_", " "), 6, y + LANE_PX / 2 - 0.5);
      context.fillText(label.replaceAll("_", " "), 6, y + LANE_PX / 2 - 0.5);
    });
  }
}

function colour(amount) {
  return `rgb(${rgb(amount).join(" ")})`;
}

function rgb(amount) {
  const position = amount * (COLOURS.length - 1);
  const low = Math.min(Math.floor(position), COLOURS.length - 2);
  return COLOURS[low].map((value, i) => Math.round(value + (COLOURS[low + 1][i] - value) * (position - low)));
}
