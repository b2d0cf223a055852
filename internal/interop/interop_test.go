package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/testrun"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestMain runs the tests, or one payer in a process of its own (fresh_test.go).
func TestMain(m *testing.M) {
	if job := os.Getenv(freshJob); job != "" {
		os.Exit(runFresh(job))
	}
	testrun.OnlyPeers()
	os.Exit(m.Run())
}

// TestInterop is everything that needs a peer. It is one test so that there is one line when they are missing.
func TestInterop(t *testing.T) {
	testrun.NeedPeer(t, missing())
	t.Run("v2/server", func(t *testing.T) { theirServer(t, voucher.V2) })
	t.Run("v2/client", func(t *testing.T) { theirClient(t, voucher.V2) })
	t.Run("v1/server", func(t *testing.T) { theirServer(t, voucher.V1) })
	t.Run("v1/client", func(t *testing.T) { theirClient(t, voucher.V1) })
	t.Run("v2/orphans", func(t *testing.T) { orphans(t, voucher.V2) })
	t.Run("v1/orphans", func(t *testing.T) { orphans(t, voucher.V1) })
	t.Run("fidelity", fidelity)
}

// missing says what the tests cannot do without.
func missing() error {
	out, err := exec.Command("node", "--version").Output()
	if err != nil {
		return errors.New("node is missing: install Node 20 or newer")
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 20 {
		return fmt.Errorf("node is %s: install Node 20 or newer", version)
	}
	for name, version := range pinned() {
		installed := read("rig/node_modules/" + name + "/package.json")
		if installed.Version != version {
			return fmt.Errorf("%s %s is not installed: run internal/interop/rig/install.sh", name, version)
		}
	}
	if _, err := os.Stat("rig/build/reserve.hex"); err != nil {
		return errors.New("the channel reserve is not compiled: run internal/interop/rig/install.sh")
	}
	return nil
}

// manifest is a package.json.
type manifest struct {
	Version      string
	Dependencies map[string]string
}

// read returns a package.json, empty where there is none.
func read(name string) (m manifest) {
	if data, err := os.ReadFile(name); err == nil {
		_ = json.Unmarshal(data, &m)
	}
	return m
}

// pinned are the peers and their versions.
func pinned() map[string]string {
	peers := read("rig/package.json").Dependencies
	for name, version := range peers {
		peers[name] = version[strings.LastIndex(version, "@")+1:] // npm:name@version, or a bare version
	}
	return peers
}

// TestPage holds docs/interop.md against what is pinned and what runs.
func TestPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/interop.md")
	require.NoError(t, err)
	page := string(data)
	peers := pinned()
	require.NotEmpty(t, peers)
	for name, version := range peers {
		require.True(t, strings.Contains(page, fmt.Sprintf("- `%s` %s\n", name, version)), "%s %s is not on the page: run rig/install.sh --lock", name, version)
	}
	_, tables, _ := strings.Cut(page, "## Our client, their server\n")
	theirServers, theirClients, _ := strings.Cut(tables, "## Their client, our test server\n")
	for _, f := range serverFlows {
		require.True(t, strings.Contains(theirServers, "| "+f.name+" |"), "%s has no row", f.name)
	}
	for _, f := range clientFlows {
		require.True(t, strings.Contains(theirClients, "| "+f.name+" |"), "%s has no row", f.name)
	}
}

// units formats base units as the peers write them.
func units(n uint64) string { return strconv.FormatUint(n, 10) }
