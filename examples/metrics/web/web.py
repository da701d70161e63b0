"""Serves /metrics; counts something, so that there is something to see."""
import signal
import sys
import time

from prometheus_client import Counter, start_http_server

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ticks = Counter("ticks", "Seconds since the start")
start_http_server(8080)
while True:
    ticks.inc()
    time.sleep(1)
