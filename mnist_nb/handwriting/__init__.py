"""Handwriting: drawings and pictures of digits, whole numbers, your own digits, and refusal."""
