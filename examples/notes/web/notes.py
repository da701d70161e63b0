"""Notes on a page: the database comes over the wire `db`, as DB_URL."""
import os

import psycopg2
from flask import Flask, redirect, render_template_string, request

app = Flask(__name__)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Notes</title><h1>Notes</h1>
<form method="post"><label>A note <input name="text" required></label> <button>Keep</button></form>
<ul>{% for (text,) in notes %}<li>{{ text }}</li>{% endfor %}</ul></html>"""


def query(text, *values):
    database = psycopg2.connect(os.environ["DB_URL"])
    try:
        with database, database.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        database.close()


@app.get("/")
def page():
    return render_template_string(PAGE, notes=query("select text from notes order by id desc limit 50"))


@app.post("/")
def keep():
    query("insert into notes (text) values (%s)", request.form["text"])
    return redirect("/")


@app.get("/healthz")
def healthz():
    query("select 1")
    return "ok"
