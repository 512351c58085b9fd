// The model in MediaPipe's WebAssembly runtime: one window in, the scores of all labels out.

import { AudioClassifier, FilesetResolver } from "./vendor/mediapipe/tasks-audio.js";

/** Loads runtime and model; rejects if the browser has no WebAssembly or the model does not load. */
export async function loadClassifier(settings, modelUrl = "model.tflite") {
  const [fileset, model] = await Promise.all([
    FilesetResolver.forAudioTasks("vendor/mediapipe/wasm"),
    fetchBytes(modelUrl),
  ]);
  const classifier = await AudioClassifier.createFromOptions(fileset, {
    baseOptions: { modelAssetBuffer: model },
  });
  return {
    /** (windowSamples,) in [-1, 1] at the model's rate -> (labels,) in the order of settings.labels. */
    score(window) {
      const [result] = classifier.classify(window, settings.sampleRateHz);
      const scores = new Float32Array(settings.labels.length);
      for (const category of result.classifications[0].categories) scores[category.index] = category.score;
      return scores;
    },
    close: () => classifier.close(),
  };
}

async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
