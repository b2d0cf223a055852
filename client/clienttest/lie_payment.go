package clienttest

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var _ hook.Payment = (*paidRequest)(nil)

// OpenUnmined implements [hook.Payment]: it begins an account for a channel that is on no chain.
func (x *paidRequest) OpenUnmined(p *message.Payload) (content bool, err error) {
	tx, o, err := x.s.readManaged(p.Transaction, x.t, false)
	if err != nil {
		return false, err
	}
	o.Descriptor.ExpiringNonceHash = tx.ExpiringNonceHash
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	x.account, x.tx = x.s.book.add(
		p.ChannelID, o.Protocol, o.Descriptor, ChannelState{Exists: true, Deposit: o.Amount},
	), tx.Hash
	x.account.unmined = true
	x.account.accept(p.Signed())
	content = x.isContent()
	return content, x.chargeFor(x.account, content)
}

// TopUpUnmined implements [hook.Payment].
func (x *paidRequest) TopUpUnmined(p *message.Payload) (err error) {
	if x.account, err = x.s.known(p, x.t); err == nil {
		x.tx = madeUpTx
		err = x.settleUp(false)
	}
	return err
}

// CloseUnmined implements [hook.Payment].
func (x *paidRequest) CloseUnmined(p *message.Payload) (err error) {
	if x.account, err = x.s.known(p, x.t); err != nil {
		return err
	}
	x.tx = madeUpTx
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	x.taken = x.account.figures()
	x.taken.accepted, x.taken.spent = p.Cumulative, p.Cumulative
	return nil
}

// Hold implements [hook.Payment].
func (x *paidRequest) Hold(raw []byte) int {
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

// SendHeld implements [hook.Payment].
func (x *paidRequest) SendHeld() {
	d := &x.s.deceit
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, raw := range d.held {
		_, _ = x.s.Chain.dev.SendRaw(raw)
	}
}

// SpendAll implements [hook.Payment].
func (x *paidRequest) SpendAll(id common.Hash) error {
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	a, err := x.s.book.find(id)
	if err == nil {
		a.spent = a.accepted.Max(a.spent)
	}
	return err
}

// ChannelID implements [hook.Payment].
func (x *paidRequest) ChannelID() common.Hash { return x.account.id }

// hookChannel implements [hook.Channel]. The book's mutex is held while it is used.
type hookChannel struct {
	*incoming
	a *account
}

func (c hookChannel) Deposit() voucher.Amount { return c.a.deposit }

func (c hookChannel) ForgedVoucher(amount voucher.Amount) message.Document {
	digest := c.s.domains[c.a.p].Digest(voucher.Voucher{ChannelID: c.a.id, Cumulative: amount})
	signature, _ := crypto.Sign(digest[:], c.s.Chain.payee)
	signature[64] += 27
	return message.Document{
		"channelId":        c.a.id.Hex(),
		"cumulativeAmount": amount.String(),
		"signature":        hexutil.Encode(signature),
	}
}

func (c hookChannel) OtherSnapshot() message.Document {
	other := c.s.book.other(c.a)
	if other == nil {
		return nil
	}
	return c.honest().snapshot(other, other.spent)
}

// hookStream implements [hook.Stream].
type hookStream struct {
	*incoming
	m *Meter
}

func (h hookStream) Context() context.Context { return h.m.ctx }

func (h hookStream) ChannelID() common.Hash { return h.m.x.account.id }

func (h hookStream) Price() voucher.Amount { return h.m.x.t.Price }

func (h hookStream) Send(frame []byte) error { return h.m.write(frame) }

func (h hookStream) Accepted() voucher.Amount {
	h.s.book.mu.Lock()
	defer h.s.book.mu.Unlock()
	return h.m.x.account.accepted
}

func (h hookStream) NeedFrame(required voucher.Amount) []byte {
	h.s.book.mu.Lock()
	need := h.m.x.account.need(required)
	h.s.book.mu.Unlock()
	return needFrame(need)
}

func (h hookStream) Demand(required voucher.Amount) error {
	if err := h.Send(h.NeedFrame(required)); err != nil {
		return err
	}
	for {
		h.s.book.mu.Lock()
		accepted, changed := h.m.x.account.accepted, h.m.x.account.changed
		h.s.book.mu.Unlock()
		if !accepted.Less(required) {
			return nil
		}
		select {
		case <-changed:
		case <-h.m.ctx.Done():
			return h.m.ctx.Err()
		}
	}
}

func (h hookStream) ReceiptFrame(accepted, spent voucher.Amount) []byte {
	f := figures{id: h.m.x.account.id, accepted: accepted, spent: spent}
	text := h.honest().receiptOf(h.m.x.credential.Challenge.ID, f, madeUpTx)
	return message.Event("payment-receipt", string(text))
}
