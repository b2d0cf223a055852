package clienttest

import (
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies about opens.
var (
	OpenNotMined = lie("open-not-mined", "An open is answered with the content, and its transaction is thrown away.", takes("open", func(x *exchange, p *payload) (bool, error) {
		return x.openUnmined(p)
	}))
	OpenMinedLate = lie("open-mined-late", "An open is answered with the content; its transaction is kept, the channel called gone, and both sent when the next open comes.", deed{take: openMinedLate})
	OpenMined     = lie("open-mined", "An open is sent to the chain and refused all the same.", takes("open", func(x *exchange, p *payload) (bool, error) {
		if _, err := x.do(p); err != nil {
			return false, err
		}
		return false, unverified("not that one")
	}))
	OpenRefused = lie("open-refused", "An open is refused for a reason that is none, and kept.", takes("open", func(*exchange, *payload) (bool, error) { return false, unverified("not that one") }))
	OpenTaken   = lie("open-taken", "An open is answered with a 204: the deposit is there, and nothing is served or charged.", takes("open", func(x *exchange, p *payload) (bool, error) {
		return x.open(p, false)
	}))
	OpenGone = lie("open-gone", "An open is sent to the chain, and the channel said not to exist.", takes("open", func(x *exchange, p *payload) (bool, error) {
		if _, err := x.do(p); err != nil {
			return false, err
		}
		return false, channelNotFound("no such channel").on(p.channelID)
	}))
)

// Lies about top-ups.
var (
	TopUpNotMined = lie("top-up-not-mined", "A top-up is answered with a receipt, and its transaction is thrown away.", takes("topUp", func(x *exchange, p *payload) (bool, error) {
		return false, x.topUpUnmined(p)
	}))
	TopUpMinedLate = lie("top-up-mined-late", "A top-up is answered with a receipt; its transaction is kept, and sent when the next one comes.", takes("topUp", func(x *exchange, p *payload) (bool, error) {
		if x.hold(p.transaction) == 1 {
			return false, x.topUpUnmined(p)
		}
		return false, x.sendHeld(x.topUpUnmined(p))
	}))
	TopUpMined = lie("top-up-mined", "A top-up is sent to the chain and refused all the same.", takes("topUp", func(x *exchange, p *payload) (bool, error) {
		if _, err := x.do(p); err != nil {
			return false, err
		}
		return false, unverified("not that one")
	}))
	TopUpRefused = lie("top-up-refused", "Every top-up is refused.", takes("topUp", func(*exchange, *payload) (bool, error) { return false, unverified("no") }))
	TopUpPriced  = lie("top-up-priced", "Whoever tops up learns that it costs five times as much.", deed{terms: func(v *visit, t *Terms) {
		if v.action() == "topUp" {
			t.Price = fivefold(t.Price)
		}
	}})
	TopUpDemanded = lie("top-up-demanded", "Every voucher is refused, since the deposit is said to be too small by a million.", takes("voucher", func(_ *exchange, p *payload) (bool, error) {
		e := exceedsDeposit("more").on(p.channelID)
		e.requiredTopUp = voucher.Units(1_000_000)
		return false, e
	}))
)

// takes takes one kind of payment instead of the server.
func takes(action string, take func(*exchange, *payload) (content bool, err error)) deed {
	return deed{take: func(x *exchange, p *payload) (bool, bool, error) {
		if p.action != action {
			return false, false, nil
		}
		content, err := take(x, p)
		return true, content, err
	}}
}

// openUnmined begins an account for a channel that is on no chain.
func (x *exchange) openUnmined(p *payload) (content bool, err error) {
	tx, o, err := x.s.readManaged(p.transaction, x.t, false)
	if err != nil {
		return false, err
	}
	o.Descriptor.ExpiringNonceHash = tx.ExpiringNonceHash
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	x.account, x.tx = x.s.book.add(p.channelID, o.Protocol, o.Descriptor, ChannelState{Exists: true, Deposit: o.Amount}), tx.Hash
	x.account.unmined = true
	x.account.accept(p.signed())
	content = x.isContent()
	return content, x.chargeFor(x.account, content)
}

// openMinedLate plays dead after the first open.
func openMinedLate(x *exchange, p *payload) (done, content bool, err error) {
	switch {
	case p.action == "open" && x.hold(p.transaction) == 1:
		content, err = x.openUnmined(p)
		return true, content, err
	case p.action == "open":
		err = x.sendHeld(nil)
		if err == nil {
			content, err = x.openUnmined(p)
		}
		return true, content, err
	default:
		return true, false, channelNotFound("no such channel").on(p.channelID)
	}
}

// topUpUnmined answers a top-up that is on no chain.
func (x *exchange) topUpUnmined(p *payload) (err error) {
	if x.account, err = x.s.known(p, x.t); err == nil {
		x.tx = madeUp("transaction")
		err = x.settleUp(false)
	}
	return err
}

// hold keeps a transaction back. It returns how many there are; the same one counts once.
func (x *exchange) hold(raw []byte) int {
	d := &x.s.deceit
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.held {
		if string(one) == string(raw) {
			return len(d.held)
		}
	}
	d.held = append(d.held, raw)
	return len(d.held)
}

// sendHeld sends all that was kept back; what the chain refuses is gone.
func (x *exchange) sendHeld(err error) error {
	d := &x.s.deceit
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, raw := range d.held {
		_, _ = x.s.Chain.dev.SendRaw(raw)
	}
	return err
}
