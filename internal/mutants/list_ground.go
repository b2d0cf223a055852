package main

var (
	inWire      = []string{"internal/wire"}
	inVoucher   = []string{"voucher"}
	inFilestore = []string{"store/filestore"}
	inEscrow    = []string{"channel/escrow"}
)

// theGround is what is read and kept: amounts, headers, signatures, files.
var theGround = []defect{
	{
		name: "ground: negative amounts accepted", breaks: "an amount is digits and nothing else",
		pkg: "voucher", fn: "ParseAmount", from: `func ParseAmount(s string) (Amount, error) {
`, to: `func ParseAmount(s string) (Amount, error) {
	s = strings.TrimPrefix(s, "-")
`, tests: inVoucher,
	},
	{
		name: "ground: hex amounts accepted", breaks: "an amount is decimal",
		pkg: "voucher", fn: "ParseAmount", from: `func ParseAmount(s string) (Amount, error) {
`, to: `func ParseAmount(s string) (Amount, error) {
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		if b, ok := new(big.Int).SetString(hex, 16); ok {
			return AmountFromBig(b)
		}
	}
`, tests: inVoucher,
	},
	{
		name: "ground: amounts wrap around", breaks: "an amount above 128 bits is refused",
		pkg: "voucher", fn: "ParseAmount", from: `if hiOver != 0 || c != 0 {`, to: `if hiOver == 99 && c == 99 {`, tests: inVoucher,
	},
	{
		name: "ground: high-s accepted", breaks: "a signature has one form, so that nobody makes a second of it",
		pkg: "voucher", fn: "recoverSecp256k1", from: `if bytes.Compare(sig[32:64], secp256k1Half) > 0 {`, to: `if false {`, tests: inVoucher,
	},
	{
		name: "ground: high-s of P256 accepted", breaks: "a signature has one form on every curve",
		pkg: "voucher", fn: "recoverP256", from: `if bytes.Compare(s, p256Half) > 0 {`, to: `if false {`, tests: inVoucher,
	},
	{
		name: "ground: any signer accepted", breaks: "a voucher is verified against the signer that is expected",
		pkg: "voucher", fn: "Verify", from: `if got != signer {`, to: `if false {`, tests: inVoucher,
	},
	{
		name: "ground: v2 forms accepted on v1", breaks: "a v1 escrow takes secp256k1 only",
		pkg: "voucher", fn: "Verify", from: `if d.protocol == V1 && len(s.Signature) != secp256k1Len {`, to: `if false {`, tests: inVoucher,
	},
	{
		name: "ground: amounts that no escrow counts", breaks: "nothing above the protocol's largest amount is signed",
		pkg: "voucher", fn: "Domain.check", from: `if top := d.protocol.Max(); top.Less(v.Cumulative) {`, to: `if top := d.protocol.Max(); false {`, tests: inVoucher,
	},
	{
		name: "ground: duplicate JSON keys accepted", breaks: "a document has one reading",
		pkg: "internal/wire", fn: "readObject", from: `_, twice := o.get(name); twice {`, to: `_, twice := o.get(name); twice && false {`, tests: inWire,
	},
	{
		name: "wire: UTF-8 read as Latin-1", breaks: "a realm is echoed byte for byte",
		pkg: "internal/wire", fn: "text", from: `if utf8.ValidString(s) {`, to: `if s == "" {`, tests: inWire,
	},
	{
		name: "wire: any JSON is a problem", breaks: "plain JSON is a problem only with a type of the protocol",
		pkg: "internal/wire", fn: "ParseProblem", from: `if plain && !strings.HasPrefix(p.Type, ProblemBase) {`, to: `if false {`, tests: inWire,
	},
	{
		name: "ground: duplicate parameters accepted", breaks: "a challenge has one reading",
		pkg: "internal/wire", fn: "parser.set", from: `if p.seen&bit != 0 {`, to: `if false {`, tests: inWire,
	},
	{
		name: "ground: challenge headers unbounded", breaks: "all challenges of an answer together are bounded",
		pkg: "internal/wire", fn: "ParseChallenges", from: `if left -= len(line); left < 0 {`, to: `if left -= len(line); false {`, tests: inWire,
	},
	{
		name: "ground: challenge size unbounded", breaks: "one parameter of a challenge is bounded",
		pkg: "internal/wire", fn: "Challenge.validate", from: `case len(*p.value) > MaxParam:`, to: `case false:`, tests: inWire,
	},
	{
		name: "ground: nesting unbounded", breaks: "JSON from a server is bounded in depth",
		pkg: "internal/wire", fn: "skipValue", from: `if depth++; depth > MaxDepth {`, to: `if depth++; false {`, tests: inWire,
	},
	{
		name: "ground: documents unbounded", breaks: "a document from a server is bounded before it is decoded",
		pkg: "internal/wire", fn: "DecodeText", from: `if len(s) > limit {`, to: `if false {`, tests: inWire,
	},
	{
		name: "ground: a credential in any header", breaks: "a server does not choose what a credential says to others",
		pkg: "internal/wire", fn: "Challenge.validate", from: `if c.Header != "" && !mayCarry(c.Header) {`, to: `if false {`, tests: inWire,
	},
	{
		name: "ground: two escrows in one challenge", breaks: "a challenge that contradicts itself is refused",
		pkg: "internal/wire", fn: "methodDetails", from: `case *d.EscrowContract != *alias:`, to: `case false:`, tests: inWire,
	},
	{
		name: "ground: a failure's receipt is read", breaks: "only a success is a receipt",
		pkg: "receipt", fn: "ParseFrame", from: `wire.Required(o, "status", only("success"))`, to: `wire.Required(o, "status", wire.Value.Text)`, tests: []string{"receipt"},
	},
	{
		name: "ground: conflict ignored by the store", breaks: "of two writers one loses and knows it",
		pkg: "store/filestore", fn: "Store.Put", from: `if have.mark.rev != rev {`, to: `if false {`, tests: inFilestore,
	},
	{
		name: "ground: conflict ignored in memory", breaks: "of two writers one loses and knows it",
		pkg: "store", fn: "Mem.Put", from: `if have := m.records[key].rev; have != rev || have == MovedRev {`, to: `if have := m.records[key].rev; false {`, tests: []string{"store"},
	},
	{
		name: "ground: file sync dropped", breaks: "a new file is whole on disk before it takes the place of the old one",
		pkg: "store/filestore", fn: "Store.writeFile", from: `err = s.sync(f)`, to: `err = nil`, tests: inFilestore,
	},
	{
		name: "ground: sync in place dropped", breaks: "a write that returned survives the machine",
		pkg: "store/filestore", fn: "Store.overwrite", from: `err = s.sync(have.file)
	}
	if err`, to: `err = nil
	}
	if err`, tests: inFilestore,
	},
	{
		name: "ground: directory sync dropped", breaks: "a rename that returned survives the machine",
		pkg: "store/filestore", fn: "Store.replace", from: `return s.syncDir(filepath.Clean(dir))`, to: `return nil`, tests: inFilestore,
	},
	{
		name: "ground: the current slot is overwritten", breaks: "the old record stays whole until the new one is durable",
		pkg: "store/filestore", fn: "Store.overwrite", from: `next.sectors(1-have.slot, have.size)`, to: `next.sectors(have.slot, have.size)`, tests: inFilestore,
	},
	{
		name: "ground: a slot is reused before its successor is durable", breaks: "one slot on disk is whole at every moment",
		pkg: "store/filestore", fn: "Store.overwrite", from: `if !s.durable(key, have) {`, to: `if false {`, tests: inFilestore,
	},
	{
		name: "ground: a failed write stays visible", breaks: "nobody reads a record that may never reach the disk",
		pkg: "store/filestore", fn: "Store.overwrite", from: `undo := s.writeAt(have.file, have.raw[at:at+int64(len(raw))], at); undo != nil && whole {`, to: `undo := error(nil); undo != nil && whole {`, tests: inFilestore,
	},
	{
		name: "ground: what could not be taken back is read", breaks: "a record that may not be on the disk is not relied on",
		pkg: "store/filestore", fn: "Store.overwrite", from: `			s.stuck.Store(key, err)
`, to: ``, tests: inFilestore,
	},
	{
		name: "ground: a replaced file is written", breaks: "a write to a file that is gone is no success",
		pkg: "store/filestore", fn: "Store.overwrite", from: `err != nil || !same {`, to: `err != nil && !same {`, tests: inFilestore,
	},
	{
		name: "ground: reader's sync dropped", breaks: "nobody signs by a record that can still vanish",
		pkg: "store/filestore", fn: "Store.settle", from: `err = s.sync(f.file)`, to: `err = nil`, tests: inFilestore,
	},
	{
		name: "ground: reader's sync of the name dropped", breaks: "nobody signs by a record that can still vanish",
		pkg: "store/filestore", fn: "Store.settle", from: `err = s.syncDir(s.dirOf(key))`, to: `err = nil`, tests: inFilestore,
	},
	{
		name: "ground: a list syncs nothing together", breaks: "nobody signs by a record that can still vanish",
		pkg: "store/filestore", fn: "Store.syncTogether", from: `if s.syncWhole(f) != nil {`, to: `if f == nil {`, tests: inFilestore,
	},
	{
		name: "ground: a sync covers a later revision", breaks: "only what was read before the sync needs none",
		pkg: "store/filestore", fn: "Store.durable", from: `known.durable && known.mark == f.mark`, to: `known.durable`, tests: inFilestore,
	},
	{
		name: "ground: a failed write is synced together", breaks: "a write that the kernel lost is no record",
		pkg: "store/filestore", fn: "Store.syncTogether", from: `failed = &unsyncedError{key, err}`, to: `_ = failed`, tests: inFilestore,
	},
	{
		name: "ground: many records are synced one by one", breaks: "a listing makes a bounded number of syncs",
		pkg: "store/filestore", fn: "Store.allowance", from: `if s.alone < 0 {`, to: `if true {`, tests: inFilestore,
	},
	{
		name: "ground: lister's sync dropped", breaks: "nobody signs by a record that can still vanish",
		pkg: "store/filestore", fn: "Store.listing", from: `if l.doubtful && !f.old {`, to: `if false {`, tests: inFilestore,
	},
	{
		name: "ground: lock dropped", breaks: "two processes do not write one record at once",
		pkg: "store/filestore", fn: "Store.lock", from: `held, err := file.TryLockContext(waiting, poll)`, to: `held, err := true, error(nil)`, tests: inFilestore,
	},
	{
		name: "ground: an old copy is read", breaks: "a record that went back is noticed",
		pkg: "store/filestore", fn: "memory.denies", from: `case v.mark.rev < m.rev:`, to: `case false:`, tests: inFilestore,
	},
	{
		name: "ground: another history at the same revision is read", breaks: "a record that went back and forth again is noticed",
		pkg: "store/filestore", fn: "memory.denies", from: `case v.mark.rev == m.rev && v.mark != m.mark:`, to: `case false:`, tests: inFilestore,
	},
	{
		name: "ground: another history further on is read", breaks: "a record without what this program wrote is noticed",
		pkg: "store/filestore", fn: "memory.denies", from: `case at >= 0 && v.by[at].rev < m.wrote:`, to: `case false:`, tests: inFilestore,
	},
	{
		name: "ground: a history without us is read", breaks: "a record without what this program wrote is noticed",
		pkg: "store/filestore", fn: "memory.denies", from: `case at < 0 && (len(v.by) < maxWriters || v.by[len(v.by)-1].rev <= m.wrote):`, to: `case false:`, tests: inFilestore,
	},
	{
		name: "ground: a record that is gone is not found", breaks: "a record that vanished is noticed",
		pkg: "store/filestore", fn: "Store.missing", from: `if before.rev > 0 && !before.moved {`, to: `if false {`, tests: inFilestore,
	},
	{
		name: "ground: a listing skips what is gone", breaks: "a listing that lacks a known record is no success",
		pkg: "store/filestore", fn: "Store.listed", from: `keys := s.known.under(prefix)`, to: `keys := []string(nil)`, tests: inFilestore,
	},
	{
		name: "ground: another directory is read", breaks: "a store that was replaced as a whole is noticed",
		pkg: "store/filestore", fn: "Store.present", from: `if err == nil && !os.SameFile(info, s.info) {`, to: `if err == nil && !os.SameFile(info, info) {`, tests: inFilestore,
	},
	{
		name: "ground: a damaged record is overwritten", breaks: "what cannot be read is not written over",
		pkg: "store/filestore", fn: "Store.Put", from: `if err != nil {
		return 0, err //`, to: `if false {
		return 0, err //`, tests: inFilestore,
	},
	{
		name: "ground: a damaged sector is read", breaks: "damage is told from a write that was cut",
		pkg: "store/filestore", fn: "look", from: `if !ok {`, to: `if !ok && i < 0 {`, tests: inFilestore,
	},
	{
		name: "ground: checksum ignored", breaks: "a changed byte is found out",
		pkg: "store/filestore", fn: "unseal", from: `binary.BigEndian.Uint32(rest[8:]) != checksum(raw[:payload+18], index, size)`, to: `false`, tests: inFilestore,
	},
	{
		name: "ground: a mixed slot is read", breaks: "a write that was cut twice is found out",
		pkg: "store/filestore", fn: "whole", from: `return r, sum, bytes.Equal(stream[:line], head)`, to: `return r, sum, len(head) == line`, tests: inFilestore,
	},
	{
		name: "ground: checksum of the old format ignored", breaks: "a changed byte is found out",
		pkg: "store/filestore", fn: "lookOld", from: `!bytes.Equal(raw, encodeOld(key, rev, data))`, to: `false`, tests: inFilestore,
	},
	{
		name: "ground: a lost revision is not missed", breaks: "an older record is never read for a newer one",
		pkg: "store/filestore", fn: "look", from: `case started > v.record.rev+1 || v.noted.rev > v.record.rev:`, to: `case false:`, tests: inFilestore,
	},
	{
		name: "ground: older programs let in", breaks: "a program of the old format does not read the new one",
		pkg: "store/filestore", fn: "Store.upgrade", from: `if have != format {`, to: `if have > format {`, tests: inFilestore,
	},
	{
		name: "ground: moved without a note", breaks: "a key that a record left is not used again",
		pkg: "store/filestore", fn: "Store.move", from: `if err := s.leave(key, departure{r.rev, r.born, to}); err != nil {`, to: `if err := error(nil); err != nil {`, tests: inFilestore,
	},
	{
		name: "ground: moved to a key in use", breaks: "a record is not moved over another",
		pkg: "store/filestore", fn: "Store.Move", from: `if err := s.unused(to); err != nil {`, to: `if err := error(nil); err != nil {`, tests: inFilestore,
	},
	{
		name: "ground: others may write the store", breaks: "a store that others could change is refused",
		pkg: "store/filestore", fn: "makePrivate", from: `case used && mode&0o022 != 0:`, to: `case false:`, tests: inFilestore,
	},
	{
		name: "ground: records open to others", breaks: "records are for the user alone",
		pkg: "store/filestore", fn: "Store.writeFile", from: `os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)`, to: `os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)`, tests: inFilestore,
	},
}

