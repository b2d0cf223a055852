// Package lies lists what the server of package clienttest can be made to do against its clients:
// it forges hints, snapshots, receipts and stream frames, changes the price, sends credentials
// elsewhere, takes money without mining it, never ends, and much more.
//
//	srv.Lie(lies.RefuseAfterCharge)
//	srv.Lie(lies.GoneAgain, lies.ReceiptOfAnother) // both at once
//	srv.Lie()                                      // honest again
//
// [All] returns all lies. Server.Lied counts how often a lie made a difference. A client passes if each
// of its requests ends, with the content or with an error that names the reason, and if what it signed
// and deposited is what its caller agreed to. The server's own accounts stay correct.
//
// In the lines below "paid" means that the request carries a session credential.
package lies

import (
	"maps"
	"slices"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
)

// Lie names one thing that a server does against its clients. The constants of this package are all
// that exist.
type Lie string

// All returns all lies in the order of their names.
func All() []Lie { return slices.Sorted(maps.Keys(all)) }

// table maps lies to what the server does.
type table map[Lie]hook.Hooks

// all joins the tables of the files.
var all = func() table {
	joined := table{}
	for _, part := range []table{
		chargeTable, challengeTable, closeTable, credentialHeaderTable, expiryTable, flipTable,
		hintTable, identityTable, needTable, openTable, partyTable, priceTable, proofTable, receiptTable,
		redirectTable, refusalTable, snapshotTable, streamTable, topUpTable, transportTable,
	} {
		for l, h := range part {
			hook.Register(string(l), h)
			joined[l] = h
		}
	}
	return joined
}()
