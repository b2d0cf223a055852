package outlay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// check checks what must hold after each step.
func (w *world) check() {
	w.mine()
	w.checkWallet()
	for token := range w.limits {
		w.checkWindows(token)
		w.checkTotal(token)
	}
	w.checkRuns()
}

// redeemed is what payees have of a token.
func (w *world) redeemed(token common.Address) voucher.Amount {
	return w.srv.Chain.BalanceIn(token, w.srv.Payee).AddCapped(w.srv.Chain.BalanceIn(token, w.srv.OtherPayee))
}

// mine reads the receipts of the transactions that were signed.
func (w *world) mine() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for hash, tx := range w.txs {
		if tx.mined {
			continue
		}
		ask, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionReceipt", "params": []any{hash}})
		w.must(err)
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.srv.RPCURL, bytes.NewReader(ask))
		w.must(err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := w.srv.Transport().RoundTrip(req)
		w.must(err)
		text, err := io.ReadAll(resp.Body)
		w.must(err)
		_ = resp.Body.Close()
		var answer struct {
			Result *struct {
				GasUsed  hexutil.Uint64 `json:"gasUsed"`
				Price    *hexutil.Big   `json:"effectiveGasPrice"`
				FeePayer common.Address `json:"feePayer"`
				FeeToken common.Address `json:"feeToken"`
			} `json:"result"`
		}
		w.must(json.Unmarshal(text, &answer))
		r := answer.Result
		if r == nil {
			continue
		}
		tx.mined, tx.token = true, r.FeeToken
		if r.FeePayer == w.key.Address() {
			tx.charged = feeOf(uint64(r.GasUsed), (*big.Int)(r.Price))
		}
		w.reach(strings.ToLower(strings.Fields(tx.kind)[0]))
		if tx.most.Less(tx.charged) {
			w.fail("%s was charged %s, more than %s", tx.kind, tx.charged, tx.most)
		}
	}
}

// fees returns what transactions were charged, or can still be, in a token since a time.
func (w *world) fees(token common.Address, since time.Time, counts func(*transaction) bool) (sum voucher.Amount) {
	now := w.srv.Chain.Now().Unix()
	for _, tx := range w.txs {
		switch {
		case tx.token != token || !tx.at.After(since) || !counts(tx):
		case tx.mined:
			sum = sum.AddCapped(tx.charged)
		case tx.left && now < int64(tx.validBefore): //nolint:gosec // seconds
			sum = sum.AddCapped(tx.most)
		}
	}
	return sum
}

// funds reports whether a transaction puts money into a channel. The fees of those that bring more back
// count, and no limit refuses them.
func (tx *transaction) funds() bool {
	return !tx.amount.IsZero()
}

// checkWallet: what left the wallet is in channels, or with payees, or was a fee.
func (w *world) checkWallet() {
	locked := w.deposits()
	for token, began := range w.began {
		left := began.SubFloor(w.srv.Chain.BalanceIn(token, w.key.Address()))
		redeemed := w.redeemed(token).SubFloor(w.redeems[token])
		charged := voucher.Amount{}
		for _, tx := range w.txs {
			if tx.token == token {
				charged = charged.AddCapped(tx.charged)
			}
		}
		if explained := locked[token].AddCapped(redeemed).AddCapped(charged); left != explained {
			w.fail("%s left the wallet in %s: %s are locked, %s redeemed, %s fees", left, token, locked[token], redeemed, charged)
		}
	}
}

// deposits returns what is locked in channels, by token, and counts what was put in since it was last called,
// for the sessions that signed it. Another one may have presented it.
func (w *world) deposits() (locked map[common.Address]voucher.Amount) {
	locked = map[common.Address]voucher.Amount{}
	for _, s := range w.records() {
		token := s.Scope.Token
		now := w.srv.Chain.Channel(s.ID)
		by := now.Deposit.SubFloor(w.held[s.ID])
		w.held[s.ID] = w.held[s.ID].Max(now.Deposit)
		for !by.IsZero() {
			var of *transaction // the oldest one
			for _, tx := range w.txs {
				if tx.left && !tx.credited && !by.Less(tx.amount) && strings.Contains(tx.kind, token.Hex()) && (of == nil || tx.at.Before(of.at)) {
					of = tx
				}
			}
			if of == nil {
				break
			}
			of.credited, by = true, by.SubFloor(of.amount)
			of.way.put[token] = of.way.put[token].AddCapped(of.amount)
		}
		if now.Exists {
			locked[token] = locked[token].AddCapped(now.Deposit.SubFloor(now.Settled))
		}
	}
	return locked
}

// checkWindows: what payees can take and what fees can come to is within the limits over time.
func (w *world) checkWindows(token common.Address) {
	limits := rule.Of(w.limits[token])
	total, _, payee := limits.Budgets()
	_, fees := limits.FeeBudgets()
	risen := func(since time.Time, payee common.Address) (sum voucher.Amount) {
		for _, r := range w.rises {
			if r.token == token && r.at.After(since) && (payee == r.payee || payee == common.Address{}) {
				sum = sum.AddCapped(r.by)
			}
		}
		return sum
	}
	for i := range total {
		since := time.Now().Add(-total[i].Length)
		for _, one := range []struct {
			rule channel.BudgetRule
			sum  voucher.Amount
		}{
			{total[i], risen(since, common.Address{}).AddCapped(w.fees(token, since, (*transaction).funds))},
			{payee[i], risen(since, w.srv.Payee)},
			{payee[i], risen(since, w.srv.OtherPayee)},
			{fees[i], w.fees(token, since, (*transaction).funds)},
		} {
			if one.rule.Allowed.Less(one.sum) {
				w.fail("%s allows %s of %s, and %s were taken", one.rule.Name, one.rule.Allowed, token, one.sum)
			}
		}
	}
}

