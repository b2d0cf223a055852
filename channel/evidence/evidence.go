// Package evidence shows others what one operation paid for: the challenge that named the price, the voucher
// that was signed for it, the payee's receipt, and the digest of the request's body, in one file that can be
// checked without the program, the store or the chain.
//
// # Record, export, check
//
// Set client.Config.Evidence: each line of the journal then keeps what evidence needs. [Of] collects it for one
// operation, [File.Write] writes the file, and [Parse] and [File.Verify] check one, as `tally ledger --evidence`
// and `tally ledger --verify` do.
//
// # What it proves
//
//   - The payer's voucher key signed that the payee of this channel may take Cumulative base units in
//     all: the signature is checked, and the channel's id is the hash of payer, payee, token and signer,
//     so that none of them can be exchanged. If that key is not the payer's own ([Finding].Signer),
//     anybody can have made up the channel and its payer: the payer named the key only if the escrow on
//     that chain has the channel. The reader has to look up whether it is there, and whether that escrow
//     is a known one, in any case.
//   - The challenge names that payee, token and price. That the payee sent it is not proved: a challenge is not
//     signed. Its id is an HMAC that the payee can check with its key, over all but the description.
//   - The receipt, if there is one, names that challenge and channel. It is not signed: it is what the payer
//     says that the payee reported.
//   - The digest is that of the body that was sent, according to the payer. If the file has one and the
//     challenge names one, both must be equal. [Payment.CheckBody] compares it with a body.
//
// Nothing in the file shows what was delivered, and Price is the payer's own record. What the chain paid
// out is on the chain.
//
// # What a file gives away
//
// It holds no key and no credential (no value of Authorization). It holds vouchers that were presented,
// and only these: a voucher that the payee never got would let it take more money. What a voucher in the
// file is worth depends on the reader:
//
//   - To the payee it is nothing new: it has the voucher and may settle it at any time. Nobody but the
//     payee, or its operator, can settle, so a stranger who reads the file cannot take it.
//   - A stranger can spend with it what the payee has not charged yet: whoever presents the highest
//     voucher of an open channel is served until the authorized amount is used up, since a voucher names
//     no bearer. A lower voucher is refused. So give a file away only after a higher voucher was
//     presented, after everything that it authorizes was charged, or after the channel was closed. `tally
//     ledger --evidence` refuses to write a file before that.
//   - To everybody it shows who pays whom: the addresses of payer and payee, the origin, and how much the channel
//     had authorized in all.
//
// # The file
//
// JSON, as [File] describes it, with amounts as decimal strings in base units, bytes in hexadecimal with 0x and
// times in RFC 3339. Version is 1. A file with another version, an unknown field or more than 4 MiB is refused.
package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// version is that of the files that this package writes.
const version = 1

// maxFile bounds a file, in bytes.
const maxFile = 4 << 20

// Errors of evidence.
var (
	// ErrNone means that the journal has no evidence of the operation: there is no line of it, it presented
	// no voucher, or Config.Evidence was not set.
	ErrNone = errors.New("evidence: none of this operation is in the journal")
	// ErrFile means that a file is not evidence, or of another version.
	ErrFile = errors.New("evidence: not a file of evidence")
	// ErrFalse means that a statement in the file is wrong or contradicts another one. The message names
	// it.
	ErrFalse = errors.New("evidence: it does not hold")
)

// File is the evidence of one operation: one request of a program, with every voucher that was presented
// for it.
type File struct {
	Version   int       `json:"version"`
	Operation string    `json:"operation"`
	Payments  []Payment `json:"payments"`
}

