"""Audio in and out of files: decoding, resampling, quality, WAV. NumPy and the standard library only."""
