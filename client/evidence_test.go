package client_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/evidence"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// evident keeps evidence.
func evident(c *client.Config) { c.Evidence = true }

// evidence returns the file of an operation, written and read again, and what it shows.
func (d *diary) evidence(t *testing.T, operation string) (evidence.File, []evidence.Finding) {
	t.Helper()
	f, err := evidence.Of(d.lines(), operation)
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, f.Write(&text))
	for _, secret := range []string{"Payment ", "Authorization"} {
		assert.NotContains(t, text.String(), secret)
	}
	got, err := evidence.Parse(&text)
	require.NoError(t, err)
	assert.Equal(t, f, got)
	found, err := got.Verify()
	require.NoError(t, err)
	require.Len(t, found, len(f.Payments))
	return f, found
}

// TestEvidence of requests and streams can be checked by others, and is what left and what came.
func TestEvidence(t *testing.T) {
	for _, rail := range rails {
		var d diary
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, d.kept, evident)
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		p.ok(resp, err)
		f, found := d.evidence(t, client.PaymentOf(resp).Operation)
		require.Len(t, f.Payments, 1)
		one := f.Payments[0]
		assert.Equal(t, u(100), one.Price)
		assert.Equal(t, u(100), one.Cumulative)
		assert.Equal(t, p.only().ID, one.ChannelID)
		assert.Equal(t, string(client.PaymentOf(resp).Receipt().Raw), one.Receipt)
		assert.Equal(t, p.key.Address, found[0].Signer)
		assert.Equal(t, u(100), found[0].Offer.Price)
		assert.True(t, found[0].Acknowledged)
		assert.NoError(t, one.CheckBody(http.NoBody), "it had no body")

		resp, err = p.do(http.MethodPost, rail+"/data", strings.NewReader("hello"))
		p.ok(resp, err)
		f, _ = d.evidence(t, client.PaymentOf(resp).Operation)
		assert.Equal(t, u(200), f.Payments[0].Cumulative)
		assert.NoError(t, f.Payments[0].CheckBody(strings.NewReader("hello")))
		assert.ErrorIs(t, f.Payments[0].CheckBody(strings.NewReader("hellO")), evidence.ErrFalse)
		assert.ErrorIs(t, evidence.Payment{}.CheckBody(http.NoBody), evidence.ErrFalse)

		resp, err = p.do(http.MethodGet, rail+"/stream/20/10", nil)
		p.ok(resp, err)
		f, found = d.evidence(t, client.PaymentOf(resp).Operation)
		assert.Equal(t, journal.KindStream, f.Payments[0].Kind)
		assert.Equal(t, u(200), f.Payments[0].Price)
		assert.Equal(t, p.only().Signed, f.Payments[0].Cumulative)
		assert.True(t, found[0].Acknowledged)
		_, err = evidence.Of(d.lines(), "another")
		require.ErrorIs(t, err, evidence.ErrNone)
	}
}

// TestNoEvidenceOfWhatDidNotLeave: a voucher that the payee does not have is in no line, nor is any if nobody asks for it.
func TestNoEvidenceOfWhatDidNotLeave(t *testing.T) {
	var d, quiet diary
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, d.kept, evident)
	p.get("/data")
	l := p.lied()
	l.answer = func(_ int, s sent) (*http.Response, error) { // refused, and the price is above the limits then
		if s.Paid == nil {
			return nil, nil
		}
		return p.unpaid("/data?price=5000"), nil
	}
	resp, err := p.do(http.MethodGet, "/data", nil)
	if err == nil {
		resp.Body.Close()
	}
	last := d.of(journal.KindPay)[1]
	f, found := d.evidence(t, last.Operation)
	assert.Equal(t, u(100), f.Payments[0].Price, "what was presented, and not what was refused")
	assert.Nil(t, found[0].Receipt)
	assert.False(t, found[0].Acknowledged)

	gone := newPayer(t, srv, quiet.kept, evident)
	unreachable := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }}
	reachable := gone.base
	gone.base = tripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") != "" {
			return unreachable.RoundTrip(r)
		}
		return reachable.RoundTrip(r)
	})
	_, err = gone.do(http.MethodGet, "/data", nil)
	require.Error(t, err)
	require.Len(t, quiet.of(journal.KindPay), 1)
	assert.Equal(t, string(client.OutcomeNotSent), quiet.of(journal.KindPay)[0].Outcome)
	assert.Equal(t, u(100), quiet.of(journal.KindPay)[0].Cumulative, "it exists")
	assert.Empty(t, quiet.of(journal.KindPay)[0].Evidence)
	var plain diary
	silent := newPayer(t, srv, plain.kept)
	silent.get("/data")
	for _, e := range plain.of("") {
		assert.Empty(t, e.Evidence)
	}
}

