package nodefaults

// Nodes of another chain.
const (
	// ChainOther says that it is on chain 1.
	ChainOther Fault = "chain-other"
	// ChainZero says that it is on chain 0.
	ChainZero Fault = "chain-zero"
	// ChainNull answers null for the chain id.
	ChainNull Fault = "chain-null"
	// ChainFails answers an error for the chain id.
	ChainFails Fault = "chain-fails"
)

var chainTable = table{
	ChainOther: result("eth_chainId", "0x1"),
	ChainZero:  result("eth_chainId", "0x0"),
	ChainNull:  result("eth_chainId", nil),
	ChainFails: fails("eth_chainId", -32000, "still starting"),
}
