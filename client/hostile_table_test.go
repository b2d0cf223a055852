package client_test

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	. "github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/sse"
)

// What many rows of the table have in common.
var (
	rejected  = hands(402, client.Rejected)
	unpaid    = hands(402, client.None)
	overTime  = fails(context.DeadlineExceeded)
	desync    = fails(channel.ErrServerReport)
	limited   = fails(channel.ErrLimit)
	pending   = fails(client.ErrPending)
	frame     = fails(client.ErrStream)
	bothRails = []string{"", "/v1"}
)

const brief = 400 * time.Millisecond

// table collects trials.
type table []trial

// add adds the trial once for each lie, on top of those that it has already.
func (t *table) add(tr trial, each ...Lie) {
	for _, l := range each {
		one := tr
		one.lies = append([]Lie{l}, tr.lies...)
		*t = append(*t, one)
	}
}

// trials is the table: how each lie ends, and what it can cost. Every row's bound holds for every channel.
func trials() table {
	var t table
	for _, part := range []func(*table){hintTrials, receiptTrials, priceTrials, termsTrials, challengeTrials, transportTrials, streamTrials, fundTrials, closeTrials, refusalTrials} {
		part(&t)
	}
	return t
}

// hintTrials: where the channel is known, nothing that a server says of it raises a number; where it is not, only
// our own signature and the chain do, and otherwise another channel is opened.
func hintTrials(t *table) {
	snapshots := []Lie{
		SnapshotAccepted, SnapshotRequired, SnapshotSpent, SnapshotUnspent, SnapshotDeposit, SnapshotRich, SnapshotSettled, SnapshotUnits,
		SnapshotClosing, SnapshotChain, SnapshotEscrow, SnapshotChannel, SnapshotPayer, SnapshotPayee, SnapshotOperator, SnapshotToken,
		SnapshotSigner, SnapshotSalt, SnapshotNonce, SnapshotAll, SnapshotOtherKey, SnapshotRaised, SnapshotVoucherOf, SnapshotGarbage,
		SnapshotBare, SnapshotBareAll, SnapshotOfAnother,
	}
	known := trial{before: 2, from: "/hinted?ttl=4&payer=PAYER", neighbor: true}
	lost := known
	lost.lost = true
	t.add(known, snapshots...)
	t.add(lost, snapshots...)
	t.add(known, SnapshotStale)
	lost.first = rejected // what is signed first is lower than what the server has, and free of risk
	t.add(lost, SnapshotStale)
	for _, tr := range []trial{known, lost} {
		tr.first, tr.want = end{}, fails(channel.ErrOffer)
		t.add(tr, SnapshotHex, SnapshotDouble)
	}
	t.add(trial{bootstrap: true, before: 2, lost: true, from: "/boot", neighbor: true}, append(snapshots, SnapshotHex)...)

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

	// A proof is given for nothing, here, once; or the payment goes on without.
	cold := trial{bootstrap: true, from: "/boot"}
	lost = trial{bootstrap: true, from: "/boot", before: 2, lost: true}
	for _, tr := range []trial{cold, lost} {
		t.add(tr, ProofRealm, ProofPaid, ProofChain, ProofOld, ProofAgain, ProofBusy, RedirectProof)
		tr.times, tr.patience, tr.want = 1, brief, overTime
		t.add(tr, ProofHangs)
	}
}

