package lies

import (
	"net/http"
	"strings"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about where to go. "Away" is the server's second origin, which asks for money too.
const (
	// RedirectAway sends a request without payment away.
	RedirectAway Lie = "redirect-away"
	// RedirectPaid sends a paid request to a free route of the second origin.
	RedirectPaid Lie = "redirect-paid"
	// RedirectPaidForMore sends a paid request away.
	RedirectPaidForMore Lie = "redirect-paid-for-more"
	// RedirectMoved sends a paid request away for good (301).
	RedirectMoved Lie = "redirect-moved"
	// RedirectSeeOther sends a paid request away for its answer (303).
	RedirectSeeOther Lie = "redirect-see-other"
	// RedirectPermanent sends a paid request away for good (308).
	RedirectPermanent Lie = "redirect-permanent"
	// RedirectSchemeless sends a paid request away with a location without a scheme.
	RedirectSchemeless Lie = "redirect-schemeless"
	// RedirectDrip refuses each voucher once as used up and then redirects it to itself (302).
	RedirectDrip Lie = "redirect-drip"
	// RedirectVoucher sends a voucher away that goes beside a stream.
	RedirectVoucher Lie = "redirect-voucher"
	// RedirectTopUp sends a top-up away.
	RedirectTopUp Lie = "redirect-top-up"
	// RedirectClose sends a close away.
	RedirectClose Lie = "redirect-close"
	// RedirectProof sends a zero-dollar proof away.
	RedirectProof Lie = "redirect-proof"
	// RedirectToPlain sends an unpaid request from TLS to plain HTTP.
	RedirectToPlain Lie = "redirect-to-plain"
	// RedirectPaidToPlain sends a paid request from TLS to plain HTTP.
	RedirectPaidToPlain Lie = "redirect-paid-to-plain"
	// RedirectLoop redirects a paid request to itself without end and without charge.
	RedirectLoop Lie = "redirect-loop"
	// RedirectNowhere sends a paid request to a location that is no URL.
	RedirectNowhere Lie = "redirect-nowhere"
	// BounceFound redirects every second paid request to itself (302) without a receipt.
	BounceFound Lie = "bounce-found"
	// BounceSeeOther does the same with 303.
	BounceSeeOther Lie = "bounce-see-other"
	// BounceTemporary does the same with 307.
	BounceTemporary Lie = "bounce-temporary"
	// BouncePermanent does the same with 308.
	BouncePermanent Lie = "bounce-permanent"
	// RedirectToll charges a paid request, with a receipt, and redirects it to itself.
	RedirectToll Lie = "redirect-toll"
)

var redirectTable = table{
	RedirectAway: redirect(
		http.StatusTemporaryRedirect,
		func(r hook.Request) bool { return !r.Paying() },
		away,
	),
	RedirectPaid: redirect(
		http.StatusTemporaryRedirect,
		hook.Request.Paying,
		func(r hook.Request) string {
			return r.Server().OtherURL + "/free"
		},
	),
	RedirectPaidForMore: redirect(http.StatusTemporaryRedirect, hook.Request.Paying, away),
	RedirectMoved:       redirect(http.StatusMovedPermanently, hook.Request.Paying, away),
	RedirectSeeOther:    redirect(http.StatusSeeOther, hook.Request.Paying, away),
	RedirectPermanent:   redirect(http.StatusPermanentRedirect, hook.Request.Paying, away),
	RedirectSchemeless: redirect(
		http.StatusTemporaryRedirect,
		hook.Request.Paying,
		func(r hook.Request) string {
			return strings.TrimPrefix(away(r), "http:")
		},
	),
	RedirectDrip: {
		Instead: bounce(http.StatusFound).Instead,
		Take: refused(
			func(*message.Payload) error { return message.InsufficientBalance("used up") },
		),
	},
	RedirectVoucher: redirect(http.StatusTemporaryRedirect, func(r hook.Request) bool {
		return r.Action() == "voucher" && r.Management()
	}, away),
	RedirectTopUp: redirect(http.StatusTemporaryRedirect, acts("topUp"), away),
	RedirectClose: redirect(http.StatusTemporaryRedirect, acts("close"), away),
	RedirectProof: redirect(http.StatusTemporaryRedirect, acts("proof"), away),
	RedirectToPlain: redirect(http.StatusTemporaryRedirect, func(r hook.Request) bool {
		return r.HTTP().TLS != nil && !r.Paying()
	}, plain),
	RedirectPaidToPlain: redirect(http.StatusTemporaryRedirect, func(r hook.Request) bool {
		return r.HTTP().TLS != nil && r.Paying()
	}, plain),
	RedirectLoop: redirect(http.StatusTemporaryRedirect, hook.Request.Paying, itself),
	RedirectNowhere: redirect(
		http.StatusTemporaryRedirect,
		hook.Request.Paying,
		func(hook.Request) string {
			return "http://[::bad"
		},
	),
	BounceFound:     bounce(http.StatusFound),
	BounceSeeOther:  bounce(http.StatusSeeOther),
	BounceTemporary: bounce(http.StatusTemporaryRedirect),
	BouncePermanent: bounce(http.StatusPermanentRedirect),
	RedirectToll: {Answer: func(r hook.Request, status int, h http.Header) int {
		if status != http.StatusOK || !r.Paying() {
			return status
		}
		h.Set("Location", itself(r))
		return http.StatusFound
	}},
}

func away(r hook.Request) string   { return r.Server().OtherURL + itself(r) }
func plain(r hook.Request) string  { return r.Server().URL + itself(r) }
func itself(r hook.Request) string { return r.HTTP().URL.RequestURI() }

// acts matches requests with a credential of that action.
func acts(action string) func(hook.Request) bool {
	return func(r hook.Request) bool { return r.Action() == action }
}

// redirect sends requests elsewhere, unless they are at the second origin already.
func redirect(status int, when func(hook.Request) bool, to func(hook.Request) string) hook.Hooks {
	return hook.Hooks{Instead: func(r hook.Request) bool {
		if r.Strayed() || !when(r) {
			return false
		}
		r.Header().Set("Location", to(r))
		r.WriteHeader(status)
		return true
	}}
}

// bounce redirects every second paid request to itself.
func bounce(status int) hook.Hooks {
	return redirect(status, func(r hook.Request) bool {
		return r.Paying() && r.Count("bounces")%2 == 0
	}, itself)
}
