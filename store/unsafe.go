package store

import "fmt"

// UnsafeError means that a store refuses a database server because a setting lets it lose acknowledged
// writes. Nothing was written through that connection. Change the setting in the configuration of the
// server, so that it also holds after a restart, and open the store again.
type UnsafeError struct {
	Store   string // the package that refuses, for example "redisstore"
	Setting string // the server's name of the setting
	Is      string // its value, empty if unknown
	Must    string // the safe value
	Loses   string // what can be lost, as a clause
}

// Error names the setting, both values and the possible loss.
func (e *UnsafeError) Error() string {
	return fmt.Sprintf(
		"%s: the server is refused: %s is %q and must be %q, because %s", e.Store, e.Setting, e.Is,
		e.Must, e.Loses,
	)
}
