"""Experiments of single notebooks: images, the inside of a network, initialization, pruning,
quantization, calibration and robustness."""
