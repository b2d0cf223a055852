package client

// Outcome says how a payment ended. Errors, events, the journal and the command line use the same
// values.
type Outcome string

// The outcomes.
const (
	OutcomeNone              Outcome = "none"                // nothing was to be paid
	OutcomeRefused           Outcome = "refused"             // by this session; no credential was sent
	OutcomeNotSent           Outcome = "not_sent"            // a voucher or an opening exists, but was not sent
	OutcomeUnknown           Outcome = "unknown"             // it was sent, and no answer says more; or a top-up may yet be mined
	OutcomeRejected          Outcome = "rejected"            // the payee refused it
	OutcomeAccepted          Outcome = "accepted"            // the payee accepted it, and content came
	OutcomeAcceptedNoContent Outcome = "accepted_no_content" // the payee accepted it, and the answer is an error or empty
	OutcomeRefunded          Outcome = "refunded"            // the channel is closed and the rest is back
)
