"""From the database to the broker: publishes every order that is not marked as published.

One thread owns the one connection. It is woken when an order was placed, and looks by itself every
second, so an order placed while the broker was away goes out when it is back.
"""

import threading

import pika.exceptions
import psycopg2

from shop import broker, database, log


class Outbox(threading.Thread):
    def __init__(self):
        super().__init__(name="outbox", daemon=True)
        self.wake = threading.Event()
        self.ending = threading.Event()
        self.connection = None
        self.channel = None
        self.down = False

    def run(self):
        while not self.ending.is_set():
            self.wake.wait(timeout=1)
            self.wake.clear()
            try:
                self.sweep()
            except (pika.exceptions.AMQPError, OSError) as error:
                self.lost(error)
            except psycopg2.Error as error:
                log.event("outbox.database", error=error)
                self.ending.wait(1)
        self.close()

    def sweep(self):
        if self.connection is None:
            self.connection, self.channel = broker.connect()
            self.channel.confirm_delivery()
            log.event("outbox.connected")
            self.down = False
        self.connection.process_data_events(time_limit=0)  # heartbeats
        while self.publish_some():
            pass

    def publish_some(self):
        """Publishes a handful and marks them in one transaction; True if there may be more."""
        with database.transaction() as cursor:
            cursor.execute(
                "select id from orders where published_at is null"
                " order by id limit 50 for update skip locked"
            )
            ids = [row[0] for row in cursor]
            for order_id in ids:
                broker.publish(self.channel, order_id)
                log.event("order.published", id=order_id)
            if ids:
                cursor.execute("update orders set published_at = now() where id = any(%s)", (ids,))
        return len(ids) == 50

    def lost(self, error):
        if not self.down:
            log.event("outbox.broker", error=repr(error))
        self.down = True
        self.close()
        self.ending.wait(1)

    def close(self):
        connection, self.connection = self.connection, None
        try:
            if connection is not None:
                connection.close()
        except (pika.exceptions.AMQPError, OSError):
            pass  # it is gone already, which is what was wanted

    def end(self):
        self.ending.set()
        self.wake.set()
        self.join(timeout=5)
