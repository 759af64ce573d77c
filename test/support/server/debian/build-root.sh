#!/bin/bash
# build-root.sh ROOT: makes sure that ROOT is a Debian trixie system with the packages of packages.txt.
#
# Needs Debian and root. The first time it takes about a minute and 700 MB; afterwards it only compares two lists. Several callers may run it at once: one
# builds, under a lock that the kernel drops with its holder, and the others find the result. What is half built never carries ROOT's name.
set -euo pipefail

root=$1
packages=$(dirname "$(realpath "$0")")/packages.txt
suite=trixie
installed=$root/etc/pgvantage-packages

mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9
cmp --silent "$packages" "$installed" && exit

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
if ! command -v debootstrap >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring
fi

# The packages come from where this machine gets its own: its mirror (debootstrap's default when there is none) through its proxy.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1)
proxy=
eval "$(apt-config shell proxy Acquire::http::Proxy)"
if [[ -z ${http_proxy:-} && -n $proxy && $proxy != DIRECT ]]; then
  export http_proxy=$proxy
fi

building=$root.building
rm -rf --one-file-system "$building"
# debootstrap prints a line for each of 130 packages: they matter only when it fails.
if ! debootstrap --variant=minbase --include="$(paste -sd, "$packages")" "$suite" "$building" ${mirror:+"$mirror"} >"$root.log" 2>&1 9>&-; then
  echo "debootstrap failed; the end of $root.log:" >&2
  tail -n 5 "$root.log" >&2
  rm -rf --one-file-system "$building"
  exit 1
fi

# The package made a cluster of its own; every server here has a data directory of its own instead. Downloaded packages are 60 MB that nobody reads again.
rm -rf "$building/var/lib/postgresql/17/main" "$building/etc/postgresql/17/main" "$building"/var/cache/apt/archives/*.deb
cp "$packages" "$building/etc/pgvantage-packages"
rm -rf --one-file-system "$root"
mv "$building" "$root"
