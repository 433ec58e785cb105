package proxy

import "encoding/binary"

// frames follows the frames of one direction of a WebSocket (RFC 6455 §5.2) by their
// lengths alone, to know where one ends. It looks into no payload, so extensions (RFC 7692's
// compression) and fragmented messages mean nothing to it: a control frame may stand between
// the fragments of a message.
type frames struct {
	head   [maxFrameHead]byte // of the frame that begins; the first got bytes of it
	got    int
	left   uint64 // bytes of the payload that are still to come
	closed bool   // a close frame has begun: nothing may follow it
}

// Of a frame: two bytes, eight of length, four of mask.
const maxFrameHead = 14

const closeFrame = 0x8 // opcode

// between reports whether one frame has ended and the next has not begun.
func (f *frames) between() bool { return f.got == 0 && f.left == 0 }

// pass takes note of bytes that go by.
func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		p = p[f.step(p):]
	}
}

// step takes note of bytes up to the end of a frame, and returns how many those are: all of
// p, if no frame ends there.
func (f *frames) step(p []byte) int {
	n := 0
	for f.left == 0 {
		if n == len(p) {
			return n
		}
		f.head[f.got] = p[n]
		f.got++
		n++
		if f.got < 2 || f.got < f.headLen() {
			continue
		}
		f.begin()
		if f.left == 0 {
			return n
		}
	}
	rest := min(f.left, uint64(len(p)-n)) //nolint:gosec // n is at most len(p)
	f.left -= rest
	return n + int(rest) //nolint:gosec // at most len(p)
}

// headLen is how long the head is whose first two bytes have come.
func (f *frames) headLen() int {
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 { // masked; a server must not, and it is the client who minds
		n += 4
	}
	return n
}

// begin reads a head that is complete.
func (f *frames) begin() {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		f.left = binary.BigEndian.Uint64(f.head[2:])
	default:
		f.left = uint64(n)
	}
	f.closed = f.closed || f.head[0]&0x0f == closeFrame
	f.got = 0
}

// newCloseFrame is a server's close frame (RFC 6455 §5.5.1). The reason is short.
func newCloseFrame(code uint16, reason string) []byte {
	frame := []byte{0x80 | closeFrame, byte(2 + len(reason))} //nolint:gosec // short
	frame = binary.BigEndian.AppendUint16(frame, code)
	return append(frame, reason...)
}
