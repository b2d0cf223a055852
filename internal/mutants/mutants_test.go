package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryDefectFits: each is still one place of the code, under a name of its own, and is looked for by tests that exist.
func TestEveryDefectFits(t *testing.T) {
	names := map[string]bool{}
	require.GreaterOrEqual(t, len(defects()), 30)
	for _, d := range append(defects(), peerDefects()...) {
		assert.False(t, names[d.name], "%s: there are two of that name", d.name)
		names[d.name] = true
		assert.NotEmpty(t, d.breaks, d.name)
		assert.False(t, strings.HasSuffix(d.file, "_test.go"), d.name)
		source, err := os.ReadFile(filepath.Join("../..", d.file))
		require.NoError(t, err, d.name)
		_, err = d.plant(source)
		assert.NoError(t, err, d.name)
		assert.NotEqual(t, len(d.tests) > 0, len(d.flows) > 0, d.name)
		for _, pkg := range d.tests {
			found, err := filepath.Glob(filepath.Join("../..", pkg, "*_test.go"))
			require.NoError(t, err)
			assert.NotEmpty(t, found, "%s: %s has no tests", d.name, pkg)
		}
	}
}

func TestPlant(t *testing.T) {
	d := defect{file: "x.go", from: "a < b", to: "a > b"}
	got, err := d.plant([]byte("if a < b {"))
	require.NoError(t, err)
	assert.Equal(t, "if a > b {", string(got))
	_, err = d.plant([]byte("if b < a {"))
	require.ErrorContains(t, err, "0 times in x.go")
	_, err = d.plant([]byte("a < b, a < b"))
	require.ErrorContains(t, err, "2 times in x.go")
	d.to = d.from
	_, err = d.plant([]byte("a < b"))
	require.ErrorContains(t, err, "changes nothing")
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
