package testrun_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/internal/testrun"
)

func TestVariable(t *testing.T) {
	for setting, want := range map[string]struct{ long, peers bool }{
		"": {}, "long": {long: true}, "peers": {peers: true}, "all": {true, true},
	} {
		t.Setenv(testrun.Variable, setting)
		assert.Equal(t, want.long, testrun.Long(), "%q", setting)
		assert.Equal(t, want.peers, testrun.Peers(), "%q", setting)
	}
	t.Setenv(testrun.Variable, "Peers")
	assert.Panics(t, func() { testrun.Peers() })
	t.Setenv(testrun.Variable, "long")
	assert.Equal(t, 9, testrun.Size(1, 9))
}

// recorder stands for a test that needs a peer.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (*recorder) Helper()                {}
func (r *recorder) Skipf(string, ...any) { r.skipped = true }
func (r *recorder) Fatal(...any)         { r.failed = true }

func TestMissingPeers(t *testing.T) {
	missing := errors.New("node is missing")
	for _, c := range []struct {
		setting         string
		missing         error
		skipped, failed bool
	}{
		{"", nil, true, false}, {"long", missing, true, false}, {"peers", nil, false, false}, {"all", missing, false, true},
	} {
		t.Setenv(testrun.Variable, c.setting)
		r := recorder{TB: t}
		testrun.NeedPeer(&r, c.missing)
		assert.Equal(t, [2]bool{c.skipped, c.failed}, [2]bool{r.skipped, r.failed}, "%q", c.setting)
	}
}
