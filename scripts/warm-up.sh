#!/bin/sh
# Starts one of our processes, waits for its ready line and ends it gracefully, so that NODE_COMPILE_CACHE holds what a
# start needs. Run by the Dockerfile: warm-up.sh MAIN. Fails when the process does not get ready or does not end well.
set -e
FERRY_HOME=$(mktemp -d)
FERRY_DRAIN_PROPAGATION=0
export FERRY_HOME FERRY_DRAIN_PROPAGATION
mkfifo "$FERRY_HOME/out"
node "$1" >"$FERRY_HOME/out" &
{
  read -r ready
  echo "$ready"
  kill $!
  cat >/dev/null
} <"$FERRY_HOME/out"
wait $!
rm -r "$FERRY_HOME"
[ -n "$(ls -A "$NODE_COMPILE_CACHE")" ]
