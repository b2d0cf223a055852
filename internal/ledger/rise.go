package ledger

import "github.com/seed-5fe1f529/tallystick/voucher"

// Rise is what decisions did to a channel's durable ceiling: where it stood before the first and after the last of
// them, and by how much they raised it themselves. It is for the books; nothing is decided by it.
type Rise struct{ Before, After, By voucher.Amount }

// Plus is a rise followed by one from before to after.
func (r Rise) Plus(before, after voucher.Amount) Rise {
	if !before.Less(after) {
		return r
	}
	if r.By.IsZero() {
		r.Before = before
	}
	return Rise{r.Before, after, r.By.AddCapped(after.SubFloor(before))}
}

// And is one rise and another of the same channel.
func (r Rise) And(other Rise) Rise {
	switch {
	case other.By.IsZero():
		return r
	case r.By.IsZero():
		return other
	}
	return Rise{r.Before.Min(other.Before), r.After.Max(other.After), r.By.AddCapped(other.By)}
}

// Rise is what the claim's decisions raised the ceiling by so far, also where no voucher came of them.
func (c *Claim) Rise() Rise {
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	return c.rise
}

// rose notes by what each order of a batch has raised the ceiling. It is durable by now.
func (a *Account) rose(batch []*order) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range batch {
		if o.claim != nil {
			o.claim.rise = o.claim.rise.Plus(o.from.Authorized(), o.to.Authorized())
		}
	}
}
