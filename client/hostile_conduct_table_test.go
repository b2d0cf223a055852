package client_test

import (
	"io"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	. "github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/sse"
)

// transportTrials adds lost and redirected requests. A sent voucher counts until a receipt lowers
// it, and a credential is sent only to the origin of its challenge.
func transportTrials(t *table) {
	warm := trial{before: 2}
	ends := func(want end, each ...Lie) {
		tr := warm
		tr.want = want
		t.add(tr, each...)
	}
	ends(end{}, StreamForData)
	ends(hands(503, client.OutcomeUnknown), ErrorAfterCharge, BusyForever)
	ends(hands(500, client.OutcomeAcceptedNoContent), ErrorWithReceipt)
	ends(hands(304, client.OutcomeAcceptedNoContent), NotModified)
	ends(hands(204, client.OutcomeAcceptedNoContent), NoContent)
	ends(hands(200, client.OutcomeUnknown), RedirectPaid) // the server may have charged the voucher
	ends(rejected, RefuseAfterCharge, RedirectDrip)
	// By the Date of the response, its challenge has expired.
	t.add(trial{want: fails(channel.ErrExpired), most: at(0)}, DateFuture)
	ends(end{}, RefuseAfterService, DatePast, DateFar, DateWords, DateFuture)
	ends(fails(io.ErrUnexpectedEOF), ShortBody)
	ends(fails(io.EOF), CutAfterCharge)
	ends(says("response headers exceeded"), HugeHeader)
	ends(says("Location"), RedirectNowhere)
	ends(says("stopped after 10 redirects"), RedirectLoop)
	ends(
		fails(client.ErrRedirect), RedirectPaidForMore, RedirectMoved, RedirectSeeOther,
		RedirectPermanent, RedirectSchemeless,
	)
	warm.most = at(200 + 3*1000) // Limits.Price for each request, with its redirects
	ends(says("stopped after 10 redirects"), RedirectToll)
	warm.most, warm.path = at(200), "/data?ttl=4"
	warm.from = warm.path
	ends(fails(client.ErrRedirect), RedirectAway)
	warm.most = nil
	ends(end{}, EndlessRefusal)
	t.add(
		trial{
			before: 2,
			tls:    true,
			from:   "/data?ttl=4",
			want:   fails(client.ErrRedirect),
			most:   at(200),
		},
		RedirectToPlain,
	)
	t.add(
		trial{before: 2, tls: true, want: fails(client.ErrRedirect), most: at(300)},
		RedirectPaidToPlain,
	)
	t.add(
		trial{before: 2, patience: brief, want: overTime}, HangAfterCharge, SlowBody, SlowRefusal,
	)
	t.add(trial{before: 2, patience: brief, sockets: true, want: overTime}, SlowHeader)

	stream := trial{before: 1, path: "/stream/5/10", most: at(260)}
	stream.method = http.MethodPost
	t.add(stream, ContentBeside)
	stream.method = ""
	stream.want = fails(client.ErrRejected)
	t.add(stream, RedirectVoucher)
	stream.want = fails(client.ErrStalled)
	t.add(stream, BusyBeside, HangBeside)
}

// streamTrials adds streams that require vouchers. Limits.Stream or the check of the frames stops
// them. Honest streams of five pieces are authorized one ahead after the fourth, once: the next one
// uses it up.
func streamTrials(t *table) {
	for _, rail := range bothRails {
		stream := trial{before: 1, from: rail + "/data", path: rail + "/stream/5/10", most: at(260)}
		t.add(
			stream, NeedPoor, NeedRich, NeedAccepted, NeedForgot, StreamQuotes, StreamReceipts,
			StreamEarlyReceipt, StreamEmpty,
		)
		ends := func(most uint64, want end, each ...Lie) {
			tr := stream
			tr.want, tr.most = want, at(most)
			t.add(tr, each...)
		}
		ends(260, end{}, NeedLines, StreamBytes, StreamFlood)
		ends(130, desync, NeedAll, NeedMax, StreamMixed)
		ends(130, frame, NeedOther, NeedNegative, NeedHex, NeedHalf, NeedDouble)
		stream.neighbor = true
		ends(130, frame, NeedOfAnother)
		stream.neighbor = false
		ends(130, fails(sse.ErrFrameTooLarge), NeedHuge, StreamLine)
		ends(130, fails(io.ErrUnexpectedEOF), StreamCut)
		ends(160, fails(client.ErrStalled), StreamSilent)
		ends(260, end{}, StreamName, NeedLess)
		ends(130, frame, StreamRepeats)
		stream.first = frame
		ends(170, desync, StreamMarch, StreamComments)
		stream.first = limited
		ends(100+200+20, desync, StreamTrickle)
		stream.first = end{}
		ends(260, hands(204, client.OutcomeAcceptedNoContent), NoContent)
	}
}

