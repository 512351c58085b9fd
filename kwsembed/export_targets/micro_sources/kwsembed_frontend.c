#include "kwsembed_frontend.h"

#include <math.h>
#include <string.h>

#define HALF (KWSEMBED_FFT_LENGTH / 2)

void kwsembed_frontend_reset(kwsembed_frontend *frontend) { frontend->filled = 0; }

/* In place, HALF complex numbers as pairs, decimation in time. */
static void transform(float *values) {
  for (int i = 1, j = 0; i < HALF; ++i) {
    int bit = HALF >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      for (int part = 0; part < 2; ++part) {
        const float swapped = values[2 * i + part];
        values[2 * i + part] = values[2 * j + part];
        values[2 * j + part] = swapped;
      }
    }
  }
  for (int length = 2; length <= HALF; length *= 2) {
    const int step = KWSEMBED_FFT_LENGTH / length;
    for (int first = 0; first < HALF; first += length) {
      for (int k = 0; k < length / 2; ++k) {
        float *low = values + 2 * (first + k);
        float *high = low + length;
        const float c = kwsembed_cosine[k * step], s = kwsembed_sine[k * step];
        const float real = high[0] * c + high[1] * s, imaginary = high[1] * c - high[0] * s;
        high[0] = low[0] - real;
        high[1] = low[1] - imaginary;
        low[0] += real;
        low[1] += imaginary;
      }
    }
  }
}

static void log_mel_of_frame(kwsembed_frontend *frontend, float *log_mel) {
  float *z = frontend->spectrum; /* even samples are real parts, odd ones imaginary: half the transform */
  float power_of_band[KWSEMBED_MELS + 1] = {0};
  for (int n = 0; n < KWSEMBED_WINDOW_SAMPLES; ++n) z[n] = frontend->samples[n] * kwsembed_window[n];
  for (int n = KWSEMBED_WINDOW_SAMPLES; n < KWSEMBED_FFT_LENGTH; ++n) z[n] = 0.0f;
  transform(z);
  z[KWSEMBED_FFT_LENGTH] = z[0]; /* bin HALF of the half transform is bin 0 */
  z[KWSEMBED_FFT_LENGTH + 1] = z[1];
  for (int bin = KWSEMBED_FIRST_BIN; bin < KWSEMBED_STOP_BIN; ++bin) {
    const float *a = z + 2 * bin, *b = z + 2 * (HALF - bin);
    const float even_real = a[0] + b[0], even_imaginary = a[1] - b[1];
    const float odd_real = a[1] + b[1], odd_imaginary = b[0] - a[0];
    const float c = kwsembed_cosine[bin], s = kwsembed_sine[bin];
    const float real = even_real + odd_real * c + odd_imaginary * s;
    const float imaginary = even_imaginary + odd_imaginary * c - odd_real * s;
    const float power = 0.25f * (real * real + imaginary * imaginary);
    const kwsembed_mel_bin *weights = &kwsembed_mel_bins[bin - KWSEMBED_FIRST_BIN];
    power_of_band[weights->band] += power * weights->weight;
    power_of_band[weights->band + 1] += power * weights->weight_of_next;
  }
  for (int mel = 0; mel < KWSEMBED_MELS; ++mel) log_mel[mel] = logf(power_of_band[mel] + KWSEMBED_LOG_OFFSET);
}

int kwsembed_frontend_push(kwsembed_frontend *frontend, const int16_t **samples, int *count, float *log_mel) {
  while (*count > 0 && frontend->filled < KWSEMBED_WINDOW_SAMPLES) {
    frontend->samples[frontend->filled++] = (float)**samples / 32768.0f;
    ++*samples;
    --*count;
  }
  if (frontend->filled < KWSEMBED_WINDOW_SAMPLES) return 0;
  log_mel_of_frame(frontend, log_mel);
  frontend->filled -= KWSEMBED_HOP_SAMPLES;
  memmove(frontend->samples, frontend->samples + KWSEMBED_HOP_SAMPLES,
          (size_t)frontend->filled * sizeof(float));
  return 1;
}

void kwsembed_quantise(const float *log_mel, int8_t *row) {
  for (int mel = 0; mel < KWSEMBED_MELS; ++mel) {
    const float value = rintf(log_mel[mel] * kwsembed_feature_factor[mel] + kwsembed_feature_addend[mel]);
    row[mel] = (int8_t)(value < -128.0f ? -128.0f : value > 127.0f ? 127.0f : value);
  }
}

void kwsembed_features_reset(kwsembed_features *features) { features->filled = 0; }

int kwsembed_features_add(kwsembed_features *features, const int8_t *row) {
  if (features->filled == KWSEMBED_FRAMES) {
    /* A window was judged: keep what the next one shares with it. */
    features->filled -= KWSEMBED_HOP_FRAMES;
    memmove(features->rows, features->rows + KWSEMBED_HOP_FRAMES, (size_t)features->filled * KWSEMBED_MELS);
  }
  memcpy(features->rows[features->filled++], row, KWSEMBED_MELS);
  return features->filled == KWSEMBED_FRAMES;
}
