package client

// Outcome says how a payment ended. Errors, events, the journal and the command line use the same
// values.
type Outcome string

// The outcomes.
const (
	// OutcomeNone: nothing was to be paid.
	OutcomeNone Outcome = "none"
	// OutcomeRefused: this session refused, and no credential was sent.
	OutcomeRefused Outcome = "refused"
	// OutcomeNotSent: a voucher or an opening exists, but was not sent.
	OutcomeNotSent Outcome = "not_sent"
	// OutcomeUnknown: a credential was sent, and no answer says what became of it; or a top-up was
	// sent that may yet be mined.
	OutcomeUnknown Outcome = "unknown"
	// OutcomeRejected: the payee refused the credential.
	OutcomeRejected Outcome = "rejected"
	// OutcomeAccepted: the payee accepted the credential, and content came.
	OutcomeAccepted Outcome = "accepted"
	// OutcomeAcceptedNoContent: the payee accepted it, and the answer is an error or empty.
	OutcomeAcceptedNoContent Outcome = "accepted_no_content"
	// OutcomeRefunded: the channel is closed and the rest of the deposit is back.
	OutcomeRefunded Outcome = "refunded"
)
