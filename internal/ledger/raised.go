package ledger

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Rise is what decisions did to a channel's stored ceiling, in base units: where it stood before
// the first and after the last of them, and by how much they raised it themselves. It is for the
// journal; nothing is decided by it.
type Rise struct{ Before, After, By voucher.Amount }

// Plus returns r followed by a rise from before to after.
func (r Rise) Plus(before, after voucher.Amount) Rise {
	if !before.Less(after) {
		return r
	}
	if r.By.IsZero() {
		r.Before = before
	}
	return Rise{r.Before, after, r.By.AddCapped(after.SubFloor(before))}
}

// And returns the rise that r and another one of the same channel are together.
func (r Rise) And(other Rise) Rise {
	switch {
	case other.By.IsZero():
		return r
	case r.By.IsZero():
		return other
	}
	return Rise{r.Before.Min(other.Before), r.After.Max(other.After), r.By.AddCapped(other.By)}
}

// Rise returns what the reservation's decisions have raised the ceiling by so far, also if no
// voucher came of them.
func (r *Reservation) Rise() Rise {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	return r.rise
}

// Risen returns the asset of a channel and by how much this ledger has raised the stored ceilings of all
// channels in it, in base units; both are zero if that channel was not used.
func (l *Ledger) Risen(id common.Hash) (voucher.Amount, channel.Asset) {
	l.mu.Lock()
	a := l.accounts[id]
	l.mu.Unlock()
	if a == nil {
		return voucher.Amount{}, channel.Asset{}
	}
	a.mu.Lock()
	asset := a.asset()
	a.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.risen[asset], asset
}
