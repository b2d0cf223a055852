package main

// theManagement is requests without content: what they carry, by which method they go, and when they
// end.
var theManagement = []defect{
	{
		name: "manage: a header of another origin", breaks: "headers for a close go to the origin that they were given for",
		pkg: "client", fn: "givenHeader", from: `if given.origin != to {`, to: `if false {`, tests: inClient, run: `^TestHeadersOfAClose$`,
	},
	{
		name: "manage: an origin that is none", breaks: "headers for what is no origin refuse the close",
		pkg: "client", fn: "givenHeader", from: `if given.err != nil {`, to: `if false {`, tests: inClient, run: `^TestHeadersOfAClose$`,
	},
	{
		name: "manage: the body's headers", breaks: "a management request does not describe a body that it has not",
		pkg: "client", fn: "managementHeader", from: `strings.HasPrefix(name, "Content-") || `, to: ``, tests: inClient, run: `^TestManagementCarries`,
	},
	{
		name: "manage: two Authorization lines", breaks: "a header that the caller wrote in lower case is sent once",
		pkg: "client", fn: "managementHeader", from: `key := http.CanonicalHeaderKey(name)`, to: `key := name`, tests: inClient, run: `^TestHeadersOfAClose$|^TestManagementCarries`,
	},
	{
		name: "manage: a voucher by POST to a query", breaks: "no voucher buys content that nobody reads",
		pkg: "client", fn: "attempt.voucherMethods", from: `return []string{http.MethodHead}`, to: `return a.methods()`, tests: inClient, run: `^TestNoVoucherByPostToAQuery$`,
	},
	{
		name: "manage: a refusal that is not the payee's", breaks: "a gateway that takes no empty POST does not end a stream",
		pkg: "client", fn: "answer.foreign", from: `return a.bare`, to: `return false`, tests: inClient, run: `^TestVouchersBy`,
	},
	{
		name: "manage: the payee is asked again", breaks: "the payee's own refusal is final",
		pkg: "client", fn: "answer.foreign", from: `case a.status < http.StatusBadRequest, a.challenged, a`, to: `case a`, tests: inClient, run: `^TestThePayeesOwn`,
	},
	{
		name: "manage: a refusal in place of an acceptance", breaks: "an acceptance stands if the other method is refused",
		pkg: "client", fn: "answer.better", from: `case a.ok():`, to: `case false:`, tests: inClient, run: `^Test(Acceptance|PayeesWithout)`,
	},
	{
		name: "manage: a close without an end", breaks: "a close ends whatever the node does",
		pkg: "client", fn: "Channels.Close", from: `context.WithTimeoutCause(ctx, closeWait, errCloseWait)`, to: `context.WithCancel(ctx)`, tests: inClient, run: `^TestClosesEndIfTheNodeHangs$`,
	},
	{
		name: "manage: one close after the other", breaks: "a payee that does not answer holds up no other close",
		pkg: "client", fn: "sideBySide", from: `slots := make(chan struct{}, closesAtOnce)`, to: `slots := make(chan struct{}, 1)`, tests: inClient, run: `^TestSessionCloseRuns`,
	},
}
