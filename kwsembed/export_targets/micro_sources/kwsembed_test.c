/* Checks front end and detector against what Python computed; needs no TensorFlow. Run it on the device too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kwsembed_detector.h"
#include "kwsembed_frontend.h"
#include "kwsembed_golden.h"

static int failures = 0;

static void expect(int holds, const char *what, double value) {
  printf("%s %s: %g\n", holds ? "ok  " : "FAIL", what, value);
  failures += !holds;
}

static kwsembed_frontend frontend;
static kwsembed_features features;

static void test_frontend(void) {
  /* In chunks of uneven length, as a microphone may deliver them. */
  double largest = 0.0;
  int steps = 0, rows = 0, windows = 0, position = 0, chunk = 1;
  kwsembed_frontend_reset(&frontend);
  kwsembed_features_reset(&features);
  while (position < KWSEMBED_GOLDEN_SAMPLES) {
    const int16_t *samples = kwsembed_golden_samples + position;
    int count = chunk, taken;
    float log_mel[KWSEMBED_MELS];
    int8_t row[KWSEMBED_MELS];
    if (count > KWSEMBED_GOLDEN_SAMPLES - position) count = KWSEMBED_GOLDEN_SAMPLES - position;
    taken = count;
    while (kwsembed_frontend_push(&frontend, &samples, &count, log_mel)) {
      kwsembed_quantise(log_mel, row);
      for (int mel = 0; mel < KWSEMBED_MELS; ++mel) {
        const double difference = fabs((double)log_mel[mel] - kwsembed_golden_log_mel[rows][mel]);
        const int off = abs(row[mel] - kwsembed_golden_features[rows][mel]);
        if (difference > largest) largest = difference;
        if (off > steps) steps = off;
      }
      ++rows;
      windows += kwsembed_features_add(&features, row);
    }
    position += taken;
    chunk = chunk * 7 % 1009;
  }
  expect(rows == KWSEMBED_FRAMES, "frames of a window", rows);
  expect(windows == 1, "windows", windows);
  expect(largest < 1e-3, "largest error of log-mel", largest);
  expect(steps <= 1, "largest error of an int8 feature, in steps", steps);
}

static void test_probabilities(void) {
  float probabilities[KWSEMBED_LABELS];
  double largest = 0.0;
  kwsembed_probabilities(kwsembed_golden_logits, probabilities);
  for (int label = 0; label < KWSEMBED_LABELS; ++label) {
    largest = fmax(largest, fabs((double)probabilities[label] - kwsembed_golden_probabilities[label]));
  }
  expect(largest < 1e-5, "largest error of a probability", largest);
}

static void test_detector(void) {
  kwsembed_detector detector;
  kwsembed_detection found[KWSEMBED_EVENTS];
  int at = 0, wrong = 0;
  double largest = 0.0;
  kwsembed_detector_reset(&detector);
  for (int hop = 0; hop < KWSEMBED_GOLDEN_HOPS; ++hop) {
    const int count = kwsembed_detector_update(&detector, kwsembed_golden_scores[hop], found);
    for (int i = 0; i < count; ++i, ++at) {
      const kwsembed_detection *expected = &kwsembed_golden_detections[at];
      if (at >= KWSEMBED_GOLDEN_DETECTIONS || found[i].event != expected->event) {
        ++wrong;
        continue;
      }
      largest = fmax(largest, fabs((double)found[i].onset_s - expected->onset_s));
      largest = fmax(largest, fabs((double)found[i].offset_s - expected->offset_s));
      largest = fmax(largest, fabs((double)found[i].score - expected->score));
    }
  }
  expect(at == KWSEMBED_GOLDEN_DETECTIONS, "detections", at);
  expect(wrong == 0, "detections of another event than expected", wrong);
  expect(largest < 1e-3, "largest error of onset, offset or score", largest);
}

int main(void) {
  test_frontend();
  test_probabilities();
  test_detector();
  return failures != 0;
}
