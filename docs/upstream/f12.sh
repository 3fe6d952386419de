#!/bin/sh
# F12: a transaction that a crash has torn stays open in the log, and takes with it what is
# written after the next start.
#   sh f12.sh path/of/redis-server
. "$(dirname "$0")/common.sh"
start --appendfsync always || exit 2
printf 'MULTI\nSET a 1\nSET b 2\nSET c 3\nEXEC\n' | $CLI >/dev/null
crash
log=$(ls "$D"/appendonlydir/*.incr.aof 2>/dev/null || ls "$D"/appendonly.aof)
truncate -s -30 "$log" # within SET c
start --appendfsync always || exit 2
for i in $(seq 1000); do echo "SET k$i v"; done | $CLI | grep -c OK
crash
start || exit 2
n=$($CLI dbsize)
grep -i 'multi' "$W/log"
if [ "$n" -lt 1000 ]; then verdict yes "of 1000 SETs that were acknowledged under appendfsync always $n keys are there"; fi
verdict no "$n keys"
