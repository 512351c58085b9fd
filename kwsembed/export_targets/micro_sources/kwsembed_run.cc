// Detects events in raw 16-bit mono samples on standard input, with TensorFlow Lite Micro; on a device, read the
// microphone in place of standard input.
//
//   ./kwsembed_run < samples.raw      (at the model's rate)
//   ./kwsembed_run --golden           checks the model against what Python computed
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kwsembed_detector.h"
#include "kwsembed_frontend.h"
#include "kwsembed_golden.h"
#include "kwsembed_model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

alignas(16) uint8_t arena[KWSEMBED_ARENA_BYTES];
kwsembed_frontend frontend;
kwsembed_features features;
kwsembed_detector detector;

int Golden(tflite::MicroInterpreter& interpreter) {
  int largest = 0;
  std::memcpy(interpreter.input(0)->data.int8, kwsembed_golden_features, sizeof kwsembed_golden_features);
  if (interpreter.Invoke() != kTfLiteOk) return 1;
  for (int label = 0; label < KWSEMBED_LABELS; ++label) {
    const int off = std::abs(interpreter.output(0)->data.int8[label] - kwsembed_golden_logits[label]);
    if (off > largest) largest = off;
  }
  std::printf("largest error of a logit: %d steps; arena used: %u bytes\n", largest,
              static_cast<unsigned>(interpreter.arena_used_bytes()));
  return largest > 1;
}

int Detect(tflite::MicroInterpreter& interpreter) {
  int16_t buffer[256];
  kwsembed_frontend_reset(&frontend);
  kwsembed_features_reset(&features);
  kwsembed_detector_reset(&detector);
  for (;;) {
    int count = static_cast<int>(std::fread(buffer, sizeof buffer[0], 256, stdin));
    if (count == 0) return 0;
    const int16_t* samples = buffer;
    float log_mel[KWSEMBED_MELS];
    while (kwsembed_frontend_push(&frontend, &samples, &count, log_mel)) {
      int8_t row[KWSEMBED_MELS];
      kwsembed_quantise(log_mel, row);
      if (!kwsembed_features_add(&features, row)) continue;
      // The interpreter reuses its input's memory, so the window is kept outside and copied each time.
      std::memcpy(interpreter.input(0)->data.int8, features.rows, sizeof features.rows);
      if (interpreter.Invoke() != kTfLiteOk) return 1;
      float probabilities[KWSEMBED_LABELS];
      kwsembed_detection found[KWSEMBED_EVENTS];
      kwsembed_probabilities(interpreter.output(0)->data.int8, probabilities);
      const int detections = kwsembed_detector_update(&detector, probabilities, found);
      for (int i = 0; i < detections; ++i) {
        std::printf("%.3f\t%.3f\t%s\t%.4f\n", found[i].onset_s, found[i].offset_s, kwsembed_events[found[i].event],
                    found[i].score);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const tflite::Model* model = tflite::GetModel(kwsembed_model);
  if (model->version() != TFLITE_SCHEMA_VERSION) return 1;
  tflite::MicroMutableOpResolver<KWSEMBED_OPERATIONS> resolver;
  kwsembed_add_operations(resolver);
  tflite::MicroInterpreter interpreter(model, resolver, arena, sizeof arena);
  if (interpreter.AllocateTensors() != kTfLiteOk) return 1;
  return argc > 1 && !std::strcmp(argv[1], "--golden") ? Golden(interpreter) : Detect(interpreter);
}
