package rule_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// FuzzDecode: a stored record that is read holds no signature above its ceiling, and is written and
// read back the same.
func FuzzDecode(f *testing.F) {
	opening := rule.Funding{Amount: u(1000), Raw: []byte{0x76, 1}, ValidBefore: 100}
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		sc := scope(f)
		sc.Protocol = p
		s, err := rule.New(p, chainID, escrow, descriptor(f), sc, opening)
		require.NoError(f, err)
		paid, claim, due, err := s.Authorize(rule.Request{Price: u(100)}, wide)
		require.NoError(f, err)
		signed, err := paid.MarkSigned(
			voucher.Signed{
				Voucher:   voucher.Voucher{ChannelID: s.ID, Cumulative: due},
				Signature: make([]byte, 65),
			},
		)
		require.NoError(f, err)
		back := signed.Noted(s, here, 1_900_000_000).Noted(s, there, 1_800_000_000)
		for _, one := range []rule.State{
			s, signed, signed.Release(claim), signed.Noted(s, here, 1_800_000_000),
			signed.Noted(s, there, 1_800_000_000), back, signed.Acknowledged().Funded(opening),
			signed.Settle(onChain), signed.Abandoned(),
		} {
			data, err := one.Encode()
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := rule.Decode(data)
		if err != nil {
			require.ErrorIs(t, err, channel.ErrRecord)
			require.Zero(t, s)
			return
		}
		require.False(t, s.Authorized().Less(s.Signed))
		text, err := s.Encode()
		require.NoError(t, err)
		again, err := rule.Decode(text)
		require.NoError(t, err)
		twice, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, string(text), string(twice))
	})
}
