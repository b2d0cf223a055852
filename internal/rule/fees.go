package rule

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Fee is what a transaction of the payer can cost it. It is stored with the transaction, before that
// leaves, and until it is known what the transaction was charged. A sponsored transaction has none.
type Fee struct {
	// Kind is the kind of the journal's line about the transaction.
	Kind string `json:"kind"`
	// Hash is the transaction's hash.
	Hash common.Hash `json:"hash"`
	// Token is the fee token.
	Token common.Address `json:"feeToken"`
	// Max is the most that the transaction can be charged, in base units of Token.
	Max voucher.Amount `json:"maxFee"`
	// ValidBefore is when it can no longer be mined, in Unix seconds of the chain.
	ValidBefore uint64 `json:"validBefore"`
	// At is when Max was counted in the limits over time, in Unix seconds, and Part how it is called in
	// their records. Part is empty if it is in none.
	At   int64  `json:"at"`
	Part string `json:"part,omitempty"`
	// Mined is set once the chain showed what the transaction was for, so that it was charged: a node that
	// has no receipt of it any more does not show the contrary.
	Mined bool `json:"mined,omitempty"`
}

// fees are what the transactions for a channel cost the payer. It is a value.
type fees struct {
	// Charged are what transactions were charged, by fee token, and when that was counted.
	Charged map[common.Address]History `json:"charged,omitempty"`
	// Due are those of which it is not known yet, the oldest first.
	Due []Fee `json:"due,omitempty"`
}

// maxDue bounds how many fees a record lists whose amount is not known. If there are more, the oldest
// counts as charged, all of it.
const maxDue = 32

// Costing returns the state with the fee of a transaction that is about to be sent. A fee that can be
// nothing is not listed, and neither is one that is listed already.
func (s State) Costing(f Fee, now int64) State {
	if f.Max.IsZero() || slices.ContainsFunc(s.fees.Due, func(d Fee) bool { return d.Hash == f.Hash }) {
		return s
	}
	s.fees.Due = append(slices.Clone(s.fees.Due), f)
	for len(s.fees.Due) > maxDue {
		oldest := s.fees.Due[0]
		s, _, _ = s.Charged(oldest.Hash, oldest.Max, now)
	}
	return s
}

// paid returns the state with the fees of which is true noted as those of transactions that were mined.
func (s State) paid(of func(Fee) bool) State {
	due := slices.Clone(s.fees.Due)
	for i, f := range due {
		due[i].Mined = f.Mined || of(f)
	}
	s.fees.Due = due
	return s
}

// opens reports whether a fee is that of the opening of a channel.
func opens(f Fee) bool { return f.Kind == "open" }

// Missing returns what a transaction was charged of which there is no receipt, long after it could be mined:
// nothing, unless the chain showed what it was for. Then the receipt is gone, and its highest counts.
func (f Fee) Missing() voucher.Amount {
	if f.Mined {
		return f.Max
	}
	return voucher.Amount{}
}

// Charged returns the state after it is known what a transaction was charged: by its receipt, or nothing
// because it can never be mined. It returns the fee as it was listed; ok is false, and the state is
// unchanged, if none was. No more than its highest counts, whatever a node says. now is in Unix seconds.
func (s State) Charged(tx common.Hash, amount voucher.Amount, now int64) (_ State, was Fee, ok bool) {
	i := slices.IndexFunc(s.fees.Due, func(f Fee) bool { return f.Hash == tx })
	if i < 0 {
		return s, Fee{}, false
	}
	was = s.fees.Due[i]
	amount = amount.Min(was.Max)
	s.fees.Due = slices.Clip(slices.Delete(slices.Clone(s.fees.Due), i, i+1))
	if len(s.fees.Due) == 0 {
		s.fees.Due = nil
	}
	if !amount.IsZero() {
		charged := maps.Clone(s.fees.Charged)
		if charged == nil {
			charged = map[common.Address]History{}
		}
		charged[was.Token] = charged[was.Token].Added(Rise{At: was.At, By: amount}, now)
		s.fees.Charged = charged
	}
	for _, f := range [...]*Funding{&s.Opening, &s.ToppingUp} {
		if f.Pending() && f.Hash == tx {
			f.Fee, f.FeeKnown = amount, true
		}
	}
	return s, was, true
}

// FeesDue returns the fees of which it is not known what was charged, the oldest first. The caller must
// not change them.
func (s State) FeesDue() []Fee { return s.fees.Due }

// Fees returns what the payer's transactions for the channel were charged, as far as that is known, and
// the most that the others can be charged, by fee token, in its base units. Maps without a fee are nil.
func (s State) Fees() (charged, reserved map[common.Address]voucher.Amount) {
	for token, h := range s.fees.Charged {
		if charged == nil {
			charged = map[common.Address]voucher.Amount{}
		}
		charged[token] = h.highest()
	}
	for _, f := range s.fees.Due {
		if reserved == nil {
			reserved = map[common.Address]voucher.Amount{}
		}
		reserved[f.Token] = reserved[f.Token].AddCapped(f.Max)
	}
	return charged, reserved
}

// PastFees returns which fees were counted, by token, and when, as far as is known at now: those that
// are not known with their highest. Budget records begin with them.
func (s State) PastFees(now int64) map[common.Address][]Rise {
	all := map[common.Address][]Rise{}
	for token, h := range s.fees.Charged {
		all[token] = h.rises(now, h.highest())
	}
	for _, f := range s.fees.Due {
		if f.At > now-2*month {
			all[f.Token] = append(all[f.Token], Rise{f.At, f.Max})
		}
	}
	return all
}
