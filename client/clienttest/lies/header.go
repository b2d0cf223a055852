package lies

import (
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about the header that the credential goes into.
const (
	// IntoHost asks for the credential in the Host header.
	IntoHost Lie = "into-host"
	// IntoCookie asks for the credential in a cookie.
	IntoCookie Lie = "into-cookie"
	// IntoIdempotency asks for the credential in the Idempotency-Key header.
	IntoIdempotency Lie = "into-idempotency"
	// IntoIdempotencyX does the same with X-Idempotency-Key.
	IntoIdempotencyX Lie = "into-idempotency-x"
	// IntoTwoLines asks for the credential in a header whose name has a line break.
	IntoTwoLines Lie = "into-two-lines"
)

var credentialHeaderTable = table{
	IntoHost:         credentialIn("Host"),
	IntoCookie:       credentialIn("Cookie"),
	IntoIdempotency:  parameters(func(c *message.Challenge) { c.Header = "Idempotency-Key" }),
	IntoIdempotencyX: parameters(func(c *message.Challenge) { c.Header = "X-Idempotency-Key" }),
	IntoTwoLines: spelled(
		func(text string) string { return text + `, header="X\u000d\u000aY"` },
	),
}

// credentialIn asks for the credential in the header of that name.
func credentialIn(name string) hook.Hooks {
	return spelled(func(text string) string { return text + `, header="` + name + `"` })
}
