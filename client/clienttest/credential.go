package clienttest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// maxCredential bounds the credential header, in bytes.
const maxCredential = 64 << 10

// credential is what came in the credential header, spelled out here on purpose and not shared with
// the client, so that one wrong idea of the wire cannot pass on both sides.
type credential struct {
	challenge challenge
	source    string
	payload   object
}

// object is a JSON object whose keys are taken literally.
type object map[string]json.RawMessage

// readCredential finds the Payment credential among the header's schemes. It returns nil where there
// is none.
func readCredential(h http.Header, name string) (*credential, error) {
	for _, one := range strings.Split(strings.Join(h.Values(name), ","), ",") {
		scheme, token, found := strings.Cut(strings.TrimSpace(one), " ")
		if found && strings.EqualFold(scheme, "Payment") {
			return parseCredential(strings.TrimSpace(token))
		}
	}
	return nil, nil
}

func parseCredential(token string) (*credential, error) {
	if len(token) > maxCredential {
		return nil, errors.New("the credential is too long")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, errors.New("the credential is not base64url without padding")
	}
	var outer, ch object
	if err := json.Unmarshal(raw, &outer); err != nil {
		return nil, errors.New("the credential is not a JSON object")
	}
	if err := json.Unmarshal(outer["challenge"], &ch); err != nil || ch == nil {
		return nil, errors.New("the credential echoes no challenge")
	}
	c := &credential{}
	if c.source, err = outer.text("source"); err != nil {
		return nil, err
	}
	if raw, ok := outer["payload"]; ok {
		if err := json.Unmarshal(raw, &c.payload); err != nil {
			return nil, errors.New("the credential's payload is not an object")
		}
	}
	for name, to := range c.challenge.fields() {
		if *to, err = ch.text(name); err != nil {
			return nil, err
		}
	}
	if c.challenge.ID == "" || c.challenge.Request == "" {
		return nil, errors.New("the credential echoes a challenge without id or request")
	}
	return c, nil
}

// text is the string under the key; a missing one is empty.
func (o object) text(key string) (s string, err error) {
	raw, ok := o[key]
	if !ok {
		return "", nil
	}
	if err := json.Unmarshal(raw, &s); err != nil || string(raw) == "null" {
		return "", fmt.Errorf("%s is not a string", key)
	}
	return s, nil
}

// payload is what a session credential asks for.
type payload struct {
	action           string
	channelID        common.Hash
	transaction      []byte
	signature        []byte
	cumulative       voucher.Amount
	additional       voucher.Amount
	descriptor       *devchain.Descriptor // nil where there is none
	authorizedSigner *common.Address      // nil where there is none
}

// signed is the voucher in the payload.
func (p *payload) signed() voucher.Signed {
	return voucher.Signed{Voucher: voucher.Voucher{ChannelID: p.channelID, Cumulative: p.cumulative}, Signature: p.signature}
}

// action is the payload's action, for the log; a proof has a type instead.
func (o object) action() string {
	action, _ := o.text("action")
	if kind, _ := o.text("type"); action == "" && kind == "proof" {
		return kind
	}
	return action
}

// readPayload reads the fields that the action must have. Unknown ones are ignored.
func (o object) readPayload() (*payload, error) {
	p := &payload{action: o.action()}
	f := fields{o: o}
	p.channelID = f.hash("channelId")
	switch p.action {
	case "open", "topUp":
		if kind := f.text("type"); kind != "transaction" {
			f.fail("type", errors.New(`want "transaction"`))
		}
		p.transaction = f.bytes("transaction")
	case "voucher", "close":
	default:
		return nil, fmt.Errorf("unknown action %q", p.action)
	}
	if p.action == "topUp" {
		p.additional = f.amount("additionalDeposit")
	} else {
		p.cumulative, p.signature = f.amount("cumulativeAmount"), f.bytes("signature")
	}
	if _, ok := o["authorizedSigner"]; ok && p.action == "open" {
		a := f.address("authorizedSigner")
		p.authorizedSigner = &a
	}
	if raw, ok := o["descriptor"]; ok {
		var inner object
		if err := json.Unmarshal(raw, &inner); err != nil {
			return nil, errors.New("descriptor is not an object")
		}
		d := fields{o: inner}
		p.descriptor = &devchain.Descriptor{
			Payer: d.address("payer"), Payee: d.address("payee"), Operator: d.address("operator"), Token: d.address("token"),
			Salt: d.hash("salt"), AuthorizedSigner: d.address("authorizedSigner"), ExpiringNonceHash: d.hash("expiringNonceHash"),
		}
		f.fail("descriptor", d.err)
	}
	return p, f.err
}

// fields reads the values of an object and keeps the first error.
type fields struct {
	o   object
	err error
}

func (f *fields) fail(key string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("%s: %w", key, err)
	}
}

func (f *fields) text(key string) string {
	s, err := f.o.text(key)
	f.fail(key, err)
	return s
}

func (f *fields) bytes(key string) []byte {
	b, err := hexutil.Decode(f.text(key))
	f.fail(key, err)
	return b
}

// sized reads exactly n bytes.
func (f *fields) sized(key string, n int) []byte {
	b := f.bytes(key)
	if len(b) != n {
		f.fail(key, fmt.Errorf("want %d bytes", n))
		return make([]byte, n)
	}
	return b
}

func (f *fields) hash(key string) common.Hash {
	return common.Hash(f.sized(key, common.HashLength))
}

func (f *fields) address(key string) common.Address {
	return common.Address(f.sized(key, common.AddressLength))
}

func (f *fields) amount(key string) voucher.Amount {
	a, err := voucher.ParseAmount(f.text(key))
	f.fail(key, err)
	return a
}
