package clienttest

import (
	"crypto/ecdsa"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Chain is the chain of a [Server]: a Tempo-like chain in memory. It is safe for concurrent use.
type Chain struct {
	dev                         *devchain.Chain
	token                       common.Address
	payee, otherPayee, feePayer *ecdsa.PrivateKey

	mu         sync.Mutex // guards what follows
	accessKeys map[[2]common.Address]bool
	toppedUp   map[common.Hash]bool // the digests of the top-ups that succeeded, as they were presented
}

// otherToken is the address of [Server.OtherToken].
var otherToken = common.HexToAddress("0x20c0000000000000000000000000000000000007")

// testKey derives the key of a role. It is the same for every server.
func testKey(role string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("clienttest " + role)))
	if err != nil {
		panic(err) // happens for one in 2^128 roles
	}
	return key
}

func newChain(cfg Config) *Chain {
	dev := devchain.Config{BaseFee: cfg.BaseFee, Free: cfg.BaseFee == 0, Tokens: []devchain.Token{
		{Address: devchain.PathUSD, Name: "pathUSD", Symbol: "pathUSD"},
		{Address: otherToken, Name: "otherUSD", Symbol: "otherUSD"},
	}}
	if cfg.WallClock {
		dev.Clock = cfg.Now
	}
	c := &Chain{
		dev: devchain.New(dev), token: devchain.PathUSD, payee: testKey("payee"),
		otherPayee: testKey("other payee"), feePayer: testKey("fee payer"),
		accessKeys: map[[2]common.Address]bool{},
	}
	for _, payee := range []*ecdsa.PrivateKey{c.payee, c.otherPayee} {
		c.Fund(crypto.PubkeyToAddress(payee.PublicKey), cfg.Funds)
	}
	c.Fund(crypto.PubkeyToAddress(c.feePayer.PublicKey), voucher.Units(1_000_000_000_000))
	return c
}

// Advance moves the clock of the chain forward, in whole seconds.
func (c *Chain) Advance(d time.Duration) { c.dev.Advance(d) }

// Now returns the time of the chain.
func (c *Chain) Now() time.Time { return c.dev.Now() }

// Fund adds new base units of the token to the balance of the account.
func (c *Chain) Fund(to common.Address, amount voucher.Amount) { c.dev.Mint(c.token, to, amount) }

// Balance returns the account's balance of the token in base units. The balance of a payee changes
// by exactly the redeemed amounts, because the fee payer refunds the fees of its transactions.
func (c *Chain) Balance(of common.Address) voucher.Amount { return c.dev.Balance(c.token, of) }

// BalanceIn returns the account's balance of another token in its base units.
func (c *Chain) BalanceIn(token, of common.Address) voucher.Amount {
	return c.dev.Balance(token, of)
}

// AddAccessKey allows key to sign transactions and proofs for root.
func (c *Chain) AddAccessKey(root, key common.Address) {
	c.dev.RegisterAccessKey(root, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accessKeys[[2]common.Address{root, key}] = true
}

func (c *Chain) isAccessKey(root, key common.Address) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accessKeys[[2]common.Address{root, key}]
}

// ChannelState is the state of one channel in its escrow. Amounts are base units.
type ChannelState struct {
	// Exists reports whether the channel was opened and not closed yet.
	Exists bool
	// Finalized reports whether this is a closed v1 channel. A closed v2 channel looks as if it
	// never existed.
	Finalized bool
	// Deposit is the sum of all deposits, and Settled the part that the payee has received.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds. Zero means that no close is pending.
	CloseRequestedAt uint64
}

// Channel returns the state of the channel in its escrow.
func (c *Chain) Channel(id common.Hash) ChannelState {
	s := c.dev.ChannelState(id)
	return ChannelState{
		Exists: s.Protocol != 0 && !s.Finalized, Finalized: s.Finalized,
		Deposit: s.Deposit, Settled: s.Settled, CloseRequestedAt: s.CloseRequestedAt,
	}
}

