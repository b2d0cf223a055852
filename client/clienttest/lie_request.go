package clienttest

import (
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var _ hook.Request = (*incoming)(nil)

// HTTP implements [hook.Request].
func (v *incoming) HTTP() *http.Request { return v.r }

// Header implements [http.ResponseWriter].
func (v *incoming) Header() http.Header { return v.w.Header() }

// WriteHeader implements [http.ResponseWriter].
func (v *incoming) WriteHeader(status int) { v.w.WriteHeader(status) }

// Write implements [http.ResponseWriter].
func (v *incoming) Write(b []byte) (int, error) { return v.w.Write(b) }

// Flush implements [http.Flusher].
func (v *incoming) Flush() { v.w.Flush() }

// Action implements [hook.Request].
func (v *incoming) Action() string {
	if v.credential == nil {
		return ""
	}
	return v.credential.Payload.Action()
}

// Paying implements [hook.Request].
func (v *incoming) Paying() bool { return v.credential != nil && v.Action() != "proof" }

// Management implements [hook.Request].
func (v *incoming) Management() bool {
	return v.r.Method == http.MethodHead || v.r.Method == http.MethodPost && v.r.ContentLength == 0
}

// Strayed implements [hook.Request].
func (v *incoming) Strayed() bool { return v.s.strayed(v.r) }

// strayed reports whether the request came to the other origin.
func (s *Server) strayed(r *http.Request) bool { return "http://"+r.Host == s.OtherURL }

// Answered implements [hook.Request].
func (v *incoming) Answered() bool { return v.w.begun }

// CredentialChallenge implements [hook.Request].
func (v *incoming) CredentialChallenge() *message.Challenge {
	if v.credential == nil {
		return nil
	}
	return &v.credential.Challenge
}

// Count implements [hook.Request].
func (v *incoming) Count(name string) int {
	d := &v.s.deceit
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[name]++
	return d.counts[name]
}

// Acted implements [hook.Request].
func (v *incoming) Acted() {
	v.s.deceit.mu.Lock()
	defer v.s.deceit.mu.Unlock()
	v.s.deceit.acted[v.lying]++
}

// Hang implements [hook.Request].
func (v *incoming) Hang() {
	v.Acted()
	<-v.r.Context().Done()
	panic(http.ErrAbortHandler)
}

// Cut implements [hook.Request].
func (v *incoming) Cut() {
	v.Acted()
	panic(http.ErrAbortHandler)
}

// Sleep implements [hook.Request].
func (v *incoming) Sleep(d time.Duration) bool { return sleep(v.r.Context(), d) }

// Interim implements [hook.Request].
func (v *incoming) Interim(status int) { v.w.ResponseWriter.WriteHeader(status) }

// rawPause is the time between two writes of [incoming.Raw].
const rawPause = 10 * time.Millisecond

// Raw implements [hook.Request].
func (v *incoming) Raw(text string, more func() string) {
	conn, _, err := http.NewResponseController(v.w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	v.w.begun = true
	for {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Minute))
		if _, err := conn.Write([]byte(text)); err != nil || more == nil ||
			!sleep(v.s.ctx, rawPause) {
			return
		}
		text = more()
	}
}

// NewChallenge implements [hook.Request].
func (v *incoming) NewChallenge(
	intent string,
	request message.Document,
	opaque string,
) *message.Challenge {
	return v.newChallenge(intent, request, opaque, 0)
}

// FirstChallenge implements [hook.Request].
func (v *incoming) FirstChallenge(c *message.Challenge) *message.Challenge {
	d := &v.s.deceit
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.challenge == nil {
		kept := *c
		d.challenge = &kept
	}
	return d.challenge
}

// FirstReceipt implements [hook.Request].
func (v *incoming) FirstReceipt(
	doc message.Document,
) {
	v.s.deceit.restore(&v.s.deceit.receipt, doc)
}

// FirstSnapshot implements [hook.Request].
func (v *incoming) FirstSnapshot(
	doc message.Document,
) {
	v.s.deceit.restore(&v.s.deceit.snapshot, doc)
}

// ForgedReceipt implements [hook.Request].
func (v *incoming) ForgedReceipt() string {
	v.s.book.mu.Lock()
	defer v.s.book.mu.Unlock()
	n := len(v.s.book.order)
	if n == 0 {
		return ""
	}
	a, challenge := v.s.book.byID[v.s.book.order[n-1]], "unasked"
	if v.credential != nil {
		challenge = v.credential.Challenge.ID
	}
	return v.honest().
		receiptHeader(challenge, figures{a.id, a.deposit, a.deposit, a.units}, madeUpTx)
}

// madeUpTx is the hash of no transaction.
var madeUpTx = common.BytesToHash([]byte("made up transaction"))

// honest returns a request at which no lie is told.
func (v *incoming) honest() *incoming { return &incoming{s: v.s} }

// OtherChannel implements [hook.Request].
func (v *incoming) OtherChannel(id common.Hash) (common.Hash, voucher.Amount, bool) {
	v.s.book.mu.Lock()
	defer v.s.book.mu.Unlock()
	if id == (common.Hash{}) && len(v.s.book.order) > 0 {
		oldest := v.s.book.byID[v.s.book.order[0]]
		return oldest.id, oldest.deposit, true
	}
	if a := v.s.book.byID[id]; a != nil {
		if other := v.s.book.other(a); other != nil {
			return other.id, other.deposit, true
		}
	}
	return common.Hash{}, voucher.Amount{}, false
}

// ForgetChannels implements [hook.Request].
func (v *incoming) ForgetChannels() int {
	all := v.s.Accounts()
	for _, a := range all {
		v.s.Forget(a.ChannelID)
	}
	return len(all)
}

// Server implements [hook.Request].
func (v *incoming) Server() hook.Server {
	return hook.Server{
		URL: v.s.URL, OtherURL: v.s.OtherURL, ChainID: v.s.ChainID, Token: v.s.Token,
		OtherToken: v.s.OtherToken,
		Payee:      v.s.Payee, OtherPayee: v.s.OtherPayee, Now: v.s.cfg.Now(),
	}
}
