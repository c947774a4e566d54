"""What single notebooks explore: the images, the inside of a network, first weights, pruning, fewer
bits, calibration and robustness."""
