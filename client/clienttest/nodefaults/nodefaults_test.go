package nodefaults_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults"
)

func ExampleAll() {
	for _, f := range nodefaults.All() {
		if strings.HasPrefix(string(f), "late-by") {
			fmt.Println(f)
		}
	}
	// Output:
	// late-by-one
	// late-by-ten
}

// TestListIsComplete checks that each constant has one line of documentation, a value that spells its
// name, and something that the node does, and that there is nothing else that it does.
func TestListIsComplete(t *testing.T) {
	inWords := regexp.MustCompile(`[A-Z]+[a-z]*|[0-9]+`)
	declared := map[nodefaults.Fault]bool{}
	for _, spec := range constants(t) {
		name := spec.Names[0].Name
		require.Len(t, spec.Names, 1)
		require.Len(t, spec.Values, 1, name)
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		words := strings.ReplaceAll(name, "HTTP", "Http")
		assert.Equal(t, strings.ToLower(strings.Join(inWords.FindAllString(words, -1), "-")), value)
		declared[nodefaults.Fault(value)] = true
		require.NotNil(t, spec.Doc, "%s is not documented", name)
		require.Len(t, spec.Doc.List, 1, "%s: one line", name)
		assert.Regexp(t, `^`+name+` [a-z].*\.$`, strings.TrimSpace(spec.Doc.Text()))
	}
	assert.GreaterOrEqual(t, len(declared), 100)
	all := map[nodefaults.Fault]bool{}
	for _, f := range nodefaults.All() {
		all[f] = true
	}
	assert.Equal(t, declared, all)
}

// constants returns the declarations of all constants of type Fault in this folder.
func constants(t *testing.T) (specs []*ast.ValueSpec) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, s := range group.Specs {
				spec := s.(*ast.ValueSpec)
				if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Fault" {
					specs = append(specs, spec)
				}
			}
		}
	}
	return specs
}
