"""Orders in the database. The row is the truth; messages only say that it is worth a look."""

from shop import database

COLUMNS = "o.id, o.product, p.title, o.quantity, o.quantity * p.cents, o.state, o.placed_at, o.done_at, o.packed_by"


class Unknown(Exception):
    """No such product."""


def products():
    with database.transaction() as cursor:
        cursor.execute("select name, title, blurb, cents from products order by position")
        return [dict(zip(("name", "title", "blurb", "cents"), row)) for row in cursor]


def place(product, quantity, key):
    """Writes an order. The same key again gives the same order: a form sent twice is one order."""
    with database.transaction() as cursor:
        cursor.execute("select 1 from products where name = %s", (product,))
        if cursor.fetchone() is None:
            raise Unknown(product)
        cursor.execute(
            "insert into orders (key, product, quantity) values (%s, %s, %s)"
            " on conflict (key) do nothing returning id",
            (key, product, quantity),
        )
        row = cursor.fetchone()
        if row is None:
            cursor.execute("select id from orders where key = %s", (key,))
            row = cursor.fetchone()
        return row[0]


def one(order_id):
    with database.transaction() as cursor:
        cursor.execute(
            f"select {COLUMNS} from orders o join products p on p.name = o.product where o.id = %s",
            (order_id,),
        )
        row = cursor.fetchone()
        return as_dict(row) if row else None


def latest(limit=20):
    """The newest orders, and how many there are in each state."""
    with database.transaction() as cursor:
        cursor.execute(
            f"select {COLUMNS} from orders o join products p on p.name = o.product"
            " order by o.id desc limit %s",
            (limit,),
        )
        orders = [as_dict(row) for row in cursor]
        cursor.execute("select state, count(*) from orders group by state")
        counts = {"queued": 0, "packing": 0, "done": 0, **dict(cursor.fetchall())}
        return orders, counts


def start_packing(order_id, worker):
    """Takes an order up; None if there is nothing left to do for it."""
    with database.transaction() as cursor:
        cursor.execute(
            "update orders set state = 'packing', packed_by = %s"
            " where id = %s and state <> 'done' returning product, quantity",
            (worker, order_id),
        )
        return cursor.fetchone()


def finish(order_id):
    with database.transaction() as cursor:
        cursor.execute(
            "update orders set state = 'done', done_at = now()"
            " where id = %s and state <> 'done' returning extract(epoch from now() - placed_at)",
            (order_id,),
        )
        row = cursor.fetchone()
        return float(row[0]) if row else None


def healthy():
    with database.transaction() as cursor:
        cursor.execute("select count(*) from products")
        return cursor.fetchone()[0] > 0


def as_dict(row):
    order_id, product, title, quantity, cents, state, placed_at, done_at, packed_by = row
    return {
        "id": order_id, "product": product, "title": title, "quantity": quantity,
        "cents": cents, "state": state, "placed_at": placed_at.isoformat(),
        "done_at": done_at.isoformat() if done_at else None, "packed_by": packed_by,
    }
