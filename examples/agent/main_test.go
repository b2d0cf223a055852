package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// 101 + 102 + … + 109 is 945, and the tenth answer would make it 1055.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	t.Log("\n" + out.String())
	assert.Contains(t, out.String(), "9 answers, 0.000105 pathUSD of 0.00105 pathUSD left")
	assert.Contains(t, out.String(), "channel: the budget of this run: wanted 0.001055 pathUSD in all, allowed 0.00105 pathUSD, left 0.000105 pathUSD")
}
