package rule

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// recordVersion is written into every record. Records of a newer version are refused.
const recordVersion = 1

// record is a stored State: JSON, with amounts as decimal strings.
type record struct {
	Version    int              `json:"version"`
	ID         common.Hash      `json:"channelId"`
	Protocol   voucher.Protocol `json:"protocol"`
	ChainID    uint64           `json:"chainId"`
	Escrow     common.Address   `json:"escrow"`
	Descriptor descriptorRecord `json:"descriptor"`
	Scope      channel.Scope    `json:"scope"`
	URL        string           `json:"url,omitempty"`
	CreatedAt  time.Time        `json:"createdAt"`
	Writer     string           `json:"writer,omitempty"`

	Authorized voucher.Amount `json:"authorized"`
	Unsigned   voucher.Amount `json:"unsigned,omitzero"`
	History    History        `json:"history,omitzero"`
	Asked      voucher.Amount `json:"asked"`
	Signed     voucher.Amount `json:"signed"`
	Voucher    hexutil.Bytes  `json:"voucher,omitempty"`
	Claimed    voucher.Amount `json:"claimed"`
	Writers    []Writer       `json:"writers,omitempty"`

	Origins      map[string]History `json:"origins,omitempty"`
	OtherOrigins History            `json:"otherOrigins,omitzero"`

	Deposit     voucher.Amount `json:"deposit"`
	Opening     *fundingRecord `json:"opening,omitempty"`
	ToppingUp   *fundingRecord `json:"toppingUp,omitempty"`
	Confirmed   bool           `json:"confirmed"`
	CloseAmount voucher.Amount `json:"closeAmount"`
	CloseSent   bool           `json:"closeSent,omitempty"`
	CloseTx     common.Hash    `json:"closeTx,omitzero"`
	Gone        bool           `json:"gone,omitempty"`

	Accepted  voucher.Amount `json:"accepted"`
	Spent     voucher.Amount `json:"spent"`
	Units     uint64         `json:"units,omitempty"`
	Untrusted bool           `json:"untrusted,omitempty"`

	Settled          voucher.Amount `json:"settled"`
	CloseRequestedAt uint64         `json:"closeRequestedAt,omitempty"`
	Closed           bool           `json:"closed,omitempty"`
}

type descriptorRecord struct {
	Payer             common.Address `json:"payer"`
	Payee             common.Address `json:"payee"`
	Operator          common.Address `json:"operator"`
	Token             common.Address `json:"token"`
	Salt              common.Hash    `json:"salt"`
	AuthorizedSigner  common.Address `json:"authorizedSigner"`
	ExpiringNonceHash common.Hash    `json:"expiringNonceHash"`
}

type fundingRecord struct {
	Amount      voucher.Amount `json:"amount"`
	Raw         hexutil.Bytes  `json:"transaction"`
	Hash        common.Hash    `json:"hash"`
	ValidBefore uint64         `json:"validBefore"`
	Before      voucher.Amount `json:"before"`
}

func (r *fundingRecord) funding() Funding {
	if r == nil {
		return Funding{}
	}
	return Funding{r.Amount, r.Raw, r.Hash, r.ValidBefore, r.Before}
}

