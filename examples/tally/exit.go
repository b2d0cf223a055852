package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// The exit statuses: curl's where it has one, and 110 to 120 about money.
const (
	exitScheme      = 1
	exitUsage       = 2
	exitURL         = 3
	exitProxy       = 5
	exitResolve     = 6
	exitConnect     = 7
	exitPartial     = 18
	exitHTTP        = 22
	exitWrite       = 23
	exitRead        = 26
	exitTimeout     = 28
	exitTLS         = 35
	exitRedirects   = 47
	exitEmpty       = 52
	exitReceive     = 56
	exitCert        = 60
	exitEncoding    = 61
	exitRefused     = 110
	exitApproval    = 111
	exitFunds       = 112
	exitRejected    = 113
	exitUnknown     = 114
	exitNoContent   = 115
	exitBusy        = 116
	exitState       = 117
	exitNothing     = 118
	exitKey         = 119
	exitPart        = 120
	exitInterrupted = 130
)

// exits is the table of the exit statuses: the help and the manual show it.
var exits = []struct {
	code int
	text string
}{
	{0, "the transfer went well; what the HTTP status is does not matter, as with curl"},
	{exitScheme, "the URL's scheme is not supported"},
	{exitUsage, "wrong usage: a flag, an argument, a policy file"},
	{exitURL, "the URL is malformed"},
	{exitProxy, "the proxy's host name could not be resolved"},
	{exitResolve, "the host name could not be resolved"},
	{exitConnect, "no connection to the host"},
	{exitPartial, "the body ended too early"},
	{exitHTTP, "HTTP status 400 or above, with --fail or --fail-with-body"},
	{exitWrite, "the output could not be written, or is binary and would go to a terminal"},
	{exitRead, "a local file could not be read: the data to send, a policy, cookies"},
	{exitTimeout, "timeout, and nothing was signed or it is known what became of it"},
	{exitTLS, "TLS failed"},
	{exitRedirects, "too many redirects, with --location"},
	{exitEmpty, "the server closed the connection without an answer"},
	{exitReceive, "receiving failed"},
	{exitCert, "the server's certificate is not trusted"},
	{exitEncoding, "the content coding cannot be read, with --compressed"},
	{exitRefused, "refused by our limits or policy; nothing was signed for what was refused"},
	{exitApproval, "a person has to approve, and did not; nothing was signed"},
	{exitFunds, "the wallet does not hold enough for the deposit and the fee; nothing was signed"},
	{exitRejected, "the payee or the chain rejected the payment"},
	{exitUnknown, "a payment left, and it is not known whether it was taken"},
	{exitNoContent, "paid, and no content came: the answer is an error, or the stream stalled"},
	{exitBusy, "not now: other programs fund the channel, or the chain does not answer; try again"},
	{exitState, "the state cannot be read or does not add up: a record, the store, the journal"},
	{exitNothing, "payment is required, and nothing is offered that tally can pay"},
	{exitKey, "no key, or it cannot be read or used"},
	{exitPart, "partly done: some of it failed, or was left"},
	{exitInterrupted, "interrupted"},
}

// exitHelp is the table for the help.
func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit status:")
	for _, e := range exits {
		fmt.Fprintf(&b, "\n  %3d  %s", e.code, e.text)
	}
	return b.String()
}

// exitError is an error with its exit status.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func fail(code int, err error) error { return &exitError{code, err} }

// errApproval means that a price is above what is paid without asking, and that nobody agreed to it.
var errApproval = errors.New("a person has to approve it")

