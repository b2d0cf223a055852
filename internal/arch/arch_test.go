package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/seed-5fe1f529/tallystick"
	kit    = "client/clienttest/internal/" // the test server
)

// house says which packages of this module each package may import. Imports point down: a package that
// is not here is a stray, and so is an import that is not in its list.
var house = map[string][]string{
	"voucher":             {},
	"voucher/keyfile":     {"voucher", "internal/safefile"},
	"store":               {},
	"store/filestore":     {"store"},
	"store/channelsdb":    {"voucher", "internal/safefile"},
	"store/redisstore":    {"store"},
	"store/pgstore":       {"store"},
	"store/storetest":     {"store"},
	"internal/wire":       {"voucher"},
	"internal/sse":        {},
	"internal/origin":     {},
	"internal/safefile":   {},
	"internal/bill":       {"voucher", "channel", "store/journal"},
	"internal/pins":       {"voucher", "store", "channel", "internal/origin"},
	"internal/arch":       {},
	"internal/bubble":     nil, // tests only
	"internal/testrun":    {},
	"internal/vectors":    {},
	"receipt":             {"voucher", "internal/wire"},
	"channel":             {"voucher", "internal/origin"},
	"internal/rule":       {"voucher", "channel", "internal/origin", "internal/wire"},
	"channel/escrow":      {"voucher", "channel"},
	"channel/evidence":    {"voucher", "receipt", "channel", "store/journal", "internal/rule", "internal/wire"},
	"internal/budget":     {"voucher", "store", "channel", "internal/rule"},
	"internal/ledger":     {"voucher", "store", "channel", "internal/rule", "internal/budget"},
	"internal/purchase":   {"voucher", "channel"},
	"store/journal":       {"voucher", "internal/safefile"},
	"store/records":       {"store", "channel", "internal/pins", "internal/rule"},
	"internal/devchain":   {"voucher"},
	"client":              {"voucher", "store", "receipt", "store/journal", "channel", "channel/escrow", "channel/evidence", "internal/wire", "internal/sse", "internal/origin", "internal/pins", "internal/rule", "internal/ledger", "internal/purchase"},
	"client/otel":         {"voucher", "store/journal", "channel", "client"}, // in a module of its own
	"client/policyfile":   {"voucher", "channel", "internal/origin", "internal/rule", "internal/safefile", "client"},
	"internal/fleet":      {"internal/testrun"},
	"internal/gateways":   nil, // tests only
	"internal/libraries":  nil, // tests only, in a module of its own
	"internal/walk":       nil,
	"internal/load":       nil,
	"internal/scale":      nil,
	"internal/interop":    nil, // tests only
	"internal/crash":      nil, // tests only
	"internal/shared":     nil, // tests only
	"internal/mutants":    nil,
	"internal/model":      nil,
	"internal/outlay":     nil, // tests only
	"examples/quickstart": nil,
	"examples/tally":      nil,
	"examples/agent":      nil,
	"examples/first":      nil,
	"examples/get":        nil,
	"examples/proxy":      nil,

	"client/clienttest":            {"voucher", "internal/devchain", kit + "hook", kit + "message", kit + "node", "client/clienttest/lies", "client/clienttest/nodefaults"},
	"client/clienttest/nodefaults": {"internal/devchain", kit + "node"},
	kit + "node":                   {"internal/devchain"},
	"client/clienttest/lies":       {"voucher", kit + "hook", kit + "message"},
	kit + "hook":                   {"voucher", kit + "message"},
	kit + "message":                {"voucher", "internal/devchain"},
}

// source is one file that is not a test.
type source struct {
	pkg, name string
	file      *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	var out []source
	set := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		out = append(out, source{filepath.ToSlash(rel), name, file})
		return err
	}))
	require.Greater(t, len(out), 20)
	return out
}

func planted(t *testing.T, pkg, name, code string) []source {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, code, parser.SkipObjectResolution)
	require.NoError(t, err)
	return []source{{pkg, name, file}}
}

func imports(s source) []string {
	var out []string
	for _, i := range s.file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

// strays are imports that the house does not allow.
func strays(all []source) (bad []string) {
	for _, s := range all {
		allowed, known := house[s.pkg]
		if !known {
			bad = append(bad, s.pkg+" has no place in the house")
			continue
		}
		for _, i := range imports(s) {
			inner, ours := strings.CutPrefix(i, module+"/")
			if ours && allowed != nil && !slices.Contains(allowed, inner) {
				bad = append(bad, s.pkg+"/"+s.name+" imports "+inner)
			}
		}
	}
	return bad
}

// signings are the places that ask a signer for a voucher. A signer of package voucher may be made of
// another; test servers are not part of what users run.
func signings(all []source) (places []string) {
	for _, s := range all {
		if s.pkg == "voucher" || s.pkg == "client/clienttest" || s.pkg == "internal/devchain" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "SignVoucher" {
				places = append(places, path.Join(s.pkg, s.name))
			}
			return true
		})
	}
	return places
}

// raises are the files of the core that write the ceiling: by assignment, or by naming the field in a
// literal.
func raises(all []source) (files []string) {
	for _, s := range all {
		if s.pkg != "internal/rule" {
			continue
		}
		note := func() {
			if !slices.Contains(files, s.name) {
				files = append(files, s.name)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if sel, ok := left.(*ast.SelectorExpr); ok && sel.Sel.Name == "authorized" {
						note()
					}
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "authorized" {
					note()
				}
			case *ast.UnaryExpr:
				if sel, ok := n.X.(*ast.SelectorExpr); ok && n.Op == token.AND && sel.Sel.Name == "authorized" {
					note()
				}
			}
			return true
		})
	}
	slices.Sort(files)
	return files
}