// Payment is what the operation presented on one channel.
type Payment struct {
	// Kind is "pay" or "stream". Origin is scheme://host:port of the payee.
	Kind   journal.Kind `json:"kind"`
	Origin string       `json:"origin"`
	Voucher
	// Receipt is the JSON text of the payee's receipt, as it came, or empty.
	Receipt string `json:"receipt,omitempty"`
	// Outcome is the client's Outcome, Status the HTTP status.
	Outcome string `json:"outcome"`
	Status  int    `json:"status,omitempty"`
	// Start and End are the times by the payer's clock.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Voucher is the highest voucher that a request presented, and the challenge that it answered.
type Voucher struct {
	// Challenge has the parameters of the challenge, unquoted. For a stream it is the challenge that the
	// stream was opened with.
	Challenge Challenge `json:"challenge"`
	// Protocol, ChainID, Escrow and Descriptor hash to ChannelID.
	Protocol   voucher.Protocol `json:"protocol"`
	ChainID    uint64           `json:"chainId"`
	Escrow     common.Address   `json:"escrow"`
	Descriptor Descriptor       `json:"descriptor"`
	ChannelID  common.Hash      `json:"channelId"`
	// Price is what the request had agreed to when it presented the voucher, or the whole stream when it
	// ended, in base units.
	Price voucher.Amount `json:"price"`
	// Cumulative is what the payee may take of the channel in all, in base units, for this request and
	// all before.
	Cumulative voucher.Amount `json:"cumulative"`
	Signature  hexutil.Bytes  `json:"signature"`
	// Body is the SHA-256 of the request's body; it is missing if that could not be read again.
	Body hexutil.Bytes `json:"bodySha256,omitempty"`
}

// Challenge has the parameters of a Payment challenge. One that the challenge did not have is empty.
type Challenge struct {
	ID          string `json:"id"`
	Realm       string `json:"realm"`
	Method      string `json:"method"`
	Intent      string `json:"intent"`
	Request     string `json:"request"`
	Description string `json:"description,omitempty"`
	Digest      string `json:"digest,omitempty"`
	Expires     string `json:"expires,omitempty"`
	Header      string `json:"header,omitempty"`
	Opaque      string `json:"opaque,omitempty"`
}

// Descriptor is a [channel.Descriptor] with JSON names.
type Descriptor struct {
	Payer             common.Address `json:"payer"`
	Payee             common.Address `json:"payee"`
	Operator          common.Address `json:"operator"`
	Token             common.Address `json:"token"`
	Salt              common.Hash    `json:"salt"`
	AuthorizedSigner  common.Address `json:"authorizedSigner"`
	ExpiringNonceHash common.Hash    `json:"expiringNonceHash"`
}

// Of collects the evidence of an operation from the lines of a journal, for example those of [journal.Read]. It
// reads them all. Who gets the file is for the caller to decide: see what a file gives away. The error is
// [ErrNone], or joins those of the lines that could not be read; the file has the rest then.
func Of(lines iter.Seq2[journal.Entry, error], operation string) (File, error) {
	f := File{Version: version, Operation: operation}
	var bad error
	for e, err := range lines {
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		if e.Operation != operation || e.Evidence == "" {
			continue
		}
		p := Payment{
			Kind: e.Kind, Origin: e.Origin, Receipt: e.Receipt, Outcome: e.Outcome, Status: e.Status,
			Start: e.Start, End: e.End,
		}
		if err := strict([]byte(e.Evidence), &p.Voucher); err != nil {
			bad = errors.Join(bad, fmt.Errorf("%w: the line of channel %s: %w", ErrFile, e.ChannelID, err))
			continue
		}
		f.Payments = append(f.Payments, p)
	}
	if len(f.Payments) == 0 && bad == nil {
		return File{}, fmt.Errorf("%w: %q", ErrNone, operation)
	}
	return f, bad
}

// Write writes the file. It does not check it. The error is that of w.
func (f File) Write(w io.Writer) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}

// Parse reads a file. It checks the form only; [File.Verify] checks what it says. The error is [ErrFile], or that
// of r.
func Parse(r io.Reader) (File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return File{}, err
	}
	if len(text) > maxFile {
		return File{}, fmt.Errorf("%w: it is longer than %d bytes", ErrFile, maxFile)
	}
	var head struct {
		Version int `json:"version"`
	}
	var f File
	err = json.Unmarshal(text, &head)
	if err == nil && head.Version != version {
		err = fmt.Errorf("it has version %d, this program reads %d", head.Version, version)
	}
	if err == nil {
		err = strict(text, &f)
	}
	if err == nil && len(f.Payments) == 0 {
		err = errors.New("it has no payment")
	}
	if err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return f, nil
}

// strict decodes one JSON value without unknown fields and with nothing after it.
func strict(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after it")
	}
	return nil
}

// CheckBody reads body and checks that it is the one that was paid for. The error is [ErrFalse], or that of body.
func (p Payment) CheckBody(body io.Reader) error {
	if len(p.Body) == 0 {
		return fmt.Errorf("%w: it has no digest of a body", ErrFalse)
	}
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return err
	}
	if got := h.Sum(nil); !bytes.Equal(got, p.Body) {
		return fmt.Errorf("%w: the body has the SHA-256 %x, paid for was %x", ErrFalse, got, []byte(p.Body))
	}
	return nil
}

// digest returns the form in which a challenge names the SHA-256 of a body (RFC 9530), and its older form.
func digest(sum []byte) [2]string {
	text := base64.StdEncoding.EncodeToString(sum)
	return [2]string{"sha-256=:" + text + ":", "sha-256=" + text}
}

var _ = channel.Descriptor(Descriptor{}) // the same fields
