// Where a score lies on a meter: the threshold is its middle, whatever the threshold.

const SMALLEST = 1e-7; // float32 tells scores apart no closer to 0 or 1

/**
 * 0 .. 1, at least 0.5 exactly where the score reaches the threshold: the score's odds over the threshold's.
 * Thresholds of rare events lie close to 1, where a linear meter shows nothing.
 */
export function level(score, threshold) {
  if (threshold > 1) return 0;
  const shifted = logit(score) - logit(threshold);
  return 1 / (1 + Math.exp(-shifted / 2)); // half as steep, so that distant scores still move it
}

/** A score as text, with the digits that matter near 1. */
export function scoreText(score) {
  return score > 0.99 && score < 1 ? Math.min(score, 0.99999).toFixed(5) : score.toFixed(3);
}

function logit(score) {
  const inside = Math.min(Math.max(score, SMALLEST), 1 - SMALLEST);
  return Math.log(inside / (1 - inside));
}
