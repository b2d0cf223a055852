package model_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var (
	statuses = []int{200, 204, 302, 400, 404, 410, 429, 500, 503}
	problems = []string{
		"", "no-such-type", "payment-required", "malformed-credential", "verification-failed",
		"invalid-challenge", "payment-expired", "payment-insufficient",
		"session/insufficient-balance", "session/amount-exceeds-deposit", "session/delta-too-small",
		"session/invalid-signature", "session/channel-not-found", "session/channel-finalized",
	}
	amounts = []string{
		"0",
		"1",
		"99",
		"100",
		"101",
		"200",
		"5000",
		"10000",
		"99999999",
		strings.Repeat("9", 25),
	}
)

func (w *world) amount() string { return amounts[w.draw(len(amounts), "amount")] }

// replace may lose a request or answer it in the server's place.
func (w *world) replace(
	choice int,
	req *http.Request,
	paid *wire.Credential,
) (*http.Response, error) {
	switch {
	case choice == 1:
		return nil, errConnection
	case !w.hostile || w.noFaults && choice > 20:
		return nil, nil
	case choice == 2:
		return newResponse(statuses[w.draw(len(statuses), "status")], ""), nil
	case choice == 3:
		<-req.Context().Done() // no response
		return nil, context.Cause(req.Context())
	case choice >= 4 && choice <= 6 && paid != nil:
		original := w.freshChallenge(req)
		w.forgeChallenge(original)
		setProblem(original, problems[w.draw(len(problems), "problem")])
		return original, nil
	}
	return nil, nil
}

// otherProtocol returns the URL of the same content over the other version of the protocol.
func otherProtocol(u *url.URL) *url.URL {
	other := *u
	if path, ok := strings.CutPrefix(u.Path, "/v1"); ok {
		other.Path = path
	} else {
		other.Path = "/v1" + u.Path
	}
	return &other
}

// change may change the server's response.
func (w *world) change(choice int, req *http.Request, paid *wire.Credential, resp *http.Response) {
	if resp.StatusCode == http.StatusPaymentRequired && choice >= 7 && choice <= 15 {
		w.forgeChallenge(resp)
	}
	if paid == nil {
		return
	}
	switch {
	case choice == 7:
		original := w.freshChallenge(req)
		setStatus(resp, http.StatusPaymentRequired)
		resp.Header = original.Header
		setProblem(resp, problems[w.draw(len(problems), "problem")])
	case choice == 8:
		setStatus(resp, statuses[w.draw(len(statuses), "status")])
	case choice >= 9 && choice <= 11 && paid.Payload.Action != "":
		r := receipt.Receipt{
			Method: "tempo", Intent: "session", Status: "success", Timestamp: time.Now(),
			Reference: "x", Session: true,
			ChallengeID: paid.Challenge.ID, ChannelID: paid.Payload.ChannelID,
		}
		r.Accepted, _ = voucher.ParseAmount(w.amount())
		r.Spent, _ = voucher.ParseAmount(w.amount())
		if text, err := r.Header(); err == nil {
			resp.Header.Set("Payment-Receipt", text)
		}
	case choice == 12:
		resp.Header.Del("Payment-Receipt")
	case choice == 16 || choice == 17:
		resp.Header.Set("Location", req.URL.RequestURI())
		setStatus(resp, []int{302, 303, 307, 308}[w.draw(4, "redirect")])
	case choice == 13:
		resp.Header.Set("Location", w.srv.OtherURL+"/data")
		setStatus(resp, http.StatusTemporaryRedirect)
	}
}

