package vectors_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

// TestFilesAreListedAndDescribed checks that each file of the folder has a constant, an entry in
// README.md, a description of its own, and lists that are not empty.
func TestFilesAreListedAndDescribed(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("vectors.go")
	require.NoError(t, err)
	var names []string
	for _, pattern := range []string{"*.json", "official/*.json"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		names = append(names, found...)
	}
	require.NotEmpty(t, names)
	for _, name := range names {
		name = filepath.ToSlash(name)
		assert.Contains(t, string(readme), "`"+filepath.Base(name)+"`")
		assert.Contains(t, string(source), fmt.Sprintf("File = %q", name))
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		var file map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &file), name)
		assert.Contains(t, file, "description", name)
		for key, value := range file {
			assert.NotEqual(t, "[]", string(value), "%s: %s", name, key)
		}
	}
}

// failure stands for a test and keeps the message that it failed with.
type failure struct{ message string }

func (f *failure) Helper() {}

func (f *failure) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failed runs a test that is expected to fail and returns the message.
func failed(run func(t *failure)) string {
	var f failure
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(&f)
	}()
	<-done
	return f.message
}

func TestWithoutCasesATestFails(t *testing.T) {
	type anything map[string]any
	assert.Len(t, vectors.Cases[anything](t, vectors.Proof), 10)
	assert.Equal(t, "vectors: proof.json has no verify", failed(func(f *failure) {
		vectors.Load[struct{ Cases, Verify []anything }](f, vectors.Proof)
	}))
	assert.Equal(t, "vectors: traces.json has no cases", failed(func(f *failure) {
		vectors.Cases[anything](f, vectors.Traces)
	}))
	assert.Contains(
		t, failed(func(f *failure) { vectors.Cases[anything](f, "none.json") }), "none.json",
	)
	assert.Contains(
		t, failed(func(f *failure) { vectors.Cases[int](f, vectors.Proof) }), "proof.json",
	)
}
