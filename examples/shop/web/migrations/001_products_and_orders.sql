CREATE TABLE products (
    id     text PRIMARY KEY,
    name   text NOT NULL,
    about  text NOT NULL,
    cents  integer NOT NULL CHECK (cents > 0),
    stock  integer NOT NULL CHECK (stock >= 0)
);

INSERT INTO products (id, name, about, cents, stock) VALUES
    ('oak',    'Oak board',     'One metre, oiled twice. Carries books without a sigh.', 4900, 500),
    ('steel',  'Steel bracket', 'A pair with screws. Holds forty kilos, quietly.',        1900, 900),
    ('ladder', 'Small ladder',  'Three steps of beech, for the top row.',                 8900, 200),
    ('lamp',   'Reading lamp',  'Warm light, brass arm, clips to any board.',             5900, 300);

CREATE TABLE orders (
    id         bigserial PRIMARY KEY,
    product    text NOT NULL REFERENCES products,
    quantity   integer NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    customer   text NOT NULL CHECK (length(customer) BETWEEN 1 AND 80),
    status     text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'done', 'sold-out')),
    placed_at  timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz,
    done_at    timestamptz
);

-- What the broker has not confirmed yet; the worker sends it again.
CREATE INDEX orders_unsent ON orders (id) WHERE sent_at IS NULL;
