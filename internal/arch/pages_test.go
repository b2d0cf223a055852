package arch

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pages are the documents that users and contributors read.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "examples/*.md"} {
		paths, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(pattern)))
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			all[path] = string(text)
		}
	}
	return all
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	block  = regexp.MustCompile("(?ms)^```.*?^```$")
	marked = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	plain  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names under which the headings of a page can be linked, as GitHub makes them.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, heading := range marked.FindAllStringSubmatch(block.ReplaceAllString(page, ""), -1) {
		text := link.ReplaceAllString(heading[1], "]")
		found[strings.ReplaceAll(plain.ReplaceAllString(strings.ToLower(text), ""), " ", "-")] = true
	}
	return found
}

// TestLinksLeadSomewhere: a link to a file or to a heading of a page is not broken.
func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	for path, text := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			to, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			links++
			target := path
			if to != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(to))
			}
			_, err := os.Stat(target)
			if !assert.NoError(t, err, "%s links %s", path, found[1]) || anchor == "" {
				continue
			}
			page, err := os.ReadFile(target)
			require.NoError(t, err)
			assert.True(t, anchors(string(page))[anchor], "%s links %s: there is no such heading", path, found[1])
		}
	}
	assert.Greater(t, links, 200)
}

// TestBookHasAllPages: the index of docs leads to each of its pages, and that of the examples to each program.
func TestBookHasAllPages(t *testing.T) {
	for dir, pattern := range map[string]string{"../../docs": "*.md", "../../examples": "*/main.go"} {
		index, err := os.ReadFile(filepath.Join(dir, "README.md"))
		require.NoError(t, err)
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			name, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			if name != "README.md" {
				assert.Contains(t, string(index), "]("+filepath.ToSlash(name)+")", dir)
			}
		}
	}
}

// TestProgramsOfPagesAreRun: each Go program on a page is, but for its indentation, a part of an example that is
// compiled and run: a program with a test, an Example function with an output, or what such a function calls.
func TestProgramsOfPagesAreRun(t *testing.T) {
	sources := examples(t)
	programs := 0
	for path, text := range pages(t) {
		for _, part := range strings.Split(text, "```go\n")[1:] {
			program, _, closed := strings.Cut(part, "```")
			require.True(t, closed, path)
			programs++
			found := false
			for _, source := range sources {
				found = found || strings.Contains(source, unindented(program))
			}
			assert.True(t, found, "%s has a program that no example is:\n%s", path, program)
		}
	}
	assert.Greater(t, programs, 10)
}

// examples are the texts of the programs below examples, each of which has a test, and of the files of Example
// functions, without the functions that have no output, because these are only compiled.
func examples(t *testing.T) (texts []string) {
	t.Helper()
	root := "../.."
	mains, err := filepath.Glob(filepath.Join(root, "examples", "*", "main.go"))
	require.NoError(t, err)
	for _, path := range mains {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = os.Stat(filepath.Join(filepath.Dir(path), "main_test.go"))
		require.NoError(t, err, "%s has no test", path)
		texts = append(texts, unindented(string(text)))
	}
	files := []string{filepath.Join(root, "client", "recipes_test.go")}
	for _, depth := range []string{"*", "*/*", "*/*/*"} {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(depth), "*example_test.go"))
		require.NoError(t, err)
		files = append(files, paths...)
	}
	set := token.NewFileSet()
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		file, err := parser.ParseFile(set, path, text, parser.ParseComments)
		require.NoError(t, err)
		run := map[string]bool{}
		for _, example := range doc.Examples(file) {
			run["Example"+example.Name] = example.Output != "" || example.EmptyOutput
		}
		var kept strings.Builder
		last := file.FileStart
		for _, decl := range file.Decls {
			f, isFunc := decl.(*ast.FuncDecl)
			begin, end := set.Position(last).Offset, set.Position(decl.End()).Offset
			last = decl.End()
			if !isFunc || !strings.HasPrefix(f.Name.Name, "Example") || run[f.Name.Name] {
				kept.Write(text[begin:end])
			}
		}
		texts = append(texts, unindented(kept.String()))
	}
	return texts
}

// unindented returns the text without the space at the beginning of its lines.
func unindented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, " \t"))
	}
	return b.String()
}
