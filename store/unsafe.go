package store

import "fmt"

// UnsafeError says why a database server is refused: it may lose what it has acknowledged. Nothing was written
// through the connection that it stands for. Change the setting where the server keeps its configuration, so that it is
// there after a restart too, and open the store again.
type UnsafeError struct {
	Store   string // the package that refuses, for example "redisstore"
	Setting string // as the server names it
	Is      string // its value; empty where the server does not say
	Must    string // the value that is safe
	Loses   string // what the value that it has can lose, in words
}

// Error names the setting, both values and what is at stake.
func (e *UnsafeError) Error() string {
	return fmt.Sprintf("%s: the server is refused: %s is %q and must be %q, because %s", e.Store, e.Setting, e.Is, e.Must, e.Loses)
}
