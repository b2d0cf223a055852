package rule

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
)

func TestPlaces(t *testing.T) {
	id := common.Hash{0xab}
	name := "0xab00000000000000000000000000000000000000000000000000000000000000"
	assert.Equal(t, [3]string{"channel/" + name, "closed/" + name, "channel/" + name + ".again"}, Places(id))
	assert.Equal(t, Places(id)[0], StateKey(id))
}

// TestFinished checks that only a channel that is closed, with no transaction undecided, has ended.
func TestFinished(t *testing.T) {
	pending := Funding{Raw: []byte{0x76}}
	for name, one := range map[string]struct {
		state State
		want  bool
	}{
		"unopened":                              {State{}, false},
		"opening":                               {State{Opening: pending}, false},
		"open":                                  {State{Confirmed: true}, false},
		"gone":                                  {State{Confirmed: true, Gone: true}, false},
		"close sent":                            {State{Confirmed: true, CloseSent: true}, false},
		"close requested":                       {State{Confirmed: true, CloseRequestedAt: 1}, false},
		"closed":                                {State{Confirmed: true, Closed: true, CloseSent: true}, true},
		"never opened":                          {State{Closed: true}, true},
		"closed, but the opening is undecided":  {State{Closed: true, Opening: pending}, false},
		"closed, but the top-up is not decided": {State{Closed: true, ToppingUp: pending}, false},
	} {
		assert.Equal(t, one.want, one.state.Finished(), name)
	}
}
