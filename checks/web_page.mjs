// Opens the exported page in Chromium, feeds it a file or the microphone, and prints as JSON what it scored.
//
//     node checks/web_page.mjs '{"url": ..., "packages": ..., "chromium": ..., "file": ... | "microphone": ...,
//                                "listenS": ..., "screenshot": ..., "colourScheme": ..., "width": ...}'
//
// `packages`: the node_modules that holds playwright-core. Windows come as base64 of float32.

import { createRequire } from "node:module";
import path from "node:path";

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(path.join(options.packages, "any.js"))("playwright-core");
const arguments_ = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
if (options.microphone) {
  arguments_.push("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream");
  arguments_.push(`--use-file-for-fake-audio-capture=${options.microphone}%noloop`);
}
/** Waits until the page has said `name`, or a problem. Not by waitForFunction: it may need eval, which the page forbids. */
async function until(page, name, seconds) {
  for (let left = seconds * 10; left > 0; left--) {
    const done = (wanted) => Boolean(window.heard[wanted] || document.querySelector("#status.problem"));
    if (await page.evaluate(done, name)) return;
    await page.waitForTimeout(100);
  }
  throw new Error(`not ${name} after ${seconds} s: ${await page.textContent("#status")}`);
}

const browser = await chromium.launch({ executablePath: options.chromium, args: arguments_ });
try {
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1000, height: options.height ?? 1000 },
    colorScheme: options.colourScheme ?? "light",
  });
  const problems = [];
  const requests = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.addInitScript(() => {
    const heard = { begin: null, hops: [], detections: [], ended: false, refused: [] };
    window.heard = heard;
    const base64 = (values) => {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      let text = "";
      for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
      return btoa(text);
    };
    addEventListener("kwsembed:ready", () => (heard.ready = true));
    addEventListener("kwsembed:begin", ({ detail }) => (heard.begin = detail));
    addEventListener("kwsembed:hop", ({ detail }) =>
      heard.hops.push({
        window: base64(detail.window),
        scores: Array.from(detail.scores),
        smoothed: Array.from(detail.smoothed),
      }),
    );
    addEventListener("kwsembed:detection", ({ detail }) => heard.detections.push(detail));
    addEventListener("kwsembed:end", () => (heard.ended = true));
    addEventListener("securitypolicyviolation", (event) => heard.refused.push(event.blockedURI));
  });
  await page.goto(options.url);
  await until(page, "ready", 120);
  if (options.file) await page.setInputFiles("#file", options.file);
  if (options.microphone) {
    await page.click("#listen");
    await page.waitForTimeout(options.listenS * 1000);
    if (options.screenshot) await page.screenshot({ path: options.screenshot, fullPage: true });
    await page.click("#listen");
  }
  await until(page, "ended", 600);
  if (options.file && options.screenshot) {
    await page.waitForTimeout(300);
    await page.screenshot({ path: options.screenshot, fullPage: true });
  }
  const heard = await page.evaluate(() => window.heard);
  const status = await page.textContent("#status");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  const rows = await page.$$eval("#detections tbody tr", (found) => found.length);
  console.log(JSON.stringify({ ...heard, status, wide, rows, problems, requests, browser: browser.version() }));
} finally {
  await browser.close();
}
