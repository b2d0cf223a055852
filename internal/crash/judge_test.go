package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// hear books what a child says, and judges what can be judged at that moment.
func (w *world) hear(n note, end *ending) {
	switch n.Kind {
	case kindAsk:
		w.ask(n.Amount)
	case kindPaid:
		w.closing++ // unless it lives on, the next child opens another channel
		if w.paid != nil {
			w.paid()
		}
		w.judge()
		for id := range w.lost {
			w.wrong("channel %s was forgotten, and all was paid without it", id)
		}
	case kindForget:
		w.lost[n.Channel] = true
		var err error
		if w.files, err = filestore.Open(w.job.Dir); err != nil { // the one before knows what was there
			w.wrong("the store: %v", err)
		}
	case kindAdvance:
		w.srv.Chain.Advance(devchain.CloseGracePeriod + time.Minute)
	case kindStay:
		end.failed = nil
	case kindStuck:
		w.wrong("%s", n.Text)
	case kindEnd:
		if n.Text != "" {
			end.failed = append(end.failed, n.Name+": "+n.Text)
		}
	case kindPoint:
		switch {
		case n.Name == "sign voucher: done":
			w.judgeVoucher(n.Channel, n.Amount)
		case w.crowded: // one that is overtaken by another's does not leave: see departed
		case n.Name == "sign open: begin":
			w.judgeFunding(common.Hash{})
			w.judgeDoubt(end)
		case n.Name == "sign top-up: begin":
			w.judgeFunding(w.current())
			w.judgeDoubt(end)
		}
	}
}

// stored returns the record of a channel as it is on the disk.
func (w *world) stored(id common.Hash) (rule.State, error) {
	for _, key := range rule.Places(id) {
		data, _, err := w.files.Get(context.Background(), key)
		if !errors.Is(err, store.ErrNotFound) {
			if err != nil {
				return rule.State{}, err
			}
			return rule.Decode(data)
		}
	}
	return rule.State{}, store.ErrNotFound
}

// records are all of them, those in the archive last. None is in two places: nobody moves any meanwhile.
func (w *world) records() (all []rule.State) {
	for _, prefix := range []string{rule.ChannelKeys, rule.ArchiveKeys} {
		all = append(all, w.recordsUnder(prefix)...)
	}
	seen := map[common.Hash]bool{}
	for _, s := range all {
		if seen[s.ID] {
			w.wrong("channel %s has two records", s.ID)
		}
		seen[s.ID] = true
	}
	return all
}

func (w *world) recordsUnder(prefix string) (all []rule.State) {
	for e, err := range w.files.List(context.Background(), prefix) {
		if err == nil {
			var s rule.State
			if s, err = rule.Decode(e.Data); err == nil {
				all = append(all, s)
			}
		}
		if err != nil {
			w.wrong("a record cannot be read: %s: %v", e.Key, err)
		}
	}
	return all
}

// judgeVoucher: a signature never exists above the stored number.
func (w *world) judgeVoucher(id common.Hash, amount voucher.Amount) {
	s, err := w.stored(id)
	if err != nil {
		w.wrong("a voucher of %s is signed on channel %s, which is not in the store: %v", amount, id, err)
		return
	}
	if s.Authorized().Less(amount) {
		w.wrong("a voucher of %s is signed, and the store holds %s", amount, s.Authorized())
	}
	w.judgeBudget(id)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signed[id] = w.signed[id].Max(amount)
}

