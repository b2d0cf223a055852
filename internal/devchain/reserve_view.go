package devchain

import (
	"github.com/ethereum/go-ethereum/common"
)

// words encodes (settled, deposit, closeRequestedAt), zero for a channel that is not there.
func (ch reserveChannel) words() []byte { return words(ch.settled, ch.deposit, ch.closeRequestedAt) }

func reserveGetState(e *env, _ common.Address, a *args) ([]byte, error) {
	id := a.hash()
	if a.bad {
		return nil, errBadCalldata
	}
	return e.s.reserve[id].words(), nil
}

func reserveGetStates(e *env, _ common.Address, a *args) ([]byte, error) {
	ids := a.hashes()
	if a.bad {
		return nil, errBadCalldata
	}
	out := words(uint64(32), uint64(len(ids)))
	for _, id := range ids {
		out = append(out, e.s.reserve[id].words()...)
	}
	return out, nil
}

// reserveGetChannel returns the descriptor as it was given, and the state.
func reserveGetChannel(e *env, _ common.Address, a *args) ([]byte, error) {
	d := a.descriptor()
	if a.bad {
		return nil, errBadCalldata
	}
	return append(d.words(), e.s.reserve[reserveID(e.cfg.ChainID, d)].words()...), nil
}

func reserveComputeID(e *env, _ common.Address, a *args) ([]byte, error) {
	d := a.descriptor() // the arguments are the same words
	if a.bad {
		return nil, errBadCalldata
	}
	return words(reserveID(e.cfg.ChainID, d)), nil
}

func reserveDigest(e *env, _ common.Address, a *args) ([]byte, error) {
	id, cumulative := a.hash(), a.amount(96)
	if a.bad {
		return nil, errBadCalldata
	}
	return words(voucherDigest(domainV2(e.cfg.ChainID), voucherTypeV2, id, cumulative)), nil
}
