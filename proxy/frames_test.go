package proxy

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// frame is a server's frame; masked ones are a mistake that servers make.
func frame(opcode byte, size int, masked bool) []byte {
	b := []byte{opcode, 0}
	switch {
	case size < 126:
		b[1] = byte(size)
	case size < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(size))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(size))
	}
	if masked {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, bytes.Repeat([]byte{0xff}, size)...)
}

func TestTheEndOfEveryFrameIsFoundHoweverItArrives(t *testing.T) {
	var all [][]byte
	for _, size := range []int{0, 1, 125, 126, 127, 1 << 10, 1<<16 - 1, 1 << 16} {
		all = append(all,
			frame(0x82, size, false), frame(0x02, size, false), // a whole message; the first part of one
			frame(0x80, size, false), frame(0xc1, size, false), // the last part; a compressed one
			frame(0x81, size, true))
	}
	all = append(all, frame(0x89, 3, false)) // a ping
	for _, chunk := range []int{1, 2, 3, 13, 4096, 1 << 20} {
		var f frames
		for i, fr := range all {
			for rest := fr; len(rest) > 0; {
				p := rest[:min(chunk, len(rest))]
				if n := f.step(p); n != len(p) {
					t.Fatalf("chunks of %d: frame %d ends %d bytes early", chunk, i, len(rest)-n)
				}
				if rest = rest[len(p):]; f.between() != (len(rest) == 0) {
					t.Fatalf("chunks of %d: frame %d, %d bytes before its end: between is %t", chunk, i, len(rest), f.between())
				}
			}
		}
		if f.closed {
			t.Error("closed, says it")
		}
	}
}

func TestABufferWithManyFramesIsTakenFrameByFrame(t *testing.T) {
	two := append(frame(0x81, 5, false), frame(0x81, 7, false)...)
	var f frames
	if n := f.step(two); n != 7 || !f.between() {
		t.Errorf("the first ends after %d bytes", n)
	}
	f = frames{}
	f.pass(two[:12])
	if f.between() {
		t.Error("in the middle of the second one is between frames")
	}
	if n := f.step(two[12:]); n != 4 || !f.between() {
		t.Errorf("the rest is %d bytes", n)
	}
	f.pass(append(two, frame(0x88, 2, false)...))
	if !f.closed || !f.between() {
		t.Error("a close frame went by unseen")
	}
}

func FuzzNoBytesUpsetTheFrames(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x88\x02\x03\xe8"), 3)
	f.Add([]byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1)
	f.Fuzz(func(t *testing.T, p []byte, at int) {
		var whole, parts frames
		whole.pass(p)
		at = min(max(at, 0), len(p))
		parts.pass(p[:at])
		parts.pass(p[at:])
		if whole.between() != parts.between() || whole.closed != parts.closed || whole.left != parts.left {
			t.Errorf("in one piece %+v, in two %+v", whole, parts)
		}
	})
}

func BenchmarkFrames(b *testing.B) {
	p := bytes.Repeat(frame(0x81, 100, false), 300)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		var f frames
		f.pass(p)
	}
}
