package client_test

import (
	"context"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	. "github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
)

// Ends and sums that many rows share.
var (
	rejected  = hands(402, client.OutcomeRejected)
	unpaid    = hands(402, client.OutcomeNone)
	overTime  = fails(context.DeadlineExceeded)
	desync    = fails(channel.ErrServerReport)
	limited   = fails(channel.ErrLimit)
	twice     = fails(client.ErrTwice)
	pending   = fails(client.ErrPending)
	frame     = fails(client.ErrStream)
	bothRails = []string{"", "/v1"}
)

const brief = 400 * time.Millisecond

// table collects trials.
type table []trial

// add adds the trial once for each lie, which joins the lies of the trial.
func (t *table) add(tr trial, each ...Lie) {
	for _, l := range each {
		one := tr
		one.lies = append([]Lie{l}, tr.lies...)
		*t = append(*t, one)
	}
}

// trials returns the table of TestHostileServer: how the requests end under each lie, and what it
// can cost on each channel.
func trials() table {
	var t table
	for _, part := range []func(*table){
		hintTrials, identityTrials, receiptTrials, priceTrials, termsTrials, challengeTrials, transportTrials,
		streamTrials, fundTrials, closeTrials, refusalTrials,
	} {
		part(&t)
	}
	return t
}

// hintTrials adds hints. They never raise the sum of a known channel. For an unknown channel, only
// our signature and the chain count; otherwise another channel is opened.
func hintTrials(t *table) {
	snapshots := []Lie{
		SnapshotAccepted, SnapshotRequired, SnapshotSpent, SnapshotUnspent, SnapshotDeposit,
		SnapshotRich, SnapshotSettled, SnapshotUnits, SnapshotClosing, SnapshotChain,
		SnapshotEscrow, SnapshotChannel, SnapshotPayer, SnapshotPayee, SnapshotOperator,
		SnapshotToken, SnapshotSigner, SnapshotSalt, SnapshotNonce, SnapshotAll, SnapshotOtherKey,
		SnapshotRaised, SnapshotVoucherOf, SnapshotGarbage, SnapshotBare, SnapshotBareAll,
		SnapshotOfAnother,
	}
	known := trial{before: 2, from: "/hinted?ttl=4&payer=PAYER", neighbor: true}
	lost := known
	lost.lost = true
	t.add(known, snapshots...)
	t.add(lost, snapshots...)
	t.add(known, SnapshotStale)
	lost.first = rejected // the first voucher is below the one that the server has
	t.add(lost, SnapshotStale)
	for _, tr := range []trial{known, lost} {
		tr.first, tr.want = end{}, fails(channel.ErrOffer)
		t.add(tr, SnapshotHex, SnapshotDouble)
	}
	t.add(
		trial{bootstrap: true, before: 2, lost: true, from: "/boot", neighbor: true},
		append(snapshots, SnapshotHex)...)

	for _, rail := range bothRails {
		known := trial{before: 2, from: rail + "/flat?ttl=4&payer=PAYER"}
		lost := known
		lost.lost = true
		t.add(known, HintAccepted, HintRequired, HintSpent, HintDeposit, HintAll, HintChannel)
		t.add(lost, HintAccepted, HintRequired, HintSpent, HintDeposit, HintAll, HintChannel)
		known.neighbor, lost.neighbor = true, true
		t.add(known, HintOfAnother)
		t.add(lost, HintOfAnother)
	}

	// A proof is signed only for amount zero, for this realm, and once. Otherwise the payment goes
	// on without it.
	cold := trial{bootstrap: true, from: "/boot"}
	lost = trial{bootstrap: true, from: "/boot", before: 2, lost: true}
	for _, tr := range []trial{cold, lost} {
		t.add(
			tr, ProofRealm, ProofRealmPath, ProofPaid, ProofChain, ProofOld, ProofAgain, ProofBusy,
		)
		t.add(tr, RedirectProof)
		tr.times, tr.patience, tr.want = 1, brief, overTime
		t.add(tr, ProofHangs)
	}
}