// judgeBudget: what the records of channels show to have risen counts for the limits over time, and for those of
// origins and payees as soon as any session has such limits.
func (w *world) judgeBudget(id common.Hash) {
	ctx, now := context.Background(), time.Now().Unix()
	var risen [3]voucher.Amount
	var scope channel.Scope
	seen := map[common.Hash]rule.State{}
	for _, prefix := range rule.Listing {
		for _, s := range w.recordsUnder(prefix) {
			seen[s.ID] = s
		}
	}
	scope = seen[id].Scope
	for _, s := range seen {
		by := s.Rises().Within(now, 30*24*time.Hour)
		for i, counts := range [3]bool{true, s.Scope.Origin == scope.Origin, s.Scope.Payee == scope.Payee} {
			if counts {
				risen[i] = risen[i].AddCapped(by)
			}
		}
	}
	data, _, err := w.files.Get(ctx, budget.All)
	if err != nil {
		w.wrong("%s: %v", budget.All, err)
		return
	}
	var made struct{ Kept, Pending []string }
	if err := json.Unmarshal(data, &made); err != nil {
		w.wrong("%s: %v", budget.All, err)
	}
	all, limits, lease := budget.New(w.files, "the judge"), &channel.Limits{}, budget.For("", &scope)
	further := len(made.Kept) == 2 && len(made.Pending) == 0 // otherwise to read would be to make them
	if further {
		limits.Origin.Hour, limits.Payee.Hour = voucher.MaxAmount, voucher.MaxAmount
	}
	if err := all.Read(ctx, limits, lease); err != nil {
		w.wrong("the budget: %v", err)
	}
	all.Lock()
	defer all.Unlock()
	rooms, ok := all.Rooms(limits, lease, now)
	for i, by := range risen {
		if room := rooms[3*i]; !ok || room.Used.Less(by) && (i == 0 || further) {
			w.wrong("the channels' ceilings rose by %s, and %s counts %s (known: %t)", by, room.Rule.Name, room.Used, ok)
		}
	}
}

// departure is a funding transaction that reached the server.
type departure struct {
	raw         string
	id          common.Hash
	topUp       bool
	validBefore uint64
	before      voucher.Amount // the channel's deposit on chain when it was first seen
}

// departed notes the funding transactions that reach the server.
func (w *world) departed(r *http.Request) {
	c, err := credentialOf(r.Header.Get("Authorization"))
	if err != nil || c.Payload.Transaction == "" {
		return
	}
	tx, err := devchain.Inspect(hexutil.MustDecode(c.Payload.Transaction))
	if err != nil {
		w.wrong("a transaction left that cannot be read: %v", err)
		return
	}
	id := common.HexToHash(c.Payload.ChannelID)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.left {
		if d.raw == c.Payload.Transaction {
			return
		}
	}
	topUp := c.Payload.Action == "topUp"
	switch {
	case !w.crowded:
	case topUp:
		w.judgeFundingLocked(id)
	default:
		w.judgeFundingLocked(common.Hash{})
	}
	w.left = append(w.left, departure{
		c.Payload.Transaction, id, topUp, tx.ValidBefore, w.srv.Chain.Channel(id).Deposit,
	})
}

// judgeFunding: no transaction is signed while an earlier one for the same need can still be mined, or has been. top
// is the channel to be topped up, zero where one is to be opened.
func (w *world) judgeFunding(top common.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judgeFundingLocked(top)
}

func (w *world) judgeFundingLocked(top common.Hash) {
	now := uint64(w.srv.Chain.Now().Unix())
	for _, d := range w.left {
		c := w.srv.Chain.Channel(d.id)
		switch {
		case top == common.Hash{} && !d.topUp:
			if c.Exists && c.CloseRequestedAt == 0 && !w.given(d.id) {
				w.bad = append(w.bad, fmt.Sprintf("a second opening is signed while channel %s is there", d.id))
			} else if !c.Exists && !c.Finalized && now < d.validBefore && !w.given(d.id) {
				w.bad = append(w.bad, fmt.Sprintf("a second opening is signed while the one of channel %s can be mined", d.id))
			}
		case top == d.id && d.topUp:
			if mined := d.before.Less(c.Deposit); !mined && now < d.validBefore {
				w.bad = append(w.bad, fmt.Sprintf("a second top-up of %s is signed while another can be mined", d.id))
			}
		}
	}
	if top != (common.Hash{}) && !w.flow.beside {
		if have, want := w.srv.Chain.Channel(top).Deposit, w.asked.AddCapped(voucher.Units(w.flow.ahead)); !have.Less(want) {
			w.bad = append(w.bad, fmt.Sprintf("a top-up is signed on a deposit of %s, and only %s was ever asked for", have, want))
		}
	}
}

