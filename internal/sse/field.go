package sse

import "bytes"

// longestName is the length of the longest line that can name a payment event.
const longestName = len("event: " + NeedVoucher)

// field returns the value of a line if it is the named field. A line without a colon is a field
// with an empty value. One space after the colon is not part of the value.
func field(line []byte, name string) (value []byte, ok bool) {
	if len(line) < len(name) || string(line[:len(name)]) != name {
		return nil, false
	}
	rest := line[len(name):]
	if len(rest) == 0 {
		return rest, true
	}
	if rest[0] != ':' {
		return nil, false
	}
	if len(rest) > 1 && rest[1] == ' ' {
		return rest[2:], true
	}
	return rest[1:], true
}

// eventName returns the name that an event field gives to its block: the name of a payment event,
// or "" for every other name. ok reports whether the line is an event field.
func eventName(line []byte) (name string, ok bool) {
	value, ok := field(line, "event")
	switch string(value) {
	case NeedVoucher:
		return NeedVoucher, ok
	case Receipt:
		return Receipt, ok
	}
	return "", ok
}

// appendData appends the data of a complete block to dst: its data lines, joined by LF. It does not
// use go-sse, because an sse.Message does not return its data, and sse.Read allocates a scanner for
// each frame.
func appendData(dst, block []byte) []byte {
	joined := false
	for len(block) > 0 {
		line, rest := block, block[len(block):]
		if end := bytes.IndexAny(block, "\r\n"); end >= 0 {
			line, rest = block[:end], block[end+1:]
		}
		block = rest // after a CRLF, an empty line remains, which is not a field
		value, ok := field(line, "data")
		if !ok {
			continue
		}
		if joined {
			dst = append(dst, '\n')
		}
		dst = append(dst, value...)
		joined = true
	}
	return dst
}
