package rule

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
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
	Opening     *Funding       `json:"opening,omitempty"`
	ToppingUp   *Funding       `json:"toppingUp,omitempty"`
	Confirmed   bool           `json:"confirmed"`
	CloseAmount voucher.Amount `json:"closeAmount"`
	CloseSent   bool           `json:"closeSent,omitempty"`
	CloseTx     common.Hash    `json:"closeTx,omitzero"`
	Gone        bool           `json:"gone,omitempty"`

	Accepted  voucher.Amount `json:"accepted"`
	Spent     voucher.Amount `json:"spent"`
	Units     uint64         `json:"units,omitempty"`
	Untrusted bool           `json:"untrusted,omitempty"`
	Unequal   int64          `json:"unequal,omitempty"`

	Settled          voucher.Amount `json:"settled"`
	CloseRequestedAt uint64         `json:"closeRequestedAt,omitempty"`
	Closed           bool           `json:"closed,omitempty"`
	Unseen           uint64         `json:"unseen,omitempty"`
	ReadAt           uint64         `json:"readAt,omitempty"`

	Fees *fees `json:"fees,omitempty"`
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
		Unequal: s.Unequal,
		Settled: s.Settled, CloseRequestedAt: s.CloseRequestedAt, Closed: s.Closed,
		Unseen: s.Unseen, ReadAt: s.ReadAt,
	}
	if f := &s.fees; len(f.Due) > 0 || len(f.Charged) > 0 {
		r.Fees = f
	}
	if len(s.Opening.Raw) > 0 {
		r.Opening = &s.Opening
	}
	if len(s.ToppingUp.Raw) > 0 {
		r.ToppingUp = &s.ToppingUp
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
		Deposit: r.Deposit, Opening: value(r.Opening), ToppingUp: value(r.ToppingUp),
		Confirmed:   r.Confirmed,
		CloseAmount: r.CloseAmount, CloseSent: r.CloseSent, CloseTx: r.CloseTx, Gone: r.Gone,
		Accepted: r.Accepted, Spent: r.Spent, Units: r.Units, Untrusted: r.Untrusted,
		Unequal: r.Unequal,
		Settled: r.Settled, CloseRequestedAt: r.CloseRequestedAt, Closed: r.Closed,
		Unseen: r.Unseen, ReadAt: r.ReadAt, fees: value(r.Fees),
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

// Prefixes of the keys of channels in a store. See [Places] for how records move.
const (
	// ChannelKeys is for the channels that may hold money, and for those that have ended and were not
	// moved yet.
	ChannelKeys = "channel/"
	// ArchiveKeys is for the channels that have ended.
	ArchiveKeys = "closed/"
	// Again is the end of the keys of those that had ended and were shown again.
	Again = ".again"
)

// Listing are the prefixes of all channels in the order in which they must be listed, so that none is
// missed that moves meanwhile: of the second time only the keys that end with Again are new. Such a
// record may be listed twice.
var Listing = [3]string{ChannelKeys, ArchiveKeys, ChannelKeys}

// Places returns the keys that the record of a channel can be under, in the order in which it moves
// on: among those that may hold money, in the archive, and among the first again if the chain shows
// a channel that had ended. From there it does not move. A record never moves back, so a reader that
// tries the keys in this order finds it also if it moves meanwhile.
func Places(id common.Hash) [3]string {
	name := id.Hex()
	return [3]string{ChannelKeys + name, ArchiveKeys + name, ChannelKeys + name + Again}
}

// StateKey returns the key of a channel's record in a store, until the channel has ended. See
// [Places].
func StateKey(id common.Hash) string { return ChannelKeys + id.Hex() }

// Counts are changes of Claimed, Asked and what is known to be unsigned. Every amount only grows:
// what is taken back is counted beside what was added. The zero Counts change nothing.
type Counts struct {
	// Claimed was added to State.Claimed, Released was taken from it.
	Claimed, Released voucher.Amount
	// Freed was taken from State.Claimed because a report showed that it was not charged.
	Freed voucher.Amount
	// Asked was added to State.Asked, Withdrawn was taken from it.
	Asked, Withdrawn voucher.Amount
	// Unsigned was added to the part of the ceiling that is known to be unsigned
	// ([State.MayExist]), Used was taken from it.
	Unsigned, Used voucher.Amount
}

// Changed returns c followed by what led from before to after.
func (c Counts) Changed(before, after *State) Counts {
	c.Claimed = c.Claimed.AddCapped(after.Claimed.SubFloor(before.Claimed))
	c.Released = c.Released.AddCapped(before.Claimed.SubFloor(after.Claimed))
	c.Asked = c.Asked.AddCapped(after.asked.SubFloor(before.asked))
	c.Withdrawn = c.Withdrawn.AddCapped(before.asked.SubFloor(after.asked))
	c.Unsigned = c.Unsigned.AddCapped(after.unsigned.SubFloor(before.unsigned))
	c.Used = c.Used.AddCapped(before.unsigned.SubFloor(after.unsigned))
	return c
}

// Plus returns c followed by d.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		Claimed: c.Claimed.AddCapped(d.Claimed), Released: c.Released.AddCapped(d.Released),
		Freed: c.Freed.AddCapped(d.Freed),
		Asked: c.Asked.AddCapped(d.Asked), Withdrawn: c.Withdrawn.AddCapped(d.Withdrawn),
		Unsigned: c.Unsigned.AddCapped(d.Unsigned), Used: c.Used.AddCapped(d.Used),
	}
}

