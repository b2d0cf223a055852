package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

// Session pays for a caller: it holds the channels, the keys and the limits. It is safe for concurrent
// use, and is ended with [Session.Close]. It owns no goroutine but for top-ups that it makes beside
// requests, see Config.FundAsNeeded, and for reading what transactions were charged after they were sent.
type Session struct {
	cfg        Config
	payer      common.Address
	ledger     *ledger.Ledger
	log        *slog.Logger
	watched    bool // Config.Log or Config.OnEvent is set: what happens to requests is told
	challenges challengeCache
	management management
	flights    flights
	keys       keyedPurchases                     // by the Idempotency-Keys of callers
	proofs     proofBook                          // when each origin was last shown who the payer is
	declined   intervals                          // when each opening was refused by its payee
	twice      intervals                          // when each payee and origin was last paid twice for one request
	beside     beside                             // top-ups that no request waits for
	fees       feesBeside                         // and the receipts of transactions
	payers     payers                             // the requests that these were made for
	costly     sync.Once                          // it was told that the limits make funding costly
	locked     sync.Once                          // it was told what stays locked
	used       sync.Map                           // common.Hash: the channels that paid
	others     map[channel.Asset]channel.Limits   // Config.Assets, by their assets
	dollars    map[channel.Asset]channel.Currency // known tokens, by their assets

	mu      sync.Mutex // guards what follows; held shortly
	twins   map[*http.Transport]*http.Transport
	opened  []common.Hash
	checked map[channel.Asset]bool // assets that are called on the chain as their limits say
}

// New returns a session with the settings of cfg. The error names the field that is wrong. No network
// connection is made.
func New(cfg Config) (*Session, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	var err error
	if cfg.Origins, err = canonicalOrigins(cfg.Origins); err != nil {
		return nil, err
	}
	others, err := limitsByAsset(cfg.Assets)
	if err != nil {
		return nil, err
	}
	watched := cfg.Log != nil || cfg.OnEvent != nil
	cfg.complete()
	s := &Session{
		cfg: cfg, payer: cfg.Signer.Address(), log: cfg.Log, watched: watched,
		ledger: ledger.New(cfg.Store, cfg.Signer, cfg.Limits),
		twins:  map[*http.Transport]*http.Transport{}, others: others, checked: map[channel.Asset]bool{}, dollars: map[channel.Asset]channel.Currency{},
	}
	for c := range channel.Dollars() {
		s.dollars[c.Asset] = c
	}
	if s.watched {
		s.ledger.OnNear = s.reportNear
	}
	if cfg.Payer != nil {
		s.payer = cfg.Payer.Address()
	}
	return s, nil
}

// Client returns a new http.Client that pays through this session over Config.Base. It has no Timeout,
// which would cut streams; use contexts.
func (s *Session) Client() *http.Client {
	return &http.Client{Transport: &Transport{Session: s}}
}

// Close stores what is only in memory: what servers reported, and which amounts were set aside for
// requests and not used. A program that ends without it loses no money: more counts as used than was,
// until the next receipt of the channel. Top-ups beside requests, and what reads the fees of
// transactions, get five seconds to end, and none begins any more. If Config.CloseChannels is set, or Config.Store is nil, it first closes every channel
// that this session opened, eight at a time, each within the time of [Channels.Close]. What stays in
// channels then is told once, with [EventLocked]: of each channel that this session paid from, and in sum
// of those that were left over, the first 256 of them; [Channels.Locked] lists all. Close does not close Config.Chain,
// Config.Store or Config.Journal. Requests under way continue. The error joins those of the channels, in
// the order in which they were opened, and of the store.
func (s *Session) Close(ctx context.Context) error {
	s.beside.end(ctx)
	s.fees.end(ctx)
	s.mu.Lock()
	opened := slices.Clone(s.opened)
	for _, twin := range s.twins {
		twin.CloseIdleConnections()
	}
	s.mu.Unlock()
	errs := make([]error, len(opened))
	if s.cfg.CloseChannels {
		sideBySide(len(opened), func(i int) { errs[i] = s.Channels().Close(ctx, opened[i]) })
	}
	err := errors.Join(append(errs, s.ledger.Flush(ctx))...)
	if s.watched {
		s.locked.Do(func() { s.tellLocked(ctx, listedLocked) })
	}
	return err
}

func (s *Session) noteOpened(id common.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.opened, id) {
		s.opened = append(s.opened, id)
	}
}
