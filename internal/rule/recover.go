package rule

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Recover raises our own amounts to a voucher that somebody shows, if our key signed it for this
// channel. Any other voucher changes nothing; the error is [channel.ErrNotOurs] and wraps the one
// of [voucher.Verify].
func (s State) Recover(v voucher.Signed) (State, error) {
	if v.ChannelID != s.ID {
		return s, fmt.Errorf(
			"%w: the voucher is for channel %s, not %s", channel.ErrNotOurs, v.ChannelID, s.ID,
		)
	}
	if err := voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); err != nil {
		return s, fmt.Errorf("%w: the shown voucher is not ours: %w", channel.ErrNotOurs, err)
	}
	next := s.signedBefore(v.Cumulative)
	if next.Deposit.Less(v.Cumulative) {
		return s, fmt.Errorf(
			"%w: channel %s: the shown voucher %s is above the deposit %s", channel.ErrNotOurs,
			s.ID, s.Currency().Format(v.Cumulative), s.Currency().Format(s.Deposit),
		)
	}
	return next.MarkSigned(v)
}