// identityTrials adds servers that ask who the payer is. A proof is given for nothing or not at all,
// once, and whatever comes of it only our signature and the chain count for a channel.
func identityTrials(t *table) {
	for _, rail := range bothRails {
		cold := trial{from: rail + "/who"}
		lost := trial{from: rail + "/who?hints=flat", before: 2, lost: true}
		for _, tr := range []trial{cold, lost} {
			most := at(uint64(100 * tr.before))
			tr.want, tr.most = unpaid, most
			t.add(
				tr, ProofRealm, ProofRealmPath, ProofPaid, ProofUnit, ProofChain, ProofOld, ProofBesideCharge,
			)
			// A proof was given for nothing: no other for a while.
			tr.after = unpaid
			t.add(tr, ProofAgain, ProofThenCharge, ProofNamesNothing)
			tr.first = hands(204, client.OutcomeNone)
			t.add(tr, ProofNamesGarbage)
			tr.first = hands(503, client.OutcomeNone)
			t.add(tr, ProofBusy)
			tr.first, tr.want, tr.after = end{}, end{}, end{}
			tr.most = nil
			t.add(tr, ProofCookies, ProofCookieHuge, ProofCookieOfAnother)
			tr.first, tr.want, tr.after = rejected, unpaid, unpaid
			t.add(tr, ProofForPayment)
			tr.first = end{}
			tr.times, tr.patience, tr.want, tr.most, tr.after, tr.sockets = 1, brief, overTime, most, unpaid, true
			t.add(tr, ProofHangs)
		}
		cold.neighbor, lost.neighbor = true, true
		cold.from, lost.from = rail+"/who?apart&hints=none", rail+"/who?apart&hints=none"
		t.add(cold, ProofNamesAnother)
		t.add(lost, ProofNamesAnother)
		lost.from = rail + "/who?hints=flat"
		t.add(
			lost, HintAccepted, HintRequired, HintSpent, HintDeposit, HintAll, HintChannel, HintOfAnother,
		)
	}
	lost := trial{from: "/who", before: 2, lost: true, neighbor: true}
	t.add(
		lost, SnapshotAccepted, SnapshotRequired, SnapshotRich, SnapshotRaised, SnapshotOtherKey,
		SnapshotVoucherOf, SnapshotOfAnother, SnapshotBareAll,
	)
}

// receiptTrials adds forged receipts. They raise nothing, and the caller gets the paid response.
func receiptTrials(t *table) {
	receipts := []Lie{
		ReceiptAccepted, ReceiptSpent, ReceiptAll, ReceiptMax, ReceiptUnspent, ReceiptForgotten,
		ReceiptReplayed, ReceiptStale, ReceiptOfAnother, ReceiptChallenge, ReceiptNegative,
		ReceiptHex, ReceiptFailed, ReceiptMethod, ReceiptCase, ReceiptHalf, ReceiptTwofold,
		ReceiptGarbage, ReceiptHuge, ReceiptDouble, ReceiptNone,
	}
	for _, rail := range bothRails {
		t.add(trial{from: rail + "/data", neighbor: true}, receipts...)
		t.add(
			trial{before: 2, from: rail + "/data?ttl=4", neighbor: true},
			append(receipts, ReceiptOnRefusal)...)
		t.add(
			trial{before: 2, from: rail + "/data", path: rail + "/stream/5/10", most: at(360)},
			append(receipts, ReceiptEaten)...)
		t.add(
			trial{before: 2, from: rail + "/data", none: true, close: true}, ReceiptAccepted,
			ReceiptSpent, ReceiptAll, ReceiptMax, ReceiptOfAnother, ReceiptReplayed, ReceiptHuge,
		)
	}
	t.add(
		trial{before: 2, path: "/free", want: hands(200, client.OutcomeNone), most: at(200)},
		ReceiptOnFree,
	)
	t.add(
		trial{
			before: 2,
			lies:   []Lie{RedirectPaid},
			want:   hands(200, client.OutcomeUnknown),
			most:   at(300),
		},
		ReceiptOnStranger,
	)
	// A new channel replaces the old one, and receipts for the old one arrive.
	t.add(
		trial{
			before: 2,
			times:  2,
			lies:   []Lie{GoneAgain},
			last:   hands(410, client.OutcomeRejected),
			sum:    at(500),
			after:  twice,
		},
		ReceiptOfAnother,
	)
}

