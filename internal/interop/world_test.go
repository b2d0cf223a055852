package interop

import (
	"crypto/ecdsa"
	"encoding/hex"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// world is one of mppx's servers and the chain behind it: anvil on v2, devchain on v1.
type world struct {
	rail    voucher.Protocol
	chain   *node
	escrow  common.Address
	fund    func(testing.TB, common.Address, uint64)
	advance func(testing.TB, time.Duration)

	server         *peer
	url            string
	payee, sponsor common.Address
}

func newWorld(t testing.TB, rail voucher.Protocol) *world {
	w := &world{rail: rail, escrow: devchain.ReserveAddress}
	if rail == voucher.V2 {
		a := startAnvil(t)
		w.chain, w.fund, w.advance = a.node, a.fund, a.advance
	} else {
		c := startDevchain(t)
		w.escrow, w.chain, w.fund, w.advance = devchain.StreamChannelAddress, c.node, c.fund, c.advance
	}
	payee, sponsor := newKey(t), newKey(t)
	w.fund(t, crypto.PubkeyToAddress(payee.PublicKey), 1e9)
	w.fund(t, crypto.PubkeyToAddress(sponsor.PublicKey), 1e9)
	w.server = startPeer(t, "server.mjs")
	var facts struct {
		URL            string
		Payee, Sponsor common.Address
	}
	w.server.do(t, "start", args{"v1": rail == voucher.V1, "rpcUrl": w.chain.url, "payeeKey": hexKey(payee), "sponsorKey": hexKey(sponsor)}, &facts)
	w.url, w.payee, w.sponsor = facts.URL, facts.Payee, facts.Sponsor
	return w
}

// memory is a devchain that goes by the clock on the wall.
type memory struct {
	*devchain.Chain
	*node
}

func startDevchain(t testing.TB) *memory {
	c := devchain.New(devchain.Config{Clock: time.Now})
	t.Cleanup(c.Close)
	s := httptest.NewServer(c.Handler())
	t.Cleanup(s.Close)
	t.Cleanup(func() { assert.NoError(t, c.CheckSupply()) })
	return &memory{c, dial(t, s.URL)}
}

func (m *memory) fund(_ testing.TB, to common.Address, amount uint64) {
	m.Mint(devchain.PathUSD, to, voucher.Units(amount))
}

func (m *memory) advance(_ testing.TB, d time.Duration) { m.Advance(d) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.GenerateKey()
	require.NoError(t, err)
	return k
}

func hexKey(k *ecdsa.PrivateKey) string { return "0x" + hex.EncodeToString(crypto.FromECDSA(k)) }

// record is what mppx's server has on record of a channel.
type record struct {
	ChannelID                common.Hash
	Payer                    common.Address
	Accepted, Spent, Deposit voucher.Amount
	Settled                  voucher.Amount
	Units                    uint64
	Finalized                bool
	Signed                   string
}

// record asks the server; nil where it knows nothing.
func (w *world) record(t testing.TB, id common.Hash) *record {
	t.Helper()
	var r *record
	w.server.do(t, "record", args{"channelId": id}, &r)
	return r
}

// seen is one request as the server saw it.
type seen struct {
	Method, Path, Action, Accept, Hint, Transaction string
	CumulativeAmount, AdditionalDeposit             string
	Status                                          int
}

// since returns a function that lists the requests from now on.
func (w *world) since(t testing.TB) func() []seen {
	t.Helper()
	var before []seen
	w.server.do(t, "requests", nil, &before)
	return func() (now []seen) {
		t.Helper()
		w.server.do(t, "requests", args{"since": len(before)}, &now)
		return now
	}
}

// actions are the credentials among requests: method, action and status.
func actions(all []seen) (out []string) {
	for _, r := range all {
		if r.Action != "" {
			out = append(out, r.Method+" "+r.Action+" "+units(uint64(r.Status)))
		}
	}
	return out
}
