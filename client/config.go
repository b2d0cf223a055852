package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Config is what a [Session] is made of. Signer and Limits have to be set; every other zero value
// means something, said at the field.
type Config struct {
	// Signer is the voucher key, the hot one: it signs every voucher. Required.
	Signer voucher.Signer
	// Payer is the funding key, the cold one: it signs opens, top-ups and withdrawals, and the zero-dollar
	// proof where it is a [voucher.ProofSigner]. It may be the same value as Signer. Nil cannot fund: only
	// channels that exist are used, and they belong to Signer's address.
	Payer voucher.TransactionSigner
	// Chain reads and prepares transactions; [escrow.Dial] makes one, and its owner closes it. Nil can neither open, top up
	// nor check a channel.
	Chain *escrow.Client
	// Base sends: requests of [Session.Client], closes, and those of a [Transport] without a Base of its own. Nil
	// is [http.DefaultTransport].
	Base http.RoundTripper
	// Store keeps the channels. Nil keeps them in memory: deposits are then forgotten with the process, so
	// use store/filestore for money that matters. The session does not close it.
	Store store.Store
	// Limits say how much may be spent. The zero value pays nothing.
	Limits channel.Limits
	// Origins are limits of single origins, written as scheme://host or scheme://host:port: what is not zero takes the place of
	// what Limits say, higher or lower. Limits.All and Total are those of all origins and are not set here.
	Origins map[string]channel.Limits
	// Raise is how far [WithLimits] may raise single limits. What is zero may only be lowered.
	Raise channel.Limits
	// Approve is asked before a price above Limits.Ask is paid, once a request. It may be slow, for example wait for
	// a person; it must obey the context and be safe for concurrent use. An error refuses the request with [ErrPolicy]. Nil refuses
	// such prices.
	Approve func(context.Context, Approval) error
	// Policy says with whom to deal. Nil is [PinFirstUse] over Store.
	Policy Policy
	// Escrow is the escrow to trust instead of the canonical one of the chain and protocol. Zero trusts the
	// canonical one only.
	Escrow common.Address
	// Bootstrap asks the server with a zero-dollar proof for a channel of ours before a new one is opened:
	// two HEAD requests, at most once an origin in ten minutes. It needs a Payer that is a
	// [voucher.ProofSigner].
	Bootstrap bool
	// CloseChannels makes [Session.Close] close every channel that this session opened.
	CloseChannels bool
	// Retries is how many times a request is sent again after payment, at most. Zero means 3.
	Retries int
	// Spool is how many bytes of a body without GetBody are kept in memory so that it can be sent again.
	// Zero means 1 MiB; -1 keeps none.
	Spool int64
	// Stall is how long a stream may bring nothing after a voucher that it asked for was taken. Zero means a
	// minute.
	Stall time.Duration
	// Journal gets one line for every operation that could cost money, for example a [journal.File]. Nil keeps none. The
	// session does not close it.
	Journal Journal
	// Log gets what happens, at debug level, and violations at warning level. Nil logs nothing. Credentials, receipts
	// and queries are never logged.
	Log *slog.Logger
	// OnEvent is called for every [Event], on the goroutine that caused it and outside all locks. Nil is no
	// hook.
	OnEvent func(Event)
}

// Session pays for a caller: it holds the channels, the keys and the limits. It is safe for concurrent
// use, owns no goroutine, and is closed with [Session.Close].
type Session struct {
	cfg    Config
	payer  common.Address
	ledger *ledger.Ledger
	log    *slog.Logger

	mu      sync.Mutex // guards what follows; held shortly
	routes  map[routeKey]*known
	last    map[string]common.Hash // by origin: the channel last used, for the Payment-Session hint
	asked   map[string]time.Time   // by origin: when it was last bootstrapped
	flights map[string]*flight     // by scope or channel: an open or top-up under way
	twins   map[*http.Transport]*http.Transport
	opened  []common.Hash
}

