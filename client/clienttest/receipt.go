package clienttest

import (
	"encoding/base64"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// figures are the amounts of a receipt, all from the same moment.
type figures struct {
	id              common.Hash
	accepted, spent voucher.Amount
	units           uint64
}

// figures returns the amounts of the account. The caller holds the book's mutex.
func (a *account) figures() figures { return figures{a.id, a.accepted, a.spent, a.units} }

// receiptOf returns the JSON of a full receipt. A zero tx is omitted.
func (v *incoming) receiptOf(challengeID string, f figures, tx common.Hash) []byte {
	s := v.s
	doc := message.Document{
		"method": "tempo", "intent": "session", "status": "success",
		"timestamp": s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"reference": f.id.Hex(), "challengeId": challengeID, "channelId": f.id.Hex(),
		"acceptedCumulative": f.accepted.String(), "spent": f.spent.String(), "units": f.units,
	}
	if tx != (common.Hash{}) {
		doc["txHash"] = tx.Hex()
	}
	s.deceit.keep(&s.deceit.receipt, doc)
	v.lieInReceipt(doc)
	out, _ := json.Marshal(doc)
	return out
}

// receiptHeader returns the value of Payment-Receipt in the configured style, or "".
func (v *incoming) receiptHeader(challengeID string, f figures, tx common.Hash) string {
	var raw []byte
	s := v.s
	switch s.cfg.Receipts {
	case NoReceipts:
		return ""
	case BaseReceipts:
		raw, _ = json.Marshal(map[string]any{
			"method": "tempo", "status": "success", "reference": f.id.Hex(),
			"timestamp": s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		})
	default:
		raw = v.receiptOf(challengeID, f, tx)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
