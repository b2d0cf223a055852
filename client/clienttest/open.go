package clienttest

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// openV2 checks an open, sends its transaction and creates the account (TIP-1034). It makes all
// checks before it sends the transaction.
func (s *Server) openV2(p *message.Payload, t Terms) (*account, common.Hash, error) {
	if err := s.checkDescriptor(p, t); err != nil {
		return nil, common.Hash{}, err
	}
	tx, o, err := s.readManaged(p.Transaction, t, false)
	if err != nil {
		return nil, common.Hash{}, err
	}
	o.Descriptor.ExpiringNonceHash = tx.ExpiringNonceHash
	switch {
	case p.AuthorizedSigner != nil && *p.AuthorizedSigner != p.Descriptor.AuthorizedSigner:
		err = message.VerificationFailed("authorizedSigner is not the descriptor's")
	case o.Descriptor != *p.Descriptor:
		err = message.VerificationFailed(
			"the transaction opens another channel than the descriptor says",
		)
	case o.Amount.Less(t.Price):
		err = message.VerificationFailed("the deposit is below the price of one unit")
	case p.Cumulative.Less(t.Price):
		err = message.VerificationFailed("the voucher is below the price of one unit")
	default:
		err = s.checkOpeningVoucher(p, o)
	}
	if err != nil {
		return nil, common.Hash{}, err
	}
	receipt, err := s.Chain.submit(p.Transaction, tx)
	if err != nil {
		return nil, common.Hash{}, err
	}
	if err := checkOpened(receipt, p.ChannelID, o); err != nil {
		return nil, common.Hash{}, err
	}
	a, err := s.begin(p, o, t)
	return a, receipt.TxHash, err
}

// openV1 does the same for the stream channel contract. It accepts an open that was mined before.
func (s *Server) openV1(p *message.Payload, t Terms) (*account, common.Hash, error) {
	tx, o, err := s.readManaged(p.Transaction, t, false)
	if err != nil {
		return nil, common.Hash{}, err
	}
	switch d := o.Descriptor; {
	case s.Chain.dev.ChannelID(voucher.V1, d) != p.ChannelID:
		err = message.VerificationFailed("the transaction opens another channel than channelId")
	case d.Payee != s.payee(t) || d.Token != s.Token:
		err = message.VerificationFailed("the channel is for another payee or token")
	case p.AuthorizedSigner != nil && *p.AuthorizedSigner != d.AuthorizedSigner:
		err = message.VerificationFailed("authorizedSigner is not the transaction's")
	case p.Cumulative.IsZero():
		err = message.VerificationFailed("the opening voucher must be above zero")
	default:
		err = s.checkOpeningVoucher(p, o)
	}
	if err != nil {
		return nil, common.Hash{}, err
	}
	hash := tx.Hash
	if state := s.Chain.Channel(p.ChannelID); !state.Exists && !state.Finalized {
		receipt, err := s.Chain.submit(p.Transaction, tx)
		if err != nil {
			return nil, common.Hash{}, err
		}
		hash = receipt.TxHash
	}
	a, err := s.begin(p, o, t)
	return a, hash, err
}

// readManaged parses the transaction of an open or a top-up. Its last call must be that of the
// route's protocol, and it must be sponsored if and only if the route is. Its sender is the payer.
func (s *Server) readManaged(
	raw []byte,
	t Terms,
	topUp bool,
) (*devchain.Transaction, devchain.Opening, error) {
	var o devchain.Opening
	if len(raw) == 0 || raw[0] != 0x76 && raw[0] != 0x78 {
		if t.Sponsored {
			return nil, o, message.BadRequest("only Tempo transactions are sponsored")
		}
		return nil, o, message.InternalError("the transaction is not a Tempo transaction")
	}
	tx, err := devchain.Inspect(raw)
	switch {
	case err != nil:
		return nil, o, message.VerificationFailed(
			"the transaction is malformed or not signed: %v", err,
		)
	case tx.Sponsored != t.Sponsored:
		return nil, o, message.VerificationFailed(
			"the transaction is sponsored: %t; the route is sponsored: %t", tx.Sponsored,
			t.Sponsored,
		)
	case len(tx.Calls) == 0:
		return nil, o, message.VerificationFailed("the transaction has no calls")
	}
	last := len(tx.Calls) - 1
	o, ok := s.Chain.dev.ReadOpening(tx.Calls[last])
	if !ok || o.Protocol != t.Protocol || o.TopUp != topUp {
		return nil, o, message.VerificationFailed(
			"the last call is not that of the action on the %s escrow", t.Protocol,
		)
	}
	if !topUp {
		o.Descriptor.Payer = tx.Sender
	}
	return tx, o, s.checkOtherCalls(tx.Calls[:last], t, o.Amount)
}