// priceTrials adds price changes. A price is checked against Limits.Price before it is paid, once.
func priceTrials(t *table) {
	cold := trial{from: "/hinted?ttl=4&payer=PAYER"}
	warm := trial{before: 2, from: cold.from}
	for _, tr := range []trial{cold, warm} {
		t.add(tr, PriceFalls, DepositHuge)
		tr.want = fails(channel.ErrOffer)
		t.add(tr, PriceTooWide, PriceZero, PriceNegative, PriceHex, PriceNumber, PriceBlank)
		tr.want = limited
		t.add(tr, PriceHuge)
		tr.want = unpaid
		t.add(tr, PriceTwice)
	}
	cold.want = rejected // an opening is sent at one price
	t.add(cold, PriceRaised, PriceRises, PriceSeesaw)
	t.add(trial{before: 2, from: warm.from, want: rejected, most: at(200 + 3*500)}, PriceSeesaw)
	t.add(trial{before: 2, from: warm.from, most: at(200 + 3*500)}, PriceRaised)
	t.add(
		trial{before: 2, from: warm.from, first: rejected, want: limited, most: at(200 + 400)},
		PriceRises,
	)
	cold.want = limited
	cold.first = end{}
	t.add(trial{from: warm.from, times: 2, last: limited}, MinDeltaHuge)
	t.add(trial{before: 2, from: warm.from, want: limited, most: at(200)}, MinDeltaHuge)
}

// termsTrials adds changes of payee, token, escrow, chain and operator. The first ones are pinned.
func termsTrials(t *table) {
	from := "/hinted?ttl=4&payer=PAYER"
	cold, warm := trial{from: from}, trial{before: 2, from: from}
	for _, tr := range []trial{cold, warm} {
		tr.want, tr.most = fails(channel.ErrOffer), at(uint64(100*tr.before))
		t.add(tr, PayeeIsToken, PayeeIsZero, ChainMissing, ProtocolUnknown, EscrowTwofold)
		tr.want = fails(client.ErrEscrow)
		t.add(tr, EscrowWrong, ProtocolLowered)
		tr.want = fails(escrow.ErrChainID)
		t.add(tr, ChainWrong)
	}
	warm.want, warm.most = fails(client.ErrPolicy), at(200)
	t.add(warm, PayeeChanged, OperatorAppears, OperatorIsPayer)
	warm.want = fails(channel.ErrAsset)
	t.add(warm, TokenChanged)
	warm.want, warm.most = end{}, nil
	t.add(warm, FeeTokenWrong, SponsorLies)

	cold.after = fails(client.ErrPolicy)
	t.add(cold, OperatorAppears, OperatorIsPayer)
	cold.want = rejected
	t.add(cold, PayeeChanged)
	cold.after, cold.want = end{}, fails(channel.ErrAsset)
	t.add(cold, TokenChanged, FeeTokenWrong)
	cold.want = rejected
	t.add(cold, SponsorLies)
}

// challengeTrials adds odd challenges. A malformed one is returned to the caller; the others are
// answered a bounded number of times.
func challengeTrials(t *table) {
	for _, before := range []int{0, 2} {
		tr := trial{before: before, from: "/hinted?ttl=4&payer=PAYER"}
		t.add(
			tr, ExpiryFar, BodyDigest, RealmOfAnother, ChallengeOnAnswer, Interim, LineBreaks,
			ManyChallenges,
		)
		tr.want = rejected
		t.add(tr, FreshChallenges, SameChallenge)
		tr.most = at(uint64(100*before + 500)) // the first one has five times the price
		t.add(tr, EqualIDs)
		tr.want, tr.most = unpaid, at(uint64(100*before))
		t.add(
			tr, ParameterTwice, QuoteOpen, IntoHost, IntoCookie, IntoTwoLines, ChallengeHuge,
			RequestHuge, RequestNoJSON, RequestDeep, SplitChallenge, FoldedHeader,
		)
		tr.want = says("malformed MIME header")
		t.add(tr, BareReturn)
		tr.want = fails(channel.ErrExpired)
		t.add(tr, Expired, ExpiryWords)
	}
}
