"""Measures of images match SciPy and brute force."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist

from mnist_nb.labs.images import count_shared, image_stats, nearest


def test_the_centres_are_scipys(tiny):
    images = tiny.test.images.numpy()
    expected = [ndimage.center_of_mass(image) for image in images]
    np.testing.assert_allclose(image_stats(images).centres, expected, atol=1e-9)


def test_the_boxes_and_peaks_are_scipys(tiny):
    images = tiny.test.images.numpy()
    slices = [ndimage.find_objects((image > 0).astype(int))[0] for image in images]
    stats = image_stats(images)
    assert stats.boxes.tolist() == [[part.stop - part.start for part in box] for box in slices]
    assert stats.peaks.tolist() == [ndimage.maximum(image) for image in images]


def test_all_seventy_thousand_were_made_alike(full_mnist):
    splits = (full_mnist.train, full_mnist.validation, full_mnist.test)
    stats = image_stats(torch.cat([split.images for split in splits]))
    assert len(stats.peaks) == 70_000
    assert stats.centres.mean(axis=0) == pytest.approx([13.996, 14.007], abs=0.001)
    assert 13.48 <= stats.centres.min() <= stats.centres.max() <= 14.5
    assert set(stats.boxes.max(axis=1)) == {19, 20}
    assert stats.peaks.min() == 254


def test_shared_images_are_counted(tiny):
    images = tiny.test.images
    assert count_shared(images[:20], images[15:]) == 5
    assert count_shared(images[:20], images[20:]) == 0


@pytest.mark.parametrize("chunk", [7, 500])
def test_the_nearest_are_those_of_brute_force(tiny, chunk):
    queries, images = tiny.test.images[:50], tiny.train.images
    expected = cdist(queries.flatten(1).numpy() / 255, images.flatten(1).numpy() / 255)
    distances, indices = nearest(queries, images, chunk=chunk)
    assert indices.tolist() == expected.argmin(axis=1).tolist()
    np.testing.assert_allclose(distances, expected.min(axis=1), rtol=1e-5)


def test_nearest_without_queries_or_images(tiny):
    assert [len(part) for part in nearest(tiny.test.images[:0], tiny.train.images)] == [0, 0]
    with pytest.raises(ValueError, match="at least one image"):
        nearest(tiny.test.images, tiny.train.images[:0])


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([np.eye(28), np.zeros((28, 28))], "image 1 has no ink"),
        (np.eye(28), r"got \[28, 28\]"),
    ],
    ids=["blank image", "single image"],
)
def test_images_without_ink_or_of_another_shape_are_refused(images, words):
    with pytest.raises(ValueError, match=words):
        image_stats(images)
