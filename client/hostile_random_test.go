package client_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// whim is a server that does at every turn what comes to its mind.
type whim struct {
	*rand.Rand
	p    *payer
	l    *liar
	path string
}

func (w *whim) amount() string {
	return []string{"0", "1", "99", "100", "101", "5000", "10000", "99999999", strings.Repeat("9", 25)}[w.IntN(9)]
}

// before decides what becomes of a request that the server shall not see.
func (w *whim) before(_ int, s sent) (*http.Response, error) {
	switch w.IntN(12) {
	case 0:
		return nil, errors.New("no route")
	case 1:
		return reply([]int{200, 204, 302, 400, 404, 410, 429, 500, 503}[w.IntN(9)], "", "Retry-After", "0"), nil
	case 2:
		if s.Paid == nil {
			return nil, nil
		}
		asked := w.p.unpaid(w.path)
		w.hint(asked)
		resp := reply(402, "")
		refuseWith(resp, asked, problems[w.IntN(len(problems))])
		return resp, nil
	}
	return nil, nil
}

// after decides what becomes of the server's answer.
func (w *whim) after(_ int, s sent, resp *http.Response) {
	if resp.StatusCode == http.StatusPaymentRequired {
		w.hint(resp)
	}
	if s.Paid == nil {
		return
	}
	switch w.IntN(10) {
	case 0:
		refuseWith(resp, w.p.unpaid(w.path), problems[w.IntN(len(problems))])
	case 1:
		rewrite(resp, []int{204, 410, 500}[w.IntN(3)], "")
	case 2, 3:
		r := receipt.Receipt{Method: "tempo", Intent: "session", Status: "success", Timestamp: time.Now(), Reference: "x", Session: true, ChallengeID: s.Paid.Challenge.ID, ChannelID: s.Paid.Payload.ChannelID}
		r.Accepted, _ = voucher.ParseAmount(w.amount())
		r.Spent, _ = voucher.ParseAmount(w.amount())
		if text, err := r.Header(); err == nil {
			resp.Header.Set("Payment-Receipt", text)
		}
	case 4:
		resp.Header.Del("Payment-Receipt")
	}
}

// hint puts figures of its own into a challenge.
func (w *whim) hint(resp *http.Response) {
	if w.IntN(2) == 0 {
		return
	}
	all := w.p.channels()
	w.l.forge(resp, func(_ *wire.Challenge, request map[string]any) {
		d := details(request)
		id := common.Hash{byte(w.IntN(3))}
		if len(all) > 0 && w.IntN(3) > 0 {
			s := all[w.IntN(len(all))]
			id = s.ID
			if s.Protocol == voucher.V2 && len(s.Voucher) > 0 {
				snapshot := snapshotOf(s)
				for _, name := range []string{"acceptedCumulative", "spent", "requiredCumulative", "deposit", "settled"} {
					if w.IntN(2) == 0 {
						snapshot[name] = w.amount()
					}
				}
				if w.IntN(2) == 0 {
					highest(snapshot)["cumulativeAmount"] = w.amount()
				}
				d["sessionSnapshot"] = snapshot
				return
			}
		}
		d["channelId"], d["acceptedCumulative"], d["requiredCumulative"], d["spent"], d["deposit"] = id.Hex(), w.amount(), w.amount(), w.amount(), w.amount()
	})
}

// TestWhims: whatever a server does, each request gives away its price on a channel at most, deposits stay within
// the total, and every call ends after a bounded number of tries.
func TestWhims(t *testing.T) {
	const requests, price, total = 8, 100, 25_000
	srv := clienttest.New(t, clienttest.Config{})
	for seed := range uint64(60) {
		for _, rail := range rails {
			t.Run(fmt.Sprintf("seed %d%s", seed, rail), func(t *testing.T) {
				var n pen
				p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Total = u(total) })
				w := &whim{Rand: rand.New(rand.NewPCG(seed, 1)), p: p, l: p.liedToTheEnd(), path: rail + "/hinted"}
				w.l.answer, w.l.after = w.before, w.after
				for k := uint64(1); k <= requests; k++ {
					sends, signatures := len(w.l.all()), n.vouchers.Load()+n.transactions.Load()
					query := []string{"", "?payer=" + p.key.Address.Hex(), "?deposit=300"}[w.IntN(3)]
					resp, err := p.do(http.MethodGet, w.path+query, nil)
					if err == nil {
						resp.Body.Close()
					}
					assert.LessOrEqual(t, len(w.l.all())-sends, 60)
					assert.LessOrEqual(t, n.vouchers.Load()+n.transactions.Load()-signatures, int64(20))
					var signed, deposits voucher.Amount
					for _, s := range p.channels() {
						signed = signed.AddCapped(s.Authorized())
						deposits = deposits.AddCapped(srv.Chain.Channel(s.ID).Deposit)
						assert.False(t, u(price*k).Less(s.Authorized()), "%s after %d requests for %d", s.Authorized(), k, price)
						if account, ok := srv.Account(s.ID); ok {
							assert.False(t, s.Authorized().Less(account.Accepted))
						}
					}
					assert.False(t, u(2*price*k).Less(signed), "%s in all after %d requests", signed, k)
					assert.False(t, u(total).Less(deposits))
					if w.IntN(4) == 0 {
						srv.Chain.Advance(time.Minute)
					}
				}
				p.noneForgotten()
			})
		}
	}
}