// Encode returns the record of the state.
func (s State) Encode() ([]byte, error) {
	r := record{
		Version: recordVersion, ID: s.ID, Protocol: s.Protocol, ChainID: s.ChainID,
		Escrow:     s.Escrow,
		Descriptor: descriptorRecord(s.Descriptor), Scope: s.Scope, URL: s.URL,
		CreatedAt: s.CreatedAt, Writer: s.Writer,
		Authorized: s.authorized, Unsigned: s.unsigned, History: s.history, Asked: s.asked,
		Signed: s.Signed, Voucher: s.Voucher, Claimed: s.Claimed, Writers: s.Writers,
		Origins: s.foreign.origins, OtherOrigins: s.foreign.others,
		Deposit: s.Deposit, Confirmed: s.Confirmed,
		CloseAmount: s.CloseAmount, CloseSent: s.CloseSent, CloseTx: s.CloseTx, Gone: s.Gone,
		Accepted: s.Accepted, Spent: s.Spent, Units: s.Units, Untrusted: s.Untrusted,
		Settled: s.Settled, CloseRequestedAt: s.CloseRequestedAt, Closed: s.Closed,
	}
	if f := &s.Opening; len(f.Raw) > 0 {
		r.Opening = &fundingRecord{f.Amount, f.Raw, f.Hash, f.ValidBefore, f.Before}
	}
	if f := &s.ToppingUp; len(f.Raw) > 0 {
		r.ToppingUp = &fundingRecord{f.Amount, f.Raw, f.Hash, f.ValidBefore, f.Before}
	}
	return json.Marshal(r)
}

// Decode reads a stored record. The error is [channel.ErrRecord] for a record of a newer version,
// one with a field that this version does not know, one that does not hash to its own id, and one
// that signed more than it authorized: to write it again would lose what it contains.
func Decode(data []byte) (State, error) {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return State{}, fmt.Errorf("%w: %w", channel.ErrRecord, err)
	}
	if v.Version != recordVersion {
		return State{}, fmt.Errorf(
			"%w: version %d, this program reads version %d: use the program that wrote it",
			channel.ErrRecord, v.Version, recordVersion,
		)
	}
	var r record
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&r); err != nil {
		return State{}, fmt.Errorf("%w: %w", channel.ErrRecord, err)
	}
	s := State{
		ID: r.ID, Protocol: r.Protocol, ChainID: r.ChainID, Escrow: r.Escrow,
		Descriptor: channel.Descriptor(r.Descriptor), Scope: r.Scope, URL: r.URL,
		CreatedAt: r.CreatedAt, Writer: r.Writer,
		authorized: r.Authorized, unsigned: r.Unsigned, history: r.History, asked: r.Asked,
		Signed: r.Signed, Voucher: r.Voucher, Claimed: r.Claimed, Writers: r.Writers,
		foreign: foreign{r.Origins, r.OtherOrigins},
		Deposit: r.Deposit, Opening: r.Opening.funding(), ToppingUp: r.ToppingUp.funding(),
		Confirmed:   r.Confirmed,
		CloseAmount: r.CloseAmount, CloseSent: r.CloseSent, CloseTx: r.CloseTx, Gone: r.Gone,
		Accepted: r.Accepted, Spent: r.Spent, Units: r.Units, Untrusted: r.Untrusted,
		Settled: r.Settled, CloseRequestedAt: r.CloseRequestedAt, Closed: r.Closed,
	}
	s.Scope.Origin = origin.Canonical(s.Scope.Origin)
	if s.authorized.SubFloor(s.unsigned).Less(s.Signed) {
		return State{}, fmt.Errorf(
			"%w: channel %s signed %s above its authorized %s, of which %s are unsigned",
			channel.ErrRecord, s.ID, s.Signed, s.authorized, s.unsigned,
		)
	}
	if err := s.checkID(); err != nil {
		return State{}, fmt.Errorf("%w: %w", channel.ErrRecord, err)
	}
	return s, nil
}

// ScopeKey returns the key of a scope's record in a store.
func ScopeKey(s channel.Scope) string {
	text := strings.Join([]string{
		s.Origin, s.Protocol.String(), strconv.FormatUint(s.ChainID, 10), s.Escrow.Hex(),
		s.Payee.Hex(),
		s.Operator.Hex(), s.Token.Hex(), s.Payer.Hex(), s.Signer.Hex(),
	}, "\n")
	return "scope/" + hex.EncodeToString(crypto.Keccak256([]byte(text)))
}

// StateKey returns the key of a channel's record in a store.
func StateKey(id common.Hash) string { return "channel/" + id.Hex() }
