#!/bin/sh
# Writes all mails to stdout as a tar. The server goes on: a mail is written once and not changed.
set -eu
exec tar --directory "${MAILDEV_DATA:-/var/lib/maildev}" --create mails
