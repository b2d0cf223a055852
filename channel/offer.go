package channel

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Offer is a session challenge as our side understands it: what is sold, for how much, and who wants
// the money where. It is the server's word; nothing of it is agreed yet.
type Offer struct {
	// ChallengeID and Realm identify the challenge. Expires is zero where it does not expire.
	ChallengeID, Realm string
	Expires            time.Time
	// BindsBody says that the challenge holds for one request body only.
	BindsBody bool

	Protocol voucher.Protocol
	// ChainID is zero where a v1 challenge names none.
	ChainID uint64
	// Escrow is the zero address where the challenge names none.
	Escrow   common.Address
	Payee    common.Address
	Operator common.Address
	Token    common.Address
	// FeePayer says that the server pays the fees of opens and top-ups. FeeToken is what it asks fees to be paid
	// in otherwise; zero means Token.
	FeePayer bool
	FeeToken common.Address

	// Price is what one unit costs, in base units of Token; UnitType says what a unit is.
	Price    voucher.Amount
	UnitType string
	// Suggested is the deposit that the server suggests, MinDelta the growth between vouchers that it insists
	// on; zero where it names none.
	Suggested, MinDelta voucher.Amount

	// ChannelID is a channel that the server says can be used again; zero where it names none.
	ChannelID common.Hash
	// Hints are the server's flat numbers for ChannelID. They prove nothing. Nil where it gives none.
	Hints *Report
	// Snapshot is what the server says of a channel that can be used again; nil where it gives none.
	Snapshot *Snapshot
}

// Snapshot is what a server says of a channel that can be used again.
type Snapshot struct {
	ChannelID  common.Hash
	ChainID    uint64
	Escrow     common.Address
	Descriptor Descriptor
	Report     Report
	// Required, Deposit and Settled are the server's numbers. They are shown, never signed.
	Required, Deposit, Settled voucher.Amount
	CloseRequestedAt           uint64
	// Voucher is the highest voucher that the server holds; nil where it shows none. Only its signature
	// proves anything.
	Voucher *voucher.Signed
}

// Report is what a server says of a channel's account, in a receipt or a snapshot.
type Report struct {
	// Accepted is the highest voucher it accepted, Spent what it charged, in base units.
	Accepted, Spent voucher.Amount
	// Units is how many units it charged. It is informational.
	Units uint64
}
