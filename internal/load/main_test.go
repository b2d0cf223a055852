package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain runs the tests, or a client that a test started in a process of its own.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArg {
		if err := child(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestListPrintsChosenCells(t *testing.T) {
	var out, progress bytes.Buffer
	require.NoError(
		t,
		run(t.Context(), []string{"-list", "-run", "^long/clienttest/v2/h1"}, nil, &out, &progress),
	)
	assert.Equal(
		t,
		"long/clienttest/v2/h1/20ms/pause0\nlong/clienttest/v2/h1/20ms/pause10\n",
		out.String(),
	)
}

func TestBadFlagsAreErrors(t *testing.T) {
	for _, args := range [][]string{{"-run", "("}, {"-run", "no such cell"}, {"-nonsense"}} {
		var out, progress bytes.Buffer
		assert.Error(t, run(t.Context(), args, nil, &out, &progress), "%q", args)
		assert.Empty(t, out.String())
	}
}

// TestWithoutMppx: the cells of mppx say why they are skipped, and the others run.
func TestWithoutMppx(t *testing.T) {
	b, err := newBench(mppxNever)
	require.NoError(t, err)
	defer b.close()
	theirs, err := b.run(
		t.Context(),
		cell{Group: "requests", Server: serverMppx, Goroutines: 1}.completed(),
	)
	require.NoError(t, err)
	assert.Equal(t, "not wanted: -mppx=never", theirs.Skipped)
	r, err := b.run(
		t.Context(),
		cell{
			Group:      "requests",
			Server:     serverTest,
			Goroutines: 2,
			Requests:   4,
			Rounds:     1,
		}.completed(),
	)
	require.NoError(t, err)
	var out bytes.Buffer
	table(&out, "requests", "Requests", []report{theirs, r})
	assert.Contains(
		t,
		out.String(),
		"| mppx v2, HTTP/1, 1 goroutines | skipped: not wanted: -mppx=never |",
	)
	assert.Contains(t, out.String(), "| mppx: not wanted: -mppx=never |")
	assert.Contains(t, out.String(), "| 0 of 4 |")
}

// TestMissingRigIsAnErrorIfRequired runs outside the module, where there is no rig.
func TestMissingRigIsAnErrorIfRequired(t *testing.T) {
	t.Chdir(t.TempDir())
	_, _, err := findRig(mppxAlways)
	require.Error(t, err)
	_, why, err := findRig(mppxIfThere)
	require.NoError(t, err)
	require.Error(t, why)
}
