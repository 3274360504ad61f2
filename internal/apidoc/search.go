package apidoc

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"carewire/internal/layout"
)

const (
	// maxQuery and maxWords bound the work of one search: the text of all pages is some 500 KB.
	maxQuery = 100
	maxWords = 8
	// maxResults is the number of results of a search.
	maxResults = 40
	// excerpt is the number of bytes shown around the first word that was found.
	excerpt = 180
)

// indexed is a section with its text in lower case.
type indexed struct {
	page, title, path, text  string
	lowerTitle, lowerContent string
}

func indexOf(pages []page) []indexed {
	var all []indexed
	for _, p := range pages {
		for _, s := range p.sections {
			text := strings.Join(strings.Fields(s.text), " ")
			all = append(all, indexed{
				page: p.title, title: s.title, path: s.path, text: text,
				lowerTitle: strings.ToLower(s.title), lowerContent: strings.ToLower(text),
			})
		}
	}
	return all
}

// result is a section that a search found.
type result struct {
	Page, Title, Path string
	Before            string
	Match, After      string
	score             int
}

// Search returns the page with the results of a search. Every word of the query must occur in a
// section or its heading; sections with a word in the heading come first.
func (s *Site) Search(query string) (layout.Page, error) {
	query = strings.TrimSpace(query)
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	results, more := s.find(query)
	main, err := execute("search.html", map[string]any{"Query": query, "Results": results, "More": more})
	if err != nil {
		return layout.Page{}, err
	}
	return s.frame("Search", SearchPath, layout.Page{Search: query, Main: main}), nil
}

// find returns the best results, and reports whether there are more.
func (s *Site) find(query string) ([]result, bool) {
	words := strings.Fields(strings.ToLower(query))
	if len(words) == 0 {
		return nil, false
	}
	words = words[:min(len(words), maxWords)]
	var found []result
	for i := range s.index {
		if r, ok := s.index[i].match(words); ok {
			found = append(found, r)
		}
	}
	slices.SortStableFunc(found, func(a, b result) int { return cmp.Compare(b.score, a.score) })
	return found[:min(len(found), maxResults)], len(found) > maxResults
}

func (x *indexed) match(words []string) (result, bool) {
	r := result{Page: x.page, Title: x.title, Path: x.path}
	at := -1
	for _, word := range words {
		inTitle, inText := strings.Index(x.lowerTitle, word), strings.Index(x.lowerContent, word)
		switch {
		case inTitle >= 0:
			r.score += 3
			if startsWord(x.lowerTitle, inTitle) {
				r.score += 3
			}
		case inText < 0:
			return result{}, false
		case startsWord(x.lowerContent, inText):
			r.score++
		}
		if at < 0 && inText >= 0 {
			at = inText
			r.Before, r.Match, r.After = around(x.text, x.lowerContent, inText, len(word))
		}
	}
	if at < 0 {
		r.After = cutAt(x.text, excerpt)
	}
	return r, true
}

// startsWord reports whether a word begins at the index.
func startsWord(text string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	return at == 0 || !unicode.IsLetter(before) && !unicode.IsDigit(before)
}

// around returns the text before, at and after a match. The lower-case text has other offsets
// where a letter's cases differ in length; then there is no match to mark.
func around(text, lower string, at, length int) (before, match, after string) {
	if len(text) != len(lower) {
		return "", "", cutAt(text, excerpt)
	}
	begin := max(0, at-excerpt/2)
	for begin > 0 && text[begin-1] != ' ' {
		begin--
	}
	before = text[begin:at]
	if begin > 0 {
		before = "… " + before
	}
	return before, text[at : at+length], cutAt(text[at+length:], excerpt)
}

// cutAt returns at most n bytes of the text, cut after a word.
func cutAt(text string, n int) string {
	if len(text) <= n {
		return text
	}
	if space := strings.LastIndexByte(text[:n], ' '); space > 0 {
		return text[:space] + " …"
	}
	return strings.ToValidUTF8(text[:n], "") + " …"
}
