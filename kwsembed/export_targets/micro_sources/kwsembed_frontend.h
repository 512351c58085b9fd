/* Log-mel features from samples, as kwsembed computes them: 16-bit samples in, a row of the model's input out.
 *
 * C99, no allocation, one state of about 6 KB. Definition: frames of KWSEMBED_WINDOW_SAMPLES samples every
 * KWSEMBED_HOP_SAMPLES under a periodic Hann window, power spectrum, mel triangles, ln(power + offset).
 */
#ifndef KWSEMBED_FRONTEND_H_
#define KWSEMBED_FRONTEND_H_

#include <stdint.h>

#include "kwsembed_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  float samples[KWSEMBED_WINDOW_SAMPLES]; /* in [-1, 1), the oldest first */
  int filled;
  float spectrum[KWSEMBED_FFT_LENGTH + 2];
} kwsembed_frontend;

/* Begins a new stream. */
void kwsembed_frontend_reset(kwsembed_frontend *frontend);

/* Takes samples until a frame is full or none is left; moves `samples` and `count` on.
 * Returns 1 with KWSEMBED_MELS features in `log_mel`, or 0 if more samples are needed. */
int kwsembed_frontend_push(kwsembed_frontend *frontend, const int16_t **samples, int *count, float *log_mel);

/* A row of the model's int8 input from KWSEMBED_MELS features. */
void kwsembed_quantise(const float *log_mel, int8_t *row);

/* The model's input: the last KWSEMBED_FRAMES rows. */
typedef struct {
  int8_t rows[KWSEMBED_FRAMES][KWSEMBED_MELS];
  int filled;
} kwsembed_features;

void kwsembed_features_reset(kwsembed_features *features);

/* Adds a row. Returns 1 when a window is to be judged now: `rows` is then the model's whole input. */
int kwsembed_features_add(kwsembed_features *features, const int8_t *row);

#ifdef __cplusplus
}
#endif
#endif
