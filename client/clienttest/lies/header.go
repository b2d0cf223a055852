package lies

import "github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"

// Lies about the header that the credential goes into.
const (
	// IntoHost asks for the credential in the Host header.
	IntoHost Lie = "into-host"
	// IntoCookie asks for the credential in a cookie.
	IntoCookie Lie = "into-cookie"
	// IntoTwoLines asks for the credential in a header whose name has a line break.
	IntoTwoLines Lie = "into-two-lines"
)

var credentialHeaderTable = table{
	IntoHost:     credentialIn("Host"),
	IntoCookie:   credentialIn("Cookie"),
	IntoTwoLines: spelled(func(text string) string { return text + `, header="X\u000d\u000aY"` }),
}

// credentialIn asks for the credential in the header of that name.
func credentialIn(name string) hook.Hooks {
	return spelled(func(text string) string { return text + `, header="` + name + `"` })
}
