package nodefaults

// Prices and gas.
const (
	// GasPriceZero says that gas costs nothing.
	GasPriceZero Fault = "gas-price-zero"
	// GasPriceHuge says that gas costs more than anybody has.
	GasPriceHuge Fault = "gas-price-huge"
	// BaseFeeHuge says so in every block.
	BaseFeeHuge Fault = "base-fee-huge"
	// EstimateZero estimates no gas.
	EstimateZero Fault = "estimate-zero"
	// EstimateHuge estimates more gas than a block has.
	EstimateHuge Fault = "estimate-huge"
	// EstimateFails cannot estimate gas.
	EstimateFails Fault = "estimate-fails"
)

var gasTable = table{
	GasPriceZero:  result("eth_gasPrice", "0x0"),
	GasPriceHuge:  result("eth_gasPrice", "0xffffffffffffffff"),
	BaseFeeHuge:   blocks(func(b map[string]any) { b["baseFeePerGas"] = "0xffffffffffffffff" }),
	EstimateZero:  result("eth_estimateGas", "0x0"),
	EstimateHuge:  result("eth_estimateGas", "0xffffffffffff"),
	EstimateFails: fails("eth_estimateGas", -32000, "gas required exceeds allowance"),
}
