package proxy

import "sync"

// buffers lends the memory that bodies are copied through. It is safe for concurrent use.
type buffers struct{ small, large bufferPool }

// Sizes of buffers, in bytes. Most answers fit into a small one; a large answer takes fewer
// calls of the system with a large one.
const (
	smallBuffer = 8 << 10
	largeBuffer = 64 << 10
)

func newBuffers() *buffers {
	return &buffers{small: bufferPool{size: smallBuffer}, large: bufferPool{size: largeBuffer}}
}

// of returns the pool for a body of this length; below zero it is not known.
func (b *buffers) of(length int64) *bufferPool {
	if length > smallBuffer {
		return &b.large
	}
	return &b.small
}

// after returns the pool for what follows a read of n bytes, in a body of this length. One
// whose length is not known may come in a flood or in drops: an open stream that says little
// holds little.
func (b *buffers) after(n int, length int64) *bufferPool {
	if length < 0 {
		length = int64(n) + 1
	}
	return b.of(length)
}

// bufferPool keeps buffers of one size.
type bufferPool struct {
	size int
	pool sync.Pool
}

func (p *bufferPool) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, p.size)
	return &b
}

func (p *bufferPool) put(b *[]byte) { p.pool.Put(b) }
