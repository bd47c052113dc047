"""No test reaches anything but this machine."""

from __future__ import annotations

import socket

import pytest


def test_only_loopback_can_be_reached() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        socket.create_connection(listening.getsockname()).close()
    # the library warns as it refuses, and warnings are errors here
    with pytest.raises((UserWarning, RuntimeError), match="A test tried"), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))
