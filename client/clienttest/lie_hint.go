package clienttest

import (
	"maps"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies in snapshots of a channel: one field each, and all together. With them every route gives snapshots,
// in challenges and to bootstraps.
var (
	SnapshotAccepted = lie("snapshot-accepted", "A snapshot says that all of the deposit was accepted.", snapshots("acceptedCumulative", whole))
	SnapshotRequired = lie("snapshot-required", "A snapshot requires a voucher for all of the deposit.", snapshots("requiredCumulative", whole))
	SnapshotSpent    = lie("snapshot-spent", "A snapshot says that all of the deposit is spent.", snapshots("spent", whole))
	SnapshotUnspent  = lie("snapshot-unspent", "A snapshot says that nothing is spent.", snapshots("spent", fixedTo("0")))
	SnapshotDeposit  = lie("snapshot-deposit", "A snapshot says that the deposit is one base unit.", snapshots("deposit", fixedTo("1")))
	SnapshotRich     = lie("snapshot-rich", "A snapshot says that the deposit is twice what it is.", snapshots("deposit", func(a *account) any { return twice(a.deposit) }))
	SnapshotSettled  = lie("snapshot-settled", "A snapshot says that all of the deposit is settled.", snapshots("settled", whole))
	SnapshotUnits    = lie("snapshot-units", "A snapshot counts units without end.", snapshots("units", fixedTo(uint64(1)<<62)))
	SnapshotClosing  = lie("snapshot-closing", "A snapshot says that a close was requested.", snapshots("closeRequestedAt", fixedTo("1700000000")))
	SnapshotChain    = lie("snapshot-chain", "A snapshot is for another chain.", snapshots("chainId", fixedTo(4217)))
	SnapshotEscrow   = lie("snapshot-escrow", "A snapshot is for another escrow.", snapshots("escrow", fixedTo(stranger.Hex())))
	SnapshotChannel  = lie("snapshot-channel", "A snapshot names a channel that does not exist.", snapshots("channelId", fixedTo(madeUp("channel").Hex())))
	SnapshotPayer    = lie("snapshot-payer", "The descriptor in a snapshot has another payer.", descriptors("payer", stranger.Hex()))
	SnapshotPayee    = lie("snapshot-payee", "The descriptor in a snapshot has another payee.", descriptors("payee", stranger.Hex()))
	SnapshotOperator = lie("snapshot-operator", "The descriptor in a snapshot has another operator.", descriptors("operator", stranger.Hex()))
	SnapshotToken    = lie("snapshot-token", "The descriptor in a snapshot has another token.", descriptors("token", stranger.Hex()))
	SnapshotSigner   = lie("snapshot-signer", "The descriptor in a snapshot has another signer.", descriptors("authorizedSigner", stranger.Hex()))
	SnapshotSalt     = lie("snapshot-salt", "The descriptor in a snapshot has another salt.", descriptors("salt", madeUp("salt").Hex()))
	SnapshotNonce    = lie("snapshot-nonce", "The descriptor in a snapshot has another nonce hash.", descriptors("expiringNonceHash", madeUp("nonce").Hex()))
	SnapshotAll      = lie("snapshot-all", "A snapshot has every number at twice the deposit, and a voucher of another key.", hinting(func(v *visit, a *account, d document) {
		for _, key := range []string{"acceptedCumulative", "requiredCumulative", "spent", "deposit", "settled"} {
			d[key] = twice(a.deposit)
		}
		d["highestVoucher"] = v.forged(a, a.deposit)
	}))

	SnapshotOtherKey  = lie("snapshot-other-key", "The voucher in a snapshot is for all of the deposit, signed by another key.", hinting(func(v *visit, a *account, d document) { d["highestVoucher"] = v.forged(a, a.deposit) }))
	SnapshotRaised    = lie("snapshot-raised", "The voucher in a snapshot has the true signature under a higher amount.", vouchers("cumulativeAmount", whole))
	SnapshotVoucherOf = lie("snapshot-voucher-of", "The voucher in a snapshot is for another channel.", vouchers("channelId", fixedTo(madeUp("channel").Hex())))
	SnapshotGarbage   = lie("snapshot-garbage", "The signature in a snapshot is sixty-five bytes of nothing.", vouchers("signature", fixedTo("0x"+strings.Repeat("00", 65))))
	SnapshotBare      = lie("snapshot-bare", "A snapshot has no voucher.", hinting(func(_ *visit, _ *account, d document) { delete(d, "highestVoucher") }))
	SnapshotBareAll   = lie("snapshot-bare-all", "A snapshot has no voucher, and says that all of the deposit was accepted and is required.", hinting(func(_ *visit, a *account, d document) {
		delete(d, "highestVoucher")
		d["acceptedCumulative"], d["requiredCumulative"] = whole(a), whole(a)
	}))
	SnapshotStale = lie("snapshot-stale", "Every snapshot is the first one of all.", hinting(func(v *visit, _ *account, d document) {
		v.s.deceit.again(&v.s.deceit.snapshot, d)
	}))
	SnapshotOfAnother = lie("snapshot-of-another", "A snapshot is that of somebody else's channel, or of an older one.", hinting(func(v *visit, a *account, d document) {
		if b := v.s.book.other(a); b != nil {
			honest := (&visit{s: v.s}).snapshot(b, b.spent)
			clear(d)
			maps.Copy(d, honest)
		}
	}))
	SnapshotDouble = lie("snapshot-double", "A snapshot in a challenge has what is spent twice, and they differ.", rewritten(func(text string) string {
		return strings.Replace(text, `"spent":`, `"spent":"0","spent":`, 1)
	}))
	SnapshotHex = lie("snapshot-hex", "The numbers of a snapshot are hexadecimal and below zero.", hinting(func(_ *visit, _ *account, d document) {
		d["acceptedCumulative"], d["spent"] = "0xffff", "-5"
	}))
)

// Lies in loose figures, which nothing proves. With them every route gives such figures.
var (
	HintAccepted = lie("hint-accepted", "A hint says that all of the deposit was accepted.", flat("acceptedCumulative"))
	HintRequired = lie("hint-required", "A hint requires a voucher for all of the deposit.", flat("requiredCumulative"))
	HintSpent    = lie("hint-spent", "A hint says that all of the deposit is spent.", flat("spent"))
	HintDeposit  = lie("hint-deposit", "A hint says that the deposit is larger than it is.", flat("deposit"))
	HintAll      = lie("hint-all", "All hints say too much.", flat("acceptedCumulative", "requiredCumulative", "spent", "deposit"))
	HintChannel  = lie("hint-channel", "A hint names a channel that does not exist.", asks(func(_, m document) {
		m["channelId"], m["acceptedCumulative"], m["spent"] = madeUp("channel").Hex(), "1000000", "0"
	}))
	HintOfAnother = lie("hint-of-another", "A hint names somebody else's channel, or an older one, and says that all of it was accepted.", hintOfAnother())
)

func hintOfAnother() deed {
	d := flat()
	d.request = func(v *visit, request document) {
		m, _ := request["methodDetails"].(document)
		text, _ := m["channelId"].(string)
		v.s.book.mu.Lock()
		defer v.s.book.mu.Unlock()
		if a := v.s.book.byID[common.HexToHash(text)]; a != nil {
			if b := v.s.book.other(a); b != nil {
				m["channelId"], m["acceptedCumulative"], m["spent"], m["deposit"] = b.id.Hex(), whole(b), "0", whole(b)
			}
		}
	}
	return d
}

func whole(a *account) any { return a.deposit.String() }

func fixedTo(value any) func(*account) any { return func(*account) any { return value } }

// hinting turns snapshots on and changes them.
func hinting(change func(*visit, *account, document)) deed {
	return deed{
		terms: func(v *visit, t *Terms) {
			t.Hints = SnapshotHints
			t.Bootstrap = t.Bootstrap && t.Protocol == voucher.V2
		},
		snapshot: change,
	}
}

func snapshots(key string, value func(*account) any) deed {
	return hinting(func(_ *visit, a *account, d document) { d[key] = value(a) })
}

func descriptors(key string, value any) deed {
	return hinting(func(_ *visit, _ *account, d document) { within(d, "descriptor", key, value) })
}

func vouchers(key string, value func(*account) any) deed {
	return hinting(func(_ *visit, a *account, d document) { within(d, "highestVoucher", key, value(a)) })
}

// within changes a part of a document, where another lie has left it.
func within(d document, part, key string, value any) {
	if inner, ok := d[part].(document); ok {
		inner[key] = value
	}
}

// flat turns loose figures on and puts twice the deposit into some.
func flat(keys ...string) deed {
	d := asks(func(_, m document) {
		for _, key := range keys {
			if text, ok := m["deposit"].(string); ok && m[key] != nil {
				deposit, _ := voucher.ParseAmount(text)
				m[key] = twice(deposit)
			}
		}
	})
	d.terms = func(_ *visit, t *Terms) { t.Hints = FlatHints }
	return d
}

// forged is a voucher that the payee signed and not the payer.
func (v *visit) forged(a *account, amount voucher.Amount) document {
	digest := v.s.domains[a.p].Digest(voucher.Voucher{ChannelID: a.id, Cumulative: amount})
	signature, _ := crypto.Sign(digest[:], v.s.Chain.payee)
	signature[64] += 27
	return document{"channelId": a.id.Hex(), "cumulativeAmount": amount.String(), "signature": hexutil.Encode(signature)}
}

// keep remembers the first document of its kind.
func (d *deceit) keep(kept *document, doc document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if *kept == nil {
		*kept = maps.Clone(doc)
	}
}

// again puts what was kept in the place of doc.
func (d *deceit) again(kept *document, doc document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(doc)
	maps.Copy(doc, *kept)
}

// same keeps the first challenge and returns it for every later one.
func (d *deceit) same(c *challenge) *challenge {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.challenge == nil {
		kept := *c
		d.challenge = &kept
	}
	return d.challenge
}

// other returns an account that is not a: an older one of the same payer, or else somebody's; nil where there
// is none. The caller holds b.mu.
func (b *book) other(a *account) (found *account) {
	for _, id := range b.order {
		one := b.byID[id]
		if one == a {
			continue
		}
		if one.d.Payer == a.d.Payer {
			return one
		}
		found = one
	}
	return found
}
