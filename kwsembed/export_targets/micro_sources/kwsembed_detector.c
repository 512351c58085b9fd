#include "kwsembed_detector.h"

#include <math.h>
#include <string.h>

void kwsembed_probabilities(const int8_t *logits, float *probabilities) {
  int8_t largest = logits[0];
  float sum = 0.0f;
  for (int label = 1; label < KWSEMBED_LABELS; ++label) {
    if (logits[label] > largest) largest = logits[label];
  }
  for (int label = 0; label < KWSEMBED_LABELS; ++label) {
    probabilities[label] = expf((float)(logits[label] - largest) * KWSEMBED_LOGIT_SCALE);
    sum += probabilities[label];
  }
  for (int label = 0; label < KWSEMBED_LABELS; ++label) probabilities[label] /= sum;
}

void kwsembed_detector_reset(kwsembed_detector *detector) { memset(detector, 0, sizeof *detector); }

/* Centre of the audio that the smoothed score of a hop is of. */
static float centre_s(int32_t hop) {
  const int averaged = hop + 1 < KWSEMBED_SMOOTHING_WINDOWS ? (int)hop + 1 : KWSEMBED_SMOOTHING_WINDOWS;
  return ((float)hop - (float)(averaged - 1) / 2.0f) * KWSEMBED_HOP_S + KWSEMBED_WINDOW_S / 2.0f;
}

static kwsembed_detection ended(int event, int32_t first_hop, int32_t last_hop, float score) {
  const float begin_s = centre_s(first_hop), end_s = centre_s(last_hop);
  const float middle_s = (begin_s + end_s) / 2.0f;
  const float half_s = fmaxf((end_s - begin_s) / 2.0f - KWSEMBED_ONSET_SHIFT_S, KWSEMBED_HOP_S / 2.0f);
  const kwsembed_detection detection = {event, fmaxf(middle_s - half_s, 0.0f), middle_s + half_s, score};
  return detection;
}

int kwsembed_detector_update(kwsembed_detector *detector, const float *probabilities, kwsembed_detection *found) {
  const int32_t hop = detector->hop++;
  const int averaged = hop + 1 < KWSEMBED_SMOOTHING_WINDOWS ? (int)hop + 1 : KWSEMBED_SMOOTHING_WINDOWS;
  int count = 0;
  memmove(detector->history[1], detector->history[0], sizeof detector->history - sizeof detector->history[0]);
  for (int event = 0; event < KWSEMBED_EVENTS; ++event) {
    float smoothed = 0.0f;
    detector->history[0][event] = probabilities[kwsembed_label_of_event[event]];
    for (int back = 0; back < averaged; ++back) smoothed += detector->history[back][event];
    smoothed /= (float)averaged;
    if (smoothed >= kwsembed_threshold[event]) {
      if (!detector->open[event]) {
        detector->open[event] = 1;
        detector->begin[event] = hop > detector->ready[event] ? hop : detector->ready[event];
        detector->peak[event] = 0.0f;
      }
      if (hop >= detector->begin[event] && smoothed > detector->peak[event]) detector->peak[event] = smoothed;
    } else if (detector->open[event]) {
      detector->open[event] = 0;
      if (hop - detector->begin[event] >= KWSEMBED_MIN_CONSECUTIVE) {
        found[count++] = ended(event, detector->begin[event], hop - 1, detector->peak[event]);
        detector->ready[event] = hop + KWSEMBED_REFRACTORY_HOPS;
      }
    }
  }
  return count;
}

int kwsembed_detector_hears(const kwsembed_detector *detector, int event) {
  return detector->open[event] && detector->hop - detector->begin[event] >= KWSEMBED_MIN_CONSECUTIVE;
}
