#!/bin/sh
# F18: a rewrite that cannot sync the directory of the manifest has renamed the manifest all the
# same: it calls a new, empty file the last of the log, and the server goes on writing to the one
# before. A tail that a crash cuts there is no tail. It needs strace (fault injection).
#   sh f18.sh path/of/redis-server
. "$(dirname "$0")/common.sh"
start --appendfsync everysec || exit 2
$CLI set first value
strace -f -qq -o "$W/trace" -P "$D/appendonlydir" \
	-e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO -p "$PID" &
T=$!
sleep 1
$CLI bgrewriteaof
kill "$T"
wait "$T" 2>/dev/null
for i in $(seq 100); do echo "SET k$i v"; done | $CLI >/dev/null
sleep 1.5
cat "$D"/appendonlydir/*.manifest
crash
for f in "$D"/appendonlydir/*.incr.aof; do
	echo "$(basename "$f"): $(wc -c <"$f") bytes"
	test -s "$f" && truncate -s -3 "$f" # what a power cut does to the end of a log
done
if start; then verdict no "it starts"; fi
tail -3 "$W/log"
verdict yes "aof-load-truncated yes does not help: the file that is cut is not the last"
