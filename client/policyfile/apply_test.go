package policyfile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// pen is a key that counts what it signs.
type pen struct {
	*voucher.KeySigner
	signed int
}

func (p *pen) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte,
	error,
) {
	p.signed++
	return p.KeySigner.SignVoucher(ctx, d, v)
}

func (p *pen) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	p.signed++
	return p.KeySigner.SignTransaction(ctx, tx)
}

func (p *pen) SignProof(ctx context.Context, proof voucher.Proof) ([]byte, error) {
	p.signed++
	return p.KeySigner.SignProof(ctx, proof)
}

// owner has a key, a store and a server to pay.
type owner struct {
	t     *testing.T
	srv   *clienttest.Server
	key   *pen
	chain *escrow.Client
	store store.Store
}

func newOwner(t *testing.T) *owner {
	t.Helper()
	srv := clienttest.New(t, clienttest.Config{})
	key, err := voucher.ParseKey(srv.Payer().Hex)
	require.NoError(t, err)
	chain, err := escrow.Dial(t.Context(), srv.RPCURL)
	require.NoError(t, err)
	t.Cleanup(chain.Close)
	return &owner{t, srv, &pen{KeySigner: key}, chain, store.NewMem()}
}

// session returns a session under a policy. The changes are made to the config before the policy is
// applied.
func (o *owner) session(policy string, change ...func(*client.Config)) *client.Session {
	o.t.Helper()
	f, err := policyfile.Parse("policy.toml", []byte(policy))
	require.NoError(o.t, err)
	cfg := client.Config{Signer: o.key, Payer: o.key, Chain: o.chain, Store: o.store}
	for _, c := range change {
		c(&cfg)
	}
	f.Apply(&cfg)
	s, err := client.New(cfg)
	require.NoError(o.t, err)
	return s
}

func (o *owner) get(s *client.Session, ctx context.Context, path string) error {
	o.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.srv.URL+path, nil)
	require.NoError(o.t, err)
	resp, err := s.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

const enough = "limits.price = '0.001'\nlimits.deposit = '0.1'\nlimits.stream = '0.01'\n"

func TestSessionObeysTheFile(t *testing.T) {
	o := newOwner(t)
	other := "0x00000000000000000000000000000000000000aa"
	for _, one := range []struct{ name, policy, says string }{
		{"nothing", "", "limit Price: wanted 0.0001 pathUSD, allowed 0 pathUSD"},
		{"enough", enough, ""},
		{
			"a low price", "limits = { price = '99u', deposit = '1' }",
			"limit Price: wanted 0.0001 pathUSD, allowed 0.000099 pathUSD",
		},
		{"more for the origin", "limits = { price = '99u', deposit = '1' }\n[origin.'" + o.srv.URL +
			"']\nprice = '100u'", ""},
		{
			"less for the origin", enough + "[origin.'" + o.srv.URL + "']\nprice = '99u'",
			"limit Price: wanted 0.0001 pathUSD",
		},
		{
			"more for another",
			"limits = { price = '99u', deposit = '1' }\n[origin.'http://other.example']\nprice = '100u'", "limit Price: wanted 0.0001 pathUSD",
		},
		{
			"a small hour", "limits = { price = '0.001', deposit = '0.1', hour = '99u' }",
			"limit All.Hour",
		},
		{"a small day of the origin", enough + "limits.origin.day = '99u'", "limit Origin.Day"},
		{"a small month of the payee", enough + "limits.payee.month = '99u'", "limit Payee.Month"},
		{"on the list", enough + "hosts.allow = ['" + o.srv.URL + "']", ""},
		{
			"not on the list", enough + "hosts.allow = ['https://other.example']",
			"is not on the list",
		},
		{"denied", enough + "hosts.deny = ['" + o.srv.URL + "']", "is denied"},
		{"host denied", enough + "hosts.deny = ['127.0.0.1.']", "is denied"},
		{"host allowed over https", enough + "hosts.allow = ['127.0.0.1']", "is not on the list"},
		{"another denied", enough + "hosts.deny = ['https://other.example']\npayees.deny = ['" +
			other + "']", ""},
		{"payee", enough + "payees.allow = ['" + o.srv.Payee.Hex() + "']", ""},
		{"another payee", enough + "payees.allow = ['" + other + "']", "is not on the list"},
		{"payee denied", enough + "payees.deny = ['" + o.srv.Payee.Hex() + "']", "is denied"},
		{"token", enough + "tokens.allow = ['" + o.srv.Token.Hex() + "']", ""},
		{"another token", enough + "tokens.allow = ['" + other + "']", "is not on the list"},
		{"escrow", "escrow = '" + o.srv.Escrow(voucher.V2).Hex() + "'\n" + enough, ""},
		{"another escrow", "escrow = '" + other + "'\n" + enough, "trusted is"},
	} {
		o.t, o.store, o.key.signed = t, store.NewMem(), 0
		err := o.get(o.session(one.policy), t.Context(), "/data")
		if one.says == "" {
			assert.NoError(t, err, one.name)
			continue
		}
		assert.ErrorContains(t, err, one.says, one.name)
		assert.Zero(t, o.key.signed, "%s: nothing was signed", one.name)
	}
}

