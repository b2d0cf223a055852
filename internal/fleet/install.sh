#!/usr/bin/env bash
# Installs the servers that the fleet stores are tested on: redis-server, PostgreSQL and pgbouncer, from
# Debian's packages. Nothing is installed that is there already. Needs root, or a user with sudo.
#
# The tests start servers of their own, in directories of their own and on free ports. Whether the
# packages start one as a service does not matter to them.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
PATH=$PATH:/usr/sbin command -v pgbouncer >/dev/null || missing+=(pgbouncer)
if ((${#missing[@]} > 0)); then
	become=()
	((EUID == 0)) || become=(sudo)
	"${become[@]}" apt-get update -qq
	"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
redis-server --version
for postgres in /usr/lib/postgresql/*/bin/postgres; do
	[[ -x $postgres ]] || postgres=postgres
	"$postgres" --version
done
PATH=$PATH:/usr/sbin pgbouncer --version | sed -n 1p
