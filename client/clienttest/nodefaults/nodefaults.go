// Package nodefaults lists what a node of the chain of package clienttest can be made to do: it lags
// behind, leaves something out, limits the rate, answers null, breaks batches, and more. Nodes of real
// chains do all of that, above all several behind one URL, without meaning harm.
//
//	srv.Node.Fail(nodefaults.LateByOne)
//	srv.Node.FailTimes(2, nodefaults.Limit429) // then no more
//	srv.Node.Fail()                            // right again
//
// [All] returns all faults. A client passes if it loses track of no channel and of no transaction, pays
// nothing twice, makes no second deposit for one that the node does not show, and continues when the node
// answers correctly again.
//
// In the lines below "late" is ten blocks behind, or at the first block of a shorter chain. A node that
// "takes" a transaction has it mined; a state is the result of an eth_call.
package nodefaults

import (
	"maps"
	"slices"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Fault names one thing that a node does. The constants of this package are all that exist.
type Fault string

// All returns all faults in the order of their names.
func All() []Fault { return slices.Sorted(maps.Keys(all)) }

// table maps faults to what the node does.
type table map[Fault]node.Fault

// all joins the tables of the files.
var all = func() table {
	joined := table{}
	for _, part := range []table{
		batchTable, blockTable, callTable, chainTable, gasTable, limitTable, logTable, omitTable, replicaTable,
		sendTable, transportTable,
	} {
		for f, does := range part {
			node.Register(string(f), does)
			joined[f] = does
		}
	}
	return joined
}()

// answers changes the result of one method.
func answers(method string, change func(*node.Exchange, node.Call, *node.Answer)) node.Fault {
	return node.Fault{Answer: func(x *node.Exchange, c node.Call, a *node.Answer) bool {
		if c.Method != method {
			return false
		}
		change(x, c, a)
		return true
	}}
}

// result answers one method with the same result always.
func result(method string, v any) node.Fault {
	return answers(method, func(_ *node.Exchange, _ node.Call, a *node.Answer) { a.Set(v) })
}

// fails answers one method with an error.
func fails(method string, code int, message string) node.Fault {
	return answers(method, func(_ *node.Exchange, _ node.Call, a *node.Answer) { a.Fail(code, message) })
}

// failsAll answers every call with an error, and passes no transaction on.
func failsAll(code int, message string) node.Fault {
	return node.Fault{
		Send: func(*node.Exchange, node.Call, *node.Answer) {},
		Answer: func(_ *node.Exchange, _ node.Call, a *node.Answer) bool {
			a.Fail(code, message)
			return true
		},
	}
}
