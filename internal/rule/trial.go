package rule

import "github.com/seed-5fe1f529/tallystick/voucher"

// Trial lets a request that Renew would decide present the voucher that exists. Nothing is claimed or
// raised for it, and nobody asked for anything yet: its refusal shows whether the payee takes a voucher
// twice, and then it is decided. The errors are those of [State.Renew].
func (s State) Trial(
	was Claim, req Request, lim Limits,
) (State, Claim, voucher.Amount, error) {
	_, _, _, err := s.Renew(was, req, lim)
	return s, was, s.Signed, err
}