// TestEvidenceThatWasChanged: whatever is changed in a file is noticed, except for what nobody signed and nothing binds.
func TestEvidenceThatWasChanged(t *testing.T) {
	free := map[string]bool{ // what the package's comment calls the payer's word, or the payee's by its HMAC alone
		"origin": true, "receipt": true, "outcome": true, "status": true, "start": true, "end": true, "bodySha256": true,
		"challenge.realm": true, "challenge.opaque": true, "challenge.expires": true, "challenge.description": true,
	}
	for _, rail := range rails {
		var d diary
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept, evident)
		resp, err := p.do(http.MethodPost, rail+"/data", strings.NewReader("x"))
		p.ok(resp, err)
		f, _ := d.evidence(t, client.PaymentOf(resp).Operation)
		var text bytes.Buffer
		require.NoError(t, f.Write(&text))
		tried := 0
		for name, changed := range changes(t, text.Bytes()) {
			tried++
			got, err := evidence.Parse(bytes.NewReader(changed))
			if err == nil {
				_, err = got.Verify()
			}
			if free[name] {
				assert.NoError(t, err, name)
				continue
			}
			assert.True(t, errors.Is(err, evidence.ErrFalse) || errors.Is(err, evidence.ErrFile), "%s: %v", name, err)
		}
		assert.Greater(t, tried, 20)
	}
}

// changes yields the file with one value of its payment changed at a time.
func changes(t *testing.T, text []byte) iter.Seq2[string, []byte] {
	t.Helper()
	return func(yield func(string, []byte) bool) {
		var root map[string]any
		require.NoError(t, json.Unmarshal(text, &root))
		payment := root["payments"].([]any)[0].(map[string]any)
		var each func(prefix string, m map[string]any) bool
		each = func(prefix string, m map[string]any) bool {
			for name, value := range m {
				switch v := value.(type) {
				case map[string]any:
					if !each(name+".", v) {
						return false
					}
					continue
				case float64:
					m[name] = v + 1
				case string:
					m[name] = other(v)
				}
				changed, err := json.Marshal(root)
				require.NoError(t, err)
				m[name] = value
				if !yield(prefix+name, changed) {
					return false
				}
			}
			return true
		}
		each("", payment)
	}
}

// other returns another text of the same form.
func other(text string) string {
	if raw, err := base64.RawURLEncoding.DecodeString(text); err == nil && bytes.Contains(raw, []byte(`"amount":"100"`)) {
		return base64.RawURLEncoding.EncodeToString(bytes.Replace(raw, []byte(`"amount":"100"`), []byte(`"amount":"101"`), 1))
	}
	for i := len(text) - 1; i >= 0; i-- {
		switch c := text[i]; {
		case c == '5':
			return text[:i] + "6" + text[i+1:]
		case c >= '0' && c <= '9':
			return text[:i] + "5" + text[i+1:]
		}
	}
	return text + "5"
}

// TestEvidenceOfABody: a challenge that binds a body is for that body.
func TestEvidenceOfABody(t *testing.T) {
	var d diary
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept, evident)
	resp, err := p.do(http.MethodPost, "/data", strings.NewReader("hello"))
	p.ok(resp, err)
	f, found := d.evidence(t, client.PaymentOf(resp).Operation)
	assert.False(t, found[0].BindsBody)
	sum := base64.StdEncoding.EncodeToString(f.Payments[0].Body)
	for named, want := range map[string]bool{"sha-256=:" + sum + ":": true, "sha-256=" + sum: true, "sha-256=:" + sum[1:] + "A:": false} {
		f.Payments[0].Challenge.Digest = named
		found, err = f.Verify()
		if want {
			require.NoError(t, err)
			assert.True(t, found[0].BindsBody)
		} else {
			require.ErrorIs(t, err, evidence.ErrFalse)
		}
	}
}

