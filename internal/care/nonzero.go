package care

// NonZero returns a pointer to the value, or nil if it is the zero value.
func NonZero[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}