// Minus returns what followed d in c.
func (c Counts) Minus(d Counts) Counts {
	return Counts{
		Claimed: c.Claimed.SubFloor(d.Claimed), Released: c.Released.SubFloor(d.Released),
		Freed: c.Freed.SubFloor(d.Freed),
		Asked: c.Asked.SubFloor(d.Asked), Withdrawn: c.Withdrawn.SubFloor(d.Withdrawn),
		Unsigned: c.Unsigned.SubFloor(d.Unsigned), Used: c.Used.SubFloor(d.Used),
	}
}

// Inverse returns the counts that take c back.
func (c Counts) Inverse() Counts {
	return Counts{
		Claimed: c.Released.AddCapped(c.Freed), Released: c.Claimed, Asked: c.Withdrawn,
		Withdrawn: c.Asked,
		Unsigned:  c.Used, Used: c.Unsigned,
	}
}

// Additions are what one session did to a channel since the record was last read or written.
type Additions struct {
	Counts
	// Signed is the highest amount that this session knows a voucher of, and Voucher its signature,
	// or nil.
	Signed  voucher.Amount
	Voucher []byte
	// Accepted, Spent and Units are the highest that the payee reported. Untrusted is set after a
	// report that contradicts itself or our own numbers, and Unequal when the payee refused a voucher for
	// being equal to the highest one.
	Accepted, Spent voucher.Amount
	Units           uint64
	Untrusted       bool
	Unequal         int64
}

// Learned returns a with the vouchers and reports of s that are newer.
func (a Additions) Learned(s State) Additions {
	if a.Signed.Less(s.Signed) || a.Signed == s.Signed && len(a.Voucher) == 0 {
		a.Signed, a.Voucher = s.Signed, s.Voucher
	}
	a.Accepted, a.Spent, a.Units = a.Accepted.Max(s.Accepted), a.Spent.Max(s.Spent), max(
		a.Units, s.Units,
	)
	a.Untrusted, a.Unequal = a.Untrusted || s.Untrusted, max(a.Unequal, s.Unequal)
	return a
}

// Fold returns the record s with what a session added. Nothing that either of them signed is
// lowered: a record that was restored from an older copy is raised to our own signature.
func (s State) Fold(a Additions) State {
	s.Claimed = s.Claimed.AddCapped(a.Claimed).SubFloor(a.Released).SubFloor(a.Freed)
	s.asked = s.asked.AddCapped(a.Asked).SubFloor(a.Withdrawn)
	if s.authorized.Less(a.Signed) {
		s = s.signedBefore(a.Signed)
	}
	if s.Signed.Less(a.Signed) || s.Signed == a.Signed && len(s.Voucher) == 0 {
		s.Signed, s.Voucher = a.Signed, a.Voucher
	}
	s.unsigned = s.unsigned.AddCapped(a.Unsigned).SubFloor(
		a.Used,
	).Min(s.authorized.SubFloor(s.Signed))
	s.Accepted, s.Spent, s.Units = s.Accepted.Max(a.Accepted), s.Spent.Max(a.Spent), max(
		s.Units, a.Units,
	)
	s.Untrusted, s.Unequal = s.Untrusted || a.Untrusted, max(s.Unequal, a.Unequal)
	return s
}