// checkOtherCalls checks the calls before the call of the escrow. On v2 there must be none. On v1 a
// sponsor pays only for an exact approval; payers may add other calls to transactions that they pay
// for.
func (s *Server) checkOtherCalls(calls []devchain.Call, t Terms, amount voucher.Amount) error {
	switch {
	case len(calls) == 0:
		return nil
	case t.Protocol == voucher.V2:
		return message.VerificationFailed("the transaction has %d calls, not one", len(calls)+1)
	case !t.Sponsored:
		return nil
	}
	approve := crypto.Keccak256([]byte("approve(address,uint256)"))[:4]
	escrow := s.Escrow(voucher.V1)
	approve = append(approve, words(escrow[:], amount.Big().Bytes())...)
	if len(calls) != 1 || calls[0].To != s.Token || !bytes.Equal(calls[0].Data, approve) {
		return message.BadRequest(
			"a sponsored transaction may only contain one approval of the exact amount " +
				"besides the call of the escrow",
		)
	}
	return nil
}

// checkOpeningVoucher checks the first voucher of a channel.
func (s *Server) checkOpeningVoucher(p *message.Payload, o devchain.Opening) error {
	if o.Amount.Less(p.Cumulative) {
		return message.AmountExceedsDeposit(
			"the voucher of %s is above the deposit of %s", p.Cumulative, o.Amount).
			On(p.ChannelID)
	}
	return s.checkSignature(o.Protocol, p, o.Descriptor)
}

// checkSignature verifies the voucher of the payload.
func (s *Server) checkSignature(
	proto voucher.Protocol,
	p *message.Payload,
	d devchain.Descriptor,
) error {
	if err := voucher.Verify(s.domains[proto], p.Signed(), signerOf(d)); err != nil {
		return message.InvalidSignature("the voucher does not verify: %v", err).On(p.ChannelID)
	}
	return nil
}

// signerOf returns the signer of the channel's vouchers.
func signerOf(d devchain.Descriptor) common.Address {
	if d.AuthorizedSigner == (common.Address{}) {
		return d.Payer
	}
	return d.AuthorizedSigner
}

// channelOpened is the topic of the event of a new v2 channel.
var channelOpened = crypto.Keccak256Hash(
	[]byte("ChannelOpened(bytes32,address,address,address,address,address,bytes32,bytes32,uint96)"),
)

// checkOpened returns nil if the receipt has exactly one ChannelOpened event with the expected
// values.
func checkOpened(receipt *devchain.Receipt, id common.Hash, o devchain.Opening) error {
	d, found := o.Descriptor, 0
	want := words(
		d.Operator[:], d.Token[:], d.AuthorizedSigner[:], d.Salt[:], d.ExpiringNonceHash[:],
		o.Amount.Big().Bytes(),
	)
	for _, log := range receipt.Logs {
		if log.Address == devchain.ReserveAddress && len(log.Topics) == 4 &&
			log.Topics[0] == channelOpened &&
			log.Topics[1] == id &&
			bytes.Equal(log.Data, want) {
			found++
		}
	}
	if found != 1 {
		return message.VerificationFailed(
			"the receipt has %d events of the channel's opening, want 1", found,
		)
	}
	return nil
}

// words encodes values as ABI words.
func words(values ...[]byte) []byte {
	var out []byte
	for _, one := range values {
		out = append(out, common.LeftPadBytes(one, 32)...)
	}
	return out
}

// begin reads the channel from the chain and creates its account, or raises the voucher of the
// existing one.
func (s *Server) begin(p *message.Payload, o devchain.Opening, t Terms) (*account, error) {
	state := s.Chain.Channel(p.ChannelID)
	if err := usable(p.ChannelID, state); err != nil {
		return nil, err
	}
	if state.Deposit.SubFloor(state.Settled).Less(t.Price) {
		return nil, message.InsufficientBalance(
			"the rest of the deposit is below the price of one unit").
			On(p.ChannelID)
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	a := s.book.add(p.ChannelID, o.Protocol, o.Descriptor, state)
	a.accept(p.Signed())
	return a, a.open()
}

// usable returns nil, or a refusal if the channel cannot be used.
func usable(id common.Hash, state ChannelState) error {
	switch {
	case state.Finalized:
		return message.ChannelFinalized("the channel is finalized").On(id)
	case !state.Exists:
		return message.ChannelNotFound("the chain has no deposit for the channel").On(id)
	case state.CloseRequestedAt != 0:
		return message.ChannelFinalized("the payer has requested to close the channel").On(id)
	}
	return nil
}