// receiptTrials: a receipt costs nobody a paid answer, and raises nothing.
func receiptTrials(t *table) {
	receipts := []Lie{
		ReceiptAccepted, ReceiptSpent, ReceiptAll, ReceiptMax, ReceiptUnspent, ReceiptForgotten, ReceiptReplayed, ReceiptStale,
		ReceiptOfAnother, ReceiptChallenge, ReceiptNegative, ReceiptHex, ReceiptFailed, ReceiptMethod, ReceiptCase, ReceiptHalf, ReceiptTwofold,
		ReceiptGarbage, ReceiptHuge, ReceiptDouble, ReceiptNone,
	}
	for _, rail := range bothRails {
		t.add(trial{from: rail + "/data", neighbor: true}, receipts...)
		t.add(trial{before: 2, from: rail + "/data?ttl=4", neighbor: true}, append(receipts, ReceiptOnRefusal)...)
		t.add(trial{before: 2, from: rail + "/data", path: rail + "/stream/5/10", most: at(350)}, append(receipts, ReceiptEaten)...)
		t.add(trial{before: 2, from: rail + "/data", none: true, close: true}, ReceiptAccepted, ReceiptSpent, ReceiptAll, ReceiptMax, ReceiptOfAnother, ReceiptReplayed, ReceiptHuge)
	}
	t.add(trial{before: 2, path: "/free", want: hands(200, client.None), most: at(200)}, ReceiptOnFree)
	t.add(trial{before: 2, lies: []Lie{RedirectPaid}, want: hands(200, client.None), most: at(300)}, ReceiptOnStranger)
	// The scope goes from one channel to the next, and receipts for the one before come in.
	t.add(trial{before: 2, lies: []Lie{GoneAgain}, last: limited, sum: at(700), after: limited}, ReceiptOfAnother)
}

// priceTrials: a price is agreed to when it is seen, under Limits.Price, and paid once.
func priceTrials(t *table) {
	cold, warm := trial{from: "/hinted?ttl=4&payer=PAYER"}, trial{before: 2, from: "/hinted?ttl=4&payer=PAYER"}
	for _, tr := range []trial{cold, warm} {
		t.add(tr, PriceFalls, DepositHuge)
		tr.want = fails(channel.ErrOffer)
		t.add(tr, PriceTooWide, PriceZero, PriceNegative, PriceHex, PriceNumber, PriceBlank)
		tr.want = limited
		t.add(tr, PriceHuge)
		tr.want = unpaid
		t.add(tr, PriceTwice)
	}
	cold.want = rejected // an opening goes with one price
	t.add(cold, PriceRaised, PriceRises, PriceSeesaw)
	t.add(trial{before: 2, from: warm.from, want: rejected, most: at(200 + 3*500)}, PriceSeesaw)
	t.add(trial{before: 2, from: warm.from, most: at(200 + 3*500)}, PriceRaised)
	t.add(trial{before: 2, from: warm.from, first: rejected, want: limited, most: at(200 + 400)}, PriceRises)
	cold.want = limited
	cold.first = end{}
	t.add(trial{from: warm.from, times: 2, last: limited}, MinDeltaHuge)
	t.add(trial{before: 2, from: warm.from, want: limited, most: at(200)}, MinDeltaHuge)
}

// termsTrials: whoever named a payee, a token, an escrow, a chain or an operator first is held to it.
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
	t.add(warm, PayeeChanged, TokenChanged, OperatorAppears, OperatorIsPayer)
	warm.want, warm.most = end{}, nil
	t.add(warm, FeeTokenWrong, SponsorLies)

	cold.after = fails(client.ErrPolicy)
	t.add(cold, OperatorAppears, OperatorIsPayer)
	cold.want = rejected
	t.add(cold, PayeeChanged)
	cold.want = fails(escrow.ErrParams)
	t.add(cold, TokenChanged)
	cold.after, cold.want = end{}, rejected
	t.add(cold, SponsorLies)
	cold.want = fails(escrow.ErrRPC)
	t.add(cold, FeeTokenWrong)
}

