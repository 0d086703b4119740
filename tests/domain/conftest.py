"""Fixtures of the domain's tests: the shop's database on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from shop.database import Database
from shop.settings import Settings


@pytest.fixture(params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest, settings: Settings):
    """The shelf in a database of the test's own: once in each kind."""
    url = settings.database_url if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    yield database
    database.close()
