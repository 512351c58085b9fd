"""From scores to detections, and what a threshold costs: one implementation for evaluation and device."""
