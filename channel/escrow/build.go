package escrow

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// job is one transaction to be made: a call on an escrow, and what it takes.
type job struct {
	protocol        voucher.Protocol
	chainID         uint64
	escrow          common.Address
	payer           voucher.TransactionSigner
	call            []byte
	token, feeToken common.Address
	// spend is what the escrow takes from the payer.
	spend     voucher.Amount
	sponsored bool
	// agree is asked before the payer pays a fee. Nil agrees.
	agree func(context.Context, Fee) error
	// existing is the channel that must be there. Zero is none.
	existing Ref
}

// facts are what the node says before a transaction is made.
type facts struct {
	head           head
	state          State
	balance, purse voucher.Amount // of the payer: of the token, of the fee token
}

// prepare makes and signs the transaction, and sends nothing. Every refusal comes before the signature.
func (c *Client) prepare(ctx context.Context, j job) (*Tx, error) {
	if err := checkPlace(j.protocol, j.chainID, j.escrow); err != nil {
		return nil, err
	}
	if j.feeToken == (common.Address{}) {
		j.feeToken = j.token
	}
	f, err := c.facts(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := j.fits(f.state); err != nil {
		return nil, err
	}
	if err := j.affords(f, voucher.Amount{}); err != nil {
		return nil, err
	}
	t := j.transaction()
	if err := t.window(f.head.now()); err != nil {
		return nil, err
	}
	gas := uint64(maxGas)
	if !j.sponsored {
		if gas, err = c.estimate(ctx, t); err != nil {
			return nil, err
		}
	}
	if err := t.setGas(gas, f.head); err != nil {
		return nil, err
	}
	if !j.sponsored {
		if err := j.pays(ctx, f, t.fee()); err != nil {
			return nil, err
		}
	}
	sig, err := j.payer.SignTransaction(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("escrow: signing a transaction: %w", err)
	}
	if err := t.checkSignature(sig); err != nil {
		return nil, err
	}
	t.Signature = sig
	return t, nil
}

// facts asks one node for everything at once.
func (c *Client) facts(ctx context.Context, j job) (f facts, err error) {
	var state, balance, purse hexutil.Bytes
	questions := f.head.questions()
	apart := !j.spend.IsZero() && (j.sponsored || j.feeToken != j.token)
	if apart {
		questions = append(questions, balanceOf(&balance, j.token, j.payer.Address()))
	}
	if !j.sponsored {
		questions = append(questions, balanceOf(&purse, j.feeToken, j.payer.Address()))
	}
	if j.existing != (Ref{}) {
		questions = append(questions, ethCall(&state, j.escrow, stateCall(j.existing), "latest"))
	}
	err = c.askFor(ctx, j.chainID, func() (err error) {
		if err := f.head.check(); err != nil {
			return err
		}
		if apart {
			if f.balance, err = decodeBalance(balance, j.token); err != nil {
				return err
			}
		}
		if !j.sponsored {
			if f.purse, err = decodeBalance(purse, j.feeToken); err != nil {
				return err
			}
		}
		if j.existing != (Ref{}) {
			f.state, err = decodeState(j.protocol, state)
		}
		return err
	}, questions...)
	return f, err
}

// fits refuses a channel that is not there, and a deposit that the escrow could not count.
func (j job) fits(s State) error {
	if j.existing == (Ref{}) {
		return nil
	}
	if !s.Exists {
		return fmt.Errorf("%w: %s", ErrNoChannel, j.existing.ChannelID)
	}
	if sum, err := s.Deposit.Add(j.spend); err != nil || j.protocol.Max().Less(sum) {
		in, _ := channel.Dollar(channel.Asset{ChainID: j.chainID, Token: j.token})
		return fmt.Errorf("%w: the deposit is %s and cannot grow by %s", ErrParams, in.Format(s.Deposit), in.Format(j.spend))
	}
	return nil
}

// affords compares the payer's balances with what is spent and the fee.
func (j job) affords(f facts, fee voucher.Amount) error {
	want := j.spend
	if j.feeToken == j.token && !j.sponsored {
		want, fee = want.AddCapped(fee), voucher.Amount{}
		f.balance = f.purse
	}
	if f.balance.Less(want) {
		return &BalanceError{Token: j.token, Owner: j.payer.Address(), Have: f.balance, Want: want}
	}
	if f.purse.Less(fee) {
		return &BalanceError{Token: j.feeToken, Owner: j.payer.Address(), Have: f.purse, Want: fee}
	}
	return nil
}

// pays refuses a fee that the payer cannot pay, or that is not agreed to.
func (j job) pays(ctx context.Context, f facts, fee Fee) error {
	if err := j.affords(f, fee.Max); err != nil || j.agree == nil || fee.Max.IsZero() {
		return err
	}
	return j.agree(ctx, fee)
}

// transaction is the job without gas, price and times. A v1 escrow takes a deposit on an allowance for
// exactly that.
func (j job) transaction() *Tx {
	t := &Tx{ChainID: j.chainID, NonceKey: ExpiringNonceKey, Sponsored: j.sponsored, Sender: j.payer.Address()}
	if !j.sponsored {
		t.FeeToken = j.feeToken
	}
	if j.protocol == voucher.V1 && !j.spend.IsZero() {
		t.Calls = append(t.Calls, Call{To: &j.token, Data: approve(j.escrow, j.spend)})
	}
	t.Calls = append(t.Calls, Call{To: &j.escrow, Data: j.call})
	return t
}

// estimate asks how much gas the transaction needs, with a margin. It names no price, so that no balance
// is needed to estimate. A refusal of the chain is a [RevertError].
func (c *Client) estimate(ctx context.Context, t *Tx) (uint64, error) {
	calls := make([]map[string]any, len(t.Calls))
	for i, one := range t.Calls {
		calls[i] = map[string]any{"to": one.To, "value": "0x0", "data": hexutil.Bytes(one.Data)}
	}
	request := map[string]any{
		"type": "0x76", "from": t.Sender, "chainId": hexutil.Uint64(t.ChainID), "calls": calls,
		"gas": hexutil.Uint64(estimateGas), "feeToken": t.FeeToken,
		"nonceKey": (*hexutil.Big)(t.NonceKey.Big()), "nonce": hexutil.Uint64(t.Nonce),
		"validBefore": hexutil.Uint64(t.ValidBefore), "validAfter": hexutil.Uint64(t.ValidAfter),
	}
	var gas hexutil.Uint64
	err := c.ask(ctx, t.ChainID, rpcCall{Method: "eth_estimateGas", Args: []any{request}, Result: &gas})
	if err != nil {
		return 0, asRevert(err)
	}
	if gas == 0 {
		return 0, fmt.Errorf("%w: eth_estimateGas: the node says 0", ErrRPC)
	}
	return withMargin(uint64(gas)), nil
}
