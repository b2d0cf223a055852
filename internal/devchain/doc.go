// Package devchain is a small Tempo-like chain in memory, behind real JSON-RPC. It is for tests, for
// the quickstart and for anybody who wants to see money move without a network. It is written to the
// specifications (TIP-1034, TIP-1009, TIP-1020, draft-tempo-session-00) and shares no code with the
// client that is tested against it.
//
// # Use
//
//	chain := devchain.New(devchain.Config{})
//	defer chain.Close()
//	chain.Mint(devchain.PathUSD, payer, voucher.Units(10_000_000))
//	rpc := httptest.NewServer(chain.Handler())
//
// Everything that spends is a signed 0x76 transaction, through [Chain.SendRaw] or JSON-RPC. There is
// one block for each transaction, mined at once. The clock stands still until [Chain.Advance], unless
// [Config.Clock] says otherwise.
//
// # Nodes
//
// [Chain.Handler] is a node that shows everything. [Chain.Node] serves what other nodes show of the same
// chain: see [View] for replicas that lag, are on another branch or leave something out, and for a load
// balancer over several. [Chain.Reorganize] replaces blocks for all of them.
//
// # What it is not
//
// There is no EVM, no trie, no peer, no consensus and no persistence. The tokens, the channel reserve
// (v2) and the stream channel contract (v1) are Go functions that keep the rules of the real ones,
// their calldata, their events and their custom errors. Passing here proves a program against our
// reading of the specifications and no more.
//
// # Differences from Tempo
//
//   - Only 0x76 transactions. No legacy, 1559, 7702 or creation transactions.
//   - Gas is a table of round numbers of the right size, not metered execution. Storage credits and
//     refunds are missing. The base fee is constant.
//   - Every token is a fee token, worth the same. There is no fee AMM and no user fee preference: a
//     transaction without a fee token pays in the first token of the configuration.
//   - TIP-403 policies, pausing, rewards, memos, permits and virtual addresses are missing.
//   - Signatures are secp256k1 and P256, and keychain version 2 around them. WebAuthn, keychain
//     version 1 and multisig are refused. v must be 27 or 28, where nodes also take 0 and 1. Access
//     keys are registered with [Chain.RegisterAccessKey]; a key authorization inside a transaction is
//     refused, and so is an authorization list. Access keys have no limits, scopes or expiry.
//   - Calldata with dirty upper bits is refused by all contracts, also by those that are precompiles,
//     where nodes ignore them. Bytes behind the arguments are ignored, as they are there.
//   - A sponsored transaction with an access list is refused by the chain. On Tempo the sponsor does
//     that.
//   - State is kept for the newest 1024 blocks. A call that names an older one is an error.
//   - Blocks list transaction hashes only; roots and blooms of blocks are made up. There is no
//     eth_fillTransaction: clients fill in with eth_getBlockByNumber and eth_estimateGas.
//
// # Measured against anvil
//
// internal/interop sends the same signed bytes here and to anvil's Tempo chain and compares what became of
// them: whether they were taken, status, logs, custom errors, states, balances. The reserve of that chain
// is a contract of the tests; the rest is Tempo's own code. These differ, and nothing else that was tried:
//
//	what                                          here                anvil
//	v of 0 or 1, in a transaction or a voucher    refused             taken
//	calldata with dirty upper bits                an empty revert     upper bits are ignored
//	currency() of a token                         no such function    "USD"
//	name() and symbol() of pathUSD                pathUSD             PathUSD
//	a nonce key that is neither 0 nor expiring    no event            an event of the nonce manager
//	a transaction that cannot be decoded          code -32003         code -32602
//	gas, and so the fee                           a table             metered
//
// The last but one are also those without calls, with a high s, in the hand-off form, and those whose sponsor
// has not signed. anvil accepts some that can never be mined, and is silent about them; here they are
// refused, as by Tempo's nodes: sent a second time, or with a validBefore too far ahead.
package devchain
