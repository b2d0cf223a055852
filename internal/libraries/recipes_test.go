package libraries

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRecipes: every program of docs/recipes.md is in the examples of this package, line by line,
// and every test that the page names exists.
func TestRecipes(t *testing.T) {
	page, err := os.ReadFile("../../docs/recipes.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	examples, programs := unindented(string(source)), 0
	for _, part := range strings.Split(string(page), "```go\n")[1:] {
		program, _, closed := strings.Cut(part, "```")
		require.True(t, closed)
		programs++
		assert.Contains(t, examples, unindented(program))
	}
	assert.Equal(t, 5, programs)

	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "../gateways/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			tests.Write(data)
		}
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		assert.Contains(t, tests.String(), "\nfunc "+name[1]+"(")
	}
}

// unindented returns the text without the space at the beginning of its lines.
func unindented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, " \t"))
	}
	return b.String()
}
