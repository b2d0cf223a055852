package outlay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/big"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var errGone, errFault = errors.New("outlay: the session has crashed"), errors.New("outlay: a fault")

// transport is the way of one session to the server, and what it shares with the other ways.
type transport struct {
	w    *world
	gone atomic.Bool                       // its session has crashed
	put  map[common.Address]voucher.Amount // what its session has put into channels, by token
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.gone.Load() {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errGone
	}
	if c, err := wire.ParseCredential(req.Header.Get("Authorization")); err == nil {
		t.w.presents(req.Context(), c.Payload)
	}
	return t.w.srv.Transport().RoundTrip(req)
}

// presents notes what a credential shows.
func (w *world) presents(ctx context.Context, p wire.Payload) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(p.Transaction) > 0 {
		if tx := w.txs[crypto.Keccak256Hash(p.Transaction)]; tx != nil {
			tx.left = true
		}
	}
	if by := p.CumulativeAmount.SubFloor(w.sent[p.ChannelID]); !by.IsZero() && p.Action != "close" {
		w.sent[p.ChannelID] = p.CumulativeAmount
		if of, ok := ctx.Value(runKey{}).(*run); ok {
			of.spent = of.spent.AddCapped(by)
		}
	}
}

// puts finds what a transaction puts into a channel in what a person is told about it.
var puts = regexp.MustCompile(`(?:: deposit|[0-9a-f]{64} by) (\d+) base units`)

// node is the way to the chain.
type node struct{ *transport }

var baseFee = regexp.MustCompile(`"baseFeePerGas":"(0x[0-9a-f]+)"`)

func (n *node) RoundTrip(req *http.Request) (*http.Response, error) {
	w := n.w
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close()
	if err != nil || n.gone.Load() {
		return nil, errors.Join(err, errGone)
	}
	w.mu.Lock()
	fails := w.broken
	w.broken = max(0, fails-1)
	if fails == 0 || fails%2 == 1 {
		for _, tx := range w.txs {
			tx.left = tx.left || bytes.Contains(body, []byte(hexutil.Encode(tx.raw)))
		}
	}
	w.mu.Unlock()
	if fails > 0 && fails%2 == 0 {
		return nil, errFault
	}
	out := req.Clone(req.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := w.srv.Transport().RoundTrip(out)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if fails > 0 || err != nil {
		return nil, errors.Join(err, errFault)
	}
	text = baseFee.ReplaceAllFunc(text, func(all []byte) []byte {
		fee := new(big.Int)
		fee.SetString(string(baseFee.FindSubmatch(all)[1]), 0)
		fee.Mul(fee, new(big.Int).SetUint64(w.level.Load()))
		return fmt.Appendf(nil, `"baseFeePerGas":"0x%x"`, fee.Rsh(fee, 2))
	})
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// faulty is the store of a session. Its next writes may fail, or fail and be stored.
type faulty struct{ *transport }

func (f *faulty) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if f.gone.Load() {
		return nil, 0, errGone
	}
	return f.w.disk.Get(ctx, key)
}

func (f *faulty) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return f.w.disk.List(ctx, prefix)
}

func (f *faulty) Put(ctx context.Context, key string, data []byte, rev uint64) (next uint64, err error) {
	err = f.write(func() error {
		next, err = f.w.disk.Put(ctx, key, data, rev)
		return err
	})
	return next, err
}

func (f *faulty) Move(ctx context.Context, key string, rev uint64, to string) error {
	return f.write(func() error { return f.w.disk.(store.Mover).Move(ctx, key, rev, to) })
}

func (f *faulty) write(do func() error) error {
	f.w.mu.Lock()
	fails, dies := f.w.failed, f.w.dies
	f.w.dies = max(0, dies-1)
	if f.w.calm > 0 {
		f.w.calm--
		fails = 0
	}
	f.w.failed = max(0, f.w.failed-min(1, fails))
	f.w.mu.Unlock()
	switch {
	case f.gone.Load():
		return errGone
	case dies == 1:
		f.gone.Store(true)
		if f.w.after {
			_ = do()
		}
		return errGone
	case fails == 0:
		return do()
	case fails%2 == 1:
		_ = do()
	}
	return errFault
}

// signer is the voucher key and the funding key. It notes what it signs.
type signer struct {
	*voucher.KeySigner
	way *transport
}

func (s signer) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	w := s.way.w
	if s.way.gone.Load() {
		return nil, errGone
	}
	state, ok := w.record(v.ChannelID)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || state.Authorized().Less(v.Cumulative) {
		w.t.Errorf("seed %d: asked to sign %s of %s, which is not on record", w.seed, v.Cumulative, v.ChannelID)
	}
	if by := v.Cumulative.SubFloor(w.signed[v.ChannelID]); !by.IsZero() {
		w.signed[v.ChannelID] = v.Cumulative
		w.rises = append(w.rises, rise{time.Now(), v.ChannelID, by, state.Scope.Token, state.Scope.Payee})
	}
	return s.KeySigner.SignVoucher(ctx, d, v)
}

func (s signer) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	w := s.way.w
	if s.way.gone.Load() {
		return nil, errGone
	}
	sig, err := s.KeySigner.SignTransaction(ctx, tx)
	if err != nil {
		return nil, err
	}
	signed := *tx.(*escrow.Tx)
	signed.Signature = sig
	one := &transaction{at: time.Now(), kind: signed.String(), token: signed.FeeToken, validBefore: signed.ValidBefore, way: s.way}
	if found := puts.FindStringSubmatch(one.kind); found != nil {
		one.amount, err = voucher.ParseAmount(found[1])
		w.must(err)
	}
	one.run, _ = ctx.Value(runKey{}).(*run)
	if one.raw = signed.Serialize(); signed.Sponsored {
		one.raw = signed.Handoff()
	} else {
		one.most = feeOf(signed.Gas, new(big.Int).SetUint64(signed.MaxFeePerGas))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.txs[crypto.Keccak256Hash(one.raw)] = one
	switch {
	case signed.Sponsored:
		w.reach("a sponsored transaction")
	case one.token == w.other:
		w.reach("a fee in another token")
	}
	w.logf("signs: %s", one.kind)
	return sig, nil
}

// feeOf is what gas costs at a price in attodollars, in base units, rounded up.
func feeOf(gas uint64, price *big.Int) voucher.Amount {
	n := new(big.Int).Mul(new(big.Int).SetUint64(gas), price)
	n.Add(n, big.NewInt(999_999_999_999)).Div(n, big.NewInt(1_000_000_000_000))
	a, _ := voucher.AmountFromBig(n)
	return a
}

// record returns the stored record of a channel.
func (w *world) record(id common.Hash) (s rule.State, ok bool) {
	for _, key := range rule.Places(id) {
		if data, _, err := w.disk.Get(context.Background(), key); err == nil {
			s, err = rule.Decode(data)
			return s, err == nil
		}
	}
	return s, false
}

// records returns all stored records of channels.
func (w *world) records() (all []rule.State) {
	seen := map[common.Hash]bool{}
	for _, prefix := range rule.Listing {
		for e, err := range w.disk.List(context.Background(), prefix) {
			w.must(err)
			if s, err := rule.Decode(e.Data); err == nil && !seen[s.ID] {
				seen[s.ID] = true
				all = append(all, s)
			}
		}
	}
	return all
}
