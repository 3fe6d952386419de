#!/bin/sh
# F15: a disk that was full for a moment leaves a hole in a log that a rewrite has begun: the
# short write is taken back (ftruncate), and the next goes to where that would have ended, for the
# file was opened without O_APPEND. It needs root, or: unshare -rm sh f15.sh path/of/redis-server
. "$(dirname "$0")/common.sh"
small || exit 2
start --appendfsync everysec || exit 2
$CLI set first value
rewritten
$CLI set page value # a page of the new file that the full disk has room in
fill
rm "$D/filler"
until $CLI set second value | grep -q OK; do sleep 0.1; done
sleep 2.5 # synced, and the disk has space
log=$(ls "$D"/appendonlydir/*.incr.aof 2>/dev/null | tail -1 || ls "$D"/appendonly.aof)
log=${log:-$D/appendonly.aof}
echo "NUL bytes in the log: $(tr -dc '\0' <"$log" | wc -c)"
crash
if start && [ "$($CLI get second)" = value ]; then verdict no "it starts, and has what was written then"; fi
tail -2 "$W/log"
verdict yes "the server does not start with what was written after the disk had space again"
