#!/usr/bin/env bash
# Prints the functions of the client that one request executes, and their number. See main.go.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
module=$(go list -m)
packages=$(for p in client channel internal/purchase internal/ledger internal/budget internal/rule internal/origin internal/pins; do
	if [ -d "$p" ]; then printf '%s/%s,' "$module" "$p"; fi
done)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
go build -cover -covermode=atomic -coverpkg="$packages$module/internal/walk" -o "$tmp/walk" ./internal/walk
mkdir "$tmp/data"
GOCOVERDIR=$tmp/data "$tmp/walk" "${1:-cold}"
find "$tmp/data" -name 'covcounters.*' | sort | tail -n +2 | xargs -r rm # those of the end of the program
go tool covdata func -i "$tmp/data" | grep -v -e "^total" -e "/internal/walk/" -e '[[:space:]]0\.0%$' | sed "s#^$module/##" >"$tmp/func"
cat "$tmp/func"
printf '%s: %d functions in %d files\n' "${1:-cold}" "$(wc -l <"$tmp/func")" "$(cut -d: -f1 "$tmp/func" | sort -u | wc -l)"
