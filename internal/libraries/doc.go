// Package libraries tests HTTP clients that nobody here wrote above the client's transport: the two
// OpenAI libraries, go-retryablehttp, OpenTelemetry's transport, and the reverse proxy of net/http.
// It is a module of its own, so that users of Tallystick do not depend on them:
//
//	cd internal/libraries && go test ./...
//
// The server is client/clienttest with a chat route as OpenAI has it, which wants an API key and a
// payment. The programs of docs/recipes.md are examples of this package.
package libraries
