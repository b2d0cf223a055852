// Package client pays HTTP 402 challenges of the Machine Payments Protocol (the Payment auth scheme,
// method tempo, intent session) by itself: it opens payment channels, signs vouchers, tops up, keeps
// streams going, finds channels again and closes them.
//
// # Use
//
// Make a [Session] from a [Config], and put its [Transport] under an [http.Client]:
//
//	s, err := client.New(client.Config{Signer: key, Payer: key, Chain: chain, Limits: limits})
//	…
//	resp, err := s.Client().Get("https://api.example.com/data")
//
// The response is the paid one. [PaymentOf] says what was paid for it. A body of Server-Sent Events is
// the application's events only; vouchers that the stream asks for are signed while it is read.
//
// # What is signed
//
// The cumulative amount of a channel grows only by prices that this program's own requests agreed to,
// under [channel.Limits] and the [Policy]. No number of a server is an operand of what is signed.
// internal/ledger/issue.go is the only place that asks for a voucher, and it writes the number down
// first. Limits that are not set pay nothing, and the error names the field.
//
// # What comes back
//
// RoundTrip returns a response or an error, never both. A 402 that offers nothing we can pay is the
// caller's, body untouched. A refusal of ours is an [*Error] that wraps [channel.ErrLimit] or
// [ErrPolicy] and says what to change. After a request was sent with a voucher and no answer came the
// outcome is [Unknown]: the price stays counted, and the next receipt corrects it.
package client