// doubt reports whether there is a funding transaction that left and of which the store does not know what became.
func (w *world) doubt() bool {
	w.mu.Lock()
	left := slices.Clone(w.left)
	w.mu.Unlock()
	for _, d := range left {
		s, err := w.stored(d.id)
		if err != nil {
			continue
		}
		if t := s.ToppingUp; s.Phase() == channel.Opening || s.Phase() == channel.Open && t.Pending() && !t.Before.Less(s.Deposit) {
			return true
		}
	}
	return false
}

// judgeDoubt: what is in doubt is looked up on the chain before anything new is signed.
func (w *world) judgeDoubt(end *ending) {
	asked := func(point string) bool { return strings.HasSuffix(point, "eth_getBlockByNumber+eth_call: read") }
	if end.doubt && !slices.ContainsFunc(end.points, asked) {
		w.wrong("a transaction is signed, and nobody asked the chain what became of the last")
	}
}

// given reports whether a close of the channel is written down, of one that was there: it is given up then.
func (w *world) given(id common.Hash) bool {
	s, err := w.stored(id)
	return err == nil && (s.CloseSent || s.CloseRequestedAt != 0 || s.Closed && s.Confirmed || s.Gone)
}

// current is the channel that is paid from, where there is one.
func (w *world) current() common.Hash {
	for _, s := range w.records() {
		if s.Payable() {
			return s.ID
		}
	}
	return common.Hash{}
}

// judge is what must be true at every moment: after a death, and at the end.
func (w *world) judge() {
	records := map[common.Hash]rule.State{}
	authorized, allowed := voucher.Amount{}, w.allowed().AddCapped(w.lead())
	for _, s := range w.records() {
		records[s.ID] = s
		authorized = authorized.AddCapped(s.Authorized())
		if s.Gone { // the request that found it so was paid from another one
			allowed = allowed.AddCapped(price)
		}
		allowed = allowed.AddCapped(voucher.Units(w.flow.ahead))
	}
	if allowed.Less(authorized) {
		w.wrong("%s is authorized in all, and %s was asked for with what may be ahead", authorized, allowed)
	}
	w.mu.Lock()
	for id := range w.lost {
		if s, ok := records[id]; ok && !s.Authorized().Less(w.signed[id]) {
			delete(w.lost, id) // it is back, with all that was signed on it
		}
	}
	for id, amount := range w.signed {
		if s, ok := records[id]; w.lost[id] {
			continue
		} else if !ok || s.Authorized().Less(amount) {
			w.bad = append(w.bad, fmt.Sprintf("a voucher of %s exists, and the store holds %s", amount, s.Authorized()))
		}
	}
	w.mu.Unlock()
	w.judgeJournal(records)
	opened := w.opened()
	if most := 1 + w.flow.closes + w.closing; len(opened) > most {
		w.wrong("%d channels were opened, where %d were decided on", len(opened), most)
	}
	for _, id := range opened {
		c := w.srv.Chain.Channel(id)
		s, ok := records[id]
		switch t := s.ToppingUp; {
		case !ok && w.lost[id]:
		case !ok:
			w.wrong("channel %s is on the chain with %s, and not in the store", id, c.Deposit)
		case c.Exists && c.Deposit != s.Deposit && (!t.Pending() || c.Deposit != t.Before.AddCapped(t.Amount)):
			w.wrong("channel %s has %s on the chain and %s in the store", id, c.Deposit, s.Deposit)
		case c.Exists && !s.HoldsMoney():
			w.wrong("channel %s has %s on the chain, and the store says that it is %s", id, c.Deposit, s.Phase())
		}
	}
	if err := w.srv.Chain.Check(); err != nil {
		w.wrong("%v", err)
	}
}

