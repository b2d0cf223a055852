package clienttest_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// payer builds each header, transaction and signature itself.
type payer struct {
	t      testing.TB
	srv    *clienttest.Server
	signer *voucher.KeySigner
	key    *ecdsa.PrivateKey
	addr   common.Address
	salt   byte
}

func newPayer(t testing.TB, srv *clienttest.Server) *payer {
	key := srv.Payer()
	signer, err := voucher.ParseKey(key.Hex)
	require.NoError(t, err)
	require.Equal(t, key.Address, signer.Address())
	raw, err := crypto.HexToECDSA(strings.TrimPrefix(key.Hex, "0x"))
	require.NoError(t, err)
	return &payer{t: t, srv: srv, signer: signer, key: raw, addr: key.Address}
}

// signDigest signs a digest with the payer's key.
func (p *payer) signDigest(digest common.Hash) []byte {
	sig, err := crypto.Sign(digest[:], p.key)
	require.NoError(p.t, err)
	sig[64] += 27
	return sig
}

// ask is a received challenge: the parameters of a WWW-Authenticate value.
type ask map[string]string

var param = regexp.MustCompile(`([a-z]+)="((?:[^"\\]|\\.)*)"`)

// parseAsk parses a WWW-Authenticate value.
func parseAsk(value string) ask {
	if !strings.HasPrefix(value, "Payment ") {
		return nil
	}
	out := ask{}
	for _, m := range param.FindAllStringSubmatch(value, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// request decodes the request parameter.
func (a ask) request(t testing.TB) map[string]any {
	raw, err := base64.RawURLEncoding.DecodeString(a["request"])
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

func (a ask) details(t testing.TB) map[string]any {
	return a.request(t)["methodDetails"].(map[string]any)
}

// reply is a response and the payment fields in it.
type reply struct {
	status  int
	header  http.Header
	body    string
	problem string // without the base URL
	detail  string
	receipt map[string]any
	fresh   ask
}

// do sends a request and reads the whole response.
func (p *payer) do(method, path string, body io.Reader, header map[string]string) *reply {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.srv.URL+path, body)
	require.NoError(p.t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	return readReply(p.t, res)
}

func readReply(t testing.TB, res *http.Response) *reply {
	t.Helper()
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	r := &reply{
		status: res.StatusCode,
		header: res.Header,
		body:   string(raw),
		fresh:  parseAsk(res.Header.Get("WWW-Authenticate")),
	}
	if res.Header.Get("Content-Type") == "application/problem+json" && len(raw) > 0 {
		var doc struct{ Type, Detail string }
		require.NoError(t, json.Unmarshal(raw, &doc))
		r.problem, r.detail = strings.TrimPrefix(
			doc.Type,
			"https://paymentauth.org/problems/",
		), doc.Detail
	}
	if value := res.Header.Get("Payment-Receipt"); value != "" {
		raw, err := base64.RawURLEncoding.DecodeString(value)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &r.receipt))
	}
	return r
}

// ask fetches the challenge of a path.
func (p *payer) ask(path string) ask {
	p.t.Helper()
	r := p.do("GET", path, nil, nil)
	require.Equal(p.t, http.StatusPaymentRequired, r.status, r.body)
	require.NotNil(p.t, r.fresh)
	return r.fresh
}

// credential returns the value of the credential header.
func (p *payer) credential(a ask, payload map[string]any, source string) string {
	doc := map[string]any{"challenge": a, "payload": payload}
	if source != "" {
		doc["source"] = source
	}
	raw, err := json.Marshal(doc)
	require.NoError(p.t, err)
	return "Payment " + base64.RawURLEncoding.EncodeToString(raw)
}

func (p *payer) source() string { return "did:pkh:eip155:42431:" + p.addr.Hex() }

// pay sends a request with a credential.
func (p *payer) pay(method, path string, a ask, payload map[string]any) *reply {
	p.t.Helper()
	return p.do(
		method, path, nil, map[string]string{"Authorization": p.credential(a, payload, p.source())},
	)
}

// sign signs a voucher for the amount.
func (p *payer) sign(proto voucher.Protocol, id common.Hash, amount uint64) []byte {
	d := voucher.NewDomain(proto, p.srv.ChainID, p.srv.Escrow(proto))
	sig, err := p.signer.SignVoucher(
		context.Background(), d, voucher.Voucher{ChannelID: id, Cumulative: voucher.Units(amount)},
	)
	require.NoError(p.t, err)
	return sig
}

// with returns a changed copy of a payload. A nil value deletes.
func with(payload map[string]any, key string, value any) map[string]any {
	out := maps.Clone(payload)
	if out[key] = value; value == nil {
		delete(out, key)
	}
	return out
}

// compact returns the EIP-2098 form of a signature.
func compact(sig string) string {
	raw := common.FromHex(sig)
	if raw[64] == 28 {
		raw[32] |= 0x80
	}
	return hexutil.Encode(raw[:64])
}

// lowV returns the signature with v as 0 or 1.
func lowV(sig string) string {
	raw := common.FromHex(sig)
	raw[64] -= 27
	return hexutil.Encode(raw)
}

// lowerHex returns the payload with all hexadecimal strings in lower case.
func lowerHex(payload map[string]any) map[string]any {
	out := maps.Clone(payload)
	for k, v := range out {
		switch v := v.(type) {
		case string:
			if strings.HasPrefix(v, "0x") {
				out[k] = strings.ToLower(v)
			}
		case map[string]any:
			out[k] = lowerHex(v)
		}
	}
	return out
}

func mustHex(b []byte) string { return "0x" + hex.EncodeToString(b) }
