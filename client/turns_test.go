package client_test

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// turn is one answer of a scripted payee. If it returns nil, the server itself answers; if it
// panics with errBroken, the connection breaks.
type turn func(p *payer, l *liar, s sent) *http.Response

// demand is what a scripted payee changes in the request object of a challenge.
type demand func(request map[string]any)

func priceIs(n string) demand { return func(r map[string]any) { r["amount"] = n } }
func unitIs(name string) demand {
	return func(r map[string]any) { r["unitType"] = name }
}
func payeeIs(a common.Address) demand { return func(r map[string]any) { r["recipient"] = a.Hex() } }
func operatorIs(a common.Address) demand {
	return func(r map[string]any) { details(r)["operator"] = a.Hex() }
}

func tokenIs(a common.Address) demand { return func(r map[string]any) { r["currency"] = a.Hex() } }

func escrowIs(a common.Address) demand {
	return func(r map[string]any) { details(r)["escrowContract"] = a.Hex() }
}

func protocolIs(version string) demand {
	return func(r map[string]any) { details(r)["sessionProtocol"] = version }
}

// chainIs names another chain.
func chainIs(id int) demand { return func(r map[string]any) { details(r)["chainId"] = id } }

// feeTokenIs names the token of the fee.
func feeTokenIs(token common.Address) demand {
	return func(r map[string]any) { details(r)["feeToken"] = token.Hex() }
}

func sponsorIs(pays bool) demand {
	return func(r map[string]any) { details(r)["feePayer"] = pays }
}

// stranger returns another address for each n, none of which the server has a key of.
func stranger(n byte) common.Address { return common.Address{0xbad >> 4, 0xd0, 19: n} }

// wants refuses with a problem ("" sends none), and asks to be paid as the path is, with changes.
func wants(problem, path string, changes ...demand) turn {
	return func(p *payer, l *liar, _ sent) *http.Response {
		asked := p.unpaid(path)
		if len(changes) > 0 {
			l.forge(asked, func(_ *wire.Challenge, r map[string]any) {
				for _, change := range changes {
					change(r)
				}
			})
		}
		return refusal(http.StatusPaymentRequired, problem, asked)
	}
}

// unknown answers 410, with a problem unless it is empty, and with no challenge.
func unknown(problem string) turn {
	return func(*payer, *liar, sent) *http.Response {
		return refusal(http.StatusGone, problem, nil)
	}
}

// leads redirects to a path of the server, without a receipt.
func leads(status int, path string) turn {
	return func(p *payer, _ *liar, _ sent) *http.Response {
		return reply(status, "", "Location", p.srv.URL+path)
	}
}

// serves lets the server answer.
func serves(*payer, *liar, sent) *http.Response { return nil }

// refusal returns a refusal of a payment, with the challenges of another answer.
func refusal(status int, problem string, asked *http.Response) *http.Response {
	resp := reply(status, "")
	if problem != "" {
		text := `{"type":"` + wire.ProblemBase + problem + `"}`
		resp = reply(status, text, "Content-Type", "application/problem+json")
	}
	if asked != nil {
		resp.Header["Www-Authenticate"] = asked.Header.Values("WWW-Authenticate")
	}
	return resp
}

// follow puts a payee under the payer that answers as the turns say: one for each request with a
// credential, and the last one for all that follow. first answers the requests without one.
func (p *payer) follow(first turn, turns ...turn) *liar {
	l := p.lied()
	var mu sync.Mutex
	next := 0
	l.answer = func(_ int, s sent) (_ *http.Response, err error) {
		defer func() {
			switch broken := recover(); broken {
			case nil:
			case errBroken:
				err = errBroken
			default:
				panic(broken)
			}
		}()
		do := first
		if s.Paid != nil {
			mu.Lock()
			do = turns[min(next, len(turns)-1)]
			next++
			mu.Unlock()
		}
		return do(p, l, s), nil
	}
	return l
}

// demands changes every challenge that the server sends to a request without a credential.
func (l *liar) demands(change demand) {
	l.after = func(_ int, s sent, resp *http.Response) {
		if s.Paid == nil {
			l.forge(resp, func(_ *wire.Challenge, r map[string]any) { change(r) })
		}
	}
}

// around repeats the turns up to n in all.
func around(n int, turns ...turn) (all []turn) {
	for i := range n {
		all = append(all, turns[i%len(turns)])
	}
	return all
}

// finish reads an answer to its end and returns how the request ended: its outcome, the status, and
// the error. An error that may be tried again must not have cost anything.
func finish(t testing.TB, resp *http.Response, err error) (client.Outcome, int, error) {
	t.Helper()
	if err == nil {
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		if err == nil {
			return client.PaymentOf(resp).Outcome, resp.StatusCode, nil
		}
	}
	var e *client.Error
	if !errors.As(err, &e) {
		return "", 0, err
	}
	if e.Outcome == client.OutcomeUnknown {
		assert.False(t, e.Retryable(), "the payee may have been paid: %s", e)
	}
	return e.Outcome, 0, err
}

// signedAbove is by how much the highest vouchers of all channels grew together since before.
func (p *payer) signedAbove(before map[common.Hash]voucher.Amount) (sum voucher.Amount) {
	p.t.Helper()
	for id, signed := range p.signed() {
		sum = sum.AddCapped(signed.SubFloor(before[id]))
	}
	return sum
}

// signed is the highest voucher of each channel: of those on record and those that left.
func (p *payer) signed() map[common.Hash]voucher.Amount {
	p.t.Helper()
	all := map[common.Hash]voucher.Amount{}
	for _, s := range p.channels() {
		all[s.ID] = s.Signed
	}
	if l, ok := p.base.(*liar); ok {
		for _, s := range l.spenders() {
			id, v := s.Paid.Payload.ChannelID, s.Paid.Payload.CumulativeAmount
			all[id] = all[id].Max(v)
		}
	}
	return all
}

// openings are the channels whose opening left.
func (l *liar) openings() map[common.Hash]bool {
	ids := map[common.Hash]bool{}
	for _, s := range l.paid("open") {
		ids[s.Paid.Payload.ChannelID] = true
	}
	return ids
}

// spenders are the requests that carried a voucher or an opening.
func (l *liar) spenders() (out []sent) {
	for _, s := range l.paid("") {
		if a := s.action(); a == "voucher" || a == "open" {
			out = append(out, s)
		}
	}
	return out
}

// unitPaid is the unit of the offer that a credential answers.
func (s sent) unitPaid(t testing.TB) string {
	t.Helper()
	r, err := s.Paid.Challenge.SessionRequest()
	require.NoError(t, err)
	return r.UnitType
}