// fundTrials adds openings and top-ups. No transaction is signed twice for one purpose, and all are
// on record.
func fundTrials(t *table) {
	for _, rail := range bothRails {
		open := trial{from: rail + "/data?deposit=250"}
		t.add(open, OpenTaken)
		ends := func(want end, each ...Lie) {
			tr := open
			tr.want = want
			t.add(tr, each...)
		}
		gone := open // a second deposit, but no third within an hour
		gone.want, gone.last, gone.after = hands(410, client.OutcomeRejected), twice, twice
		t.add(gone, OpenGone)
		ends(rejected, OpenRefused)
		open.first = rejected
		ends(end{}, OpenMined)
		open.first = end{}
		// After a 410, the request is paid from another channel. The next request is not.
		open.sum, open.last, open.after = at(500), hands(410, client.OutcomeRejected), twice
		ends(end{}, OpenMinedLate)
		// It counts as not seen, and takes a second deposit, but no third.
		open.sum, open.last, open.after = nil, fails(escrow.ErrNoChannel), twice
		ends(end{}, OpenNotMined)

		topUp := trial{before: 2, from: rail + "/data?deposit=250"}
		t.add(topUp, TopUpMined, TopUpPriced)
		topUp.want = rejected
		t.add(topUp, TopUpNotMined, TopUpMinedLate, TopUpDemanded)
		topUp.want, topUp.most = pending, at(200)
		t.add(topUp, TopUpRefused, RedirectTopUp)
	}
}

// closeTrials adds closes. Only the chain proves that a channel is closed; otherwise it stays
// listed.
func closeTrials(t *table) {
	for _, rail := range bothRails {
		c := trial{before: 2, from: rail + "/data", none: true, close: true}
		t.add(
			c, CloseAll, CloseSpent, CloseAccepted, CloseNoTx, CloseOther, CloseNoReceipt,
			CloseFails,
		)
		c.closes = fails(client.ErrRejected)
		t.add(c, CloseRefused, RedirectClose)
		c.closes, c.patience = overTime, brief
		t.add(c, CloseHangs)
		c.closes, c.patience = fails(client.ErrClose), 0
		t.add(c, CloseNotMined)
		if rail == "/v1" {
			continue // each waits a second for the chain
		}
		c.lies = []Lie{CloseNotMined}
		t.add(c, CloseSpent, CloseAccepted, CloseNoTx, CloseOther, CloseNoReceipt)
	}
}

// refusalTrials adds refusals. A channel after a 410 is set aside and listed. A new channel may
// cost one request one more price, and no other request until the payee has served one.
func refusalTrials(t *table) {
	for _, rail := range bothRails {
		gone := hands(410, client.OutcomeRejected)
		tr := trial{
			before: 2,
			times:  2,
			from:   rail + "/data",
			last:   gone,
			after:  twice,
			sum:    at(500),
		}
		t.add(tr, GoneAgain, Amnesia)
		tr.last = rejected
		t.add(tr, GoneQuietly)
		tr.times, tr.first, tr.want, tr.last = 3, gone, twice, end{}
		t.add(tr, GoneAlways, GoneAfterCharge)
		tr = trial{before: 2, from: rail + "/data", want: rejected}
		t.add(
			tr, ProblemUnknown, ProblemBalance, ProblemDelta, ProblemSignature, ProblemUnverified,
			ProblemMalformed,
		)
		for _, c := range []struct {
			status int
			lie    Lie
		}{{400, ProblemBad}, {401, ProblemLogin}, {405, ProblemMethod}, {425, ProblemEarly}} {
			tr.want = hands(c.status, client.OutcomeUnknown)
			t.add(tr, c.lie)
		}
	}
}
