#!/usr/bin/env bash
# Real servers for tests: scripts/servers.sh [consul|nats-server|postgres|jaeger]...   (default: all four)
#
#   eval "$(scripts/servers.sh)" && npm run test:int
#
# For each it takes the first of: what its variable names already; what is on PATH and new enough; what it built before;
# a build from scripts/tools/<name>/ (go.mod and go.sum are committed; needs Go), or Debian's packages for Postgres.
# Builds go to ${XDG_CACHE_HOME:-$HOME/.cache}/ferry, keyed by version and checksum.
#
# stdout: lines `export FERRY_CONSUL=…`, FERRY_NATS_SERVER, FERRY_POSTGRES_BIN (a folder), FERRY_JAEGER; stderr: progress,
# and one sentence for each server that could not be had, which makes the exit code 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ferry

# The oldest versions that the tests are written for.
oldest_consul=1.21.0
oldest_nats_server=2.10.0
oldest_postgres=14
oldest_jaeger=1.50.0

say() { echo "servers: $*" >&2; }

# is_new_enough VERSION OLDEST
is_new_enough() { [[ -n $1 && $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# The first version number in the text on stdin.
first_version() { grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true; }

# The first 16 digits of the checksum of files: a cache entry's key, so that a new version never meets an old entry.
key() { cat "$@" | sha256sum | cut -c1-16; }

# on_path PROGRAM OLDEST ARGUMENT: prints the program's path when what it says with ARGUMENT is new enough.
on_path() {
  local path version
  path=$(command -v "$1") || return 1
  version=$("$path" "$3" 2>/dev/null | first_version)
  if ! is_new_enough "$version" "$2"; then
    say "$1: $path is version ${version:-unknown}, older than $2; not used"
    return 1
  fi
  echo "$path"
}

# built NAME PROGRAM MODULE PACKAGE MINUTES: prints the path of PROGRAM, built from scripts/tools/NAME when it was not
# yet. The build ends under its name only when it is whole.
built() {
  local name=$1 program=$2 module=$3 package=$4 minutes=$5 tools=scripts/tools/$1 version folder
  version=$(awk -v module="$module" '$1 == module { print $2 } $1 == "require" && $2 == module { print $3 }' "$tools/go.mod")
  folder=$cache/$name-${version#v}-$(key "$tools"/go.{mod,sum})
  if [[ ! -x $folder/$program ]]; then
    if ! command -v go >/dev/null; then
      say "$name: not on PATH in a version that is new enough, and there is no Go to build it; install one of them"
      return 1
    fi
    mkdir -p "$folder"
    # Two at once would only share two cores; the second finds what the first has built.
    if command -v flock >/dev/null; then
      exec 9>"$folder/lock"
      flock 9
    fi
    if [[ ! -x $folder/$program ]]; then
      say "$name: building $version, once; about $minutes on two cores"
      if ! (cd "$tools" && go build -ldflags "-s -w" -o "$folder/$program.$$" "$package") >"$folder/build.log" 2>&1; then
        say "$name: go build failed: $(tail -n 1 "$folder/build.log") ($folder/build.log)"
        return 1
      fi
      mv "$folder/$program.$$" "$folder/$program"
    fi
    exec 9>&-
  fi
  echo "$folder/$program"
}

find_consul() {
  on_path consul $oldest_consul version ||
    built consul consul github.com/hashicorp/consul github.com/hashicorp/consul "7 minutes"
}

find_nats_server() {
  local module=github.com/nats-io/nats-server/v2
  on_path nats-server $oldest_nats_server --version || built nats-server nats-server $module $module "1 minute"
}

find_jaeger() {
  local module=github.com/jaegertracing/jaeger
  on_path jaeger-all-in-one $oldest_jaeger version ||
    built jaeger jaeger-all-in-one $module $module/cmd/all-in-one "4 minutes"
}

# postgres_in FOLDER: prints it when it has the programs of a server that is new enough.
postgres_in() {
  [[ -x $1/postgres && -x $1/initdb ]] || return 1
  is_new_enough "$("$1/postgres" --version 2>/dev/null | first_version)" $oldest_postgres || return 1
  echo "$1"
}

usual_postgres() {
  local path folder
  if path=$(command -v postgres); then
    postgres_in "$(dirname "$path")" && return
  fi
  while read -r folder; do
    postgres_in "$folder" && return
  done < <(printf '%s\n' /usr/lib/postgresql/*/bin /usr/local/pgsql/bin /opt/homebrew/bin | sort -rV)
  return 1
}

# As root the packages are installed, without the server that Debian would start; otherwise they are unpacked into the
# cache. (Postgres does not run as root, and another user could not look into root's cache.)
debian_postgres() {
  local package folder
  if ! command -v apt-get >/dev/null; then
    say "postgres: $oldest_postgres or newer is not in the usual places and there is no apt-get; install it, or name the" \
      "folder of its programs in FERRY_POSTGRES_BIN"
    return 1
  fi
  [[ $(id -u) != 0 ]] || apt-get update -qq >&2 || return 1
  package=$(apt-cache depends postgresql 2>/dev/null | grep -oE 'postgresql-[0-9]+' | head -n 1)
  if [[ -z $package ]]; then
    say "postgres: apt knows no package postgresql; run apt-get update as root"
    return 1
  fi
  if [[ $(id -u) == 0 ]]; then
    say "postgres: installing $package"
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/ferry.conf
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2 || true
    usual_postgres || { say "postgres: apt-get install $package failed; see above" && return 1; }
    return
  fi
  folder=$cache/$package-$(apt-cache policy "$package" | key -)
  if [[ ! -e $folder/complete ]]; then
    say "postgres: unpacking $package"
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! (cd "$folder" && apt-get download -qq "$package" && dpkg -x ./*.deb . && rm ./*.deb) >&2; then
      say "postgres: $package could not be downloaded; install it as root"
      return 1
    fi
    touch "$folder/complete"
  fi
  postgres_in "$folder/usr/lib/postgresql/${package#postgresql-}/bin" ||
    { say "postgres: $package does not run here without the packages that it needs; install it as root" && return 1; }
}

find_postgres() { usual_postgres || debian_postgres; }

# had NAME VARIABLE: prints the line for one server.
had() {
  local name=$1 variable=$2 path=${!2:-} begin=$SECONDS
  if [[ -n $path && ! -e $path ]]; then
    say "$name: $variable=$path is not there; unset it or put it right"
    return 1
  fi
  if [[ -z $path ]]; then
    path=$("find_${name//-/_}") || return 1
  fi
  say "$name: $path ($((SECONDS - begin)) s)"
  printf 'export %s=%q\n' "$variable" "$path"
}

names=("$@")
[[ $# -gt 0 ]] || names=(consul nats-server postgres jaeger)
failed=0
for name in "${names[@]}"; do
  case $name in
    consul) had consul FERRY_CONSUL || failed=1 ;;
    nats-server) had nats-server FERRY_NATS_SERVER || failed=1 ;;
    postgres) had postgres FERRY_POSTGRES_BIN || failed=1 ;;
    jaeger) had jaeger FERRY_JAEGER || failed=1 ;;
    *)
      say "unknown server $name; there are consul, nats-server, postgres, jaeger"
      exit 2
      ;;
  esac
done
exit $failed