// causes are the errors that say why nothing, or not all, was paid, with the exit status of each. The first that
// matches counts.
var causes = []struct {
	err  error
	code int
}{
	{channel.ErrLimit, exitRefused},
	{channel.ErrAsset, exitRefused},
	{errApproval, exitApproval},
	{client.ErrPolicy, exitRefused},
	{client.ErrBody, exitRefused},
	{client.ErrInsecure, exitRefused},
	{client.ErrRedirect, exitRefused},
	{client.ErrEscrow, exitRefused},
	{client.ErrNoChain, exitRefused},
	{client.ErrNoPayer, exitRefused},
	{escrow.ErrChainID, exitRefused},
	{escrow.ErrInsufficientBalance, exitFunds},
	{voucher.ErrKey, exitKey},
	{channel.ErrRecord, exitState},
	{store.ErrCorrupt, exitState},
	{store.ErrConflict, exitBusy},
	{client.ErrStore, exitState},
	{client.ErrElsewhere, exitPart},
	{client.ErrNotSeen, exitPart},
	{client.ErrAuthorization, exitRejected},
	{client.ErrProof, exitNothing},
	{client.ErrPaidBefore, exitNoContent},
}

// payments are those of errors that wrap a [client.Error] whose outcome does not say it.
var payments = []struct {
	err  error
	code int
}{
	{context.Canceled, exitInterrupted},
	{client.ErrStalled, exitNoContent},
	{client.ErrStream, exitNoContent},
	{escrow.ErrUnconfirmed, exitUnknown},
	{client.ErrPending, exitBusy},
	{escrow.ErrRPC, exitBusy},
	{escrow.ErrExpired, exitBusy},
	{escrow.ErrFeeCap, exitBusy},
	{client.ErrRejected, exitRejected},
	{escrow.ErrWouldRevert, exitRejected},
	{escrow.ErrReverted, exitRejected},
	{channel.ErrOffer, exitNothing},
}

// ends are the statuses of the outcomes.
var ends = map[client.Outcome]int{
	client.OutcomeRefused: exitRefused, client.OutcomeRejected: exitRejected, client.OutcomeUnknown: exitUnknown,
	client.OutcomeAcceptedNoContent: exitNoContent,
}

// status is the exit status of an error.
func status(err error) int {
	var (
		own     *exitError
		desync  *channel.DesyncError
		payment *client.Error
	)
	switch {
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &desync):
		return exitRefused
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	if errors.As(err, &payment) {
		unknown := payment.Outcome == client.OutcomeUnknown && payment.Op != "stream"
		for _, c := range payments {
			if errors.Is(err, c.err) && (!unknown || c.code == exitInterrupted) {
				return c.code
			}
		}
		if code := ends[payment.Outcome]; code != 0 && payment.Op != "stream" {
			return code
		}
	}
	return transport(err)
}

// transport is curl's status for what went wrong on the way.
func transport(err error) int {
	var (
		timeout interface{ Timeout() bool }
		dns     *net.DNSError
		op      *net.OpError
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, escrow.ErrRPC): // a node did not answer, and nothing was to be paid
		return exitBusy
	case errors.As(err, &op) && (op.Op == "proxyconnect" || op.Op == "socks connect"):
		return proxied(op)
	case errors.As(err, &dns):
		return exitResolve
	case errors.As(err, &op) && op.Op == "dial":
		return exitConnect
	case errors.As(err, &cert), errors.As(err, &unknown):
		return exitCert
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch), op != nil && strings.HasSuffix(op.Op, " error"):
		return exitTLS
	case errors.Is(err, io.ErrUnexpectedEOF):
		return exitPartial
	case errors.Is(err, io.EOF):
		return exitEmpty
	case strings.Contains(err.Error(), "unsupported protocol scheme"):
		return exitScheme
	}
	return exitReceive
}

// proxied is the status of an error about the proxy.
func proxied(err *net.OpError) int {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return exitProxy
	}
	return exitConnect
}

// flagOf are the flags behind the fields of [channel.Limits].
var flagOf = map[string]string{
	"Price": "--max-price", "Deposit": "--max-deposit", "Total": "--max-deposit", "Stream": "--max-stream", "Ahead": "--ahead",
	"All.Hour": "--per-hour", "All.Day": "--per-day", "All.Month": "--per-month",
	"Fees.Transaction": "--max-fee", "Fees.Hour": "--fees-per-hour", "Fees.Day": "--fees-per-day", "Fees.Month": "--fees-per-month",
}
