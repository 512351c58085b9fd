// The microphone at its own rate, without the processing that phones add for calls.

/**
 * Opens the microphone; `onChunk(samples)` gets chunks of one channel, in order, none lost.
 * Returns {sampleRateHz, stop()}; rejects with a sentence for the user.
 */
export async function openMicrophone(onChunk) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give the microphone to pages on https:// or http://localhost only.");
  }
  const stream = await requested();
  const context = new AudioContext();
  try {
    await context.audioWorklet.addModule("capture_worklet.js");
    const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = (message) => onChunk(message.data);
    context.createMediaStreamSource(stream).connect(capture);
    await context.resume(); // phones start it suspended
  } catch (error) {
    close(stream, context);
    throw new Error(`The microphone cannot be read: ${error.message}`);
  }
  return { sampleRateHz: Math.round(context.sampleRate), stop: () => close(stream, context) };
}

async function requested() {
  try {
    // Echo cancellation, noise suppression and gain control remove what a detector should hear.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    const reasons = {
      NotAllowedError: "The microphone was not allowed. Allow it in the browser's settings for this page.",
      NotFoundError: "There is no microphone.",
      NotReadableError: "The microphone is in use elsewhere.",
    };
    throw new Error(reasons[error.name] ?? `The microphone cannot be opened: ${error.message}`);
  }
}

function close(stream, context) {
  for (const track of stream.getTracks()) track.stop();
  context.close();
}