// TestEvidenceOfReceipts: a receipt is for the challenge and the channel, and acknowledges what it says was accepted.
func TestEvidenceOfReceipts(t *testing.T) {
	var d diary
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept, evident)
	resp, err := p.do(http.MethodGet, "/data", nil)
	p.ok(resp, err)
	f, _ := d.evidence(t, client.PaymentOf(resp).Operation)
	one := &f.Payments[0]
	whole := one.Receipt
	for from, to := range map[string]string{one.Challenge.ID: "another", one.ChannelID.Hex(): common.Hash{1}.Hex(), `"success"`: `"maybe"`} {
		one.Receipt = strings.ReplaceAll(whole, from, to)
		require.NotEqual(t, whole, one.Receipt)
		_, err := f.Verify()
		require.ErrorIs(t, err, evidence.ErrFalse, to)
	}
	for from, to := range map[string]string{`"acceptedCumulative":"100"`: `"acceptedCumulative":"99"`, `"spent":"100"`: `"spent":"101"`} {
		one.Receipt = strings.ReplaceAll(whole, from, to)
		require.NotEqual(t, whole, one.Receipt)
		found, err := f.Verify()
		require.NoError(t, err)
		assert.False(t, found[0].Acknowledged, to)
	}
}

// TestEvidenceOfAnotherChallenge: a challenge that names another payee, token, chain or escrow is none for the channel.
func TestEvidenceOfAnotherChallenge(t *testing.T) {
	for _, rail := range rails {
		var d diary
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept, evident)
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		p.ok(resp, err)
		f, _ := d.evidence(t, client.PaymentOf(resp).Operation)
		one := &f.Payments[0]
		whole, err := base64.RawURLEncoding.DecodeString(one.Challenge.Request)
		require.NoError(t, err)
		for name, text := range map[string]string{
			"payee": one.Descriptor.Payee.Hex(), "token": one.Descriptor.Token.Hex(), "escrow": one.Escrow.Hex(), "chain": strconv.FormatUint(one.ChainID, 10),
		} {
			last := map[bool]string{true: "1", false: "2"}[text[len(text)-1] != '1']
			changed := regexp.MustCompile("(?i)"+text).ReplaceAllString(string(whole), text[:len(text)-1]+last)
			require.NotEqual(t, string(whole), changed, name)
			one.Challenge.Request = base64.RawURLEncoding.EncodeToString([]byte(changed))
			_, err := f.Verify()
			require.ErrorIs(t, err, evidence.ErrFalse, name)
			assert.Contains(t, err.Error(), name, "for that reason")
		}
	}
}

// TestFilesThatAreNoEvidence are refused with a reason.
func TestFilesThatAreNoEvidence(t *testing.T) {
	for _, text := range []string{
		"", "{}", "[]", `{"version":2}`, `{"version":1,"operation":"x","payments":[]}`, `{"version":1,"operation":"x","payments":[{}],"more":1}`,
		`{"version":1,"operation":"x","payments":[{}]} x`, strings.Repeat(" ", 5<<20),
	} {
		_, err := evidence.Parse(strings.NewReader(text))
		require.ErrorIs(t, err, evidence.ErrFile, "%.40q", text)
	}
	f, err := evidence.Parse(strings.NewReader(`{"version":1,"operation":"x","payments":[{}]}`))
	require.NoError(t, err)
	_, err = f.Verify()
	require.ErrorIs(t, err, evidence.ErrFalse)
	broken := func(yield func(journal.Entry, error) bool) {
		_ = yield(journal.Entry{}, journal.ErrFragment) && yield(journal.Entry{Operation: "x", Evidence: "{"}, nil)
	}
	_, err = evidence.Of(broken, "x")
	require.ErrorIs(t, err, journal.ErrFragment)
	require.ErrorIs(t, err, evidence.ErrFile)
}
