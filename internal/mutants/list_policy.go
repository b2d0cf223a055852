package main

var (
	inPolicy   = []string{"client/policyfile"}
	inTally    = []string{"examples/tally"}
	inPins     = []string{"internal/pins"}
	inSafefile = []string{"internal/safefile"}
)

// thePolicy is the owner's file, and the command line that is held to it.
var thePolicy = []defect{
	{
		name: "policy: an unknown key is passed over", breaks: "a misspelled limit is refused",
		pkg: "client/policyfile", fn: "decoder.entry", from: `d.fail(e.at, oneOf(name, s.keys), "%s has no key %s", where, shown(name))`, to: `_ = where`, tests: inPolicy,
	},
	{
		name: "policy: a zero is a limit", breaks: "zero, which means unset, cannot be written for nothing",
		pkg: "client/policyfile", fn: "decoder.amount", from: `case a.IsZero():`, to: `case false:`, tests: inPolicy,
	},
	{
		name: "policy: an unknown mode pays", breaks: "a mode is one of two",
		pkg: "client/policyfile", fn: "decoder.top", from: `d.fail(v.at, modes, "mode is %s", shown(text))`, to: `d.file.Mode = Pay`, tests: inPolicy,
	},
	{
		name: "policy: an origin written twice", breaks: "an origin has one table, however its name is written",
		pkg: "client/policyfile", fn: "decoder.originSection", from: `if d.origins[o] != nil {`, to: `if false {`, tests: inPolicy,
	},
	{
		name: "policy: checksums are not looked at", breaks: "an address with a typing error is refused",
		pkg: "client/policyfile", fn: "decoder.address", from: `case digits != strings.ToLower(digits) && a.Hex() != text:`, to: `case false:`, tests: inPolicy,
	},
	{
		name: "policy: limits may contradict each other", breaks: "a limit that can never be reached is refused",
		pkg: "client/policyfile", fn: "decoder.reachable", from: `if bound.allowed.IsZero() || !bound.allowed.Less(amount) {`, to: `if true {`, tests: inPolicy,
	},
	{
		name: "policy: the day is the hour", breaks: "each key sets its own limit",
		pkg: "client/policyfile", fn: "windows", from: `func(l *limits) *amount { return &of(l).Day }`, to: `func(l *limits) *amount { return &of(l).Hour }`, tests: inPolicy,
	},
	{
		name: "policy: lists are not applied", breaks: "who is not on the list is not paid",
		pkg: "client/policyfile", fn: "File.Apply", from: `policies = append(policies, client.AllowHosts(f.Hosts.Allow...))`, to: `_ = policies`, tests: inPolicy,
	},
	{
		name: "policy: pinned before it is refused", breaks: "who is on no list is not remembered",
		pkg: "client/policyfile", fn: "File.Apply", from: `policies = append(policies, client.PinFirstUse(cfg.Store))`, to: `policies = append([]client.Policy{client.PinFirstUse(cfg.Store)}, policies...)`, tests: inPolicy,
	},
	{
		name: "policy: read-only keeps the funding key", breaks: "a read-only session has no key",
		pkg: "client/policyfile", fn: "File.Apply", from: `cfg.Payer = sealed{cfg.Payer.Address()}`, to: `_ = cfg.Payer`, tests: inPolicy,
	},
	{
		name: "policy: read-only consents", breaks: "a read-only session pays nothing",
		pkg: "client/policyfile", fn: "File.Apply", from: `cfg.Policy = func(context.Context, client.Proposal) error { return ErrReadOnly }`, to: `cfg.Policy = client.DenyHosts()`, tests: inPolicy,
	},
	{
		name: "policy: anybody's file", breaks: "a file that anybody may write to is refused",
		pkg: "client/policyfile", fn: "Load", from: `err := safefile.Guarded(path, info); err != nil`, to: `err := safefile.Guarded(path, info); false && err != nil`, tests: inPolicy,
	},
	{
		name: "policy: the file of a shared directory", breaks: "a file in a directory that others may write to is refused",
		pkg: "internal/safefile", fn: "way.safe", from: `mode.Perm()&othersWrite == 0`, to: `mode.Perm()&othersWrite <= 0o777`, tests: inSafefile,
	},
	{
		name: "tally: an unproven payee", breaks: "with -k nothing is paid to another machine",
		pkg: "examples/tally", fn: "connection.policy", from: `!c.insecure && c.proxy == ""`, to: `c.proxy == ""`, tests: inTally,
	},
	{
		name: "tally: plain HTTP to elsewhere", breaks: "a name of this machine that leads elsewhere is not paid",
		pkg: "examples/tally", fn: "connection.policy", from: `u.Scheme == "http" && away`, to: `u.Scheme == "http" && c.away`, tests: inTally,
	},
	{
		name: "tally: nobody is asked", breaks: "with stdin from /dev/null nobody is asked",
		pkg: "examples/tally", fn: "world.terminal", from: `err != nil || info.Mode()&fs.ModeCharDevice != 0`, to: `err != nil && info.Mode()&fs.ModeCharDevice != 0`, tests: inTally,
	},
	{
		name: "tally: credentials follow a redirect", breaks: "a redirect to another origin takes no credentials along",
		pkg: "examples/tally", fn: "fetch.redirected", from: `from.Text != to.Text`, to: `from.Text == to.Text`, tests: inTally,
	},
	{
		name: "tally: typed ahead", breaks: "what was typed before a question is no answer",
		pkg: "examples/tally", fn: "discardInput", from: `err := flushInput(f); err != nil`, to: `err := error(nil); err != nil`, tests: inTally,
	},
	{
		name: "tally: a plain node", breaks: "a node of another machine is not asked in plain text",
		pkg: "examples/tally", fn: "wallet.checkNodes", from: `err != nil || !o.Loopback`, to: `err != nil && !o.Loopback`, tests: inTally,
	},
	{
		name: "tally: yes under a policy", breaks: "under a policy a person accepts other terms",
		pkg: "examples/tally", fn: "accepting.run", from: `a.yes && a.rules.file != nil`, to: `a.yes && a.rules.file == nil && a.rules.readOnly()`, tests: inTally,
	},
	{
		name: "sessions: two hosts of one name", breaks: "a session of another machine is not taken for dead",
		pkg: "internal/ledger", fn: "machineOf", from: `return id + " " + space`, to: `return id[:0] + " " + space`, tests: inLedger,
	},
	{
		name: "lists: entries that cannot be read are dropped", breaks: "a list with an unreadable entry refuses everything",
		pkg: "client", fn: "hosts", from: `		if bad != nil {
`, to: `		if bad != nil {
			continue
`, tests: inClient,
	},
	{
		name: "lists: the fee is paid in any token", breaks: "a list of tokens binds the token of the fee",
		pkg: "client", fn: "AllowTokens", from: `if p.Funding && !p.Offer.FeePayer`, to: `if false && !p.Offer.FeePayer`, tests: inClient,
	},
	{
		name: "origin: a root dot is another host", breaks: "one host has one origin",
		pkg: "internal/origin", fn: "hostName", from: `name, rooted = strings.CutSuffix(strings.ToLower(name), ".")`, to: `name, rooted = strings.ToLower(name), false`, tests: []string{"internal/origin"},
	},
	{
		name: "origin: a realm with a path is a title", breaks: "a challenge of another service gets no proof",
		pkg: "internal/origin", fn: "marks", from: "const marks = `:/\\@[]`", to: "const marks = `:@[]`", tests: []string{"internal/origin"},
	},
	{
		name: "pins: passed by the other protocol", breaks: "another payee is refused over either protocol",
		pkg: "internal/pins", fn: "record.admits", from: `if parties(p.Terms) == parties(t) {`, to: `if parties(p.Terms) == parties(t) || p.Terms.Protocol != t.Protocol {`, tests: inPins,
	},
	{
		name: "pins: one accepted payee replaces another", breaks: "what was accepted stays accepted",
		pkg: "internal/pins", fn: "Book.update", from: `r.pins = append(r.pins, Pin{`, to: `r.pins = append(r.pins[:0], Pin{`, tests: inPins,
	},
	{
		name: "pins: a changed unit is not noticed", breaks: "the unit of a route is pinned",
		pkg: "internal/pins", fn: "Book.Check", from: `if known && sameUnit {`, to: `if known || sameUnit {`, tests: inPins,
	},
	{
		name: "pins: routes without room have any unit", breaks: "routes that are not remembered are held to the accepted units",
		pkg: "internal/pins", fn: "units.of", from: `return u.Rest`, to: `return nil`, tests: inPins,
	},
	{
		name: "pins: records of version 1 are forgotten", breaks: "old pins are honored",
		pkg: "internal/pins", fn: "Book.read", from: `return r, old.addTo(r)`, to: `return r, nil`, tests: inPins,
	},
	{
		name: "pins: old spellings are forgotten", breaks: "old pins are honored under the canonical origin",
		pkg: "internal/pins", fn: "older.addTo", from: `if origin.Canonical(v.Origin) == r.origin {`, to: `if v.Origin == r.origin {`, tests: inPins,
	},
	{
		name: "tally: flags in the place of the policy", breaks: "a flag lowers what the policy says and does not raise it",
		pkg: "examples/tally", fn: "rules.apply", from: `	r.file.Apply(cfg)
	return nil`, to: `	own := cfg.Limits
	r.file.Apply(cfg)
	cfg.Limits = own
	return nil`, tests: inTally,
	},
	{
		name: "tally: a read-only policy closes", breaks: "a read-only policy signs nothing",
		pkg: "examples/tally", fn: "rules.mayPay", from: `	if r.readOnly() {`, to: `	if false {`, tests: inTally,
	},
	{
		name: "tally: no answer is a yes", breaks: "a price above ask is paid after a yes",
		pkg: "examples/tally", fn: "world.approve", from: `if err == nil && !yes {`, to: `if err == nil && yes {`, tests: inTally,
	},
	{
		name: "tally: a quote remembers", breaks: "a quote pins nothing",
		pkg: "examples/tally", fn: "rules.consents", from: `cfg := client.Config{Store: reading{s}}`, to: `cfg := client.Config{Store: s}`, tests: inTally,
	},
}
