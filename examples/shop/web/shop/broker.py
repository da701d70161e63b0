"""The message broker. The wire delivers JOBS_URL."""

import os

import pika

QUEUE = "orders"


def connect():
    """A connection, and a channel on which the queue exists."""
    parameters = pika.URLParameters(os.environ["JOBS_URL"])
    parameters.heartbeat = 20
    parameters.blocked_connection_timeout = 20
    parameters.socket_timeout = 5
    parameters.client_properties = {"connection_name": f"shop {os.uname().nodename}"}
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare(QUEUE, durable=True)
    return connection, channel


def publish(channel, order_id):
    """Returns once the broker has the message on its disk, or raises."""
    channel.basic_publish(
        exchange="", routing_key=QUEUE, body=str(order_id), mandatory=True,
        properties=pika.BasicProperties(delivery_mode=2, message_id=str(order_id)),
    )
