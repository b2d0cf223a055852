package purchase

// Rows returns the names of all rows of the table.
func Rows() (names []string) {
	for _, r := range table {
		names = append(names, r.name)
	}
	return names
}
