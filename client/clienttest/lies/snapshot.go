package lies

import (
	"maps"
	"strings"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies in snapshots of a channel. With them every route sends snapshots, in challenges and in
// answers to proofs.
const (
	// SnapshotAccepted reports all of the deposit as accepted.
	SnapshotAccepted Lie = "snapshot-accepted"
	// SnapshotRequired requires a voucher for all of the deposit.
	SnapshotRequired Lie = "snapshot-required"
	// SnapshotSpent reports all of the deposit as spent.
	SnapshotSpent Lie = "snapshot-spent"
	// SnapshotUnspent reports that nothing is spent.
	SnapshotUnspent Lie = "snapshot-unspent"
	// SnapshotDeposit reports a deposit of one base unit.
	SnapshotDeposit Lie = "snapshot-deposit"
	// SnapshotRich reports twice the deposit.
	SnapshotRich Lie = "snapshot-rich"
	// SnapshotSettled reports all of the deposit as settled.
	SnapshotSettled Lie = "snapshot-settled"
	// SnapshotUnits reports some 10^18 units.
	SnapshotUnits Lie = "snapshot-units"
	// SnapshotClosing reports a close request.
	SnapshotClosing Lie = "snapshot-closing"
	// SnapshotChain is for another chain.
	SnapshotChain Lie = "snapshot-chain"
	// SnapshotEscrow is for another escrow.
	SnapshotEscrow Lie = "snapshot-escrow"
	// SnapshotChannel names a channel that does not exist.
	SnapshotChannel Lie = "snapshot-channel"
	// SnapshotPayer has another payer in its descriptor.
	SnapshotPayer Lie = "snapshot-payer"
	// SnapshotPayee has another payee in its descriptor.
	SnapshotPayee Lie = "snapshot-payee"
	// SnapshotOperator has another operator in its descriptor.
	SnapshotOperator Lie = "snapshot-operator"
	// SnapshotToken has another token in its descriptor.
	SnapshotToken Lie = "snapshot-token"
	// SnapshotSigner has another signer in its descriptor.
	SnapshotSigner Lie = "snapshot-signer"
	// SnapshotSalt has another salt in its descriptor.
	SnapshotSalt Lie = "snapshot-salt"
	// SnapshotNonce has another nonce hash in its descriptor.
	SnapshotNonce Lie = "snapshot-nonce"
	// SnapshotAll has every number at twice the deposit, and a voucher of another key.
	SnapshotAll Lie = "snapshot-all"
	// SnapshotOtherKey has a voucher for all of the deposit that another key signed.
	SnapshotOtherKey Lie = "snapshot-other-key"
	// SnapshotRaised has a voucher with a true signature under a higher amount.
	SnapshotRaised Lie = "snapshot-raised"
	// SnapshotVoucherOf has a voucher for another channel.
	SnapshotVoucherOf Lie = "snapshot-voucher-of"
	// SnapshotGarbage has a signature of 65 zero bytes.
	SnapshotGarbage Lie = "snapshot-garbage"
	// SnapshotBare has no voucher.
	SnapshotBare Lie = "snapshot-bare"
	// SnapshotBareAll has no voucher and reports all of the deposit as accepted and required.
	SnapshotBareAll Lie = "snapshot-bare-all"
	// SnapshotStale sends the very first snapshot again and again.
	SnapshotStale Lie = "snapshot-stale"
	// SnapshotOfAnother is of another payer's channel, or of an older one.
	SnapshotOfAnother Lie = "snapshot-of-another"
	// SnapshotDouble writes what is spent twice with two values, in challenges.
	SnapshotDouble Lie = "snapshot-double"
	// SnapshotHex has a hexadecimal number and one below zero.
	SnapshotHex Lie = "snapshot-hex"
)

var snapshotTable = table{
	SnapshotAccepted:  snapshots("acceptedCumulative", whole),
	SnapshotRequired:  snapshots("requiredCumulative", whole),
	SnapshotSpent:     snapshots("spent", whole),
	SnapshotUnspent:   snapshots("spent", fixed("0")),
	SnapshotDeposit:   snapshots("deposit", fixed("1")),
	SnapshotRich:      snapshots("deposit", func(c hook.Channel) any { return twice(c.Deposit()) }),
	SnapshotSettled:   snapshots("settled", whole),
	SnapshotUnits:     snapshots("units", fixed(uint64(1)<<62)),
	SnapshotClosing:   snapshots("closeRequestedAt", fixed("1700000000")),
	SnapshotChain:     snapshots("chainId", fixed(4217)),
	SnapshotEscrow:    snapshots("escrow", fixed(stranger.Hex())),
	SnapshotChannel:   snapshots("channelId", fixed(madeUp("channel").Hex())),
	SnapshotPayer:     parts("descriptor", "payer", fixed(stranger.Hex())),
	SnapshotPayee:     parts("descriptor", "payee", fixed(stranger.Hex())),
	SnapshotOperator:  parts("descriptor", "operator", fixed(stranger.Hex())),
	SnapshotToken:     parts("descriptor", "token", fixed(stranger.Hex())),
	SnapshotSigner:    parts("descriptor", "authorizedSigner", fixed(stranger.Hex())),
	SnapshotSalt:      parts("descriptor", "salt", fixed(madeUp("salt").Hex())),
	SnapshotNonce:     parts("descriptor", "expiringNonceHash", fixed(madeUp("nonce").Hex())),
	SnapshotRaised:    parts("highestVoucher", "cumulativeAmount", whole),
	SnapshotVoucherOf: parts("highestVoucher", "channelId", fixed(madeUp("channel").Hex())),
	SnapshotGarbage:   parts("highestVoucher", "signature", fixed("0x"+strings.Repeat("00", 65))),
	SnapshotAll: hinting(func(c hook.Channel, d message.Document) {
		for _, key := range []string{
			"acceptedCumulative", "requiredCumulative", "spent", "deposit", "settled",
		} {
			d[key] = twice(c.Deposit())
		}
		d["highestVoucher"] = c.ForgedVoucher(c.Deposit())
	}),
	SnapshotOtherKey: hinting(func(c hook.Channel, d message.Document) {
		d["highestVoucher"] = c.ForgedVoucher(c.Deposit())
	}),
	SnapshotBare: hinting(func(_ hook.Channel, d message.Document) { delete(d, "highestVoucher") }),
	SnapshotBareAll: hinting(func(c hook.Channel, d message.Document) {
		delete(d, "highestVoucher")
		d["acceptedCumulative"], d["requiredCumulative"] = whole(c), whole(c)
	}),
	SnapshotStale: hinting(func(c hook.Channel, d message.Document) { c.FirstSnapshot(d) }),
	SnapshotOfAnother: hinting(func(c hook.Channel, d message.Document) {
		if other := c.OtherSnapshot(); other != nil {
			clear(d)
			maps.Copy(d, other)
		}
	}),
	SnapshotDouble: rewritten(func(text string) string {
		return strings.Replace(text, `"spent":`, `"spent":"0","spent":`, 1)
	}),
	SnapshotHex: hinting(func(_ hook.Channel, d message.Document) {
		d["acceptedCumulative"], d["spent"] = "0xffff", "-5"
	}),
}

// whole is all of the channel's deposit.
func whole(c hook.Channel) any { return c.Deposit().String() }

func fixed(value any) func(hook.Channel) any { return func(hook.Channel) any { return value } }

// hinting turns snapshots on and changes them.
func hinting(change func(hook.Channel, message.Document)) hook.Hooks {
	return hook.Hooks{
		Terms:    func(_ hook.Request, t *hook.Terms) { t.Hints = hook.SnapshotHints },
		Snapshot: change,
	}
}

// snapshots replaces one entry of snapshots.
func snapshots(key string, value func(hook.Channel) any) hook.Hooks {
	return hinting(func(c hook.Channel, d message.Document) { d[key] = value(c) })
}

// parts replaces one entry in a part of snapshots, unless another lie has removed the part.
func parts(part, key string, value func(hook.Channel) any) hook.Hooks {
	return hinting(func(c hook.Channel, d message.Document) {
		if inner, ok := d[part].(message.Document); ok {
			inner[key] = value(c)
		}
	})
}
