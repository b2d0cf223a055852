package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	linked = regexp.MustCompile(`\]\(([^)#:]+)\)`)
	named  = regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Z]\\w*)`")
)

// TestTrustModel and TestRecovery: what the page points to is there. A test that a paragraph or an
// item of a list names is in the package of a file that it links.
func TestTrustModel(t *testing.T) { assert.Greater(t, page(t, "trust-model.md"), 40) }

func TestRecovery(t *testing.T) { assert.Greater(t, page(t, "recovery.md"), 20) }

var wrapped = regexp.MustCompile(`([^\n])\n *([^\s\-|#*])`)

// joined returns the text with each paragraph and each item of a list on one line.
func joined(text string) string { return wrapped.ReplaceAllString(text, "$1 $2") }

// page checks one page and returns how many tests it names.
func page(t *testing.T, name string) int {
	t.Helper()
	const docs = "../../docs"
	text, err := os.ReadFile(filepath.Join(docs, name))
	require.NoError(t, err)
	tests := 0
	for line := range strings.SplitSeq(joined(string(text)), "\n") {
		var code strings.Builder
		for _, link := range linked.FindAllStringSubmatch(line, -1) {
			path := filepath.Join(docs, link[1])
			_, err := os.Stat(path)
			require.NoError(t, err)
			files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*_test.go"))
			require.NoError(t, err)
			for _, file := range files {
				source, err := os.ReadFile(file)
				require.NoError(t, err)
				code.Write(source)
			}
		}
		for _, name := range named.FindAllStringSubmatch(line, -1) {
			tests++
			assert.Contains(t, code.String(), "\nfunc "+name[1]+"(", "there is no such test in a package that this line links")
		}
	}
	return tests
}
