package migrate

import "strings"

// splitWords divides a command line as a shell does: quotes, backslashes, comments, lines
// that go on. Variables stay as they are written. A ; & or | ends it.
func splitWords(text string) []string {
	var words []string
	var word strings.Builder
	open := false // a word has begun
	end := func() {
		if open {
			words = append(words, word.String())
		}
		word.Reset()
		open = false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && strings.HasPrefix(text[i+1:], "\r\n"):
			i += 2
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\n' {
				open = true
				word.WriteByte(text[i])
			}
		case c == '\'' || c == '"':
			open = true
			i = quotedWord(text, i, &word)
		case c == '#' && !open:
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			end()
		case strings.IndexByte(";&|", c) >= 0:
			end()
			return words
		default:
			open = true
			word.WriteByte(c)
		}
	}
	end()
	return words
}

// quotedWord adds what stands in the quotes that open at i, and returns where they close.
func quotedWord(text string, i int, word *strings.Builder) int {
	quote := text[i]
	for i++; i < len(text) && text[i] != quote; i++ {
		if quote == '"' && text[i] == '\\' && i+1 < len(text) && strings.IndexByte("\"\\$`\n", text[i+1]) >= 0 {
			i++
		}
		word.WriteByte(text[i])
	}
	return i
}
