// Cutting a stream into the model's windows, chunk by chunk: the rule of kwsembed.runtime.windows.

export class WindowBuffer {
  /** Window k starts at sample k * hopSamples; 1 <= hopSamples <= windowSamples. */
  constructor(windowSamples, hopSamples) {
    this.windowSamples = windowSamples;
    this.hopSamples = hopSamples;
    this.reset();
  }

  /** Forgets the stream; the next sample is sample 0. */
  reset() {
    this.kept = new Float32Array(0); // from the start of the next window on
    this.unseen = 0; // samples at the end of the stream that no window held yet
  }

  /** Takes the next samples; returns the windows that they fill. */
  process(chunk) {
    const kept = new Float32Array(this.kept.length + chunk.length);
    kept.set(this.kept);
    kept.set(chunk, this.kept.length);
    this.unseen += chunk.length;
    const windows = [];
    let begin = 0;
    while (begin + this.windowSamples <= kept.length) {
      windows.push(kept.slice(begin, begin + this.windowSamples));
      this.unseen = kept.length - begin - this.windowSamples;
      begin += this.hopSamples;
    }
    this.kept = kept.slice(begin);
    return windows;
  }

  /** Ends the stream: one more window, zeros behind the last sample, if samples were in no window yet. */
  flush() {
    const tail = new Float32Array(this.windowSamples);
    tail.set(this.kept);
    const windows = this.unseen ? [tail] : [];
    this.reset();
    return windows;
  }
}
