// Package purchase decides what to do about one request of a caller, from the first sending to the
// response that is handed over, across every retry, redirect and change of channel.
//
// A [Purchase] is a value without I/O and without a clock. Its caller carries out one [Action] at a
// time and reports what came of it as an [Event]; [Purchase.Next] finds the first row of the table
// that fits and returns its action. The same events lead to the same actions.
//
// What must hold after every event:
//
//   - What the request raised on all channels together is at most the price that was agreed to, and
//     what redirects charged before. It is at most twice the price if the payee took back what it
//     had asked to be paid by.
//   - Nothing is sent in answer to terms, or to a price, that consent does not cover.
//   - At most one opening leaves that is not proved dead; two if the payee takes no vouchers of a
//     live channel.
//   - An opening of another request that the payee refused, and that does not fit an offer because
//     another side pays the fee, is replaced at most once an hour.
//   - At most one proof of who the payer is leaves, and only for an amount of zero.
//   - A request that ends as refused let no credential leave. One that let a credential leave does
//     not end as refused or as none.
//   - Every sequence of events ends.
package purchase
