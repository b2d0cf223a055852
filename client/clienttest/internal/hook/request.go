package hook

import (
	"context"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Request is one request to the server. As a [http.ResponseWriter] it is the answer.
type Request interface {
	http.ResponseWriter
	http.Flusher

	// HTTP returns the request itself.
	HTTP() *http.Request
	// Action returns the action of the credential ("proof" for a proof), or "" without one.
	Action() string
	// Paying reports whether the request carries a session credential.
	Paying() bool
	// Management reports whether the request can only be there for its credential: a HEAD, or a
	// POST without a body.
	Management() bool
	// Strayed reports whether the request came to the server's second origin.
	Strayed() bool
	// Answered reports whether the status has left.
	Answered() bool
	// CredentialChallenge returns the challenge that the credential echoes, or nil without one.
	CredentialChallenge() *message.Challenge

	// Count counts the calls under a name since the server began to lie, from 1.
	Count(name string) int
	// Acted notes that the lie made a difference. Hooks whose effect the server cannot compare
	// (After, and parts of others) call it.
	Acted()
	// Hang waits until the client or the server goes away and cuts the connection. Cut cuts it at
	// once. Neither returns.
	Hang()
	Cut()
	// Sleep waits for d and returns true, or returns false as soon as the client goes away.
	Sleep(d time.Duration) bool
	// Raw takes the connection over and writes text, and then what more returns until the client
	// goes away. A nil more writes nothing.
	Raw(text string, more func() string)
	// Interim sends an interim answer (1xx) with the present header.
	Interim(status int)

	// NewChallenge returns a fresh challenge.
	NewChallenge(intent string, request message.Document, opaque string) *message.Challenge
	// FirstChallenge returns the first challenge that it was called with since the server started.
	FirstChallenge(*message.Challenge) *message.Challenge
	// FirstReceipt and FirstSnapshot replace the content of d by the first receipt or snapshot that
	// the server ever made.
	FirstReceipt(d message.Document)
	FirstSnapshot(d message.Document)
	// ForgedReceipt returns a Payment-Receipt header for the newest channel that reports all of its
	// deposit as accepted and spent, or "" if there is no channel.
	ForgedReceipt() string
	// OtherChannel returns the id and the deposit of another channel than id: an older one of the
	// same payer, or else another payer's. Without an id it is the oldest of all. It returns false
	// if there is none.
	OtherChannel(id common.Hash) (common.Hash, voucher.Amount, bool)
	// ForgetChannels drops all channel accounts and returns how many there were.
	ForgetChannels() int

	Server() Server
}

// Server describes the server that lies.
type Server struct {
	URL, OtherURL     string
	ChainID           uint64
	Token, OtherToken common.Address
	Payee, OtherPayee common.Address
	Now               time.Time
}

// Channel is a channel whose snapshot is being written. It must not outlive the hook.
type Channel interface {
	Request
	// Deposit returns the channel's deposit.
	Deposit() voucher.Amount
	// ForgedVoucher returns a voucher of the channel that the payee signed instead of the payer.
	ForgedVoucher(amount voucher.Amount) message.Document
	// OtherSnapshot returns the honest snapshot of another channel, or nil if there is none.
	OtherSnapshot() message.Document
}

// Payment is a request to a paid route whose credential was read.
type Payment interface {
	Request
	// Do does what an honest server does.
	Do(p *message.Payload) (content bool, err error)
	// Open opens a channel and charges for the content if content is true.
	Open(p *message.Payload, content bool) (bool, error)
	// OpenUnmined, TopUpUnmined and CloseUnmined answer as if the transaction had been sent.
	OpenUnmined(p *message.Payload) (content bool, err error)
	TopUpUnmined(p *message.Payload) error
	CloseUnmined(p *message.Payload) error
	// Hold keeps a transaction and returns how many are kept. A transaction counts once.
	Hold(raw []byte) int
	// SendHeld sends all kept transactions. It ignores those that the chain refuses.
	SendHeld()
	// SpendAll books all of the channel's highest voucher as spent.
	SpendAll(id common.Hash) error
	// ChannelID returns the channel that pays, once it was accepted.
	ChannelID() common.Hash
}

// Stream is a paid event stream.
type Stream interface {
	Request
	// Context ends when the client goes away.
	Context() context.Context
	// ChannelID returns the channel that pays.
	ChannelID() common.Hash
	// Price returns the price of one unit.
	Price() voucher.Amount
	// Send writes bytes at once.
	Send(frame []byte) error
	// Accepted returns the highest voucher of the channel.
	Accepted() voucher.Amount
	// NeedFrame returns a need-voucher frame for required.
	NeedFrame(required voucher.Amount) []byte
	// Demand sends a need-voucher frame and waits for that voucher.
	Demand(required voucher.Amount) error
	// ReceiptFrame returns a receipt frame with these amounts.
	ReceiptFrame(accepted, spent voucher.Amount) []byte
}
