#!/bin/sh
# Whether the server answers; asks over the network like a consumer, since the socket directory
# need not be there during recovery.
exec pg_isready --quiet --host=127.0.0.1 --port=5432
