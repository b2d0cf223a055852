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
	"net/url"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
)

// The exit statuses: curl's where it has one, and two of our own.
const (
	exitScheme    = 1
	exitUsage     = 2
	exitURL       = 3
	exitResolve   = 6
	exitConnect   = 7
	exitPartial   = 18
	exitHTTP      = 22
	exitWrite     = 23
	exitRead      = 26
	exitTimeout   = 28
	exitTLS       = 35
	exitRedirects = 47
	exitEmpty     = 52
	exitReceive   = 56
	exitCert      = 60
	exitRefused   = 110
	exitPayment   = 111
	exitInterrupt = 130
)

const exitHelp = `Exit status:
    0  the transfer went well
    1  the URL's scheme is not supported
    2  wrong usage: a flag, an argument, a key file, a policy file
    3  the URL is malformed
    6  the host name could not be resolved
    7  no connection to the host
   18  the body ended too early
   22  HTTP status 400 or above, with --fail
   23  the output could not be written
   26  a local file could not be read: the data to send, the policy, a channel's record
   28  timeout
   35  TLS failed
   47  too many redirects, with --location
   52  the server closed the connection without an answer
   56  receiving failed
   60  the server's certificate is not trusted
  110  refused by our own limits, policy or missing key; nothing was signed for what was refused
  111  the payment failed: rejected, cannot be made, or it is not known whether it was taken
  130  interrupted`

// exitError is an error with its exit status.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func fail(code int, err error) error { return &exitError{code, err} }

// ours are the errors by which our own side refuses.
var ours = []error{
	channel.ErrLimit, client.ErrPolicy, client.ErrBody, client.ErrInsecure, client.ErrEscrow,
	client.ErrNoChain, client.ErrNoPayer, escrow.ErrChainID,
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
	case errors.As(err, &desync), errors.Is(err, channel.ErrLimit):
		return exitRefused
	case errors.As(err, &payment):
		for _, e := range ours {
			if errors.Is(err, e) {
				return exitRefused
			}
		}
		if errors.Is(err, context.Canceled) {
			return exitInterrupt
		}
		if payment.Outcome != client.OutcomeNotSent && payment.Op != "stream" {
			return exitPayment
		}
		if errors.Is(err, client.ErrStalled) || errors.Is(err, client.ErrStream) || errors.Is(err, client.ErrRejected) {
			return exitPayment
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
		return exitInterrupt
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
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

// flagOf are the flags behind the fields of [channel.Limits].
var flagOf = map[string]string{
	"Price": "--max-price", "Deposit": "--max-deposit", "Total": "--max-deposit", "Stream": "--max-stream", "Ahead": "--ahead",
	"All.Hour": "--per-hour", "All.Day": "--per-day", "All.Month": "--per-month",
}

// explain is the error for a person at a terminal: which flag to set, where that is the answer.
func explain(err error) string {
	var (
		limit  *channel.LimitError
		desync *channel.DesyncError
		at     *url.Error
	)
	switch {
	case errors.As(err, &limit) && flagOf[limit.Limit] != "":
		flag := flagOf[limit.Limit]
		return fmt.Sprintf("refused, nothing was signed for it: %s is %s and this needs %s; to allow it: %s %s",
			flag, tokens(limit.Allowed), tokens(limit.Wanted), flag, tokens(limit.Wanted))
	case errors.As(err, &desync):
		return fmt.Sprintf("refused, nothing was signed: the server asks for a voucher of %s in one step, we agreed to %s; to allow it: --ahead %s",
			tokens(desync.Required), tokens(desync.Ours), tokens(desync.Required.SubFloor(desync.Ours)))
	case errors.Is(err, client.ErrNoChain):
		return "refused, nothing was signed: a channel has to be opened, topped up or checked on chain; set --rpc-url to a node of that chain"
	case errors.Is(err, client.ErrEscrow):
		return err.Error() + " (here: --escrow)"
	case errors.As(err, &at):
		return at.Err.Error() // its URL may have secrets in the query
	}
	return err.Error()
}
