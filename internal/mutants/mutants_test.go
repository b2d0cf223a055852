package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryDefectFits: each is still one place of the code, under a name of its own, and is looked for by tests that
// exist.
func TestEveryDefectFits(t *testing.T) {
	names := map[string]bool{}
	code := newModule("../..")
	require.GreaterOrEqual(t, len(defects()), 30)
	for _, d := range append(defects(), peerDefects()...) {
		assert.False(t, names[d.name], "%s: there are two of that name", d.name)
		names[d.name] = true
		assert.NotEmpty(t, d.breaks, d.name)
		_, _, _, err := code.plant(d)
		assert.NoError(t, err, d.name)
		assert.NotEqual(t, len(d.tests) > 0, len(d.flows) > 0, d.name)
		for _, pkg := range d.tests {
			assert.True(t, tested(t, pkg, d.run), "%s: %s has no tests that match %q", d.name, pkg, d.run)
		}
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// tested reports whether a package has a test whose name matches run.
func tested(t *testing.T, pkg, run string) bool {
	which, err := regexp.Compile(run)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join("../..", pkg, "*_test.go"))
	require.NoError(t, err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range testName.FindAllSubmatch(text, -1) {
			if which.Match(m[1]) {
				return true
			}
		}
	}
	return false
}

func TestPlantChangesOneDeclaration(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	write("x_test.go", "package x\n\nfunc less() {}\n")
	write("x.go", "package x\n\nfunc less(a, b int) bool { return a < b }\n\ntype t struct{}\n\nvar (\n\tp = 1\n\tq = 1\n)\n")
	write("y.go", "package x\n\nfunc (*t) less(a, b int) bool { return a < b }\n\nfunc both(a, b int) bool { return a < b && b < a && a < b }\n")
	for name, c := range map[string]struct {
		fn, from, to, file, want string
	}{
		"a function":         {"less", "a < b", "a > b", "x.go", "func less(a, b int) bool { return a > b }"},
		"a method":           {"t.less", "a < b", "a > b", "y.go", "func (*t) less(a, b int) bool { return a > b }"},
		"one of a group":     {"q", "= 1", "= 2", "x.go", "\tp = 1\n\tq = 2\n"},
		"no such function":   {"more", "a < b", "a > b", "", "0 declarations of more"},
		"no such text":       {"less", "b < a", "", "", "0 times in less"},
		"the text twice":     {"both", "a < b", "", "", "2 times in both"},
		"nothing is changed": {"less", "a < b", "a < b", "", "changes nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			path, source, wrong, err := newModule(root).plant(defect{fn: c.fn, from: c.from, to: c.to})
			if c.file == "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, filepath.Join(root, c.file), path)
			assert.Contains(t, string(wrong), c.want)
			assert.Len(t, wrong, len(source))
		})
	}
}

func TestTheSoundTreeRunsWhatMustNotice(t *testing.T) {
	all := selected([]defect{
		{tests: []string{"a", "b"}, run: "TestX"}, {tests: []string{"a"}, run: "TestY"}, {tests: []string{"b"}},
	})
	assert.Equal(t, [][]string{{"-run=TestX|TestY", "./a"}, {"-run=", "./b"}}, all)
	all = selected([]defect{{flows: fidelity}})
	assert.Equal(t, [][]string{{"-run=^TestInterop$/^(fidelity)$", "./" + peers}}, all)
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		out    string
		failed bool
		want   verdict
		by     string
	}{
		"all pass":       {"ok  \tm/p\t0.1s\n", false, survived, ""},
		"a test fails":   {"--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/b (0.00s)\nFAIL\nFAIL\tm/p\t0.1s\n", true, killed, "TestA"},
		"it panics":      {"panic: no [recovered]\nFAIL\tm/p\t0.1s\n", true, killed, "(panicked)"},
		"it never ends":  {"panic: test timed out after 1m0s\nFAIL\tm/p\t60s\n", true, killed, "(never ended)"},
		"does not build": {"# m/p\n./p.go:1:1: undefined: x\nFAIL\tm/p [build failed]\nFAIL\n", true, unbuilt, "undefined: x"},
		"no such import": {"FAIL\tm/p [setup failed]\nFAIL\n", true, unbuilt, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, by := judge(c.out, c.failed)
			assert.Equal(t, c.want, got)
			assert.Contains(t, by, c.by)
		})
	}
}