// challengeTrials: what cannot be read is handed back, and what can is answered a bounded number of times.
func challengeTrials(t *table) {
	for _, before := range []int{0, 2} {
		tr := trial{before: before, from: "/hinted?ttl=4&payer=PAYER"}
		t.add(tr, ExpiryFar, BodyDigest, RealmOfAnother, ChallengeOnAnswer, Interim, LineBreaks, ManyChallenges)
		tr.want = rejected
		t.add(tr, FreshChallenges, SameChallenge)
		tr.most = at(uint64(100*before + 500)) // five times the price is what the first of them says
		t.add(tr, EqualIDs)
		tr.want, tr.most = unpaid, at(uint64(100*before))
		t.add(tr, ParameterTwice, QuoteOpen, IntoHost, IntoCookie, IntoTwoLines, ChallengeHuge, RequestHuge, RequestNoJSON, RequestDeep, SplitChallenge, FoldedHeader)
		tr.want = says("malformed MIME header")
		t.add(tr, BareReturn)
		tr.want = fails(channel.ErrExpired)
		t.add(tr, Expired, ExpiryWords)
	}
}

// transportTrials: what was sent stays counted until the server says otherwise, and a credential stays where it
// was asked for.
func transportTrials(t *table) {
	warm := trial{before: 2}
	ends := func(want end, each ...Lie) {
		tr := warm
		tr.want = want
		t.add(tr, each...)
	}
	ends(end{}, StreamForData)
	ends(hands(503, client.Unknown), ErrorAfterCharge, BusyForever)
	ends(hands(500, client.AcceptedNoContent), ErrorWithReceipt)
	ends(hands(304, client.AcceptedNoContent), NotModified)
	ends(hands(204, client.AcceptedNoContent), NoContent)
	ends(hands(200, client.None), RedirectPaid)
	ends(rejected, RefuseAfterCharge, RedirectDrip)
	t.add(trial{want: fails(channel.ErrExpired), most: at(0)}, DateFuture) // its own clock says that it came too late
	ends(end{}, RefuseAfterService, DatePast, DateFar, DateWords, DateFuture)
	ends(fails(io.ErrUnexpectedEOF), ShortBody)
	ends(fails(io.EOF), CutAfterCharge)
	ends(says("response headers exceeded"), HugeHeader)
	ends(says("Location"), RedirectNowhere)
	ends(says("stopped after 10 redirects"), RedirectLoop)
	ends(fails(client.ErrRedirect), RedirectPaidForMore, RedirectMoved, RedirectSeeOther, RedirectPermanent, RedirectSchemeless)
	warm.most = at(200 + 3*1000) // Limits.Price for each request, whatever its redirects cost
	ends(says("stopped after 10 redirects"), RedirectToll)
	warm.most, warm.path = at(200), "/data?ttl=4"
	warm.from = warm.path
	ends(fails(client.ErrRedirect), RedirectAway)
	warm.most = nil
	ends(end{}, EndlessRefusal)
	t.add(trial{before: 2, tls: true, from: "/data?ttl=4", want: fails(client.ErrRedirect), most: at(200)}, RedirectToPlain)
	t.add(trial{before: 2, tls: true, want: fails(client.ErrRedirect), most: at(300)}, RedirectPaidToPlain)
	t.add(trial{before: 2, patience: brief, want: overTime}, HangAfterCharge, SlowHeader, SlowBody, SlowRefusal)

	stream := trial{before: 1, path: "/stream/5/10", most: at(250)}
	stream.method = http.MethodPost
	t.add(stream, ContentBeside)
	stream.method = ""
	stream.want = fails(client.ErrRejected)
	t.add(stream, RedirectVoucher)
	stream.want = fails(client.ErrStalled)
	t.add(stream, BusyBeside, HangBeside)
}

