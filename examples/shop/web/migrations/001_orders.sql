create table products (
    name     text primary key,
    title    text not null,
    blurb    text not null,
    cents    integer not null check (cents > 0),
    position integer not null
);

insert into products (name, title, blurb, cents, position) values
    ('mug',   'Stoneware mug',   'Holds three espressos or one long morning.',  1450, 1),
    ('book',  'Blank book',      '192 pages, sewn, opens flat, says nothing.',   980, 2),
    ('plant', 'Patient plant',   'Forgives a missed week. Two, even.',          1790, 3),
    ('lamp',  'Reading lamp',    'Warm light, one switch, no app.',             5400, 4);

create table orders (
    id           bigint generated always as identity primary key,
    key          text not null unique,
    product      text not null references products (name),
    quantity     integer not null check (quantity between 1 and 99),
    state        text not null default 'queued' check (state in ('queued', 'packing', 'done')),
    placed_at    timestamptz not null default now(),
    published_at timestamptz,
    done_at      timestamptz,
    packed_by    text
);

-- What the outbox looks for every second is nearly always nothing.
create index orders_unpublished on orders (id) where published_at is null;
create index orders_open on orders (state) where state <> 'done';
