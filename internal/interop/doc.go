// Package interop runs Tallystick against software that nobody here wrote: the published mppx, in both
// directions and on both rails, and anvil's Tempo chain. It has tests only.
//
// # Run
//
//	internal/interop/rig/install.sh     # once: Node 20 or newer, npm
//	TALLYSTICK_TESTS=peers go test ./internal/interop
//
// Without the variable no test runs. With it the tests fail where something is missing, and say what.
//
// # What runs
//
//   - TestInterop/v2/server: our client against mppx's server, on anvil.
//   - TestInterop/v2/client: mppx's client against client/clienttest.
//   - TestInterop/v1/server and v1/client: the same with the last mppx that served v1. Its chain is
//     internal/devchain, since the v1 contract is published nowhere.
//   - TestInterop/fidelity: the same signed transactions to internal/devchain and to anvil.
//
// Whatever happens, three books are compared to the base unit: the server's record, the chain, and the
// ledger of the client. Where money moved, every balance is explained from the chain's logs. The results are in
// docs/interop.md.
//
// # The rig
//
// Folder rig has the peers: package.json says which versions, and nothing else does; server.mjs and
// client.mjs are programs around mppx that do what the tests tell them, one JSON line at a time; anvil.mjs
// runs anvil. loadserver.mjs and loadclient.mjs are for internal/load. All end when their standard
// input does, and speak to 127.0.0.1 alone.
//
// This anvil has Tempo's hardfork T4. The channel reserve (TIP-1034) is a precompile of T5, so
// ChannelReserve.sol takes its place, behind a JSON-RPC proxy in the tests that does what a contract cannot.
// On the v2 rail the reserve is therefore our reading of TIP-1034, and so is devchain's; tokens, fees,
// nonces, signatures and transactions are Tempo's own code.
package interop
