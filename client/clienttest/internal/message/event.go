package message

import "strings"

// Document is a JSON object that is being written.
type Document = map[string]any

// lineEndings makes every line ending of event streams a line feed.
var lineEndings = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// Event returns one frame of an event stream. Each line of data becomes a data line, so that data
// cannot forge an event.
func Event(name, data string) []byte {
	var b strings.Builder
	b.WriteString("event: " + name + "\n")
	for line := range strings.SplitSeq(lineEndings.Replace(data), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteString("\n")
	return []byte(b.String())
}