// New makes a session. The errors say which field of the config is wrong.
func New(cfg Config) (*Session, error) {
	switch {
	case cfg.Signer == nil:
		return nil, errors.New("client: Config.Signer is nil: set it to the voucher key, for example from voucher.ParseKey")
	case cfg.Signer.Address() == (common.Address{}):
		return nil, errors.New("client: Config.Signer has the zero address")
	case cfg.Retries < 0:
		return nil, fmt.Errorf("client: Config.Retries is %d; it counts, from 1 on, and zero means %d", cfg.Retries, defaultRetries)
	case cfg.Limits.Deposit.Less(cfg.Limits.Fund):
		return nil, fmt.Errorf("client: Limits.Fund is %s, above Limits.Deposit, which is %s", cfg.Limits.Fund, cfg.Limits.Deposit)
	case cfg.Limits.Ask.Less(cfg.Limits.Price) && !cfg.Limits.Ask.IsZero() && cfg.Approve == nil:
		return nil, fmt.Errorf("client: Limits.Ask is %s, below Limits.Price, and Config.Approve is nil: there is nobody to ask", cfg.Limits.Ask)
	case cfg.Stall < 0:
		return nil, fmt.Errorf("client: Config.Stall is %s; it is a time to wait, and zero means %s", cfg.Stall, defaultStall)
	}
	if all, _, _ := rule.Of(cfg.Limits).Budgets(); all[0].Allowed.Less(all[1].Allowed) || all[1].Allowed.Less(all[2].Allowed) {
		return nil, fmt.Errorf("client: Limits.All is %s an hour, %s a day and %s a month; a longer window has to be as large (a month that is not set is Limits.Total, or Deposit)",
			all[2].Allowed, all[1].Allowed, all[0].Allowed)
	}
	var err error
	if cfg.Origins, err = canonicalOrigins(cfg.Origins); err != nil {
		return nil, err
	}
	if cfg.Store == nil {
		cfg.Store = store.NewMem()
	}
	if cfg.Base == nil {
		cfg.Base = http.DefaultTransport
	}
	if cfg.Policy == nil {
		cfg.Policy = PinFirstUse(cfg.Store)
	}
	if cfg.Retries == 0 {
		cfg.Retries = defaultRetries
	}
	if cfg.Spool == 0 {
		cfg.Spool = defaultSpool
	}
	if cfg.Stall == 0 {
		cfg.Stall = defaultStall
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		cfg: cfg, payer: cfg.Signer.Address(), log: cfg.Log,
		ledger: ledger.New(cfg.Store, cfg.Signer, cfg.Limits),
		routes: map[routeKey]*known{}, last: map[string]common.Hash{},
		asked: map[string]time.Time{}, flights: map[string]*flight{}, twins: map[*http.Transport]*http.Transport{},
	}
	s.ledger.OnNear = s.tellNear
	if cfg.Payer != nil {
		s.payer = cfg.Payer.Address()
	}
	if cfg.Bootstrap {
		if _, ok := cfg.Payer.(voucher.ProofSigner); !ok {
			return nil, errors.New("client: Config.Bootstrap needs a Config.Payer that can sign a zero-dollar proof (a voucher.ProofSigner)")
		}
	}
	return s, nil
}

const (
	defaultRetries = 3
	defaultSpool   = 1 << 20
	defaultStall   = time.Minute
)

// Client returns a new http.Client that pays through this session over Config.Base. It
// has no Timeout: that would cut streams; use contexts.
func (s *Session) Client() *http.Client {
	return &http.Client{Transport: &Transport{Session: s}}
}

// Transport is an [http.RoundTripper] that answers 402 challenges. It may be copied before its first use and is safe for
// concurrent use. Requests that cost nothing pass through unchanged but for an Accept-Payment header.
type Transport struct {
	// Session pays. Required.
	Session *Session
	// Base sends. Nil is the session's Config.Base.
	Base http.RoundTripper
}

// RoundTrip sends the request, pays where the answer is a challenge that the session can and may pay, and
// returns the paid response. The caller's request is not changed. The error is an [*Error] where it is about
// payment.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Session == nil {
		closeBody(req)
		return nil, errors.New("client: Transport.Session is nil")
	}
	base := t.Base
	if base == nil {
		base = t.Session.cfg.Base
	}
	return t.Session.pay(req, base)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// Close writes down exact numbers, and where Config.CloseChannels is set closes every channel that this session
// opened. It does not close Config.Chain or Config.Store. Requests under way go on.
func (s *Session) Close(ctx context.Context) error {
	var errs []error
	if s.cfg.CloseChannels {
		s.mu.Lock()
		opened := append([]common.Hash(nil), s.opened...)
		s.mu.Unlock()
		for _, id := range opened {
			if err := s.CloseChannel(ctx, id); err != nil {
				errs = append(errs, err)
			}
		}
	}
	s.mu.Lock()
	for _, twin := range s.twins {
		twin.CloseIdleConnections()
	}
	s.mu.Unlock()
	return errors.Join(append(errs, s.ledger.Flush(ctx))...)
}
