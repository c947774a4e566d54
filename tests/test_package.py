"""The package's front door: every name it promises is there, and comes from the room that it is said to live in."""

from importlib import import_module

import mnist_nb


def test_every_promised_name_is_listed_and_found():
    assert mnist_nb.__all__ == list(mnist_nb._HOME)
    for name, home in mnist_nb._HOME.items():
        assert getattr(mnist_nb, name) is getattr(import_module(f"mnist_nb.{home}"), name)


def test_what_is_not_there_is_said_so():
    assert not hasattr(mnist_nb, "no_such_name")
