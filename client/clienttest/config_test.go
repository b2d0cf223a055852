package clienttest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
	}))
}

func TestEqualAndLowerVouchers(t *testing.T) {
	equalRefused := clienttest.Config{EqualVouchers: clienttest.EqualRefused}
	lowerRefused := clienttest.Config{LowerVouchers: clienttest.LowerRefused}
	for _, one := range []struct {
		cfg   clienttest.Config
		path  string
		equal string // problem
		lower string
	}{
		{clienttest.Config{}, "/data", "", "verification-failed"},
		{clienttest.Config{}, "/v1/data", "", ""},
		{equalRefused, "/data", "session/delta-too-small", "verification-failed"},
		{equalRefused, "/v1/data", "session/delta-too-small", ""},
		{lowerRefused, "/v1/data", "", "verification-failed"},
		{clienttest.Config{LowerVouchers: clienttest.LowerAccepted}, "/data", "", ""},
	} {
		t.Run(fmt.Sprintf("%+v %s", one.cfg, one.path), func(t *testing.T) {
			srv := clienttest.New(t, one.cfg)
			p := newPayer(t, srv)
			proto := voucher.V2
			if strings.HasPrefix(one.path, "/v1") {
				proto = voucher.V1
			}
			c := p.opened(proto, one.path)
			a := p.ask(one.path)
			require.Equal(t, 204, p.pay("HEAD", one.path, a, p.voucher(c, "voucher", 400)).status)
			for n, problem := range map[uint64]string{400: one.equal, 300: one.lower} {
				r := p.pay("GET", one.path, a, p.voucher(c, "voucher", n))
				assert.Equal(t, problem, r.problem, n)
				assert.Equal(t, problem == "", r.status == http.StatusOK, n)
			}
			bad := with(
				p.voucher(c, "voucher", 300), "signature", hexutil.Encode(p.sign(proto, c.id, 299)),
			)
			assert.Equal(
				t, http.StatusPaymentRequired, p.pay("GET", one.path, a, bad).status,
				"an old voucher is still verified",
			)
		})
	}
}

func TestReceiptStyles(t *testing.T) {
	for style, want := range map[clienttest.ReceiptStyle][]string{
		clienttest.FullReceipts: {
			"acceptedCumulative", "challengeId", "channelId", "intent", "method", "reference",
			"spent", "status", "timestamp", "txHash", "units",
		},
		clienttest.BaseReceipts: {"method", "reference", "status", "timestamp"},
		clienttest.NoReceipts:   nil,
	} {
		srv := clienttest.New(t, clienttest.Config{Receipts: style})
		p := newPayer(t, srv)
		payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
		r := p.pay("GET", "/data", p.ask("/data"), payload)
		var keys []string
		for k := range r.receipt {
			keys = append(keys, k)
		}
		assert.ElementsMatch(t, want, keys)
		body := p.pay(
			"GET", "/stream/1/10", p.ask("/stream/1/10"), p.voucher(c, "voucher", 110),
		).body
		assert.Equal(
			t, style != clienttest.NoReceipts, strings.Contains(body, "event: payment-receipt"),
		)
	}
}

func TestCredentialHeader(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{Header: "Payment-Authorization"})
	p := newPayer(t, srv)
	a := p.ask("/data")
	assert.Equal(t, "Payment-Authorization", a["header"])
	payload, _ := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	value := p.credential(a, payload, p.source())
	assert.Equal(
		t, 402, p.do("GET", "/data", nil, map[string]string{"Authorization": value}).status,
	)
	r := p.do(
		"GET", "/data", nil,
		map[string]string{"Payment-Authorization": value, "Authorization": "Bearer mine"},
	)
	assert.Equal(t, 200, r.status)
}

func TestOtherAuthSchemesIgnored(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	payload, _ := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	value := p.credential(p.ask("/data"), payload, p.source())
	assert.Equal(
		t, "payment-required",
		p.do("GET", "/data", nil, map[string]string{"Authorization": "Bearer mine"}).problem,
	)
	r := p.do("GET", "/data", nil, map[string]string{"Authorization": "Bearer mine, p" + value[1:]})
	assert.Equal(t, 200, r.status)
}

func TestGoneWithoutChallenge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BareGone: true})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	srv.Forget(c.id)
	srv.Forget(c.id)
	r := p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 200))
	assert.Equal(t, 410, r.status)
	assert.Nil(t, r.fresh)
	assert.NotContains(t, r.body, "challengeId")
	_, ok := srv.Account(c.id)
	assert.False(t, ok)
}

func TestShortOpens(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{ShortOpens: true})
	p := newPayer(t, srv)
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	r := p.pay("GET", "/data", p.ask("/data"), payload)
	assert.Equal(t, 204, r.status)
	assert.Equal(t, "0", r.receipt["spent"])
	assert.Equal(t, 200, p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 100)).status)
}

func TestChainUsesWallClock(t *testing.T) {
	at := &clock{time.Unix(1_800_000_000, 0)}
	srv := clienttest.New(t, clienttest.Config{Now: at.now, WallClock: true})
	assert.Equal(t, at.at.UTC(), srv.Chain.Now())
	p := newPayer(t, srv)
	payload, _ := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
	a := p.ask("/data")
	at.at = at.at.Add(26 * time.Second)
	r := p.pay("GET", "/data", a, payload)
	assert.Equal(t, "internal-payment-error", r.problem, "the transaction is too old")
	srv.Chain.Advance(time.Minute)
	assert.Equal(t, at.at.Add(time.Minute).UTC(), srv.Chain.Now())
}

