#!/bin/sh
# F10: the AOF check tool calls a log broken that the server has just written.
#   sh f10.sh path/of/valkey-server path/of/valkey-check-aof
. "$(dirname "$0")/common.sh"
CHECK=$2
start --aof-use-rdb-preamble yes || exit 2
$CLI set key value
rewritten
$CLI shutdown nosave
wait "$PID"
PID=
log=$(ls "$D"/appendonlydir/*.manifest 2>/dev/null || ls "$D"/appendonly.aof)
if "$CHECK" "$log"; then verdict no "the log is valid"; fi
verdict yes "an undamaged log is not valid"
