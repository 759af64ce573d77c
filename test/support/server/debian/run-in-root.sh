#!/bin/bash
# run-in-root.sh ROOT DIR SCRIPT [ARGUMENT...]: runs the server that SCRIPT starts inside ROOT, as the user postgres, with the new private folder DIR (a path
# inside ROOT) as its working folder and HOME. It writes to DIR/log; what stderr gets is the end of that log when the server ends in failure.
#
# This process watches over the server: INT and TERM stop it in order, QUIT at once, and DIR is gone when it has ended. DIR/lock is held for as long as one of
# them lives, so what is left by a watcher that was killed itself is a folder whose lock is free: the next run removes those first.
set -euo pipefail

root=$1 dir=$2 script=$3
shift 3
runs=$(dirname "$root$dir")

exec 9>"$root.runs.lock"
flock 9
mkdir -p "$runs"
for left in "$runs"/*/; do
  [[ -d $left ]] || continue
  exec 8>"$left/lock"
  flock --nonblock 8 && rm -rf --one-file-system "$left"
  exec 8>&-
done
mkdir --mode=700 "$root$dir"
exec 8>"$root$dir/lock"
flock 8
exec 9>&-

install --mode=755 "$script" "$root$dir/start"
chroot "$root" chown -R postgres:postgres "$dir"
export HOME=$dir LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin

server=
trap 'kill -INT $server 2>/dev/null || true' INT TERM
trap 'kill -QUIT $server 2>/dev/null || true' QUIT
# A shell's background processes ignore INT unless told otherwise. The server is told to follow this process should it be killed, and that only after the
# change of user, which would cancel it.
chroot "$root" setpriv --reuid=postgres --regid=postgres --init-groups --pdeathsig=INT \
  env --default-signal=INT,QUIT --chdir="$dir" "$dir/start" "$@" </dev/null >"$root$dir/log" 2>&1 &
server=$!

# A signal interrupts `wait`; its answer counts only once the server is gone.
status=0
while kill -0 "$server" 2>/dev/null; do
  status=0
  wait "$server" || status=$?
done
log=$(tail -n 5 "$root$dir/log")
rm -rf --one-file-system "$root$dir"
if [[ $status -ne 0 ]]; then
  printf '%s\n' "$log" >&2
fi
exit "$status"
