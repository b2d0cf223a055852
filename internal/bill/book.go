// Package bill makes one web page of what was paid: spending over time, by origin and by payee, what is locked in
// channels, how far budgets are used, and the newest operations.
//
// The page is complete in itself. It loads nothing, runs no script, and its Content-Security-Policy forbids both, so
// that it can be opened where it lies or sent to others. It shows no credential, signature, key or receipt.
//
// An amount counts as spent when it was authorized: from then on a payee can take it, whatever was served for it. So
// the sums of the page are those of the channels' records, if the journal lacks no line. The fees of transactions are
// beside that: what was charged, or the most that can be as long as that is not known. Amounts of different tokens are
// never added: each token of each chain has sums of its own, and a fee is in those of the token that it is paid in.
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
	now      time.Time
	currency func(channel.Asset) channel.Currency

	known   map[common.Hash]channel.Info
	locked  []channel.Info
	assets  map[channel.Asset]*sums
	fees    map[common.Hash]journal.Entry // the first lines about transactions, with what is known of the fee now
	budgets []budget
	newest  []journal.Entry // a ring of at most Newest
	next    int             // where the ring goes on
	lines   int
}

// budget is a budget and what it is in.
type budget struct {
	currency channel.Currency
	room     channel.Room
}

// sum is what a group of operations cost.
type sum struct {
	spent, fees voucher.Amount
	operations  int
}

// all is what left the wallet, or can.
func (s sum) all() voucher.Amount { return s.spent.AddCapped(s.fees) }

// sums are those of one asset.
type sums struct {
	all             sum
	reserved        voucher.Amount       // the part of the fees that is not known yet
	elsewhere       voucher.Amount       // the part that was spent elsewhere or earlier, and found
	quarters        map[int64]sum        // by the Unix time of the quarter of an hour
	origins, payees map[string]sum       // by name
	locked, takable voucher.Amount       // in channels, and the part of it that payees can take
	channels        map[common.Hash]bool // that were paid from
}

// New returns an empty book. now is the time of the page; its location is that of all times shown. currency says how
// amounts of an asset are written. Lines of channels without a record have the zero asset.
func New(now time.Time, currency func(channel.Asset) channel.Currency) *Book {
	return &Book{
		now: now, currency: currency, known: map[common.Hash]channel.Info{}, assets: map[channel.Asset]*sums{},
		fees: map[common.Hash]journal.Entry{},
	}
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

// Budget adds a budget. What its amounts are in has a symbol: that of a token, or of what several tokens are.
func (b *Book) Budget(in channel.Currency, r channel.Room) {
	b.budgets = append(b.budgets, budget{in, r})
}

// Entry adds a line of the journal. Add them in their order.
func (b *Book) Entry(e journal.Entry) {
	b.lines++
	e.Receipt, e.Evidence = "", "" // these are most of a line
	b.learn(e)
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
	s.channels[e.ChannelID] = true
	s.add(e, c, sum{spent: e.Raised, operations: 1})
}

// learn takes in what a line says of a fee.
func (b *Book) learn(e journal.Entry) {
	first, ok := b.fees[e.Transaction]
	if e.Fee == (journal.Fee{}) || first.Fee.Known {
		return
	}
	if !ok {
		first = e
	}
	first.Fee = e.Fee
	b.fees[e.Transaction] = first
}

// takeFees adds what is known of the fees to the sums, each at the time of the first line about its transaction.
func (b *Book) takeFees() {
	for _, e := range b.fees {
		counted := e.Fee.Counted()
		if counted.IsZero() {
			continue
		}
		c := b.known[e.ChannelID]
		s := b.sums(channel.Asset{ChainID: c.ChainID, Token: e.Fee.Token})
		if s.add(e, c, sum{fees: counted}); !e.Fee.Known {
			s.reserved = s.reserved.AddCapped(counted)
		}
	}
	clear(b.fees)
}

// add adds what a line about a channel cost.
func (s *sums) add(e journal.Entry, c channel.Info, cost sum) {
	s.all.plus(cost)
	at := e.End.Unix()
	addTo(s.quarters, at-(at%quarter+quarter)%quarter, cost)
	addTo(s.origins, nameOr(e.Origin, "origin not known"), cost)
	payee := "payee not known: no record of the channel"
	if c.ID != (common.Hash{}) {
		payee = c.Descriptor.Payee.Hex()
	}
	addTo(s.payees, payee, cost)
}

// quarter is a quarter of an hour in seconds: every time zone is whole numbers of it from UTC.
const quarter = 15 * 60

func (s *sum) plus(other sum) {
	s.spent = s.spent.AddCapped(other.spent)
	s.fees = s.fees.AddCapped(other.fees)
	s.operations += other.operations
}

func addTo[K comparable](m map[K]sum, key K, cost sum) {
	s := m[key]
	s.plus(cost)
	m[key] = s
}

func (b *Book) sums(a channel.Asset) *sums {
	s := b.assets[a]
	if s == nil {
		s = &sums{
			quarters: map[int64]sum{}, origins: map[string]sum{}, payees: map[string]sum{}, channels: map[common.Hash]bool{},
		}
		b.assets[a] = s
	}
	return s
}

func assetOf(c channel.Info) channel.Asset {
	return channel.Asset{ChainID: c.ChainID, Token: c.Descriptor.Token}
}

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
