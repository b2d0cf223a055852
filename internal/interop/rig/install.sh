#!/usr/bin/env bash
# Installs the published peers into node_modules, as package-lock.json pins them, and compiles the channel
# reserve into build. Needs Node 20 or newer, npm and its registry. Nothing that a package brings is run.
#
#   install.sh          what the lock file says
#   install.sh --lock   what package.json says: writes the lock file, and the versions into docs/interop.md
#
# It is `npm install` and not `npm ci`: the lock file need not have the anvil of every other platform.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [[ ${1-} == --lock ]]; then
	npm install
else
	npm install --no-save
fi
node build.mjs
node versions.mjs ${1-}
