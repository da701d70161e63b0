"""Makes the tables; runs once per release, before new copies start."""
import os

import psycopg2

with psycopg2.connect(os.environ["DB_URL"]) as database, database.cursor() as cursor:
    cursor.execute("create table if not exists notes (id serial primary key, text text not null)")
