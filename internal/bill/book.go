// Package bill makes one web page of what was paid: spending over time, by origin and by payee, what is locked in
// channels, how far budgets are used, and the newest operations.
//
// The page is complete in itself. It loads nothing, runs no script, and its Content-Security-Policy forbids both, so
// that it can be opened where it lies or sent to others. It shows no credential, signature, key or receipt.
//
// An amount counts as spent when it was authorized: from then on a payee can take it, whatever was served for it. So
// the sums of the page are those of the channels' records, if the journal lacks no line. Amounts of different tokens are
// never added: each token of each chain has sums of its own.
package bill

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Newest is how many operations the page lists.
const Newest = 30

// Book collects what the page shows. Add the channels first: they say in which token, and to which payee, the
// operations of the journal were paid. It is not safe for concurrent use.
type Book struct {
	now    time.Time
	format func(voucher.Amount) string

	known   map[common.Hash]channel.Info
	locked  []channel.Info
	assets  map[asset]*sums
	budgets []budget
	newest  []journal.Entry // a ring of at most Newest
	next    int             // where the ring goes on
	lines   int
}

// asset is the token of a chain. Lines of channels without a record have the zero asset.
type asset struct {
	chain uint64
	token common.Address
}

// sum is what a group of operations cost. What else an operation costs is to be added here.
type sum struct {
	spent      voucher.Amount
	operations int
}

// sums are those of one asset.
type sums struct {
	all             sum
	elsewhere       voucher.Amount       // the part that was spent elsewhere or earlier, and found
	quarters        map[int64]sum        // by the Unix time of the quarter of an hour
	origins, payees map[string]sum       // by name
	locked, takable voucher.Amount       // in channels, and the part of it that payees can take
	channels        map[common.Hash]bool // that were paid from
}

// New returns an empty book. now is the time of the page; its location is that of all times shown. format writes an
// amount.
func New(now time.Time, format func(voucher.Amount) string) *Book {
	return &Book{now: now, format: format, known: map[common.Hash]channel.Info{}, assets: map[asset]*sums{}}
}

// Channel adds a channel, open or closed.
func (b *Book) Channel(c channel.Info) {
	b.known[c.ID] = c
	if !c.HoldsMoney() {
		return
	}
	b.locked = append(b.locked, c)
	s := b.sums(assetOf(c))
	s.locked = s.locked.AddCapped(locked(c))
	s.takable = s.takable.AddCapped(takable(c))
}

// Budget adds a budget of a currency. The zero currency is that of the known dollar tokens.
func (b *Book) Budget(c channel.Currency, r channel.Room) {
	b.budgets = append(b.budgets, budget{c, r})
}

type budget struct {
	channel.Currency
	channel.Room
}

// Entry adds a line of the journal. Add them in their order.
func (b *Book) Entry(e journal.Entry) {
	b.lines++
	e.Receipt, e.Evidence = "", "" // these are most of a line
	if len(b.newest) < Newest {
		b.newest = append(b.newest, e)
	} else {
		b.newest[b.next] = e
		b.next = (b.next + 1) % Newest
	}
	if e.Raised.IsZero() {
		return
	}
	c := b.known[e.ChannelID]
	s := b.sums(assetOf(c))
	if e.Kind == journal.KindFound || e.Kind == journal.KindProve {
		s.elsewhere = s.elsewhere.AddCapped(e.Raised)
	}
	s.all.add(e)
	s.channels[e.ChannelID] = true
	at := e.End.Unix()
	addTo(s.quarters, at-(at%quarter+quarter)%quarter, e)
	addTo(s.origins, nameOr(e.Origin, "origin not known"), e)
	payee := "payee not known: no record of the channel"
	if c.ID != (common.Hash{}) {
		payee = c.Descriptor.Payee.Hex()
	}
	addTo(s.payees, payee, e)
}

// quarter is a quarter of an hour in seconds: every time zone is whole numbers of it from UTC.
const quarter = 15 * 60

func (s *sum) add(e journal.Entry) {
	s.spent = s.spent.AddCapped(e.Raised)
	s.operations++
}

func addTo[K comparable](m map[K]sum, key K, e journal.Entry) {
	s := m[key]
	s.add(e)
	m[key] = s
}

func (b *Book) sums(a asset) *sums {
	s := b.assets[a]
	if s == nil {
		s = &sums{
			quarters: map[int64]sum{}, origins: map[string]sum{}, payees: map[string]sum{}, channels: map[common.Hash]bool{},
		}
		b.assets[a] = s
	}
	return s
}

func assetOf(c channel.Info) asset { return asset{c.ChainID, c.Descriptor.Token} }

// locked returns what the escrow holds of a channel.
func locked(c channel.Info) voucher.Amount { return c.Deposit.SubFloor(c.Settled) }

// takable returns which part of what is locked the payee can take by vouchers that may exist.
func takable(c channel.Info) voucher.Amount {
	return c.Authorized.Min(c.Deposit).SubFloor(c.Settled)
}

func nameOr(name, or string) string {
	if name == "" {
		return or
	}
	return name
}
