package postgres

// ConvertRows returns the rows of one query as those of another with the same columns.
func ConvertRows[A, B any](rows []A, to func(A) B) []B {
	all := make([]B, len(rows))
	for i, r := range rows {
		all[i] = to(r)
	}
	return all
}
