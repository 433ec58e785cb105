package proxy

import "testing"

func TestABufferIsAsLargeAsWhatComes(t *testing.T) {
	t.Parallel()
	b := newBuffers()
	for _, row := range []struct {
		what   string
		read   int
		length int64
		want   *bufferPool
	}{
		{"a short answer", 1024, 1024, &b.small},
		{"a long answer", 1024, 1 << 20, &b.large},
		{"a stream that says little", 1024, -1, &b.small},
		{"a stream that fills what it has", smallBuffer, -1, &b.large},
		{"a stream that goes on so", largeBuffer, -1, &b.large},
		{"a stream that has become quiet", smallBuffer - 1, -1, &b.small},
	} {
		if got := b.after(row.read, row.length); got != row.want {
			t.Errorf("%s: the buffer after a read of %d bytes has %d, want %d", row.what, row.read, got.size, row.want.size)
		}
	}
}
