package channel

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Offer is a parsed session challenge: what is sold, at which price, and who is paid. Nothing of it
// is agreed yet.
type Offer struct {
	// ChallengeID and Realm identify the challenge. Expires is zero if it does not expire.
	ChallengeID, Realm string
	Expires            time.Time
	// BindsBody reports that the challenge holds for one request body only.
	BindsBody bool

	Protocol voucher.Protocol
	// ChainID is zero if a v1 challenge names none.
	ChainID uint64
	// Escrow is the zero address if the challenge names none.
	Escrow   common.Address
	Payee    common.Address
	Operator common.Address
	Token    common.Address
	// FeePayer reports that the server pays the fees of openings and top-ups. If not, the
	// payer pays them in FeeToken; zero means Token.
	FeePayer bool
	FeeToken common.Address

	// Currency is Token and how its amounts are written, as the owner of the limits knows it. The
	// challenge does not name it: it is empty in an offer that was only parsed.
	Currency Currency
	// Price is what one unit costs, in base units of Token. UnitType names the unit.
	Price    voucher.Amount
	UnitType string
	// Suggested is the deposit that the server suggests. MinDelta is the growth between vouchers
	// that it requires. They are zero if it names none.
	Suggested, MinDelta voucher.Amount

	// ChannelID is a channel that the server says can be used again; zero if it names none.
	ChannelID common.Hash
	// Hints are amounts that the server reports for ChannelID without proof; nil if there are none.
	Hints *Report
	// Snapshot describes a channel that the server says can be used again; nil if there is none.
	Snapshot *Snapshot
}

// Snapshot describes a channel that a server says can be used again.
type Snapshot struct {
	ChannelID  common.Hash
	ChainID    uint64
	Escrow     common.Address
	Descriptor Descriptor
	Report     Report
	// Required, Deposit and Settled are reported by the server. They never raise what is signed.
	Required, Deposit, Settled voucher.Amount
	CloseRequestedAt           uint64
	// Voucher is the highest voucher that the server shows; nil if it shows none. It counts only
	// after its signature was verified.
	Voucher *voucher.Signed
}

// Report contains the amounts that a server reports for a channel, in a receipt or a snapshot.
type Report struct {
	// Accepted is the highest voucher that it accepted, Spent what it charged, in base units.
	Accepted, Spent voucher.Amount
	// Units is how many units it charged. Nothing depends on it.
	Units uint64
}
