#!/usr/bin/env bash
# Installs the gateways that the client is tested through: nginx and HAProxy, from Debian's packages.
# Nothing is installed that is there already. Needs root, or a user with sudo.
#
# The tests start processes of their own, in directories of their own and on free ports. Whether the
# packages start a service does not matter to them.
set -euo pipefail

missing=()
for name in nginx haproxy; do
	PATH=$PATH:/usr/sbin command -v "$name" >/dev/null || missing+=("$name")
done
if ((${#missing[@]} > 0)); then
	become=()
	((EUID == 0)) || become=(sudo)
	"${become[@]}" apt-get update -qq
	"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
PATH=$PATH:/usr/sbin
nginx -v 2>&1
haproxy -v | sed -n 1p
