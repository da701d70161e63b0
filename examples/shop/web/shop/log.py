"""One line per event on stdout: time, event, then key=value."""

import datetime
import sys


def event(name, /, **values):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    words = [f"{key}={quoted(value)}" for key, value in values.items()]
    sys.stdout.write(" ".join([now, name, *words]) + "\n")
    sys.stdout.flush()


def quoted(value):
    text = " ".join(str(value).split())
    return f'"{text}"' if " " in text or not text else text
