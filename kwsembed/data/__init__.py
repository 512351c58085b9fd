"""From clips to batches: the cache of decoded audio, sampling, augmentation, the pipeline of tf.data."""
