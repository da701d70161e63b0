"""Takes orders from the broker and packs them; the database says what is true.

An order is done once, however often its message arrives: the update asks for its status. A
message is acknowledged after the commit. Orders whose message the broker never confirmed are
sent again, so none is lost while the broker is away.
"""

import json
import signal
import sys
import time

import pika.exceptions
import psycopg2

from wires import QUEUE, broker, database, log, publish

SWEEP_SECONDS = 2


def pack(connection, order):
    """Takes the goods from stock; returns the order's new status, or None if it was done before."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT product, quantity FROM orders WHERE id = %s AND status = 'queued' FOR UPDATE", (order,)
        )
        row = cursor.fetchone()
        if row is None:
            return None
        product, quantity = row
        cursor.execute(
            "UPDATE products SET stock = stock - %s WHERE id = %s AND stock >= %s", (quantity, product, quantity)
        )
        status = "done" if cursor.rowcount == 1 else "sold-out"
        cursor.execute("UPDATE orders SET status = %s, done_at = now() WHERE id = %s", (status, order))
        return status


def sweep(connection, channel):
    """Sends again what the broker has not confirmed."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM orders WHERE sent_at IS NULL AND placed_at < now() - interval '2 seconds'"
            " ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED"
        )
        for (order,) in cursor.fetchall():
            publish(channel, order)
            cursor.execute("UPDATE orders SET sent_at = now() WHERE id = %s", (order,))
            log("sent-again", order=order)


def work():
    """Packs orders until a wire breaks."""
    connection = database()
    link, channel = broker()
    channel.basic_qos(prefetch_count=10)
    log("worker-ready")
    for method, _, body in channel.consume(QUEUE, inactivity_timeout=SWEEP_SECONDS):
        if method is not None:
            try:
                order = int(json.loads(body)["order"])
            except (ValueError, KeyError, TypeError):
                log("not-an-order", bytes=len(body))
                channel.basic_reject(method.delivery_tag, requeue=False)
                continue
            status = pack(connection, order)
            channel.basic_ack(method.delivery_tag)
            log("packed", order=order, status=status or "before")
        sweep(connection, channel)


def main():
    # Between two orders nothing is half done, so the end may come at once.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        try:
            work()
        except (pika.exceptions.AMQPError, psycopg2.Error, OSError) as error:
            log("wire-broken", error=type(error).__name__, text=str(error).split("\n")[0])
            time.sleep(1)


if __name__ == "__main__":
    main()
