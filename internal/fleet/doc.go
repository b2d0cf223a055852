// Package fleet runs the database servers that the fleet stores (store/redisstore, store/pgstore) are tested
// on, and holds the tests that are the same for both: killed servers and connections, the whole client, several
// machines on one channel, and what the gate costs.
//
// # Run
//
//	internal/fleet/install.sh     # once: redis-server and PostgreSQL from Debian's packages
//	TALLYSTICK_TESTS=peers go test ./store/... ./internal/fleet
//
// [Redis] and [Postgres] start a server of their own on a random loopback port, in a directory of its own, and
// take both away at the end of the test. A server that the packages may have started is not touched. PostgreSQL
// refuses to run as root, so root runs it as user postgres, or nobody.
//
// Without the variable no server is started. With it the tests fail where something is missing, and say what.
package fleet
