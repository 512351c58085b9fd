// Decoding an audio file at its own rate, mixed down to one channel.

import { readWav } from "./wav_file.js";

const DEFAULT_RATE_HZ = 48000; // of a format whose header is not read here; the browser then resamples to it

/** Decodes a File: {samples: Float32Array, sampleRateHz}; rejects with a sentence for the user. */
export async function readAudioFile(file) {
  const bytes = await file.arrayBuffer();
  const wav = readWav(new DataView(bytes));
  if (wav) return wav;
  const sampleRateHz = headerRateHz(new DataView(bytes)) ?? DEFAULT_RATE_HZ;
  let decoded;
  try {
    // decodeAudioData resamples to the rate of its context: with the file's own rate it does nothing.
    decoded = await new OfflineAudioContext(1, 1, sampleRateHz).decodeAudioData(bytes);
  } catch {
    throw new Error(`${file.name} is no audio file that this browser can decode.`);
  }
  return { samples: mixedDown(decoded), sampleRateHz };
}

/** Sample rate that a FLAC, Ogg (Vorbis, Opus) or MP3 file states in its first bytes, or null. */
export function headerRateHz(view) {
  const text = (at, length) =>
    at + length > view.byteLength
      ? ""
      : String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));
  if (text(0, 4) === "fLaC" && view.byteLength > 20) return view.getUint32(18) >>> 12;
  if (text(0, 4) === "OggS") {
    if (text(28, 8) === "OpusHead") return 48000; // Opus always decodes to it
    if (text(29, 6) === "vorbis" && view.byteLength > 44) return view.getUint32(40, true);
  }
  return mp3RateHz(view, text);
}

function mp3RateHz(view, text) {
  let at = 0;
  if (text(0, 3) === "ID3" && view.byteLength > 10) {
    const size = [6, 7, 8, 9].reduce((sum, i) => sum * 128 + (view.getUint8(i) & 127), 0);
    at = 10 + size;
  }
  if (at + 4 > view.byteLength) return null;
  const header = view.getUint32(at);
  const [version, layer, rate] = [(header >>> 19) & 3, (header >>> 17) & 3, (header >>> 10) & 3];
  if (header >>> 21 !== 0x7ff || version === 1 || layer === 0 || rate === 3) return null;
  return [44100, 48000, 32000][rate] / { 3: 1, 2: 2, 0: 4 }[version];
}

function mixedDown(decoded) {
  const mixed = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const samples = decoded.getChannelData(channel);
    for (let i = 0; i < mixed.length; i++) mixed[i] += samples[i] / decoded.numberOfChannels;
  }
  return mixed;
}
