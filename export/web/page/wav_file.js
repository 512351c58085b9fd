// WAV files read here, sample by sample: browsers scale positive samples otherwise than negative ones.

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

const READERS = {
  [`${PCM}/8`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${PCM}/16`]: (view, at) => view.getInt16(at, true) / 32768,
  [`${PCM}/24`]: (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8388608,
  [`${PCM}/32`]: (view, at) => view.getInt32(at, true) / 2147483648,
  [`${FLOAT}/32`]: (view, at) => view.getFloat32(at, true),
  [`${FLOAT}/64`]: (view, at) => view.getFloat64(at, true),
};

/** Reads a WAV file, mixed down: {samples, sampleRateHz}; null for any other file or coding. */
export function readWav(view) {
  if (fourLetters(view, 0) !== "RIFF" || fourLetters(view, 8) !== "WAVE") return null;
  let format = null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const name = fourLetters(view, at);
    const size = view.getUint32(at + 4, true);
    const begin = at + 8;
    if (name === "fmt " && begin + 16 <= view.byteLength) format = readFormat(view, begin, size);
    // A recorder that was cut off leaves a size behind that is larger than the file.
    if (name === "data" && format) return readData(view, begin, Math.min(size, view.byteLength - begin), format);
    at = begin + size + (size % 2);
  }
  return null;
}

function readFormat(view, at, size) {
  let coding = view.getUint16(at, true);
  if (coding === EXTENSIBLE && size >= 40 && at + 26 <= view.byteLength) coding = view.getUint16(at + 24, true);
  const bits = view.getUint16(at + 14, true);
  return {
    read: READERS[`${coding}/${bits}`],
    bytes: bits / 8,
    channels: view.getUint16(at + 2, true),
    sampleRateHz: view.getUint32(at + 4, true),
  };
}

function readData(view, begin, size, { read, bytes, channels, sampleRateHz }) {
  if (!read || !channels || !sampleRateHz) return null;
  const samples = new Float32Array(Math.floor(size / (bytes * channels)));
  for (let i = 0; i < samples.length; i++) {
    let total = 0;
    for (let channel = 0; channel < channels; channel++) {
      total += read(view, begin + (i * channels + channel) * bytes);
    }
    samples[i] = total / channels;
  }
  return { samples, sampleRateHz };
}

function fourLetters(view, at) {
  if (at + 4 > view.byteLength) return "";
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}