// theChain is what a node can make us do.
var theChain = []defect{
	{
		name: "chain: a node of another chain is believed", breaks: "answers of another chain are not looked at",
		pkg: "channel/escrow", fn: "node.ask", from: `case want != 0 && id != want:`, to: `case false:`, tests: inEscrow,
	},
	{
		name: "chain: state of whatever block", breaks: "the time and the state of a channel are of one block",
		pkg: "channel/escrow", fn: "Client.fetchAt", from: `at.pinned()`, to: `"latest"`, tests: inEscrow,
	},
	{
		name: "chain: a word in a refusal", breaks: "a refusal is not taken for a transaction that is known",
		pkg: "channel/escrow", fn: "isKnown", from: `slices.Contains(knownTo, text)`, to: `strings.Contains(text, "known")`, tests: inEscrow,
	},
	{
		name: "chain: redirect followed", breaks: "signed bytes and the node's credentials go to the node only",
		pkg: "channel/escrow", fn: "stay", from: `func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }`, to: `func stay(*http.Request, []*http.Request) error { return nil }`, tests: inEscrow,
	},
	{
		name: "chain: retry-after uncapped", breaks: "a node's Retry-After does not make us wait for long",
		pkg: "channel/escrow", fn: "backoff", from: `return min(wait, longest)`, to: `return wait`, tests: inEscrow,
	},
	{
		name: "chain: fee unbounded", breaks: "a transaction costs five cents at most, whatever the node says of prices",
		pkg: "channel/escrow", fn: "Tx.setGas", from: `fee = min(fee, maxFee/gas)`, to: `_ = maxFee`, tests: inEscrow,
	},
	{
		name: "chain: gas unbounded", breaks: "a transaction takes two million gas at most",
		pkg: "channel/escrow", fn: "Tx.setGas", from: `if gas > maxGas {`, to: `if false {`, tests: inEscrow,
	},
	{
		name: "chain: allowance without end", breaks: "a v1 escrow may take the deposit and nothing more",
		pkg: "channel/escrow", fn: "job.transaction", from: `approve(j.escrow, j.spend)`, to: `approve(j.escrow, voucher.MaxAmount)`, tests: inEscrow,
	},
	{
		name: "chain: a transaction that lives for long", breaks: "a transaction that was not mined soon never will be",
		pkg: "channel/escrow", fn: "Tx.window", from: `t.ValidBefore = now + validFor`, to: `t.ValidBefore = now + 1000*validFor`, tests: inEscrow,
	},
	{
		name: "chain: whose signature it is unchecked", breaks: "a transaction is signed by the payer it names",
		pkg: "channel/escrow", fn: "Client.prepare", from: `if err := t.checkSignature(sig); err != nil {`, to: `if err := t.checkSignature(sig); false {`, tests: inEscrow,
	},
	{
		name: "chain: a lost send is called expired", breaks: "a transaction that can still be mined is not called dead",
		pkg: "channel/escrow", fn: "Client.lookUpEverywhere", from: `case now >= from:`, to: `case now > 0:`, tests: inEscrow,
	},
}