// impure are the places where the core would touch the world.
func impure(all []source) (bad []string) {
	forbidden := []string{"context", "sync", "sync/atomic", "net", "net/http", "net/url", "os", "io", "io/fs", "log/slog", "crypto/rand", "math/rand", "math/rand/v2"}
	for _, s := range all {
		if s.pkg != "channel" && s.pkg != "internal/rule" && s.pkg != "internal/purchase" {
			continue
		}
		for _, i := range imports(s) {
			if slices.Contains(forbidden, i) {
				bad = append(bad, s.name+" imports "+i)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}, sel.Sel.Name) {
				bad = append(bad, s.name+" calls time."+sel.Sel.Name)
			}
			return true
		})
	}
	return bad
}

func TestImportsPointDown(t *testing.T) {
	assert.Empty(t, strays(sources(t)))
	assert.NotEmpty(t, strays(planted(t, "voucher", "x.go", `package voucher; import _ "`+module+`/client"`)))
	assert.NotEmpty(t, strays(planted(t, "helpers", "x.go", `package helpers`)))
}

func TestOnePlaceSigns(t *testing.T) {
	assert.Equal(t, []string{"internal/ledger/issue.go"}, signings(sources(t)))
	assert.NotEmpty(t, signings(planted(t, "client", "x.go", `package client; func f() { f := s.SignVoucher; _ = f }`)))
}

// TestOneFileRaises: authorize.go raises the ceiling; record.go restores what was stored and nothing
// else.
func TestOneFileRaises(t *testing.T) {
	assert.Equal(t, []string{"authorize.go", "record.go"}, raises(sources(t)))
	assert.NotEmpty(t, raises(planted(t, "internal/rule", "x.go", `package rule; func f() { s.authorized = w }`)))
	assert.NotEmpty(t, raises(planted(t, "internal/rule", "x.go", `package rule; var s = State{authorized: w}`)))
	assert.NotEmpty(t, raises(planted(t, "internal/rule", "x.go", `package rule; var s = &t.authorized`)))
}

func TestCoreIsPure(t *testing.T) {
	assert.Empty(t, impure(sources(t)))
	assert.NotEmpty(t, impure(planted(t, "channel", "x.go", `package channel; import "time"; var now = time.Now()`)))
	assert.NotEmpty(t, impure(planted(t, "channel", "x.go", `package channel; import _ "os"`)))
	assert.NotEmpty(t, impure(planted(t, "internal/rule", "x.go", `package rule; import "time"; var now = time.Now()`)))
}

// TestUsersBuildNoTestKit: a program that imports the client alone links no command line, test kit, lock
// file, driver or chain of ours, and of go-ethereum nothing that brings telemetry, websockets or a node.
func TestUsersBuildNoTestKit(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"/client").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, module+"/internal/ledger", "the list is the right one")
	for _, d := range deps {
		for _, no := range []string{
			"spf13/cobra", "stretchr/testify", "pgregory.net/rapid", "go.uber.org/goleak", "gofrs/flock", "gowebpki/jcs",
			"go-ethereum/accounts/keystore", "go-ethereum/core/vm", "go-ethereum/signer", module + "/internal/devchain",
			module + "/client/clienttest", module + "/store/filestore", module + "/store/channelsdb", "ncruces/go-sqlite3", "redis", "pgx", "testing",
			"go-ethereum/rpc", "go-ethereum/ethclient", "go-ethereum/core/types", "opentelemetry.io", "shirou/gopsutil", "gorilla/websocket", "golang-set",
		} {
			if d == no || (strings.Contains(no, "/") || no == "redis" || no == "pgx") && strings.Contains(d, no) {
				t.Errorf("client depends on %s", d)
			}
		}
	}
}

// TestDriversAreForTheirUsers: a database driver is linked by those who import its store, and by nobody else; and a
// store links nothing of ours but package store.
func TestDriversAreForTheirUsers(t *testing.T) {
	const redis, pgx = "github.com/redis/go-redis/", "github.com/jackc/"
	links := func(pkg, prefix string) (found bool) {
		out, err := exec.Command("go", "list", "-deps", module+"/"+pkg).Output()
		require.NoError(t, err)
		require.Contains(t, strings.Fields(string(out)), module+"/"+pkg, "the list is the right one")
		return slices.ContainsFunc(strings.Fields(string(out)), func(d string) bool { return strings.HasPrefix(d, prefix) && d != module+"/"+pkg })
	}
	for pkg, driver := range map[string]string{"client": "", "store/filestore": "", "examples/tally": "", "examples/agent": "", "store/redisstore": redis, "store/pgstore": pgx} {
		for _, prefix := range []string{redis, pgx} {
			assert.Equal(t, prefix == driver, links(pkg, prefix), "%s and %s", pkg, prefix)
		}
		if driver != "" {
			for _, no := range []string{module + "/client", module + "/channel", module + "/internal", "github.com/stretchr", "github.com/ethereum"} {
				assert.False(t, links(pkg, no), "%s links %s", pkg, no)
			}
		}
	}
}

// TestTopLevel: a reader finds the same few folders there, whatever is added.
func TestTopLevel(t *testing.T) {
	for _, s := range sources(t) {
		top, _, _ := strings.Cut(s.pkg, "/")
		assert.Contains(t, []string{"client", "channel", "voucher", "receipt", "store", "internal", "examples"}, top, "%s/%s", s.pkg, s.name)
	}
}

// TestBubbles: tests with a fake clock run through internal/bubble, which says why.
func TestBubbles(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, "_test.go") {
			return err
		}
		text, err := os.ReadFile(p)
		assert.NotContains(t, string(text), "synctest"+".Test(", p)
		return err
	}))
}
