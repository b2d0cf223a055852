package clienttest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// lower returns an address in lower case. Other addresses are written with a checksum, because
// clients must compare without regard to case.
func lower(a common.Address) string { return strings.ToLower(a.Hex()) }

// hinted returns the account to report to the request, or nil. The caller holds s.book.mu.
func (s *Server) hinted(t Terms, r *http.Request) *account {
	payer := common.HexToAddress(r.URL.Query().Get("payer"))
	known := common.Address{}
	if v := incomingOf(r); v != nil && v.payer != known {
		payer, known = v.payer, v.payer
	}
	if named := r.Header.Get("Payment-Session"); named != "" {
		id, ok := decodeHash(named)
		a := s.book.byID[id]
		if ok && a != nil && a.p == t.Protocol && !a.finalized &&
			(known == common.Address{} || a.d.Payer == known) {
			return a
		}
		if known == (common.Address{}) {
			return nil
		}
	}
	return s.book.newest(t.Protocol, s.payee(t), payer)
}

// hint adds the hints about a reusable channel to the methodDetails of a challenge.
func (s *Server) hint(details map[string]any, t Terms, r *http.Request, content bool) {
	if t.Hints == NoHints {
		return
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	a := s.hinted(t, r)
	if a == nil {
		return
	}
	required := a.spent
	if content {
		required = required.AddCapped(t.Price)
	}
	switch {
	case t.Hints == FlatHints:
		details["channelId"] = a.id.Hex()
		details["acceptedCumulative"] = a.accepted.String()
		details["requiredCumulative"] = required.String()
		details["spent"], details["deposit"] = a.spent.String(), a.deposit.String()
	case t.Protocol == voucher.V1 && t.Hints != FullHints:
		details["channelId"] = a.id.Hex()
	default:
		details["sessionSnapshot"] = incomingOf(r).snapshot(a, required)
	}
}

// snapshot returns the object for sessionSnapshot and the Payment-Session-Snapshot header. The
// caller holds s.book.mu.
func (v *incoming) snapshot(a *account, required voucher.Amount) message.Document {
	s := v.s
	out := message.Document{
		"acceptedCumulative": a.accepted.String(),
		"chainId":            s.ChainID,
		"channelId":          a.id.Hex(),
		"deposit":            a.deposit.String(),
		"descriptor": map[string]any{
			"payer": lower(a.d.Payer), "payee": a.d.Payee.Hex(), "operator": lower(a.d.Operator),
			"token": lower(a.d.Token),
			"salt":  a.d.Salt.Hex(), "authorizedSigner": a.d.AuthorizedSigner.Hex(),
			"expiringNonceHash": a.d.ExpiringNonceHash.Hex(),
		},
		"escrow": lower(s.Escrow(a.p)),
		"highestVoucher": map[string]any{
			"channelId": a.id.Hex(), "cumulativeAmount": a.accepted.String(),
			"signature": hexutil.Encode(a.signature),
		},
		"requiredCumulative": required.String(),
		"settled":            a.settled.String(),
		"spent":              a.spent.String(),
		"units":              a.units,
	}
	if at := s.Chain.Channel(a.id).CloseRequestedAt; at != 0 {
		out["closeRequestedAt"] = strconv.FormatUint(at, 10)
	}
	s.deceit.keep(&s.deceit.snapshot, out)
	v.lieInSnapshot(a, out)
	return out
}

// snapshotHeader encodes a snapshot like mppx: in standard base64 with padding. The draft specifies
// base64url without padding.
func snapshotHeader(snapshot map[string]any) string {
	raw, _ := json.Marshal(snapshot)
	return base64.StdEncoding.EncodeToString(raw)
}