// Reorganize replaces the newest blocks of the chain by empty ones, for all nodes and for good. What
// their transactions did is undone. With pool, these wait for [Chain.Remine]; without, they are
// forgotten, and can be sent again. Funds of [Chain.Fund] stay. The accounts of the server do not change.
func (c *Chain) Reorganize(blocks int, pool bool) { c.dev.Reorganize(blocks, pool) }

// Remine mines the transactions that wait since [Chain.Reorganize], in their order, and returns how many
// it mined. Those that are not valid any more are dropped.
func (c *Chain) Remine() int { return len(c.dev.Remine()) }

// Check returns an error if the balances of the chain do not add up: if tokens were lost or created other
// than by [Chain.Fund].
func (c *Chain) Check() error { return c.dev.CheckSupply() }

// submit sends a payer's transaction. It simulates a sponsored transaction and adds the signature
// of the fee payer first.
func (c *Chain) submit(raw []byte, tx *devchain.Transaction) (*devchain.Receipt, error) {
	if tx.Sponsored {
		if err := c.dev.Simulate(tx.Sender, tx.Calls...); err != nil {
			return nil, message.VerificationFailed("the transaction would revert: %v", err)
		}
		full, err := c.dev.Cosign(raw, c.feePayer, c.token)
		if err != nil {
			return nil, message.VerificationFailed("the sponsor refuses to sign: %v", err)
		}
		raw = full
	}
	receipt, err := c.dev.SendRaw(raw)
	if err != nil {
		return nil, message.InternalError("the chain refused the transaction: %v", err)
	}
	if !receipt.Success {
		return nil, message.VerificationFailed(
			"the transaction was reverted: %s", receipt.RevertReason(),
		)
	}
	return receipt, nil
}

// submitOnce is submit for a top-up, which may be presented again because its answer was lost. The chain
// takes it once; the second time it is refused by a problem that says so.
func (c *Chain) submitOnce(raw []byte, tx *devchain.Transaction) (*devchain.Receipt, error) {
	name := crypto.Keccak256Hash(raw)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.toppedUp[name] {
		return nil, message.VerificationFailed("the transaction was sent before, and the deposit is raised")
	}
	receipt, err := c.submit(raw, tx)
	if err == nil {
		if c.toppedUp == nil {
			c.toppedUp = map[common.Hash]bool{}
		}
		c.toppedUp[name] = true
	}
	return receipt, err
}

// cash sends a transaction of the payee that settles or closes the channel. The fee payer refunds
// the fee.
func (c *Chain) cash(
	a *account,
	send func(key *ecdsa.PrivateKey) (*devchain.Receipt, error),
) (common.Hash, error) {
	key := c.payee
	if a.d.Payee == crypto.PubkeyToAddress(c.otherPayee.PublicKey) {
		key = c.otherPayee
	}
	receipt, err := send(key)
	if err != nil {
		return common.Hash{}, fmt.Errorf("clienttest: %w", err)
	}
	if _, err := c.dev.Transfer(c.feePayer, c.token, receipt.From, receipt.Fee); err != nil {
		return common.Hash{}, fmt.Errorf("clienttest: %w", err)
	}
	if !receipt.Success {
		return common.Hash{}, fmt.Errorf(
			"clienttest: the escrow refused: %s", receipt.RevertReason(),
		)
	}
	return receipt.TxHash, nil
}

func (c *Chain) settle(a *account) (common.Hash, error) {
	return c.cash(a, func(key *ecdsa.PrivateKey) (*devchain.Receipt, error) {
		return c.dev.Settle(
			key,
			a.p,
			a.d,
			voucher.Signed{
				Voucher:   voucher.Voucher{ChannelID: a.id, Cumulative: a.accepted},
				Signature: a.signature,
			},
		)
	})
}

func (c *Chain) closeChannel(
	a *account,
	v voucher.Signed,
	capture voucher.Amount,
) (common.Hash, error) {
	return c.cash(a, func(key *ecdsa.PrivateKey) (*devchain.Receipt, error) {
		return c.dev.CloseChannel(key, a.p, a.d, v, capture)
	})
}
