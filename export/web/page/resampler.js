// Band-limited resampling of a stream by a windowed sinc: the filter of kwsembed.audio.resample, so that the
// page hears what training heard, in every browser.

const HALF_WIDTH = 51; // of the filter, in samples of the lower rate
const CUTOFF = 0.475; // of the lower rate, the middle of the transition band
const KAISER_BETA = 7.95; // 80 dB

/** Taps of the low-pass at `up` times the input rate, symmetric, adding up to `up`. */
export function designFilter(up, down) {
  const longer = Math.max(up, down);
  const half = HALF_WIDTH * longer;
  const taps = new Float64Array(2 * half + 1);
  let sum = 0;
  for (let i = 0; i < taps.length; i++) {
    const time = (i - half) / longer;
    const position = (i - half) / half;
    const window = besselI0(KAISER_BETA * Math.sqrt(1 - position * position)) / besselI0(KAISER_BETA);
    taps[i] = sinc(2 * CUTOFF * time) * window;
    sum += taps[i];
  }
  return taps.map((tap) => (tap * up) / sum);
}

/** Resamples chunks of any size; the chunking does not change the result. */
export class Resampler {
  /** Both rates are whole numbers of Hz. */
  constructor(rateInHz, rateOutHz) {
    for (const rate of [rateInHz, rateOutHz]) {
      if (!Number.isInteger(rate) || rate < 1) throw new RangeError(`not a sample rate: ${rate}`);
    }
    const divisor = greatestCommonDivisor(rateInHz, rateOutHz);
    this.up = rateOutHz / divisor;
    this.down = rateInHz / divisor;
    this.half = this.up === this.down ? 0 : Math.ceil(HALF_WIDTH * Math.max(1, this.down / this.up));
    this.phases = this.up === this.down ? null : phases(this.up, this.down, this.half);
    this.reset();
  }

  /** Forgets the stream and begins a new one. */
  reset() {
    this.heard = 0; // inputs so far
    this.given = 0; // outputs so far
    this.keptFrom = -this.half; // index of the first kept input; silence came before the stream
    this.kept = new Float32Array(this.half);
  }

  /** Takes the next samples and returns the outputs that they complete; `final` also ends the stream. */
  process(chunk, { final = false } = {}) {
    if (!this.phases) return Float32Array.from(chunk);
    this.heard += chunk.length;
    this.kept = joined(this.kept, chunk);
    // Output k needs inputs up to k * down / up + half; after the end those are zero.
    const known = final ? this.heard : Math.max(0, this.heard - this.half);
    const ready = Math.max(this.given, Math.ceil((known * this.up) / this.down));
    if (final) this.kept = joined(this.kept, new Float32Array(this.half + 1));
    const out = this.#outputs(ready);
    if (final) this.reset();
    return out;
  }

  #outputs(ready) {
    const { up, down, half, phases, kept } = this;
    const width = 2 * half + 1;
    const out = new Float32Array(ready - this.given);
    for (let k = this.given; k < ready; k++) {
      const begin = Math.floor((k * down) / up) - half - this.keptFrom;
      const row = ((k * down) % up) * width;
      let total = 0;
      for (let i = 0; i < width; i++) total += kept[begin + i] * phases[row + i];
      out[k - this.given] = total;
    }
    const needed = Math.floor((ready * down) / up) - half;
    this.kept = kept.slice(needed - this.keptFrom);
    this.keptFrom = needed;
    this.given = ready;
    return out;
  }
}

/** (up, 2 * half + 1): row p holds the taps of outputs that lie p / up after an input, earliest input first. */
function phases(up, down, half) {
  const taps = designFilter(up, down);
  const centre = (taps.length - 1) / 2;
  const width = 2 * half + 1;
  const rows = new Float32Array(up * width);
  for (let phase = 0; phase < up; phase++) {
    for (let i = 0; i < width; i++) {
      const at = phase - (i - half) * up + centre;
      if (at >= 0 && at < taps.length) rows[phase * width + i] = taps[at];
    }
  }
  return rows;
}

/** Modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x) {
  const quarter = (x * x) / 4;
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= quarter / (k * k);
    sum += term;
  }
  return sum;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function joined(first, second) {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
