"""Do the migrations build what shop/database.py describes? `make check` asks `python -m tests.check_migrations`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from shop.database import Database, metadata


def differences() -> list[object]:
    """What `alembic revision --autogenerate` would put in a migration now."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'migrated.sqlite3'}")
        database.migrate()
        with database.reading() as connection:
            options = {"compare_type": True, "compare_server_default": True}
            found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        database.close()
    return list(found)


def main() -> int:
    found = differences()
    for difference in found:
        print(f"The migrations and shop/database.py differ: {difference}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
