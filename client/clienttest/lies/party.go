package lies

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about who gets the money, and where.
const (
	// PayeeIsToken names the token as the payee.
	PayeeIsToken Lie = "payee-is-token"
	// PayeeIsZero names the zero address as the payee.
	PayeeIsZero Lie = "payee-is-zero"
	// PayeeChanged names another payee than before.
	PayeeChanged Lie = "payee-changed"
	// TokenChanged names another token than before.
	TokenChanged Lie = "token-changed"
	// EscrowWrong names a contract of the server's own as the escrow.
	EscrowWrong Lie = "escrow-wrong"
	// EscrowTwofold names two contracts: one as the escrow, one under the escrow's old alias.
	EscrowTwofold Lie = "escrow-twofold"
	// ChainWrong names another chain.
	ChainWrong Lie = "chain-wrong"
	// ChainMissing names no chain in a v2 challenge.
	ChainMissing Lie = "chain-missing"
	// ProtocolUnknown asks for session protocol v3.
	ProtocolUnknown Lie = "protocol-unknown"
	// ProtocolLowered asks for v1 on a v2 route, at the escrow of v2.
	ProtocolLowered Lie = "protocol-lowered"
	// OperatorAppears names an unknown operator who may act for the payee.
	OperatorAppears Lie = "operator-appears"
	// OperatorIsPayer names the payer as the operator.
	OperatorIsPayer Lie = "operator-is-payer"
	// FeeTokenWrong asks for fees in a token that does not exist.
	FeeTokenWrong Lie = "fee-token-wrong"
	// SponsorLies offers to pay the fees and then refuses sponsored transactions.
	SponsorLies Lie = "sponsor-lies"
)

var partyTable = table{
	PayeeIsToken: asks(
		func(request, _ message.Document) { request["recipient"] = request["currency"] },
	),
	PayeeIsZero: asks(func(request, _ message.Document) {
		request["recipient"] = common.Address{}.Hex()
	}),
	PayeeChanged: asks(
		func(request, _ message.Document) { request["recipient"] = stranger.Hex() },
	),
	TokenChanged: asks(
		func(request, _ message.Document) { request["currency"] = stranger.Hex() },
	),
	EscrowWrong:     detail("escrowContract", stranger.Hex()),
	EscrowTwofold:   detail("escrow", stranger.Hex()),
	ChainWrong:      detail("chainId", 4217),
	ChainMissing:    asks(func(_, details message.Document) { delete(details, "chainId") }),
	ProtocolUnknown: detail("sessionProtocol", "v3"),
	ProtocolLowered: asks(func(_, details message.Document) { delete(details, "sessionProtocol") }),
	OperatorAppears: {Terms: func(_ hook.Request, t *hook.Terms) { t.Operator = stranger }},
	OperatorIsPayer: {Terms: func(r hook.Request, t *hook.Terms) {
		t.Operator = common.HexToAddress(r.HTTP().URL.Query().Get("payer"))
	}},
	FeeTokenWrong: {Terms: func(_ hook.Request, t *hook.Terms) { t.FeeToken = stranger }},
	SponsorLies:   detail("feePayer", true),
}

// stranger is an address whose key nobody has.
var stranger = common.BytesToAddress([]byte("a stranger"))

// detail replaces one entry of methodDetails in session challenges.
func detail(key string, value any) hook.Hooks {
	return asks(func(_, details message.Document) { details[key] = value })
}

// asks changes the request object of session challenges.
func asks(change func(request, details message.Document)) hook.Hooks {
	return hook.Hooks{Request: func(_ hook.Request, request message.Document) {
		details, ok := request["methodDetails"].(message.Document)
		if ok && request["unitType"] != nil {
			change(request, details)
		}
	}}
}
