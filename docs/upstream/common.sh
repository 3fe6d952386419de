# What the scripts share: a server of the given program on port $PORT, its files in $D, its log
# in $W/log. Sourced, not run.
set -u
SERVER=${1:-redis-server}
PORT=${PORT:-17799}
CLI="${CLI:-redis-cli} -p $PORT"
W=$(mktemp -d)
D=$W/data
mkdir "$D"
PID=
trap 'test -n "$PID" && kill -9 "$PID" 2>/dev/null; wait 2>/dev/null; umount "$D" 2>/dev/null; rm -rf "$W"' EXIT

# start starts the server with directives, and waits until it answers; 1 where it ends first.
start() {
	"$SERVER" --port "$PORT" --bind 127.0.0.1 --dir "$D" --logfile "$W/log" --save '' --appendonly yes "$@" &
	PID=$!
	until $CLI ping 2>/dev/null | grep -q PONG; do
		kill -0 "$PID" 2>/dev/null || { PID=; return 1; }
		sleep 0.05
	done
}

# crash is SIGKILL.
crash() {
	kill -9 "$PID"
	wait "$PID" 2>/dev/null
	PID=
}

# info prints a field of INFO persistence.
info() { $CLI info persistence | tr -d '\r' | sed -n "s/^$1://p"; }

# rewritten has the log rewritten, and waits for it.
rewritten() {
	$CLI bgrewriteaof >/dev/null
	sleep 0.2
	while [ "$(info aof_rewrite_in_progress)$(info aof_rewrite_scheduled)" != 00 ]; do sleep 0.05; done
}

# small puts a small file system under the server's files (it needs root, or unshare -rm).
small() { mount -t tmpfs -o size=256k none "$D"; }

# fill takes what is free there, and SETs keys until one is refused: $LAST is the last that was
# answered with OK.
fill() {
	dd if=/dev/zero of="$D/filler" bs=1k 2>/dev/null
	LAST=
	i=0
	while i=$((i + 1)); do
		case $($CLI set "key$i" "$(printf '%0200d' "$i")" 2>&1) in
		OK) LAST=key$i ;;
		*) break ;;
		esac
	done
	echo "key$i is refused; the last that was answered with OK is $LAST"
}

# verdict ends the script: what is wrong, or that nothing is.
verdict() {
	if [ "$1" = yes ]; then
		echo "REPRODUCED: $2"
		exit 1
	fi
	echo "not reproduced: $2"
	exit 0
}
