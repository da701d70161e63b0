"""Connections to PostgreSQL. The wire delivers DB_URL."""

import contextlib
import os
import queue

import psycopg2

SIZE = 8  # as many as the web server has threads
_idle = queue.LifoQueue()


def connect():
    return psycopg2.connect(
        os.environ["DB_URL"], connect_timeout=5, application_name="shop",
        options="-c statement_timeout=10s", keepalives_idle=10, keepalives_interval=5,
        keepalives_count=3,
    )


@contextlib.contextmanager
def transaction():
    """A cursor in one transaction: committed at the end, rolled back on any error.

    A connection that was lost while it lay idle is noticed here and replaced once.
    """
    connection = _take()
    try:
        with connection.cursor() as cursor:
            yield cursor
        connection.commit()
    except BaseException:
        with contextlib.suppress(psycopg2.Error):
            connection.rollback()
        if connection.closed:
            connection = None
        raise
    finally:
        if connection is not None and not connection.closed and _idle.qsize() < SIZE:
            _idle.put(connection)
        elif connection is not None:
            connection.close()


def _take():
    while True:
        try:
            connection = _idle.get_nowait()
        except queue.Empty:
            return connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
            connection.rollback()
            return connection
        except psycopg2.Error:
            connection.close()
