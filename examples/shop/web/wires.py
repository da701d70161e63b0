"""The two wires of this block: a database and a broker, as Shelf delivers them."""

import json
import os

import pika
import psycopg2

QUEUE = "orders"


def log(event, **facts):
    """One line on stdout for one thing that happened."""
    words = " ".join(f"{key}={value}" for key, value in facts.items())
    print(f"{event} {words}".rstrip(), flush=True)


def database():
    """A new connection to the database of the wire `db`."""
    return psycopg2.connect(os.environ["DB_URL"], connect_timeout=5)


def broker():
    """A new connection to the broker of the wire `jobs`, and its channel with our queue."""
    parameters = pika.URLParameters(os.environ["JOBS_URL"])
    parameters.socket_timeout = 5
    parameters.heartbeat = 30
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare(QUEUE, durable=True)
    channel.confirm_delivery()
    return connection, channel


def publish(channel, order):
    """Sends an order's number; returns once the broker has it on disk."""
    channel.basic_publish(
        exchange="",
        routing_key=QUEUE,
        body=json.dumps({"order": order}),
        properties=pika.BasicProperties(delivery_mode=2, content_type="application/json"),
        mandatory=True,
    )
