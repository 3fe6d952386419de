#!/bin/sh
# F13: what a start has loaded is not synced. A process kill leaves writes in the page cache; the
# server that is started on them syncs nothing before it is written to. It needs strace.
#   sh f13.sh path/of/redis-server
. "$(dirname "$0")/common.sh"
start --appendfsync everysec || exit 2
sleep 1.5
for i in $(seq 100); do echo "SET k$i v"; done | $CLI >/dev/null
crash # within the second: nothing of this is synced
real=$SERVER
cat >"$W/traced" <<T
#!/bin/sh
exec strace -D -f -y -e trace=fsync,fdatasync,sync_file_range -o "$W/trace" "$real" "\$@"
T
chmod +x "$W/traced"
SERVER=$W/traced
start --appendfsync everysec || exit 2
$CLI get k100
sleep 4
synced='(fsync|fdatasync)\([0-9]+<[^>]*(incr\.aof|appendonly\.aof)>'
before=$(grep -cE "$synced" "$W/trace")
$CLI set one more >/dev/null # what a sync looks like, if strace sees any
sleep 2
after=$(grep -cE "$synced" "$W/trace")
echo "syncs of the log in 4 s after the start: $before; after one write: $after"
[ "$after" -gt 0 ] || exit 2
if [ "$before" -gt 0 ]; then verdict no "the log was synced"; fi
verdict yes "clients read what no sync has covered, four seconds after the start"
