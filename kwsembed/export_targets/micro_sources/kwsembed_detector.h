/* From the model's logits to detections: the same rules and settings as kwsembed's own detector. */
#ifndef KWSEMBED_DETECTOR_H_
#define KWSEMBED_DETECTOR_H_

#include <stdint.h>

#include "kwsembed_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int event; /* index in kwsembed_events */
  float onset_s, offset_s;
  float score; /* highest smoothed score */
} kwsembed_detection;

typedef struct {
  float history[KWSEMBED_SMOOTHING_WINDOWS][KWSEMBED_EVENTS];
  int32_t hop; /* windows judged so far */
  int32_t begin[KWSEMBED_EVENTS];
  int32_t ready[KWSEMBED_EVENTS];
  float peak[KWSEMBED_EVENTS];
  uint8_t open[KWSEMBED_EVENTS];
} kwsembed_detector;

/* Softmax of the model's int8 output. */
void kwsembed_probabilities(const int8_t *logits, float *probabilities);

/* Begins a new stream. */
void kwsembed_detector_reset(kwsembed_detector *detector);

/* Takes the probabilities of all labels in the next window. Writes the detections that have just ended to `found`,
 * at most KWSEMBED_EVENTS, and returns their number. */
int kwsembed_detector_update(kwsembed_detector *detector, const float *probabilities, kwsembed_detection *found);

/* 1 while an event is being heard: known sooner than its end. */
int kwsembed_detector_hears(const kwsembed_detector *detector, int event);

#ifdef __cplusplus
}
#endif
#endif
