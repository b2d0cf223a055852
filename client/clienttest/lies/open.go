package lies

import (
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about opens.
const (
	// OpenNotMined answers an open with the content and throws its transaction away.
	OpenNotMined Lie = "open-not-mined"
	// OpenMinedLate serves an open, keeps its transaction until the next, and refuses vouchers.
	OpenMinedLate Lie = "open-mined-late"
	// OpenMined sends an open to the chain and refuses it all the same.
	OpenMined Lie = "open-mined"
	// OpenRefused refuses an open for no reason and keeps it.
	OpenRefused Lie = "open-refused"
	// OpenTaken sends an open to the chain and answers 204: nothing is served or charged.
	OpenTaken Lie = "open-taken"
	// OpenGone sends an open to the chain and answers that the channel does not exist.
	OpenGone Lie = "open-gone"
)

var openTable = table{
	OpenNotMined: takes("open", func(x hook.Payment, p *message.Payload) (bool, error) {
		return x.OpenUnmined(p)
	}),
	OpenMinedLate: {Take: openMinedLate},
	OpenMined: thenRefuses(
		"open",
		func(*message.Payload) error { return message.VerificationFailed("not that one") },
	),
	OpenRefused: refuses(
		"open",
		func(*message.Payload) error { return message.VerificationFailed("not that one") },
	),
	OpenTaken: takes("open", func(x hook.Payment, p *message.Payload) (bool, error) {
		return x.Open(p, false)
	}),
	OpenGone: thenRefuses("open", noSuchChannel),
}

// noSuchChannel answers 410 although the channel is live.
func noSuchChannel(p *message.Payload) error {
	return message.ChannelNotFound("no such channel").On(p.ChannelID)
}

// takes accepts payments of one action instead of the server.
func takes(
	action string,
	take func(hook.Payment, *message.Payload) (content bool, err error),
) hook.Hooks {
	return hook.Hooks{Take: func(x hook.Payment, p *message.Payload) (bool, bool, error) {
		if p.Action != action {
			return false, false, nil
		}
		content, err := take(x, p)
		return true, content, err
	}}
}

// refuses refuses payments of one action and does nothing else.
func refuses(action string, why func(*message.Payload) error) hook.Hooks {
	return takes(
		action,
		func(_ hook.Payment, p *message.Payload) (bool, error) { return false, why(p) },
	)
}

// thenRefuses does what an honest server does with payments of one action and then refuses them.
func thenRefuses(action string, why func(*message.Payload) error) hook.Hooks {
	return takes(action, func(x hook.Payment, p *message.Payload) (bool, error) {
		if _, err := x.Do(p); err != nil {
			return false, err
		}
		return false, why(p)
	})
}

// openMinedLate keeps the first open until the second and refuses everything else.
func openMinedLate(x hook.Payment, p *message.Payload) (done, content bool, err error) {
	if p.Action != "open" {
		return true, false, noSuchChannel(p)
	}
	if x.Hold(p.Transaction) > 1 {
		x.SendHeld()
	}
	content, err = x.OpenUnmined(p)
	return true, content, err
}