func TestQueryChangesTerms(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	q := p.ask("/data?price=7&deposit=70&unit=page").request(t)
	assert.Equal(
		t, []any{"7", "70", "page"}, []any{q["amount"], q["suggestedDeposit"], q["unitType"]},
	)
	assert.NotContains(t, p.ask("/data?deposit=0").request(t), "suggestedDeposit")
	at, err := time.Parse(time.RFC3339, p.ask("/data?ttl=30")["expires"])
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(30*time.Second), at, 5*time.Second)
	for _, path := range []string{
		"/data?price=x", "/data?price=0", "/data?ttl=soon", "/stream/5/0", "/stream/5/ten",
	} {
		assert.Equal(t, http.StatusBadRequest, p.do("GET", path, nil, nil).status, path)
	}
	for _, path := range []string{"/stream/many/10"} {
		payload, _ := p.opening(voucher.V2, open{deposit: 1000, amount: 100})
		l := p.stream("GET", path, p.ask(path), payload, nil)
		l.end()
	}
	assert.Equal(t, http.StatusNotFound, p.do("GET", "/nowhere", nil, nil).status)
	assert.Equal(t, http.StatusOK, p.do("GET", "/free", nil, nil).status)
	assert.Equal(t, 1, srv.Served("/free"))
}

func TestRequestLog(t *testing.T) {
	at := &clock{time.Unix(1_800_000_000, 0)}
	srv := clienttest.New(t, clienttest.Config{Now: at.now})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	p.pay("GET", "/data?x=1", p.ask("/data"), p.voucher(c, "voucher", 150))
	p.pay("POST", "/data", p.ask("/data"), p.topUp(c, 70, tx{}))
	ask := func(seq int) clienttest.Request {
		return clienttest.Request{
			Seq:     seq,
			At:      at.at,
			Method:  "GET",
			Path:    "/data",
			Status:  402,
			Problem: "payment-required",
		}
	}
	assert.Equal(t, []clienttest.Request{
		ask(1),
		{
			Seq:        2,
			At:         at.at,
			Method:     "GET",
			Path:       "/data",
			Status:     200,
			Action:     "open",
			ChannelID:  c.id,
			Cumulative: voucher.Units(100),
		},
		ask(3),
		{
			Seq:        4,
			At:         at.at,
			Method:     "GET",
			Path:       "/data?x=1",
			Status:     402,
			Action:     "voucher",
			ChannelID:  c.id,
			Cumulative: voucher.Units(150),
			Problem:    "session/insufficient-balance",
		},
		ask(5),
		{
			Seq:        6,
			At:         at.at,
			Method:     "POST",
			Path:       "/data",
			Status:     204,
			Action:     "topUp",
			ChannelID:  c.id,
			Additional: voucher.Units(70),
		},
	}, srv.Requests())
	assert.Equal(t, 1, srv.Served("/data"))
}

// TestOwnRoutes adds routes to the server, and mounts its handlers in another server.
func TestOwnRoutes(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	operator := common.Address{19: 9}
	hello := srv.Paid(
		clienttest.Terms{Price: voucher.Units(3), FeeToken: srv.Token},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			_, _ = fmt.Fprintf(w, "hello %s", r.PathValue("name"))
		}),
	)
	srv.Handle("GET /hello/{name}", hello)
	srv.Handle(
		"/operated", srv.Paid(clienttest.Terms{Price: voucher.Units(3), Operator: operator}, hello),
	)
	p := newPayer(t, srv)
	payload, c := p.opening(voucher.V2, open{deposit: 1000, amount: 3})
	a := p.ask("/hello/you")
	assert.Equal(t, strings.ToLower(srv.Token.Hex()), a.details(t)["feeToken"])
	r := p.pay("GET", "/hello/you", a, payload)
	assert.Equal(t, "hello you", r.body)

	operated := p.ask("/operated")
	assert.Equal(t, hexutil.Encode(operator[:]), operated.details(t)["operator"])
	assert.Equal(
		t, "verification-failed",
		p.pay("GET", "/operated", operated, p.voucher(c, "voucher", 6)).problem,
	)

	tls := httptest.NewTLSServer(hello)
	defer tls.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", tls.URL, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", p.credential(a, p.voucher(c, "voucher", 6), p.source()))
	res, err := tls.Client().Do(req)
	require.NoError(t, err)
	assert.Equal(t, "hello ", readReply(t, res).body)
	assert.Panics(t, func() { srv.Paid(clienttest.Terms{}, nil) })
}

func TestPayerKeysAreReproducible(t *testing.T) {
	one := clienttest.New(t, clienttest.Config{Funds: voucher.Units(5)})
	two := clienttest.New(t, clienttest.Config{})
	first, second := one.Payer(), one.Payer()
	assert.NotEqual(t, first, second)
	assert.Equal(t, first, two.Payer(), "the same at each start")
	assert.Equal(t, voucher.Units(5), one.Chain.Balance(first.Address))
	for _, text := range []string{
		fmt.Sprint(first), fmt.Sprintf("%+v", first),
		fmt.Sprintf("%#v", first), first.String(),
	} {
		assert.Equal(t, first.Address.Hex(), text)
	}
}

// failing is a testing.TB that records failures.
type failing struct {
	testing.TB
	cleanup []func()
	errors  int
}

func (f *failing) Helper()               {}
func (f *failing) Cleanup(c func())      { f.cleanup = append(f.cleanup, c) }
func (f *failing) Errorf(string, ...any) { f.errors++ }

func TestNewClosesServerAndChecksConfig(t *testing.T) {
	f := &failing{}
	srv := clienttest.New(f, clienttest.Config{})
	require.Len(t, f.cleanup, 1)
	f.cleanup[0]()
	assert.Zero(t, f.errors)
	srv.Close()
	res, err := http.Get(srv.URL + "/free") //nolint:noctx // it must fail
	if err == nil {
		_ = res.Body.Close()
	}
	require.Error(t, err)
}
