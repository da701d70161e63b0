"""Brings the database to the form this release needs. Harmless to repeat."""

import pathlib

from wires import database, log


def main():
    connection = database()
    with connection, connection.cursor() as cursor:
        # One at a time, should two releases meet.
        cursor.execute("SELECT pg_advisory_xact_lock(20141104)")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, at timestamptz DEFAULT now())"
        )
        cursor.execute("SELECT name FROM migrations")
        done = {name for (name,) in cursor.fetchall()}
        for path in sorted(pathlib.Path(__file__).with_name("migrations").glob("*.sql")):
            if path.name in done:
                continue
            cursor.execute(path.read_text())
            cursor.execute("INSERT INTO migrations (name) VALUES (%s)", (path.name,))
            log("migrated", name=path.name)
    log("database-ready", migrations=len(done))


if __name__ == "__main__":
    main()
