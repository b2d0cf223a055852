package wire

import (
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

const sourcePrefix = "did:pkh:eip155:"

// maxSafeInteger is the largest chain id that every implementation can hold.
const maxSafeInteger = 1<<53 - 1

// FormatSource returns the did:pkh of the payer on a chain, in lower case. payer is the root
// account, also if an access key signs.
func FormatSource(chainID uint64, payer common.Address) string {
	dst := strconv.AppendUint([]byte(sourcePrefix), chainID, 10)
	dst = append(dst, ':')
	return string(append(dst, strings.ToLower(payer.Hex())...))
}

// ParseSource reads the result of [FormatSource] with the address in any case. Anything else is
// [ErrMalformed], also a chain id with a leading zero or above 2^53-1.
func ParseSource(s string) (chainID uint64, payer common.Address, err error) {
	rest, ok := strings.CutPrefix(s, sourcePrefix)
	id, address, found := strings.Cut(rest, ":")
	if !ok || !found {
		return 0, payer, malformed("source %s is not a did:pkh of eip155", shown(s))
	}
	chainID, err = strconv.ParseUint(id, 10, 64)
	if err != nil || chainID > maxSafeInteger || strconv.FormatUint(chainID, 10) != id {
		return 0, payer, malformed("invalid chain id %s in a source", shown(id))
	}
	if err := fixedHex(payer[:], address); err != nil {
		return 0, common.Address{}, malformed("address %s in a source %w", shown(address), err)
	}
	return chainID, payer, nil
}
