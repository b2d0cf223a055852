# Short names for the commands of CONTRIBUTING.md. Nothing needs this file: .ci/run is what CI runs.

PKG ?= ./...
FUZZTIME ?= 20s

.PHONY: test race bench fuzz interop lint ci

test: ## What needs Go alone. TALLYSTICK_TESTS is peers, long or all for more.
	go test $(PKG)

race: ## The same with the race detector, which needs a C compiler.
	go test -race -timeout 15m $(PKG)

bench: ## Each benchmark.
	go test -run '^$$' -bench . $(PKG)

fuzz: ## Each fuzz test for FUZZTIME; PKG=./store/filestore for those of one package.
	@set -e; for pkg in $$(go list $(PKG)); do \
		for name in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$name"; \
			go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

interop: ## Other people's clients and servers, with Node 20 or newer and npm.
	internal/interop/rig/install.sh
	TALLYSTICK_TESTS=peers go test ./internal/interop

lint: ## gofmt, vet and the linter that .ci/run has installed.
	gofmt -l .
	go vet ./...
	.ci/bin/golangci-lint run ./...

ci: ## Everything.
	.ci/run