// freshChallenge returns a 402 of the server with a challenge that it has not sent before, half of
// the time for the other protocol.
func (w *world) freshChallenge(req *http.Request) *http.Response {
	w.fresh++
	fresh := req.URL
	if w.even(2, "the other protocol") == 1 {
		fresh = otherProtocol(fresh)
	}
	q := fresh.Query()
	q.Set("ttl", fmt.Sprint(300+w.fresh))
	text := fmt.Sprintf("%s://%s%s?%s", fresh.Scheme, fresh.Host, fresh.Path, q.Encode())
	plain, err := http.NewRequestWithContext(req.Context(), http.MethodGet, text, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.srv.Transport().RoundTrip(plain)
	if err != nil { // the server cut the connection
		resp = newResponse(http.StatusPaymentRequired, "")
	}
	setStatus(resp, http.StatusPaymentRequired)
	resp.Request = req
	return resp
}

// forgeChallenge puts other amounts into the session challenge of a response, if it has one.
// restoreChallenge puts the original back into the credential.
func (w *world) forgeChallenge(resp *http.Response) {
	all, _ := wire.ParseChallenges(resp.Header)
	if len(all) != 1 || all[0].Intent != "session" {
		return
	}
	c := all[0]
	raw, err := base64.RawURLEncoding.DecodeString(c.Request)
	request := map[string]any{}
	if err != nil || json.Unmarshal(raw, &request) != nil {
		return
	}
	details, ok := request["methodDetails"].(map[string]any)
	if !ok {
		return
	}
	if w.draw(8, "price too") == 7 {
		request["amount"] = w.amount()
	}
	w.forgeHint(details)
	if raw, err = json.Marshal(request); err != nil {
		w.t.Fatal(err)
	}
	c.Request = base64.RawURLEncoding.EncodeToString(raw)
	text, err := c.Format()
	if err != nil {
		return
	}
	resp.Header["Www-Authenticate"] = []string{text}
	w.forged[c.ID] = all[0]
}

// forgeHint adds forged hints about a channel of the payer, or about one that does not exist.
func (w *world) forgeHint(details map[string]any) {
	id := common.Hash{byte(w.draw(3, "unknown id"))}
	if known := w.knownChannels(); len(known) > 0 && w.draw(4, "whose") > 0 {
		id = known[w.draw(len(known), "which")]
		if s, ok := w.record(id); ok && s.Protocol == voucher.V2 && len(s.Voucher) > 0 &&
			w.draw(2, "snapshot") == 1 {
			d := s.Descriptor
			top := map[string]any{
				"channelId":        id.Hex(),
				"cumulativeAmount": s.Signed.String(),
				"signature":        hexutil.Encode(s.Voucher),
			}
			snapshot := map[string]any{
				"chainId": s.ChainID, "channelId": id.Hex(), "escrow": s.Escrow.Hex(), "units": 2,
				"acceptedCumulative": s.Signed.String(), "spent": s.Claimed.String(),
				"requiredCumulative": s.Claimed.String(),
				"deposit":            s.Deposit.String(), "settled": s.Settled.String(),
				"highestVoucher": top,
				"descriptor": map[string]any{
					"payer": d.Payer.Hex(), "payee": d.Payee.Hex(), "operator": d.Operator.Hex(),
					"token": d.Token.Hex(), "salt": d.Salt.Hex(),
					"authorizedSigner":  d.AuthorizedSigner.Hex(),
					"expiringNonceHash": d.ExpiringNonceHash.Hex(),
				},
			}
			for _, name := range []string{
				"acceptedCumulative", "spent", "requiredCumulative", "deposit", "settled",
			} {
				if w.draw(2, "forged") == 1 {
					snapshot[name] = w.amount()
				}
			}
			if w.draw(2, "forged") == 1 {
				top["cumulativeAmount"] = w.amount()
			}
			details["sessionSnapshot"] = snapshot
			return
		}
	}
	details["channelId"] = id.Hex()
	details["acceptedCumulative"], details["requiredCumulative"] = w.amount(), w.amount()
	details["spent"], details["deposit"] = w.amount(), w.amount()
}

// restoreChallenge puts the challenge that the server sent back into the credential.
func (w *world) restoreChallenge(req *http.Request, paid *wire.Credential) *http.Request {
	if paid == nil {
		return req
	}
	original, ok := w.forged[paid.Challenge.ID]
	if !ok {
		return req
	}
	c := *paid
	c.Challenge = original
	text, err := c.Header()
	if err != nil {
		w.t.Fatal(err)
	}
	out := req.Clone(req.Context())
	for _, name := range []string{"Authorization", "Payment-Authorization"} {
		if out.Header.Get(name) != "" {
			out.Header.Set(name, text)
		}
	}
	return out
}

func newResponse(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{"Location": {"/data"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// setStatus changes the status of a response and drops its body.
func setStatus(resp *http.Response, status int) {
	_ = resp.Body.Close()
	resp.StatusCode, resp.Body, resp.ContentLength = status, http.NoBody, 0
	resp.Header.Del("Content-Length")
}

// setProblem makes a response a problem of the type.
func setProblem(resp *http.Response, problem string) {
	text := `{"type":"` + wire.ProblemBase + problem + `","detail":"no"}`
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	resp.Header.Set("Content-Type", "application/problem+json")
	resp.Header.Del("Payment-Receipt")
}