// streamTrials: a frame is one more ask at the same gate; one that marches is stopped, by us or by Limits.Stream.
func streamTrials(t *table) {
	for _, rail := range bothRails {
		stream := trial{before: 1, from: rail + "/data", path: rail + "/stream/5/10", most: at(250)}
		t.add(stream, NeedPoor, NeedRich, NeedAccepted, NeedForgot, StreamQuotes, StreamReceipts, StreamEarlyReceipt, StreamEmpty)
		ends := func(most uint64, want end, each ...Lie) {
			tr := stream
			tr.want, tr.most = want, at(most)
			t.add(tr, each...)
		}
		ends(250, end{}, NeedLines, StreamBytes, StreamFlood)
		ends(130, desync, NeedAll, NeedMax, StreamMixed)
		ends(130, frame, NeedOther, NeedNegative, NeedHex, NeedHalf, NeedDouble)
		stream.neighbor = true
		ends(130, frame, NeedOfAnother)
		stream.neighbor = false
		ends(130, fails(sse.ErrFrameTooLarge), NeedHuge, StreamLine)
		ends(130, fails(io.ErrUnexpectedEOF), StreamCut)
		ends(160, fails(client.ErrStalled), StreamSilent)
		ends(250, end{}, StreamName, NeedLess)
		ends(130, frame, StreamRepeats)
		stream.first = frame
		ends(170, desync, StreamMarch, StreamComments)
		stream.first = limited
		ends(100+200+20, desync, StreamTrickle)
		stream.first = end{}
		ends(250, hands(204, client.AcceptedNoContent), NoContent)
	}
}

// fundTrials: no transaction is signed twice for one need, and none is forgotten.
func fundTrials(t *table) {
	for _, rail := range bothRails {
		open := trial{from: rail + "/data?deposit=250"}
		t.add(open, OpenTaken)
		ends := func(want end, each ...Lie) {
			tr := open
			tr.want = want
			t.add(tr, each...)
		}
		ends(hands(410, client.Rejected), OpenGone)
		ends(rejected, OpenRefused)
		open.first = rejected
		ends(end{}, OpenMined)
		open.first = end{}
		open.sum = at(500) // a request that is told that its channel is gone is paid from another one
		ends(end{}, OpenMinedLate)
		open.sum, open.last = nil, fails(escrow.ErrNoChannel)
		ends(end{}, OpenNotMined)

		topUp := trial{before: 2, from: rail + "/data?deposit=250"}
		t.add(topUp, TopUpMined, TopUpPriced)
		topUp.want = rejected
		t.add(topUp, TopUpNotMined, TopUpMinedLate, TopUpDemanded)
		topUp.want, topUp.most = pending, at(200)
		t.add(topUp, TopUpRefused, RedirectTopUp)
	}
}

// closeTrials: the chain has the last word on a close, and what is not closed stays listed.
func closeTrials(t *table) {
	for _, rail := range bothRails {
		c := trial{before: 2, from: rail + "/data", none: true, close: true}
		t.add(c, CloseAll, CloseSpent, CloseAccepted, CloseNoTx, CloseOther, CloseNoReceipt, CloseFails)
		c.closes = fails(client.ErrRejected)
		t.add(c, CloseRefused, RedirectClose)
		c.closes, c.patience = overTime, brief
		t.add(c, CloseHangs)
		c.closes, c.patience = fails(client.ErrClose), 0
		t.add(c, CloseNotMined)
		if rail == "/v1" {
			continue // each of these waits a second for the chain
		}
		c.lies = []Lie{CloseNotMined}
		t.add(c, CloseSpent, CloseAccepted, CloseNoTx, CloseOther, CloseNoReceipt)
	}
}

// refusalTrials: a channel that is called gone is put aside and listed, and a new one costs one request one more
// price at most; all of it stays under Limits.Total.
func refusalTrials(t *table) {
	for _, rail := range bothRails {
		tr := trial{before: 2, from: rail + "/data", last: limited, after: limited, sum: at(700)}
		t.add(tr, GoneAgain, GoneQuietly, Amnesia)
		tr.want = hands(410, client.Rejected)
		t.add(tr, GoneAlways, GoneAfterCharge)
		tr = trial{before: 2, from: rail + "/data", want: rejected}
		t.add(tr, ProblemUnknown, ProblemBalance, ProblemDelta, ProblemSignature, ProblemUnverified, ProblemMalformed)
		for _, c := range []struct {
			status int
			lie    Lie
		}{{400, ProblemBad}, {401, ProblemLogin}, {405, ProblemMethod}, {425, ProblemEarly}} {
			tr.want = hands(c.status, client.Unknown)
			t.add(tr, c.lie)
		}
	}
}
