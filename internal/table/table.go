package table

import (
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// maxWidth is the width of a table that is not wide, in characters.
	maxWidth = 120
	// minFlexible is the width below which no column is shortened.
	minFlexible = 12
	// gap is the space between columns.
	gap = 2
)

// Column is a column of a table.
type Column struct {
	// Name is the header.
	Name string
	// WideOnly reports that it is left out of a table that is not wide, Flexible that its values may
	// be shortened in one.
	WideOnly, Flexible bool
}

// Plain returns a column that is printed in full.
func Plain(name string) Column { return Column{Name: name} }

// WideOnly returns a column that is left out of a table that is not wide.
func WideOnly(name string) Column { return Column{Name: name, WideOnly: true} }

// Flexible returns a column with values that may be shortened in a table that is not wide.
func Flexible(name string) Column { return Column{Name: name, Flexible: true} }

// Table writes aligned columns.
type Table struct {
	out     io.Writer
	wide    bool
	columns []Column
	rows    [][]string
}

// Fixed returns columns that are printed in full.
func Fixed(names ...string) []Column {
	columns := make([]Column, len(names))
	for i, name := range names {
		columns[i] = Plain(name)
	}
	return columns
}

// New returns a table. Unless wide, it leaves out and shortens columns to fit maxWidth.
func New(out io.Writer, wide bool, columns ...Column) *Table {
	return &Table{out: out, wide: wide, columns: columns}
}

// Row adds a row with a cell for each column. An empty cell prints as "-".
func (t *Table) Row(cells ...string) {
	for i := range cells {
		if cells[i] == "" {
			cells[i] = "-"
		}
	}
	t.rows = append(t.rows, cells)
}

// Flush prints the table.
func (t *Table) Flush() error {
	widths := t.widths()
	var b strings.Builder
	header := make([]string, len(t.columns))
	for i, c := range t.columns {
		header[i] = c.Name
	}
	for _, cells := range append([][]string{header}, t.rows...) {
		var line strings.Builder
		for i, cell := range cells {
			if widths[i] == 0 {
				continue
			}
			cell = shorten(cell, widths[i])
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// widths returns the width of each column; 0 for one that is left out.
func (t *Table) widths() []int {
	widths, total := make([]int, len(t.columns)), -gap
	for i, c := range t.columns {
		if c.WideOnly && !t.wide {
			continue
		}
		widths[i] = utf8.RuneCountInString(c.Name)
		for _, cells := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		total += widths[i] + gap
	}
	for !t.wide && total > maxWidth {
		widest := -1
		for i, c := range t.columns {
			if c.Flexible && widths[i] > minFlexible && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// shorten returns the text in at most so many characters.
func shorten(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