// Writer is what one of the sessions that share a channel's record has in flight. Whoever reads the
// record knows what the payee's newest report may have missed.
type Writer struct {
	// Name is the name of the session. It is empty for several sessions together.
	Name string `json:"name"`
	// Pending is the sum of the prices of its requests that the payee may not have charged yet, in
	// base units.
	Pending voucher.Amount `json:"pending"`
	// At is when it wrote that, in Unix seconds. Zero means that the sessions have ended.
	At int64 `json:"at"`
}

// Pending returns what sessions other than the named one have in flight, in base units.
func (s State) Pending(name string) (sum voucher.Amount) {
	for _, w := range s.Writers {
		if w.Name != name {
			sum = sum.AddCapped(w.Pending)
		}
	}
	return sum
}

// InFlight returns the state with what the named session has in flight as of now, in Unix seconds.
// A session that has nothing in flight is not listed.
func (s State) InFlight(name string, pending voucher.Amount, now int64) State {
	writers := make([]Writer, 0, len(s.Writers)+1)
	for _, w := range s.Writers {
		if w.Name == name {
			continue
		}
		writers = append(writers, w)
	}
	if !pending.IsZero() {
		writers = append(writers, Writer{name, pending, now})
	}
	if s.Writers = writers; len(writers) > maxWriters {
		s = s.bounded()
	}
	return s
}

// maxWriters bounds how many sessions a record names.
const maxWriters = 64

// bounded returns a state that names too many sessions with maxWriters entries. The oldest ones are
// merged into an entry without a name, which is as new as the newest of them, so that nothing
// counts for a shorter time. The last entry stays.
func (s State) bounded() State {
	over := len(s.Writers) - maxWriters
	last := s.Writers[len(s.Writers)-1]
	others := slices.Clone(s.Writers[:len(s.Writers)-1])
	slices.SortStableFunc(others, func(a, b Writer) int { return cmp.Compare(a.At, b.At) })
	var rest Writer
	for _, w := range others[:over+1] {
		rest.Pending, rest.At = rest.Pending.AddCapped(w.Pending), max(rest.At, w.At)
	}
	s.Writers = append(append([]Writer{rest}, others[over+1:]...), last)
	return s
}

// Folded merges the entries of ended sessions into one entry without a name, so that the record
// stays small if the payee sends no receipts.
func (s State) Folded(ended func(Writer) bool) State {
	var rest Writer
	for _, w := range s.Writers {
		if ended(w) {
			rest.Pending = rest.Pending.AddCapped(w.Pending)
		}
	}
	if s = s.Ended(ended); !rest.Pending.IsZero() {
		s.Writers = append(s.Writers, rest)
	}
	return s
}

// Ended returns the state without the entries of ended sessions: any report from now on includes
// what they were charged.
func (s State) Ended(ended func(Writer) bool) State {
	if slices.ContainsFunc(s.Writers, ended) {
		s.Writers = slices.DeleteFunc(slices.Clone(s.Writers), ended)
	}
	s.Writers = slices.Clip(s.Writers)
	return s
}

// Reconcile returns the state with what the server reports. It can only lower what will be signed:
// if less was spent than claimed, the difference is free for the next request. inFlight is the sum
// of the prices that the server may not have charged yet.
//
// If the report contradicts itself or our own amounts, the error is a [*channel.ViolationError],
// and the returned state differs only in that the server's Spent is no longer used.
func (s State) Reconcile(w channel.Report, inFlight voucher.Amount) (State, error) {
	violation := func(what string, claimed, bound voucher.Amount) (State, error) {
		s.Untrusted = true
		return s, &channel.ViolationError{
			ChannelID: s.ID, What: what, Claimed: claimed, Bound: bound, Currency: s.Currency(),
		}
	}
	if s.authorized.Less(w.Accepted) {
		return violation("it accepted more than was ever authorized", w.Accepted, s.authorized)
	}
	if w.Accepted.Less(w.Spent) {
		return violation("more was spent than accepted", w.Spent, w.Accepted)
	}
	s.Accepted = s.Accepted.Max(w.Accepted)
	s.Units = max(s.Units, w.Units)
	if w.Spent.Less(s.Spent) {
		return s, nil // an older report, or one that counts a single request
	}
	s.Spent = w.Spent
	if !s.Untrusted {
		s.Claimed = s.Claimed.Min(s.Spent.Max(s.Settled).AddCapped(inFlight))
	}
	return s, nil
}
