package channel

// Found says what became of a channel that a search came across.
type Found string

// What can become of it.
const (
	FoundNothing    Found = ""           // no channel: this is how far the search is
	FoundAdded      Found = "added"      // it was not on record and holds money: now it is, unbound
	FoundKnown      Found = "known"      // it is on record
	FoundForeign    Found = "foreign"    // it holds money and its vouchers are another key's: on record, never paid from
	FoundClosed     Found = "closed"     // it holds nothing any more, and was not on record
	FoundUnreadable Found = "unreadable" // its record cannot be read; Err says why, and the record is left as it is
)

// Finding is one channel of the payer's in the chain's logs, or how far the search is.
type Finding struct {
	Found Found
	// Channel is the channel as it stands now; only its identity if it is closed or unreadable, and zero
	// if Found is [FoundNothing].
	Channel Info
	// Err is set with [FoundUnreadable].
	Err error
	// Next is the block that the search goes on from, Newest where it ends. Strange is how many logs of
	// these blocks were skipped because they are of no channel. They are set with FoundNothing.
	Next, Newest uint64
	Strange      int
}
