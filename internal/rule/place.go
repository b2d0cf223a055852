package rule

import "github.com/ethereum/go-ethereum/common"

// Prefixes of the keys of channels in a store. Whoever lists both must list ChannelKeys first: a
// record moves from there to ArchiveKeys.
const (
	// ChannelKeys is for the channels that may hold money, and for those that have ended and were not
	// moved yet.
	ChannelKeys = "channel/"
	// ArchiveKeys is for the channels that have ended.
	ArchiveKeys = "closed/"
)

// Places returns the keys that the record of a channel can be under, in the order in which it moves
// on: among those that may hold money, in the archive, and among the first again if the chain shows
// a channel that had ended. From there it does not move. A record never moves back, so a reader that
// tries the keys in this order finds it also if it moves meanwhile.
func Places(id common.Hash) [3]string {
	name := id.Hex()
	return [3]string{ChannelKeys + name, ArchiveKeys + name, ChannelKeys + name + ".again"}
}

// Finished reports whether nothing about the channel can change any more: it is closed, and no
// transaction that funds it is undecided. Its record belongs into the archive.
func (s State) Finished() bool {
	return s.Closed && !s.Opening.Pending() && !s.ToppingUp.Pending()
}
