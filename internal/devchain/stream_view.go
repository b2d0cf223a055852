package devchain

import (
	"github.com/ethereum/go-ethereum/common"
)

// words encodes the channel as the contract returns it; all zero where there is none.
func (ch streamChannel) words() []byte {
	return words(ch.finalized, ch.closeRequestedAt, ch.payer, ch.payee, ch.token, ch.authorized, ch.deposit, ch.settled)
}

func streamGetChannel(e *env, _ common.Address, a *args) ([]byte, error) {
	id := a.hash()
	if a.bad {
		return nil, errBadCalldata
	}
	return e.s.streams[id].words(), nil
}

func streamGetChannels(e *env, _ common.Address, a *args) ([]byte, error) {
	ids := a.hashes()
	if a.bad {
		return nil, errBadCalldata
	}
	out := words(uint64(32), uint64(len(ids)))
	for _, id := range ids {
		out = append(out, e.s.streams[id].words()...)
	}
	return out, nil
}

func streamComputeID(e *env, _ common.Address, a *args) ([]byte, error) {
	d := Descriptor{Payer: a.address(), Payee: a.address(), Token: a.address(), Salt: a.hash(), AuthorizedSigner: a.address()}
	if a.bad {
		return nil, errBadCalldata
	}
	return words(streamID(e.cfg, d)), nil
}

func streamDigest(e *env, _ common.Address, a *args) ([]byte, error) {
	id, cumulative := a.hash(), a.amount(128)
	if a.bad {
		return nil, errBadCalldata
	}
	return words(voucherDigest(e.streamDomain(), voucherTypeV1, id, cumulative)), nil
}
