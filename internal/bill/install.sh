#!/usr/bin/env bash
# Installs the browser that the page is tested in: Chromium, from Debian's packages. Nothing is installed
# that is there already. Needs root, or a user with sudo.
set -euo pipefail

if ! command -v chromium >/dev/null; then
	become=()
	((EUID == 0)) || become=(sudo)
	"${become[@]}" apt-get update -qq
	"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
fi
chromium --version
