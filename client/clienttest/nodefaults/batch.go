package nodefaults

import (
	"slices"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Batches of two calls or more.
const (
	// BatchReversed answers in another order, which JSON-RPC allows.
	BatchReversed Fault = "batch-reversed"
	// BatchShort leaves out the last answer.
	BatchShort Fault = "batch-short"
	// BatchEmpty answers an empty list.
	BatchEmpty Fault = "batch-empty"
	// BatchTwice answers every call twice.
	BatchTwice Fault = "batch-twice"
	// BatchLastFails answers the last call with an internal error.
	BatchLastFails Fault = "batch-last-fails"
	// BatchFirstFails answers the first call with an internal error.
	BatchFirstFails Fault = "batch-first-fails"
	// BatchSwapped gives the answers of the first two calls each other's id.
	BatchSwapped Fault = "batch-swapped"
	// BatchForeign gives all answers ids that are not those of the calls.
	BatchForeign Fault = "batch-foreign"
	// BatchRefused answers that it takes no batches.
	BatchRefused Fault = "batch-refused"
)

var batchTable = table{
	BatchReversed: {Batch: func(a []node.Answer) any {
		slices.Reverse(a)
		return a
	}},
	BatchShort: {Batch: func(a []node.Answer) any { return a[:len(a)-1] }},
	BatchEmpty: {Batch: func([]node.Answer) any { return []node.Answer{} }},
	BatchTwice: {Batch: func(a []node.Answer) any { return append(a, a...) }},
	BatchLastFails: {Batch: func(a []node.Answer) any {
		a[len(a)-1].Fail(-32603, "internal error")
		return a
	}},
	BatchFirstFails: {Batch: func(a []node.Answer) any {
		a[0].Fail(-32603, "internal error")
		return a
	}},
	BatchSwapped: {Batch: func(a []node.Answer) any {
		a[0].ID, a[1].ID = a[1].ID, a[0].ID
		return a
	}},
	BatchForeign: {Batch: func(a []node.Answer) any {
		for i := range a {
			a[i].ID = []byte("987654321")
		}
		return a
	}},
	BatchRefused: {Batch: func([]node.Answer) any {
		return refusal(-32600, "batch requests are not supported")
	}},
}
