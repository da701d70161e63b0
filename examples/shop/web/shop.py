"""The shop's pages: what there is, what was ordered, and a form to order.

WSGI without a framework, so that the whole of it can be read. An order is committed to the
database first and sent to the broker then; if the broker is away, the worker sends it later.
"""

import json
import mimetypes
import pathlib
import threading
import urllib.parse
from html import escape

import pika.exceptions
import psycopg2

from wires import broker, database, log, publish

VERSION = "1.0"

STATIC = pathlib.Path(__file__).with_name("static")
MOST_BYTES = 64 * 1024


class Sender:
    """One connection to the broker, shared by the threads of this process."""

    def __init__(self):
        self.lock = threading.Lock()
        self.link = None
        self.channel = None

    def send(self, order):
        """Sends an order; False if the broker is away."""
        with self.lock:
            for _ in range(2):  # a connection that broke while idle is made anew, once
                try:
                    if self.channel is None or self.channel.is_closed:
                        self.link, self.channel = broker()
                    publish(self.channel, order)
                    return True
                except (pika.exceptions.AMQPError, OSError) as error:
                    log("broker-away", order=order, error=type(error).__name__)
                    self.channel = None
            return False


SENDER = Sender()


class Wrong(Exception):
    """The visitor's mistake, in words for the visitor."""


def products():
    with database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, name, about, cents, stock FROM products ORDER BY cents DESC")
        names = ("id", "name", "about", "cents", "stock")
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def orders():
    with database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT orders.id, products.name, quantity, customer, status,"
            " to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
            " round(extract(epoch FROM done_at - placed_at) * 1000)"
            " FROM orders JOIN products ON products.id = product ORDER BY orders.id DESC LIMIT 50"
        )
        names = ("id", "product", "quantity", "customer", "status", "placed_at", "took_ms")
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    for row in rows:
        row["took_ms"] = None if row["took_ms"] is None else int(row["took_ms"])
    return rows


def place(fields):
    """Stores an order and sends it to the worker; returns its number."""
    product = str(fields.get("product", ""))
    customer = str(fields.get("customer", "")).strip()
    try:
        quantity = int(fields.get("quantity", 1))
    except (TypeError, ValueError):
        raise Wrong("quantity must be a number") from None
    if not 1 <= quantity <= 99:
        raise Wrong("quantity must be from 1 to 99")
    if not 1 <= len(customer) <= 80 or "\0" in customer:
        raise Wrong("customer must be a name of 1 to 80 letters")
    connection = database()
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM products WHERE id = %s", (product.replace("\0", ""),))
        if cursor.fetchone() is None:
            raise Wrong("there is no such product")
        cursor.execute(
            "INSERT INTO orders (product, quantity, customer) VALUES (%s, %s, %s) RETURNING id",
            (product, quantity, customer),
        )
        (order,) = cursor.fetchone()
    if SENDER.send(order):
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE orders SET sent_at = now() WHERE id = %s", (order,))
    connection.close()
    log("ordered", order=order, product=product, quantity=quantity)
    return order


def card(product):
    left = f"{product['stock']} in stock" if product["stock"] else "sold out"
    return f"""
<article class="card">
  <svg viewBox="0 0 160 96" aria-hidden="true"><use href="/static/things.svg#{escape(product['id'])}"/></svg>
  <h2>{escape(product['name'])}</h2>
  <p>{escape(product['about'])}</p>
  <p class="price">€ {product['cents'] / 100:.2f} <small>{left}</small></p>
  <form method="post" action="/orders">
    <input type="hidden" name="product" value="{escape(product['id'])}">
    <label>Name <input name="customer" required maxlength="80" autocomplete="name"></label>
    <label>How many <input name="quantity" type="number" min="1" max="99" value="1"></label>
    <button>Order</button>
  </form>
</article>"""


def row(order):
    took = "" if order["took_ms"] is None else f"{order['took_ms']} ms"
    return (
        f"<tr><td>{order['id']}</td><td>{escape(order['customer'])}</td>"
        f"<td>{order['quantity']} × {escape(order['product'])}</td>"
        f"<td><span class=\"state {order['status']}\">{order['status']}</span></td><td>{took}</td></tr>"
    )


def page():
    cards = "".join(card(product) for product in products())
    rows = "".join(row(order) for order in orders())
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The Shelf Shop</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/shop.css">
<script src="/static/shop.js" defer></script>
<header>
  <h1>The Shelf Shop</h1>
  <p>Boards, brackets and what goes on them. An order is stored in PostgreSQL, goes through
  RabbitMQ to the worker, and comes back as done.</p>
</header>
<main>
  <section class="cards" aria-label="Products">{cards}</section>
  <section aria-labelledby="orders-title">
    <h2 id="orders-title">Orders</h2>
    <table>
      <thead><tr><th>No.</th><th>For</th><th>What</th><th>State</th><th>Took</th></tr></thead>
      <tbody id="orders">{rows or '<tr><td colspan="5">None yet: yours could be the first.</td></tr>'}</tbody>
    </table>
  </section>
</main>
<footer>shop {escape(VERSION)}</footer>
</html>
"""


def fields_of(environ):
    """The fields of a posted form or JSON object."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise Wrong("a length that is no number") from None
    if length > MOST_BYTES:
        raise Wrong("too long")
    body = environ["wsgi.input"].read(length)
    if environ.get("CONTENT_TYPE", "").startswith("application/json"):
        try:
            fields = json.loads(body)
        except ValueError:
            raise Wrong("not JSON") from None
        if not isinstance(fields, dict):
            raise Wrong("not an object")
        return fields, True
    return dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace"))), False


def answer(environ):
    """Status, content type, body and further headers for a request."""
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
    if path == "/orders" and method == "POST":
        fields, as_json = fields_of(environ)
        order = place(fields)
        if as_json:
            return "201 Created", "application/json", json.dumps({"id": order}), []
        return "303 See Other", "text/plain", "", [("Location", "/#orders-title")]
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", "text/plain", "only GET here\n", [("Allow", "GET, HEAD")]
    if path == "/":
        return "200 OK", "text/html; charset=utf-8", page(), []
    if path == "/orders.json":
        return "200 OK", "application/json", json.dumps(orders()), []
    if path == "/healthz":
        with database() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM products")
        return "200 OK", "text/plain", "ok\n", []
    if path.startswith("/static/"):
        file = STATIC / pathlib.PurePosixPath(path).name
        if file.is_file():
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            return "200 OK", kind, file.read_bytes(), [("Cache-Control", "max-age=60")]
    return "404 Not Found", "text/plain", f"there is nothing at {path}\n", []


def app(environ, start_response):
    """The WSGI door."""
    try:
        status, kind, body, headers = answer(environ)
    except Wrong as wrong:
        status, kind, body, headers = "400 Bad Request", "text/plain; charset=utf-8", f"{wrong}\n", []
    except psycopg2.Error as error:
        log("database-error", error=type(error).__name__, text=str(error).split("\n")[0])
        status, kind, body = "503 Service Unavailable", "text/plain", "the database is away; try again\n"
        headers = [("Retry-After", "2")]
    data = body if isinstance(body, bytes) else body.encode()
    start_response(
        status,
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(data))),
            ("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
            *headers,
        ],
    )
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else data]