// TestTermsArePinnedAfterTheLists, unless the file sets pin = false.
func TestTermsArePinnedAfterTheLists(t *testing.T) {
	o := newOwner(t)
	pins := func() (n int) {
		for _, err := range records.Pins(t.Context(), o.store) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Error(t, o.get(o.session(enough+"hosts.deny = ['"+o.srv.URL+"']"), t.Context(),
		"/data"))
	assert.Zero(t, pins(), "who is denied is not pinned")
	no := errors.New("not today")
	own := func(c *client.Config) {
		c.Policy = func(context.Context,
			client.Proposal,
		) error {
			return no
		}
	}
	assert.ErrorIs(t, o.get(o.session(enough, own), t.Context(), "/data"), no,
		"the program's own policy is asked, too")
	assert.Zero(t, pins())
	require.NoError(t, o.get(o.session("pin = false\n"+enough), t.Context(), "/data"))
	assert.Zero(t, pins())
	require.NoError(t, o.get(o.session(enough), t.Context(), "/data"))
	assert.Equal(t, 1, pins())
}

// TestCallerRaisesAsFarAsTheFileAllows, and lowers limits freely.
func TestCallerRaisesAsFarAsTheFileAllows(t *testing.T) {
	o := newOwner(t)
	with := func(price uint64) context.Context {
		return client.WithLimits(t.Context(), channel.Limits{Price: voucher.Units(price)})
	}
	low := "limits = { price = '50u', deposit = '0.1' }\n"
	assert.ErrorIs(t, o.get(o.session(low), with(100), "/data"), channel.ErrLimit)
	assert.ErrorIs(t, o.get(o.session(low+"raise.price = '99u'"), with(100), "/data"),
		channel.ErrLimit)
	assert.Zero(t, o.key.signed)
	assert.NoError(t, o.get(o.session(low+"raise.price = '100u'"), with(100), "/data"))
	assert.ErrorIs(t, o.get(o.session(enough), with(99), "/data"), channel.ErrLimit)
}

// TestReadOnlySignsNothing, whatever is requested, although there are channels, money and limits.
func TestReadOnlySignsNothing(t *testing.T) {
	o := newOwner(t)
	require.NoError(t, o.get(o.session(enough), t.Context(), "/data"))
	id := o.srv.Accounts()[0].ChannelID
	o.key.signed = 0

	s := o.session("mode = 'read-only'\nbootstrap = true\npin = false\n" + enough)
	for _, path := range []string{
		"/data", "/boot", "/sponsored", "/stream/5/10",
		"/data?price=200",
	} {
		err := o.get(s, t.Context(), path)
		assert.ErrorIs(t, err, policyfile.ErrReadOnly, path)
		assert.ErrorIs(t, err, client.ErrPolicy, path)
	}
	assert.ErrorIs(t, o.get(s, t.Context(), "/data?price=2000"), channel.ErrLimit,
		"a limit refuses first")
	assert.NoError(t, o.get(s, t.Context(), "/free"))

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.srv.URL+"/data", nil)
	require.NoError(t, err)
	q, _, err := s.Quote(req)
	require.NoError(t, err)
	assert.Equal(t, voucher.Units(100), q.Offer.Price)

	assert.ErrorIs(t, s.Channels().RequestClose(t.Context(), id), policyfile.ErrReadOnly)
	assert.Error(t, s.Channels().Withdraw(t.Context(), id))
	require.NoError(t, s.Channels().Close(t.Context(), id),
		"the voucher for it is there since it was paid")
	assert.Zero(t, o.key.signed)

	empty := store.NewMem() // nothing is known: no proof is signed, no channel opened
	s = o.session("mode = 'read-only'\nbootstrap = true\n"+enough,
		func(c *client.Config) { c.Store = empty })
	assert.ErrorIs(t, o.get(s, t.Context(), "/boot"), policyfile.ErrReadOnly)
	assert.Zero(t, o.key.signed)
	for range empty.List(t.Context(), "") {
		t.Error("something was written")
	}

	// The keys are gone, not only unused.
	cfg := client.Config{Signer: o.key, Payer: o.key}
	(&policyfile.File{}).Apply(&cfg)
	assert.Equal(t, o.key.Address(), cfg.Signer.Address())
	_, err = cfg.Signer.SignVoucher(t.Context(), nil, voucher.Voucher{ChannelID: common.Hash{1}})
	assert.ErrorIs(t, err, policyfile.ErrReadOnly)
	_, err = cfg.Payer.SignTransaction(t.Context(), nil)
	assert.ErrorIs(t, err, policyfile.ErrReadOnly)
	_, proves := cfg.Payer.(voucher.ProofSigner)
	assert.False(t, proves)
}

// TestPieceByPieceOfTheFile: the file turns the lead of streams off, for all origins or one. A
// caller can set the switch and cannot clear it.
func TestPieceByPieceOfTheFile(t *testing.T) {
	o := newOwner(t)
	for _, c := range []struct {
		name, policy string
		own          channel.Limits
		ahead        uint64
	}{
		{"not set", "", channel.Limits{}, 90},
		{"set", "limits.piece-by-piece = true\n", channel.Limits{}, 0},
		{"for the origin", "[origin.'" + o.srv.URL + "']\npiece-by-piece = true\n", channel.Limits{}, 0},
		{"for another", "[origin.'https://other.example']\npiece-by-piece = true\n", channel.Limits{}, 90},
		{"set by the caller", "", channel.Limits{PieceByPiece: true}, 0},
		{"other limits of the caller", "limits.piece-by-piece = true\n", channel.Limits{Price: voucher.Units(10)}, 0},
	} {
		o.t, o.store = t, store.NewMem()
		before := len(o.srv.Accounts())
		ctx := client.WithLimits(t.Context(), c.own)
		require.NoError(t, o.get(o.session(enough+c.policy), ctx, "/stream/50/10"), c.name)
		opened := o.srv.Accounts()[before:]
		require.Len(t, opened, 1, c.name)
		assert.Equal(t, voucher.Units(500+c.ahead), opened[0].Accepted, c.name)
	}
}
