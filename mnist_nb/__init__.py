"""Helpers of the notebook series that teaches how a neural network learns to read handwritten digits."""

from __future__ import annotations
