"""The package's front door: every name it promises is there, and comes from the module that defines it."""

import mnist_nb


def test_every_promised_name_is_listed_and_found():
    assert mnist_nb.__all__ == list(mnist_nb._HOME)
    for name, home in mnist_nb._HOME.items():
        found = getattr(mnist_nb, name)
        assert getattr(found, "__module__", f"mnist_nb.{home}") == f"mnist_nb.{home}"
