#!/bin/bash
# Whether the server greets.
exec 3<>"/dev/tcp/127.0.0.1/${NATS_PORT:-4222}" && IFS= read -r -t 5 info <&3 && [ "${info%% *}" = INFO ]
