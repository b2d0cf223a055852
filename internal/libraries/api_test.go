package libraries

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n uint64) voucher.Amount { return voucher.Units(n) }

const (
	// apiKey is what the API wants beside the payment.
	apiKey = "sk-of-the-caller"
	// price is that of a completion, and of each word of a streamed one, in base units.
	price = 10
	// chat is the route of completions.
	chat = "/v1/chat/completions"
)

// words are the answer to everything.
var words = strings.Fields("so much depends upon a red wheel barrow")

// separate has credentials travel in a header of their own.
var separate = clienttest.Config{Header: "Payment-Authorization"}

// api is a paid server with OpenAI's route for chat completions.
type api struct {
	*clienttest.Server
	keyless atomic.Int64 // requests without the API key, which are refused
}

// newAPI starts the server.
func newAPI(t clienttest.TB, cfg clienttest.Config) *api {
	a := &api{Server: clienttest.New(t, cfg)}
	a.serve()
	return a
}

// serve adds the route. A completion and a stream of it have the same price for the same unit,
// since a client pins the unit of a route.
func (a *api) serve() {
	terms := clienttest.Terms{Price: u(price), Unit: "word", Deposit: u(10_000)}
	whole := a.Paid(terms, http.HandlerFunc(completion))
	streamed := a.Metered(terms, stream)
	a.Handle(chat, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+apiKey {
			a.keyless.Add(1)
			http.Error(w, `{"error":{"message":"no API key"}}`, http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var asked struct{ Stream bool }
		_ = json.Unmarshal(body, &asked)
		if asked.Stream {
			streamed.ServeHTTP(w, r)
			return
		}
		whole.ServeHTTP(w, r)
	}))
}

func completion(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"1","object":"chat.completion","created":1,"model":"poet","choices":[`+
		`{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}]}`,
		strings.Join(words, " "))
}

func stream(m *clienttest.Meter, _ *http.Request) error {
	for i, word := range words {
		if err := m.Charge(1); err != nil {
			return err
		}
		if i > 0 {
			word = " " + word
		}
		if err := m.Raw(fmt.Appendf(nil, `data: {"id":"1","object":"chat.completion.chunk",`+
			`"created":1,"model":"poet","choices":[{"index":0,"delta":{"content":%q}}]}`+"\n\n",
			word)); err != nil {
			return err
		}
	}
	return m.Raw([]byte("data: [DONE]\n\n"))
}

// config returns the settings of a session that pays the server.
func config(t testing.TB, srv *clienttest.Server) client.Config {
	t.Helper()
	key, err := voucher.ParseKey(srv.Payer().Hex)
	require.NoError(t, err)
	chain, err := escrow.Dial(t.Context(), srv.RPCURL)
	require.NoError(t, err)
	t.Cleanup(chain.Close)
	base := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(base.CloseIdleConnections)
	return client.Config{
		Signer: key, Payer: key, Chain: chain, Base: base,
		Limits: channel.Limits{Price: u(1000), Deposit: u(100_000), Stream: u(1000)},
	}
}

func newSession(
	t testing.TB,
	srv *clienttest.Server,
	change ...func(*client.Config),
) *client.Session {
	t.Helper()
	cfg := config(t, srv)
	for _, c := range change {
		c(&cfg)
	}
	s, err := client.New(cfg)
	require.NoError(t, err)
	return s
}

// only returns the one channel of the session, and the server's account of it.
func only(t testing.TB, a *api, s *client.Session) (channel.Info, clienttest.Account) {
	t.Helper()
	var all []channel.Info
	for c, err := range s.Channels().All(t.Context()) {
		require.NoError(t, err)
		all = append(all, c)
	}
	require.Len(t, all, 1)
	account, ok := a.Account(all[0].ID)
	require.True(t, ok)
	return all[0], account
}

// settled reports whether the client counts as much as the server charged.
func settled(t testing.TB, a *api, s *client.Session) bool {
	t.Helper()
	c, account := only(t, a, s)
	return c.Claimed == account.Spent
}

// spent checks that the server charged as much as the client counts, and accepted what was signed,
// and returns what it charged.
func spent(t testing.TB, a *api, s *client.Session) voucher.Amount {
	t.Helper()
	c, account := only(t, a, s)
	assert.Equal(t, account.Spent, c.Claimed)
	assert.Equal(t, account.Accepted, c.Signed)
	return account.Spent
}
