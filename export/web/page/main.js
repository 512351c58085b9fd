// The page: buttons and files on one side, the stream detector on the other, the views in between.

import { readAudioFile } from "./audio_file.js";
import { loadClassifier } from "./classifier.js";
import { clock, DetectionList } from "./detection_list.js";
import { Meters } from "./meters.js";
import { openMicrophone } from "./microphone.js";
import { StreamDetector } from "./stream.js";
import { Timeline } from "./timeline.js";

const FILE_CHUNK_S = 1;
const LATE_S = 2; // so far behind the microphone, the device is too slow

const byId = (id) => document.getElementById(id);
const listen = byId("listen");
const status = byId("status");
const file = byId("file");

/** Says what happens; `problem` marks what the user has to mend. */
function say(text, { problem = false } = {}) {
  status.textContent = text;
  status.classList.toggle("problem", problem);
}

/** Events for pages that embed this one, and for its check: `kwsembed:hop`, `kwsembed:detection`, ... */
function announce(name, detail) {
  globalThis.dispatchEvent(new CustomEvent(`kwsembed:${name}`, { detail }));
}

async function start() {
  const settings = await (await fetch("settings.json")).json();
  const names = settings.eventLabels.map((label) => label.replaceAll("_", " "));
  byId("title").textContent = `Listening for ${new Intl.ListFormat("en").format(names)}`;
  document.title = names.join(", ");
  const classifier = await loadClassifier(settings);
  new Page(settings, classifier);
}

class Page {
  constructor(settings, classifier) {
    this.settings = settings;
    this.classifier = classifier;
    this.meters = new Meters(byId("meters"), settings);
    this.list = new DetectionList({
      body: byId("detections").tBodies[0],
      empty: byId("none"),
      download: byId("download"),
    });
    this.timeline = new Timeline(byId("timeline"), settings);
    const canvas = byId("timeline");
    canvas.style.height = `${this.timeline.heightPx(150)}px`;
    this.microphone = null;
    this.reading = 0; // counts files, so that a newer one ends an older one
    listen.addEventListener("click", () => (this.microphone ? this.stop() : this.listen()));
    file.addEventListener("change", () => this.#chosen(file.files));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#chosen(event.dataTransfer.files);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    for (const control of [listen, file]) control.disabled = false;
    say("Ready. Sound stays on this device.");
    announce("ready", { settings });
  }

  async listen() {
    this.reading += 1;
    listen.disabled = true;
    say("Opening the microphone …");
    const waiting = [];
    try {
      const microphone = await openMicrophone((chunk) =>
        this.microphone ? this.#heard(chunk) : waiting.push(chunk),
      );
      this.#begin("mic", microphone.sampleRateHz, null);
      this.microphone = microphone;
      this.openedMs = performance.now();
      for (const chunk of waiting) this.#heard(chunk);
      listen.textContent = "Stop";
      listen.setAttribute("aria-pressed", "true");
      say("Listening.");
      // A phone that goes to sleep stops listening.
      this.awake = await navigator.wakeLock?.request("screen").catch(() => null);
    } catch (error) {
      say(error.message, { problem: true });
    } finally {
      listen.disabled = false;
    }
  }

  stop() {
    if (!this.microphone) return;
    this.microphone.stop();
    this.microphone = null;
    this.awake?.release();
    listen.textContent = "Listen";
    listen.setAttribute("aria-pressed", "false");
    this.#end();
    say("Stopped.");
  }

  /** Judges a whole recording, a second at a time so that the page stays responsive. */
  async read(chosen) {
    this.stop();
    const turn = ++this.reading;
    say(`Reading ${chosen.name} …`);
    try {
      const { samples, sampleRateHz } = await readAudioFile(chosen);
      if (turn !== this.reading) return;
      const durationS = samples.length / sampleRateHz;
      this.#begin(chosen.name, sampleRateHz, durationS);
      const chunk = Math.round(FILE_CHUNK_S * sampleRateHz);
      for (let at = 0; at < samples.length; at += chunk) {
        this.#take(this.stream.process(samples.subarray(at, at + chunk)));
        say(`${chosen.name}: ${clock(at / sampleRateHz)} of ${clock(durationS)}`);
        await new Promise((resolve) => setTimeout(resolve));
        if (turn !== this.reading) return;
      }
      this.#end();
      say(`${chosen.name}: ${clock(durationS)}, ${counted(this.list.detections.length)}.`);
    } catch (error) {
      if (turn === this.reading) say(error.message, { problem: true });
    }
  }

  #chosen(files) {
    if (files.length && !file.disabled) this.read(files[0]);
    file.value = "";
  }

  #begin(source, sampleRateHz, durationS) {
    this.stream = new StreamDetector(this.settings, sampleRateHz, (window) => this.classifier.score(window));
    this.list.clear(source);
    this.timeline.begin(durationS);
    announce("begin", { source, sampleRateHz });
  }

  #heard(chunk) {
    this.#take(this.stream.process(chunk));
    const lateS = (performance.now() - this.openedMs) / 1000 - this.stream.heard / this.stream.sampleRateHz;
    if (lateS > LATE_S) say(`${lateS.toFixed(0)} s behind: this device is too slow, or was asleep.`, { problem: true });
  }

  #end() {
    this.#take(this.stream.flush());
    announce("end", { source: this.list.source });
  }

  #take({ samples, hops, detections }) {
    this.timeline.addSamples(samples);
    for (const { hop, window, scores, smoothed } of hops) {
      this.timeline.addHop(hop, smoothed);
      announce("hop", { hop, window, scores, smoothed });
    }
    for (const detection of detections) {
      this.list.add(detection);
      this.timeline.addDetection(detection);
      announce("detection", detection);
    }
    if (hops.length) this.meters.show(hops.at(-1).scores, hops.at(-1).smoothed);
    this.draw();
  }

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.timeline.draw();
      byId("left").textContent = clock(this.timeline.leftS);
      byId("right").textContent = clock(this.timeline.leftS + this.timeline.spanS);
    });
  }
}

function counted(detections) {
  return detections === 1 ? "1 detection" : `${detections || "no"} detections`;
}

start().catch((error) => say(`The model cannot be loaded: ${error.message}`, { problem: true }));
