// Levels of the bands of a short frame, for the picture only: the model has a front end of its own.

const FRAME = 512;
const FLOOR_DB = -95;
const CEILING_DB = -20;

export class Spectrum {
  constructor(sampleRateHz, bands) {
    this.window = Float64Array.from({ length: FRAME }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME));
    this.edges = melEdges(sampleRateHz, bands);
    this.real = new Float64Array(FRAME);
    this.imaginary = new Float64Array(FRAME);
  }

  get frameSamples() {
    return FRAME;
  }

  /** (512,) samples -> (bands,) levels from 0 (silent) to 1 (loud), low bands first. */
  levels(frame) {
    for (let i = 0; i < FRAME; i++) this.real[i] = frame[i] * this.window[i];
    this.imaginary.fill(0);
    transform(this.real, this.imaginary);
    return this.edges.map(([begin, end]) => {
      let power = 1e-20;
      for (let bin = begin; bin < end; bin++) {
        power = Math.max(power, this.real[bin] ** 2 + this.imaginary[bin] ** 2);
      }
      const db = 10 * Math.log10(power * (4 / FRAME) ** 2); // a full-scale sine is at 0 dB
      return Math.min(Math.max((db - FLOOR_DB) / (CEILING_DB - FLOOR_DB), 0), 1);
    });
  }
}

/** First bin and the bin behind the last of each band, evenly spaced on the mel scale from 60 Hz on. */
function melEdges(sampleRateHz, bands) {
  const mel = (hz) => 2595 * Math.log10(1 + hz / 700);
  const [low, high] = [mel(60), mel(sampleRateHz / 2)];
  const bin = (band) => {
    const hz = 700 * (10 ** ((low + ((high - low) * band) / bands) / 2595) - 1);
    return (hz * FRAME) / sampleRateHz;
  };
  return Array.from({ length: bands }, (_, band) => {
    const begin = Math.floor(bin(band));
    return [begin, Math.max(Math.ceil(bin(band + 1)), begin + 1)];
  });
}

/** Fourier transform in place, radix 2; both arrays have a power of two of values. */
function transform(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const angle = (-2 * Math.PI * k) / size;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      for (let a = k; a < n; a += size) {
        const b = a + size / 2;
        const re = real[b] * cos - imaginary[b] * sin;
        const im = real[b] * sin + imaginary[b] * cos;
        real[b] = real[a] - re;
        imaginary[b] = imaginary[a] - im;
        real[a] += re;
        imaginary[a] += im;
      }
    }
  }
}
