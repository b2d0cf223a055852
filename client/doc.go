// Package client pays HTTP 402 challenges of the Machine Payments Protocol (the Payment
// authentication scheme, method tempo, intent session): it opens payment channels, signs vouchers,
// tops up, pays streams while they are read, resumes channels after a restart, and closes them.
//
// A channel is a deposit of the payer in an escrow on chain, for one payee. A voucher is a
// signature that lets the payee take up to a cumulative amount of it. Package voucher explains
// both. All amounts are base units of the channel's token: 1,000,000 are one token of 6 decimals.
// The directory docs of this module is a book about all of it, with a first payment and a glossary.
//
// # Use
//
// Make a [Session] from a [Config], and put its [Transport] under an [http.Client]:
//
//	s, err := client.New(client.Config{Signer: key, Payer: key, Chain: chain, Limits: limits})
//	…
//	resp, err := s.Client().Get("https://api.example.com/data")
//
// [WithLimits], [WithBudget] and [WithChannel] change how the requests of a context are paid.
// [Session.Channels] lists and closes channels: they stay open, and their deposits locked, when a
// program ends. Package clienttest is a paid server for tests.
//
// The response is the one that was paid for. [PaymentOf] says what was paid for it. A body of Server-Sent Events
// is the application's events only; vouchers that the stream asks for are signed while it is read.
//
// # What is signed
//
// The cumulative amount of a channel grows only by prices that this program's own requests agreed
// to, under [channel.Limits] and the [Policy]. No number of a server is an operand of what is
// signed. internal/ledger/issue.go is the only place that asks for a voucher, and it writes the
// number down first. Limits that are not set pay nothing, and the error names the field.
//
// # What comes back
//
// RoundTrip returns a response or an error, never both. A 402 that offers nothing this session can
// pay is returned as it is, body untouched, and the Err of its [Payment] says why. If the session
// refuses to pay, the error is an [*Error] that wraps [channel.ErrLimit] or [ErrPolicy], for
// example, and says what to change. If a request was sent with a voucher and no answer came, the
// outcome is [OutcomeUnknown]: the price stays counted, and the next receipt corrects it.
//
// A payee may ask who the payer is before it names a price. A zero-dollar proof answers that: a
// signature over amount 0, which pays nothing. If none may be given, the payee's 402 is returned,
// and the Err of its Payment wraps [ErrProof] and the reason, also if a limit or the policy is the
// reason.
package client
