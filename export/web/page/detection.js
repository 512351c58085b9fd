// From window scores to detections: the rules of kwsembed.detection, hop by hop.

/** Finds the runs of hits of one label; hops are counted from the stream's start. */
class Track {
  constructor(threshold, post) {
    this.threshold = threshold;
    this.minConsecutive = post.minConsecutive;
    this.refractoryHops = refractoryHops(post);
    this.begin = null; // first counted hop of the run under way
    this.peak = -Infinity;
    this.ready = 0; // first hop past the refractory time
  }

  /** Takes the smoothed score of the next hop; returns the run that it closes, or null. */
  advance(smoothed, hop) {
    if (smoothed >= this.threshold) {
      if (this.begin === null) {
        this.begin = Math.max(hop, this.ready);
        this.peak = -Infinity;
      }
      if (hop >= this.begin) this.peak = Math.max(this.peak, smoothed);
      return null;
    }
    const begin = this.begin;
    this.begin = null;
    if (begin === null || hop - begin < this.minConsecutive) return null;
    this.ready = hop + this.refractoryHops;
    return { firstHop: begin, lastHop: hop - 1, score: this.peak };
  }
}

/** Turns the scores of successive windows into detections. */
export class EventDetector {
  /**
   * `labels`: event labels, in the order of the scores given; `thresholds`: a number above 0 for each label;
   * `post`: {hopS, smoothingWindows, minConsecutive, refractoryS, onsetShiftS}; `windowS`: seconds.
   */
  constructor(labels, thresholds, post, windowS) {
    this.labels = labels;
    this.thresholds = thresholds;
    this.post = post;
    this.windowS = windowS;
    this.reset();
  }

  /** Forgets the stream; the next scores start at 0 s. */
  reset() {
    this.hops = 0;
    this.history = []; // scores of the last smoothingWindows hops, the newest first
    this.tracks = this.labels.map((label) => new Track(this.thresholds[label], this.post));
  }

  /** Takes the scores of the next window; returns its smoothed scores and the detections that closed. */
  process(scores) {
    this.history.unshift(Array.from(scores));
    this.history.length = Math.min(this.history.length, this.post.smoothingWindows);
    const smoothed = this.labels.map((_, label) => {
      let total = 0; // always added up newest first, as Python does, so that not even the last bit differs
      for (const row of this.history) total += row[label];
      return total / this.history.length;
    });
    const detections = this.#advance(smoothed);
    this.hops += 1;
    return { smoothed, detections };
  }

  /** Ends the stream of `endS` seconds, which no detection outlasts: closes what is open, then resets. */
  flush(endS = Infinity) {
    const found = this.#advance(this.labels.map(() => -Infinity));
    this.reset();
    if (endS === Infinity) return found;
    const latestS = Math.max(endS - this.post.hopS, 0);
    return found.map((detection) => ({
      ...detection,
      onsetS: Math.min(detection.onsetS, latestS),
      offsetS: Math.min(detection.offsetS, endS),
    }));
  }

  #advance(smoothed) {
    const found = [];
    this.tracks.forEach((track, index) => {
      const run = track.advance(smoothed[index], this.hops);
      if (!run) return;
      const [onsetS, offsetS] = spanS(run.firstHop, run.lastHop, this.post, this.windowS);
      found.push({ label: this.labels[index], onsetS, offsetS, score: run.score });
    });
    return found;
  }
}

/** Hops from the hop that closes a detection to the first that may open the next. */
export function refractoryHops(post) {
  return Math.ceil(post.refractoryS / post.hopS - 1e-9); // 0.3 / 0.1 is 2.9999999999999996 or so
}

/** Onset and offset, in seconds, of a run of hits: the centres of what its first and last hop average. */
export function spanS(firstHop, lastHop, post, windowS) {
  const beginS = centreS(firstHop, post, windowS);
  const endS = centreS(lastHop, post, windowS);
  const middleS = (beginS + endS) / 2;
  const halfS = Math.max((endS - beginS) / 2 - post.onsetShiftS, post.hopS / 2);
  return [Math.max(middleS - halfS, 0), middleS + halfS];
}

/** Seconds at which the smoothed score of a hop stands: the centre of the audio that it averages. */
export function centreS(hop, post, windowS) {
  const averaged = Math.min(hop + 1, post.smoothingWindows);
  return (hop - (averaged - 1) / 2) * post.hopS + windowS / 2;
}
