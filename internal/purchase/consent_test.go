package purchase_test

import (
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestEachOtherTermNeedsConsent: whatever a fresh challenge changes of what was agreed to, the
// owner decides again before it is answered.
func TestEachOtherTermNeedsConsent(t *testing.T) {
	other := common.HexToAddress("0x02")
	changes := map[string]func(*purchase.Offer){
		"protocol":  func(o *purchase.Offer) { o.Terms.Protocol = voucher.V1 },
		"chain":     func(o *purchase.Offer) { o.Terms.ChainID = 2 },
		"escrow":    func(o *purchase.Offer) { o.Terms.Escrow = other },
		"payee":     func(o *purchase.Offer) { o.Terms.Payee = other },
		"operator":  func(o *purchase.Offer) { o.Terms.Operator = other },
		"token":     func(o *purchase.Offer) { o.Terms.Token = other },
		"unit":      func(o *purchase.Offer) { o.Terms.Unit = "chunk" },
		"fee token": func(o *purchase.Offer) { o.Funding.FeeToken = other },
		"sponsor":   func(o *purchase.Offer) { o.Funding.Sponsored = true },
		"price":     func(o *purchase.Offer) { o.Price = voucher.Units(101) },
	}
	fields := reflect.TypeFor[channel.Terms]().NumField() +
		reflect.TypeFor[purchase.Funding]().NumField()
	require.Len(t, changes, fields+1, "each field, and the price")
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			g := newGame(t)
			g.paid(100)
			e := refusedFor(purchase.Stale, 100)
			e.Fresh = true
			change(&e.Offer)
			g.leads(e, purchase.Select)
			g.leads(selected(chA, purchase.Usable), purchase.Consent)
		})
	}
}
