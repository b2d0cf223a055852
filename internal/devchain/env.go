package devchain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Gas of the things that contracts do. They are round numbers near those of a Tempo chain, where
// every new storage slot costs 250,000 (TIP-1000).
const (
	gasNewSlot  = 250_000
	gasToken    = 30_000
	gasChannel  = 40_000
	gasVoucher  = 10_000
	gasReadOnly = 3_000
)

// env is one execution: a transaction, or a call that only looks.
type env struct {
	cfg     *Config
	s       *state
	now     uint64
	context common.Hash // hash of the enclosing transaction, of which v2 channel ids are made
	logs    []*types.Log
	gas     uint64 // used so far
}

// method is one function of a contract. It returns ABI data, or a *revert.
type method func(e *env, from common.Address, a *args) ([]byte, error)

// methods maps the selectors of a contract.
type methods map[selector]method

// errBadCalldata is the empty revert of a contract that cannot decode its arguments.
var errBadCalldata = &revert{}

var unknownSelector = newError("UnknownFunctionSelector(bytes4)")

// call runs one call of from. Calls to addresses without code succeed and do nothing.
func (e *env) call(from, to common.Address, data []byte) ([]byte, error) {
	var table methods
	precompile := true
	switch _, token := e.s.tokens[to]; {
	case token:
		return tokenCall(e, from, to, data)
	case to == ReserveAddress:
		table = reserveMethods
	case to == e.cfg.StreamChannel:
		table, precompile = streamMethods, false
	default:
		return nil, nil
	}
	if len(data) < 4 {
		return nil, errBadCalldata
	}
	run, ok := table[selector(data[:4])]
	switch {
	case ok:
		return run(e, from, &args{data: data[4:]})
	case precompile:
		return nil, refuseSelector(data)
	default:
		return nil, errBadCalldata
	}
}

// refuseSelector is how precompiles answer calldata that names none of their functions.
func refuseSelector(data []byte) error {
	return revertWith(unknownSelector, common.Hash(common.RightPadBytes(data[:4], 32)))
}

// run executes a batch: all of it, or nothing. It returns what the last call returned.
func (e *env) run(from common.Address, calls []call) (out []byte, err error) {
	mark := e.s.mark()
	for _, one := range calls {
		if out, err = e.call(from, *one.to, one.data); err != nil {
			e.s.rollback(mark)
			e.logs = nil
			return nil, err
		}
	}
	return out, nil
}

// emit appends a log.
func (e *env) emit(at common.Address, topics []common.Hash, data []byte) {
	e.logs = append(e.logs, &types.Log{Address: at, Topics: topics, Data: data})
}

// eventTopic is the first topic of an event.
func eventTopic(signature string) common.Hash { return crypto.Keccak256Hash([]byte(signature)) }

// topic makes an indexed argument of an address.
func topic(a common.Address) common.Hash { return common.BytesToHash(a[:]) }
