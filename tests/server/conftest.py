"""Server processes for the tests of the transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from raw_client import RawClient


@pytest.fixture
def client() -> Iterator[RawClient]:
    """A probe server of this test's own, initialized."""
    with RawClient() as client:
        client.initialize()
        yield client


@pytest.fixture(scope="module")
def shared() -> Iterator[RawClient]:
    """A probe server for all tests of a module that leave nothing behind."""
    with RawClient() as client:
        client.initialize()
        yield client
