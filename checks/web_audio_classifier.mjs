// Classifies windows with MediaPipe's AudioClassifier in Chromium, as a page would, and prints JSON.
//
//     node checks/web_audio_classifier.mjs '{"url": ..., "packages": ..., "chromium": ..., "models": ...,
//                                            "windowSamples": ..., "sampleRateHz": ...}'
//
// `url` serves `runtime/`, the npm package; `windows.f32`; and the models, `0.tflite` and on.

import { createRequire } from "node:module";
import path from "node:path";

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(path.join(options.packages, "any.js"))("playwright-core");
const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
try {
  const page = await browser.newPage();
  // The runtime would send usage metrics; nothing but the served folder is reached.
  await page.route("**/*", (route) =>
    route.request().url().startsWith(options.url) ? route.continue() : route.abort(),
  );
  await page.goto(options.url);
  const models = await page.evaluate(async ({ models, windowSamples, sampleRateHz }) => {
    const bytes = async (name) => (await fetch(name)).arrayBuffer();
    const module = await import("./runtime/audio_bundle.mjs");
    const fileset = await module.FilesetResolver.forAudioTasks("runtime/wasm");
    const samples = new Float32Array(await bytes("windows.f32"));
    const answers = [];
    for (let number = 0; number < models; number++) {
      const model = new Uint8Array(await bytes(`${number}.tflite`));
      const classify = async (settings) => {
        const classifier = await module.AudioClassifier.createFromOptions(fileset, {
          baseOptions: { modelAssetBuffer: model },
          ...settings,
        });
        const found = [];
        for (let at = 0; at < samples.length; at += windowSamples) {
          const [result] = classifier.classify(samples.subarray(at, at + windowSamples), sampleRateHz);
          const { categories } = result.classifications[0];
          found.push(Object.fromEntries(categories.map(({ categoryName, score }) => [categoryName, score])));
        }
        classifier.close();
        return found;
      };
      // Below any calibrated score: 0 would count as not set, and keep the threshold of the metadata.
      const scores = await classify({ scoreThreshold: 1e-37 });
      const reported = (await classify({})).map((window) => Object.keys(window).sort());
      answers.push({ scores, reported });
    }
    return answers;
  }, options);
  console.log(JSON.stringify({ client: "@mediapipe/tasks-audio", models }));
} finally {
  await browser.close();
}
