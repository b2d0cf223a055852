package client

import (
	"crypto/sha256"
	"encoding/json"

	"github.com/seed-5fe1f529/tallystick/channel/evidence"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// evidence returns what a line of the journal keeps for package evidence: the last voucher that left on the
// channel, and the challenge that it answered. It is empty if none left: a voucher that the payee does not have
// is in no line. r is the receipt of the line e.
func (a *attempt) evidence(state rule.State, e *journal.Entry, r *receipt.Receipt) string {
	last := a.last
	if e.Kind == journal.KindStream {
		last.price = e.Price
	}
	if last.channel != state.ID || last.challenge == nil || len(last.signature) == 0 {
		return ""
	}
	answered := last.challenge.wire
	if r != nil { // that of a stream may name the challenge of its last voucher
		if raw, err := receipt.ParseFrame(r.Raw); err == nil && raw.ChallengeID == a.challenge.wire.ID {
			answered = a.challenge.wire
		}
	}
	v := evidence.Voucher{
		Challenge: evidence.Challenge(answered), Protocol: state.Protocol, ChainID: state.ChainID, Escrow: state.Escrow,
		Descriptor: evidence.Descriptor(state.Descriptor), ChannelID: state.ID, Price: last.price, Cumulative: last.cumulative, Signature: last.signature,
	}
	if sum, ok := a.out.sum(); ok {
		if a.out.body == nil {
			sum = sha256.Sum256(nil)
		}
		v.Body = sum[:]
	}
	text, err := json.Marshal(v)
	if err != nil {
		a.s.log.Error("a line of the journal has no evidence", "channel", state.ID, "error", err)
		return ""
	}
	return string(text)
}
