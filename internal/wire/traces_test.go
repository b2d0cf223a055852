package wire

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

// recorded is the content of traces.json: messages of real connections.
type recorded struct {
	Challenges, Credentials, Problems, NeedVouchers, Snapshots []struct{ Trace, Text string }
}

func TestTraces(t *testing.T) {
	r := vectors.Load[recorded](t, vectors.Traces)
	for _, c := range r.Challenges {
		got, err := ParseChallenges(lines(c.Text))
		require.NoError(t, err, c.Trace)
		require.Len(t, got, 1)
		text, err := got[0].Format()
		require.NoError(t, err)
		assert.Equal(t, c.Text, text, "written as the server wrote it")
		_, err = got[0].SessionRequest()
		require.NoError(t, err)
		_, ok, err := got[0].ExpiresAt()
		assert.True(t, ok && err == nil)
	}
	for _, c := range r.Credentials {
		got, err := ParseCredential(c.Text)
		require.NoError(t, err, c.Trace)
		text, err := got.Header()
		require.NoError(t, err)
		assert.Equal(t, lowerHex(t, decoded(t, c.Text)), lowerHex(t, decoded(t, text)), c.Trace)
	}
	for _, c := range r.Problems {
		got, ok := ParseProblem(problemType, []byte(c.Text))
		require.True(t, ok, c.Trace)
		assert.Greater(t, got.Code, ProblemOther, got.Type)
		assert.NotEmpty(t, got.Detail)
		assert.NotZero(t, got.Status)
	}
	for _, c := range r.NeedVouchers {
		got, err := ParseNeedVoucher([]byte(c.Text))
		require.NoError(t, err, c.Trace)
		assert.True(t, got.Accepted.Less(got.Required))
	}
	for _, c := range r.Snapshots {
		got, err := ParseSnapshotHeader(c.Text)
		require.NoError(t, err, c.Trace)
		assert.Equal(t, got.AcceptedCumulative, got.HighestVoucher.CumulativeAmount)
	}
}
