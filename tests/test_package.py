"""The package has exactly the public names that it lists."""

import mnist_nb


def test_every_promised_name_is_there_and_is_listed() -> None:
    assert {"load_mnist", "train", "save_checkpoint", "Sketch", "adapt", "MnistNbError"} <= set(
        mnist_nb.__all__
    )
    for name in mnist_nb.__all__:
        assert getattr(mnist_nb, name) is not None
        assert name in dir(mnist_nb)


def test_a_missing_name_is_an_attribute_error() -> None:
    assert not hasattr(mnist_nb, "no_such_name")
