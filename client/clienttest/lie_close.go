package clienttest

import "net/http"

// Lies about closes.
var (
	CloseNotMined = lie("close-not-mined", "A close is answered with a receipt, and nothing is sent to the chain.", takes("close", func(x *exchange, p *payload) (bool, error) {
		return false, x.closeUnmined(p)
	}))
	CloseAll = lie("close-all", "A close takes all of the highest voucher, whatever was spent.", takes("close", func(x *exchange, p *payload) (bool, error) {
		x.s.book.mu.Lock()
		a, err := x.s.book.find(p.channelID)
		if err == nil {
			a.spent = a.accepted.Max(a.spent)
		}
		x.s.book.mu.Unlock()
		if err != nil {
			return false, err
		}
		return x.do(p)
	}))
	CloseSpent     = lie("close-spent", "The receipt of a close says that twice of what was sent is spent.", closeReceipts(func(d document) { d["spent"] = doubled(d) }))
	CloseAccepted  = lie("close-accepted", "The receipt of a close says that twice of what was sent was accepted.", closeReceipts(func(d document) { d["acceptedCumulative"] = doubled(d) }))
	CloseNoTx      = lie("close-no-tx", "The receipt of a close names no transaction.", closeReceipts(func(d document) { delete(d, "txHash") }))
	CloseOther     = lie("close-other", "The receipt of a close is for another channel.", closeReceipts(func(d document) { d["channelId"] = madeUp("channel").Hex() }))
	CloseNoReceipt = lie("close-no-receipt", "A close is answered without a receipt.", deed{answer: func(v *visit, status int, h http.Header) int {
		if v.action() == "close" {
			h.Del("Payment-Receipt")
		}
		return status
	}})
	CloseRefused = lie("close-refused", "Every close is refused as too low.", takes("close", func(x *exchange, p *payload) (bool, error) {
		return false, unverified("the closing voucher must be higher")
	}))
	CloseFails = lie("close-fails", "A close is sent to the chain and answered with a 500.", takes("close", func(x *exchange, p *payload) (bool, error) {
		if _, err := x.do(p); err != nil {
			return false, err
		}
		return false, broken("no idea")
	}))
	CloseHangs = lie("close-hangs", "A close is never answered.", takes("close", func(x *exchange, _ *payload) (bool, error) {
		x.hang()
		return false, nil
	}))
)

func closeReceipts(change func(document)) deed {
	return deed{receipt: func(v *visit, d document) {
		if v.action() == "close" {
			change(d)
		}
	}}
}

// closeUnmined answers a close that is on no chain.
func (x *exchange) closeUnmined(p *payload) (err error) {
	if x.account, err = x.s.known(p, x.t); err != nil {
		return err
	}
	x.tx = madeUp("transaction")
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	x.taken = x.account.figures()
	x.taken.accepted, x.taken.spent = p.cumulative, p.cumulative
	return nil
}
