#!/bin/sh
# F14: the write that meets a full disk is acknowledged, and gone when the server ends before
# there is space. It needs root, or: unshare -rm sh f14.sh path/of/redis-server
. "$(dirname "$0")/common.sh"
small || exit 2
start --appendfsync everysec || exit 2
$CLI set first value
fill
crash
rm "$D/filler"
start || exit 2
if [ "$($CLI exists "$LAST")" = 0 ]; then verdict yes "$LAST was answered with OK, and is not there"; fi
verdict no "$LAST is there"
