// Package gateways tests the client through the reverse proxies that stand in front of most
// servers: nginx and HAProxy from Debian's packages, with TLS and HTTP/2, compression, small header
// buffers, buffering, and restarts while requests and streams are under way. The paid server behind
// them is client/clienttest. What the tests show users is in docs/recipes.md, whose configuration
// the gateways of the tests run with.
//
// # Run
//
//	internal/gateways/install.sh     # once: nginx and HAProxy
//	TALLYSTICK_TESTS=peers go test ./internal/gateways
//
// Each gateway is a process of its own on a free loopback port, with its files in a directory of
// its own. A service that the packages may have started is not touched. Without the variable no test
// runs. With it the tests fail where something is missing, and say what.
package gateways
