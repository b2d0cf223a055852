package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestCookiesOfTheCallerStay as the caller wrote them, beside those that the payee sets.
func TestCookiesOfTheCallerStay(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	l := p.lied()
	l.after = func(_ int, _ sent, resp *http.Response) {
		if resp.StatusCode == http.StatusPaymentRequired {
			resp.Header.Add("Set-Cookie", `quoted="x y"; Path=/`)
			resp.Header.Add("Set-Cookie", `old=new; Path=/`)
		}
	}
	own := `theme="dark one"; prefs={"lang":"en"}; flag; a=b=c`
	req := p.request(t.Context(), http.MethodGet, "/who", nil)
	req.Header["Cookie"] = []string{own + "; old=1", "more=2"}
	resp, err := p.send(req)
	p.ok(resp, err)
	last := l.all()[len(l.all())-1]
	text, ok := strings.CutPrefix(last.Header.Get("Cookie"), own+"; more=2; ")
	require.True(t, ok, last.Header.Get("Cookie"))
	assert.ElementsMatch(t, []string{"old=new", `quoted="x y"`}, strings.Split(text, "; "))
}