// checkTotal: what a session put into channels, fees included, is within Limits.Total.
func (w *world) checkTotal(token common.Address) {
	limits := w.limits[token]
	for _, way := range w.ways {
		fees := w.fees(token, time.Time{}, func(tx *transaction) bool { return tx.funds() && tx.way == way })
		if sum := way.put[token].AddCapped(fees); cmp.Or(limits.Total, limits.Deposit).Less(sum) {
			w.fail("Total allows %s of %s; %s were put in, with %s fees", limits.Total, token, sum, fees)
		}
	}
}

// checkRuns: what a run raised, and the fees of its transactions, are within its budget. What is raised for
// nothing where stores fail is sent by later requests, of other runs.
func (w *world) checkRuns() {
	for _, of := range w.runs {
		fees := w.fees(of.token, time.Time{}, func(tx *transaction) bool { return tx.run == of && tx.funds() })
		if sum := of.spent.AddCapped(fees); w.sound && of.amount.Less(sum) && w.limits[of.token].Ahead.IsZero() {
			w.fail("a run may spend %s: it spent %s and fees of %s", of.amount, of.spent, fees)
		}
	}
}

// finish reads all channels when nothing fails any more, and compares the bill with the chain.
func (w *world) finish() {
	w.logf("the end")
	w.mu.Lock()
	w.failed, w.broken, w.dies = 0, 0, 0
	w.mu.Unlock()
	w.level.Store(4)
	time.Sleep(10 * time.Minute) // what was not mined cannot be any more
	synctest.Wait()
	for _, w.process = range w.both {
		w.must(w.session.Close(w.t.Context()))
		w.start()
	}
	for _, s := range w.records() {
		_, err := w.session.Channels().Sync(w.t.Context(), s.ID)
		w.logf("sync of %s: %v", s.ID.Hex()[:10], err)
	}
	time.Sleep(time.Minute) // fees are read beside
	w.check()
	charged := map[common.Address]voucher.Amount{}
	for _, tx := range w.txs {
		charged[tx.token] = charged[tx.token].AddCapped(tx.charged)
	}
	w.checkRecords(charged)
	w.checkBill(charged)
}

// checkRecords compares the records with the chain.
func (w *world) checkRecords(charged map[common.Address]voucher.Amount) {
	fees := map[common.Address]voucher.Amount{}
	for c, err := range w.session.Channels().All(w.t.Context()) {
		w.must(err)
		if now := w.srv.Chain.Channel(c.ID); now.Exists && (now.Deposit != c.Deposit || now.Settled != c.Settled) {
			w.fail("channel %s: %s of %s on record, %s of %s on chain", c.ID, c.Settled, c.Deposit, now.Settled, now.Deposit)
		}
		for token, sum := range c.Fees {
			fees[token] = fees[token].AddCapped(sum)
		}
		for token, sum := range c.FeesReserved {
			if !sum.IsZero() {
				w.fail("channel %s: fees of %s in %s are reserved when all is known", c.ID, sum, token)
			}
		}
	}
	w.same("the records", fees, charged)
}

// same compares fees with those of the chain.
func (w *world) same(what string, fees, charged map[common.Address]voucher.Amount) {
	for token := range w.limits {
		if fees[token] != charged[token] {
			w.fail("%s: fees of %s in %s, %s by the chain", what, fees[token], token, charged[token])
		}
	}
}

// checkBill compares the journal and what it adds up to with the records and the chain. A line is missing
// where an operation did not get far enough to write one, because a store failed.
func (w *world) checkBill(charged map[common.Address]voucher.Amount) {
	if !w.sound {
		return
	}
	channels, fees := map[common.Hash]*journal.Totals{}, map[common.Address]voucher.Amount{}
	for _, e := range w.lines {
		if channels[e.ChannelID] == nil {
			channels[e.ChannelID] = &journal.Totals{}
		}
		channels[e.ChannelID].Add(e)
	}
	authorized := map[common.Address]voucher.Amount{}
	for _, s := range w.records() {
		authorized[s.Scope.Token] = authorized[s.Scope.Token].AddCapped(s.Authorized())
		t := channels[s.ID]
		if t == nil {
			t = &journal.Totals{}
		}
		if t.Raised != s.Authorized() {
			w.fail("channel %s: the lines raise %s, the record has %s", s.ID, t.Raised, s.Authorized())
		}
		if put := w.held[s.ID]; t.Funded != put {
			w.fail("channel %s: the lines put in %s, the chain has had %s", s.ID, t.Funded, put)
		}
		for _, fee := range t.Fees() {
			fees[fee.Token] = fees[fee.Token].AddCapped(fee.Counted())
		}
	}
	w.same("the journal", fees, charged)
	lines := func(yield func(journal.Entry, error) bool) {
		for _, e := range w.lines {
			if !yield(e, nil) {
				return
			}
		}
	}
	spent, err := w.session.Spending(w.t.Context(), lines)
	w.must(err)
	clear(fees)
	for token, want := range authorized {
		i := slices.IndexFunc(spent, func(s channel.Spending) bool { return s.Asset.Token == token })
		if i < 0 && !want.IsZero() || i >= 0 && spent[i].Total != want {
			w.fail("Spending of %s is not %s: %+v", token, want, spent)
		}
	}
	for _, s := range spent {
		if s.Fees != nil {
			fees[s.Asset.Token] = s.Fees.Total
		}
	}
	w.same("Spending", fees, charged)
}
