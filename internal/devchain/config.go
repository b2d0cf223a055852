package devchain

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Addresses that mean the same on every Tempo chain.
var (
	// PathUSD is the TIP-20 token that every chain starts with.
	PathUSD = common.HexToAddress("0x20c0000000000000000000000000000000000000")
	// ReserveAddress is the TIP-1034 channel reserve, the escrow of v2 channels.
	ReserveAddress = common.HexToAddress("0x4d50500000000000000000000000000000000000")
	// StreamChannelAddress is the default stream channel contract of the Moderato testnet, the escrow of
	// v1 channels.
	StreamChannelAddress = common.HexToAddress("0xe1c4d3dce17bc111181ddf716f75bae49e61a336")
	// FeeCollector receives the fees of all transactions.
	FeeCollector = common.HexToAddress("0xfeec000000000000000000000000000000000000")
)

// Moderato is the chain id of the Moderato testnet, the default of [Config.ChainID].
const Moderato = 42431

// CloseGracePeriod is how long a payer waits between requestClose and withdraw, in both escrows.
const CloseGracePeriod = 15 * time.Minute

// Token is a TIP-20 token. Its address must begin with the TIP-20 prefix 0x20c000000000000000000000.
type Token struct {
	Address common.Address
	// Name and Symbol are what the token answers. Empty means empty.
	Name, Symbol string
	// Decimals: zero means 6, as every TIP-20 stablecoin has.
	Decimals uint8
}

// Config says what kind of chain [New] makes. The zero value is a good one: Moderato's chain id,
// pathUSD, a clock that stands still at the start of 2026.
type Config struct {
	// ChainID: zero means [Moderato].
	ChainID uint64
	// Tokens exist from the start; the first pays the fees of transactions that name no fee token. None
	// means pathUSD alone.
	Tokens []Token
	// StreamChannel is where the v1 escrow lives. The zero address means [StreamChannelAddress].
	StreamChannel common.Address
	// Start is the time of the genesis block, in whole seconds. Zero means 2026-01-01 00:00 UTC, or
	// Clock's time where there is a Clock.
	Start time.Time
	// Clock makes chain time pass: it is read once at the start, and from then on the chain is as much
	// later than Start as Clock says. Nil means that time stands still until [Chain.Advance].
	Clock func() time.Time
	// BaseFee is the price of gas in attodollars, without tips. Zero means 20 billion, which is 0.02 base
	// units of a 6-decimal token for each unit of gas.
	BaseFee uint64
	// Free makes gas cost nothing, whatever BaseFee is.
	Free bool
	// MaxLogRange is how many blocks one eth_getLogs may span. Zero means no limit.
	MaxLogRange uint64
}

// withDefaults fills the zero fields.
func (cfg Config) withDefaults() Config {
	if cfg.ChainID == 0 {
		cfg.ChainID = Moderato
	}
	if len(cfg.Tokens) == 0 {
		cfg.Tokens = []Token{{Address: PathUSD, Name: "pathUSD", Symbol: "pathUSD"}}
	}
	if cfg.StreamChannel == (common.Address{}) {
		cfg.StreamChannel = StreamChannelAddress
	}
	if cfg.Start.IsZero() {
		cfg.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if cfg.Clock != nil {
			cfg.Start = cfg.Clock()
		}
	}
	cfg.Start = cfg.Start.Truncate(time.Second)
	switch {
	case cfg.Free:
		cfg.BaseFee = 0
	case cfg.BaseFee == 0:
		cfg.BaseFee = 20_000_000_000
	}
	return cfg
}
