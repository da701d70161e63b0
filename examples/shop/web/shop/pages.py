"""The web side as one WSGI application: the page, the form, the JSON, the health check."""

import html
import json
import mimetypes
import os
import pathlib
import secrets
import urllib.parse

import psycopg2

from shop import VERSION, log, orders

HERE = pathlib.Path(__file__).resolve().parent.parent
STATIC = {path.name: path.read_bytes() for path in (HERE / "static").iterdir()}
PAGE = (HERE / "shop" / "page.html").read_text()
LIMIT = 64 * 1024
HEADERS = [
    ("Content-Security-Policy", "default-src 'self'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
]


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Shop:
    """The WSGI application. `placed` is called after an order was committed."""

    def __init__(self, placed):
        self.placed = placed

    def __call__(self, environ, start_response):
        try:
            status, headers, body = self.route(environ)
        except Refusal as refusal:
            status, headers, body = text(refusal.status, f"{refusal}\n")
        except psycopg2.Error as error:
            log.event("database.error", path=environ["PATH_INFO"], error=error)
            status, headers, body = text("503 Service Unavailable", "the database does not answer\n")
        start_response(status, [*headers, *HEADERS, ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def route(self, environ):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        reading = method in ("GET", "HEAD")
        if path == "/" and reading:
            return page()
        if path == "/healthz" and reading:
            return health()
        if path == "/orders.json" and reading:
            found, counts = orders.latest()
            return as_json("200 OK", {"version": VERSION, "counts": counts, "orders": found})
        if path.startswith("/orders/") and reading:
            return single(path.removeprefix("/orders/"))
        if path == "/orders" and method == "POST":
            return self.place(environ)
        if path.startswith("/static/") and reading:
            return static(path.removeprefix("/static/"))
        if path in ("/", "/orders", "/orders.json", "/healthz"):
            raise Refusal("405 Method Not Allowed", f"{method} is not for {path}")
        raise Refusal("404 Not Found", f"there is nothing at {path}")

    def place(self, environ):
        kind = environ.get("CONTENT_TYPE", "").split(";")[0].strip()
        fields = read_fields(environ, kind)
        product = str(fields.get("product", ""))
        try:
            quantity = int(fields.get("quantity", 1))
        except (TypeError, ValueError):
            raise Refusal("400 Bad Request", "quantity must be a number") from None
        if not 1 <= quantity <= 99:
            raise Refusal("400 Bad Request", "quantity must be from 1 to 99")
        key = environ.get("HTTP_IDEMPOTENCY_KEY") or fields.get("key") or secrets.token_hex(16)
        try:
            order_id = orders.place(product, quantity, str(key)[:100])
        except orders.Unknown:
            raise Refusal("400 Bad Request", f"there is no product {product[:50]!r}") from None
        log.event("order.placed", id=order_id, product=product, quantity=quantity)
        self.placed()
        if kind == "application/json":
            return as_json("201 Created", orders.one(order_id))
        return "303 See Other", [("Location", f"/#order-{order_id}")], b""


def read_fields(environ, kind):
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise Refusal("400 Bad Request", "Content-Length is no number") from None
    if not 0 <= length <= LIMIT:
        raise Refusal("413 Content Too Large", f"at most {LIMIT} bytes")
    body = environ["wsgi.input"].read(length)
    if kind == "application/json":
        try:
            fields = json.loads(body)
        except ValueError:
            raise Refusal("400 Bad Request", "this is not JSON") from None
        if not isinstance(fields, dict):
            raise Refusal("400 Bad Request", "an order is a JSON object")
        return fields
    try:
        pairs = urllib.parse.parse_qs(body.decode(), max_num_fields=20)
    except ValueError:
        raise Refusal("400 Bad Request", "this form cannot be read") from None
    return {name: values[-1] for name, values in pairs.items()}


def page():
    found, counts = orders.latest()
    filled = {
        "products": "".join(card(product) for product in orders.products()),
        "orders": "".join(row(order) for order in found),
        "queued": str(counts["queued"]), "packing": str(counts["packing"]),
        "done": str(counts["done"]),
        "version": html.escape(VERSION), "pod": html.escape(os.uname().nodename),
    }
    body = PAGE
    for name, value in filled.items():
        body = body.replace("{{" + name + "}}", value)
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]
    return "200 OK", headers, body.encode()


def card(product):
    name, title, blurb = (html.escape(product[key]) for key in ("name", "title", "blurb"))
    return (
        f'<form class="card" method="post" action="/orders">'
        f'<img src="/static/{name}.svg" alt="" width="72" height="72">'
        f"<h3>{title}</h3><p>{blurb}</p>"
        f'<div class="buy"><strong>{money(product["cents"])}</strong>'
        f'<input type="hidden" name="product" value="{name}">'
        f'<input type="hidden" name="key" value="{secrets.token_hex(16)}">'
        f'<input type="number" name="quantity" value="1" min="1" max="99" aria-label="how many: {title}">'
        f"<button>Order</button></div></form>"
    )


def row(order):
    by = html.escape(order["packed_by"] or "")
    return (
        f'<tr id="order-{order["id"]}"><td>#{order["id"]}</td>'
        f'<td>{order["quantity"]} × {html.escape(order["title"])}</td>'
        f'<td class="money">{money(order["cents"])}</td>'
        f'<td><span class="pill {order["state"]}">{order["state"]}</span></td>'
        f'<td class="by">{by}</td></tr>'
    )


def money(cents):
    return f"€ {cents // 100}.{cents % 100:02}"


def single(number):
    if not number.removesuffix(".json").isdecimal() or len(number) > 18:
        raise Refusal("404 Not Found", "there is no such order")
    order = orders.one(int(number.removesuffix(".json")))
    if order is None:
        raise Refusal("404 Not Found", "there is no such order")
    return as_json("200 OK", order)


def health():
    try:
        well = orders.healthy()
    except psycopg2.Error as error:
        log.event("health.bad", error=error)
        well = False
    status = "200 OK" if well else "503 Service Unavailable"
    return as_json(status, {"ready": well, "version": VERSION})


def static(name):
    if name not in STATIC:
        raise Refusal("404 Not Found", "there is no such file")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return "200 OK", [("Content-Type", kind), ("Cache-Control", "no-cache")], STATIC[name]


def as_json(status, value):
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    return status, headers, json.dumps(value).encode() + b"\n"


def text(status, body):
    return status, [("Content-Type", "text/plain; charset=utf-8")], body.encode()
