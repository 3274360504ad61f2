package template

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// forbidden are elements that email clients remove or block.
var forbidden = []string{"script", "link", "iframe", "object", "embed", "form", "video", "audio", "svg"}

// checkHTML returns what email clients would not show of a page: it has inline styles and at most a
// media query in <style>, texts for its images, a plain part, and the direction of its language.
func checkHTML(page, plain, locale string) []string {
	var mistakes []string
	add := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	if len(page) > maxEmail {
		add("the HTML has %d bytes; want at most %d, as Gmail cuts the rest off", len(page), maxEmail)
	}
	if strings.TrimSpace(plain) == "" {
		add("the plain part is empty")
	}
	z := html.NewTokenizer(strings.NewReader(page))
	style, dir := false, ""
	for {
		switch z.Next() { //nolint:exhaustive // Comments and end tags have nothing to check.
		case html.ErrorToken:
			if rightToLeft(locale) && dir != "rtl" {
				add(`the HTML of a language written from right to left lacks dir="rtl"`)
			}
			return mistakes
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			style = t.Data == "style"
			if slices.Contains(forbidden, t.Data) {
				add("the element <%s> is not shown in emails", t.Data)
			}
			if t.Data == "html" {
				dir = attribute(t, "dir")
			}
			mistakes = append(mistakes, checkElement(t)...)
		case html.TextToken:
			if text := strings.TrimSpace(string(z.Text())); style && !strings.HasPrefix(text, "@media") {
				add("<style> has more than a media query; write styles inline")
			}
			style = false
		}
	}
}

func checkElement(t html.Token) []string {
	var mistakes []string
	if t.Data == "img" {
		if !slices.ContainsFunc(t.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
			mistakes = append(mistakes, "an image has no alt text")
		}
		if !strings.HasPrefix(attribute(t, "src"), "https://") {
			mistakes = append(mistakes, "an image is not loaded with https")
		}
	}
	for _, a := range t.Attr {
		if strings.HasPrefix(a.Key, "on") {
			mistakes = append(mistakes, fmt.Sprintf("the attribute %s is not allowed", a.Key))
		}
	}
	return mistakes
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
