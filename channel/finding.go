package channel

// Found tells what a search found.
type Found string

// What a search can find.
const (
	// FoundNothing: no channel; the finding tells how far the search is.
	FoundNothing Found = ""
	// FoundAdded: a channel that holds money and was not stored. It is stored now, without an
	// origin.
	FoundAdded Found = "added"
	// FoundKnown: a channel that was stored before.
	FoundKnown Found = "known"
	// FoundForeign: a channel that holds money and has another voucher key. It is stored, and never
	// paid from.
	FoundForeign Found = "foreign"
	// FoundClosed: a channel that holds nothing any more and was not stored.
	FoundClosed Found = "closed"
	// FoundNotSeen: a channel that was opened, and that the chain does not show, without proof that it
	// was closed. It is stored, and read again by every sweep; Err tells why if it could not be read. The
	// next search begins before it.
	FoundNotSeen Found = "not seen"
	// FoundUnreadable: a channel whose record cannot be read; Err tells why.
	FoundUnreadable Found = "unreadable"
)

// Finding is one channel of the payer in the logs of the chain, or tells how far the search is.
type Finding struct {
	Found Found
	// Channel is the channel now. It has only its identity if the channel is closed or unreadable,
	// and is zero with [FoundNothing].
	Channel Info
	// Err is set with [FoundUnreadable], and may be with [FoundNotSeen].
	Err error
	// Next is the block where the search continues, Newest the last block. Strange is how many logs
	// of these blocks were skipped because they do not describe a channel. They are set with
	// [FoundNothing].
	Next, Newest uint64
	Strange      int
}