// judgeJournal: a line of it is whole or not there, and none tells of more than the store holds.
func (w *world) judgeJournal(records map[common.Hash]rule.State) {
	raised := map[common.Hash]voucher.Amount{}
	for e, err := range journal.Read(context.Background(), w.job.Journal) {
		if err != nil {
			w.wrong("the journal: %v", err)
			continue
		}
		raised[e.ChannelID] = raised[e.ChannelID].AddCapped(e.Raised)
	}
	for id, amount := range raised {
		if records[id].Authorized().Less(amount) {
			w.wrong("the journal tells of %s that was authorized, and the store holds %s", amount, records[id].Authorized())
		}
	}
}

func (w *world) allowed() voucher.Amount {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// lead is what may be authorized ahead of streams: a quarter of their pieces.
func (w *world) lead() voucher.Amount {
	w.mu.Lock()
	defer w.mu.Unlock()
	lead, _ := piece.Mul(w.pieces / 4)
	return lead
}

// judgeEnd is what must be true when all channels were closed: the money is where it belongs.
func (w *world) judgeEnd() {
	w.judge()
	opened := w.opened()
	for _, s := range w.records() {
		never := s.Phase() == channel.NotSeen && !slices.Contains(opened, s.ID) // it stays listed
		if s.Phase() != channel.Closed && !never {
			w.wrong("channel %s is %s at the end", s.ID, s.Phase())
		}
	}
	for _, id := range opened {
		if w.srv.Chain.Channel(id).Exists {
			w.wrong("channel %s is still open on the chain", id)
		}
	}
	paid := w.srv.Chain.Balance(w.srv.Payee).SubFloor(w.payee)
	gone := w.began.SubFloor(w.srv.Chain.Balance(w.key.Address))
	if want := paid.AddCapped(w.fees()); gone != want {
		w.wrong("%s left the wallet: the payee has %s of it and the chain %s", gone, paid, w.fees())
	}
	if asked := w.allowed().AddCapped(voucher.Units(w.flow.ahead)); asked.Less(paid) {
		w.wrong("the payee got %s, and %s was asked for, with what may be ahead", paid, asked)
	}
	var spent voucher.Amount
	for _, a := range w.srv.Accounts() {
		spent = spent.AddCapped(a.Spent)
	}
	if w.flow.exact && paid != spent {
		w.wrong("the payee got %s and charged %s", paid, spent)
	}
}

var (
	openings = []common.Hash{
		crypto.Keccak256Hash([]byte("ChannelOpened(bytes32,address,address,address,address,address,bytes32,bytes32,uint96)")),
		crypto.Keccak256Hash([]byte("ChannelOpened(bytes32,address,address,address,address,bytes32,uint256)")),
	}
	transfer = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
)

// logs asks the chain for all of a kind.
func (w *world) logs(topics ...[]common.Hash) (found []types.Log) {
	if err := w.rpc.Call(&found, "eth_getLogs", map[string]any{"fromBlock": "0x0", "toBlock": "latest", "topics": topics}); err != nil {
		w.wrong("the logs cannot be read: %v", err)
	}
	return found
}

// opened lists the channels that the payer ever opened.
func (w *world) opened() (ids []common.Hash) {
	for _, l := range w.logs(openings, nil, []common.Hash{common.BytesToHash(w.key.Address[:])}) {
		ids = append(ids, l.Topics[1])
	}
	return ids
}

// fees are what the payer's transactions cost.
func (w *world) fees() (sum voucher.Amount) {
	from, to := common.BytesToHash(w.key.Address[:]), common.BytesToHash(devchain.FeeCollector[:])
	for _, l := range w.logs([]common.Hash{transfer}, []common.Hash{from}, []common.Hash{to}) {
		fee, err := voucher.AmountFromBig(new(big.Int).SetBytes(l.Data))
		if err != nil {
			w.wrong("a fee that is none: %v", err)
		}
		sum = sum.AddCapped(fee)
	}
	return sum
}
