package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
)

// sealFormat is the first byte of sealed data.
const sealFormat = 1

// seal encrypts a record's data with AES-256-GCM, bound to the record's id: under a key
// of the record's own, so that no number of writes wears out the nonces of a shared one,
// and with the id as additional data.
//
//	format (1) · mark of the key (4) · nonce (12) · ciphertext and tag
func (k *Keyring) seal(id ID, plain []byte) ([]byte, error) {
	aead, err := k.keys[0].aead(id)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, 1+4+aead.NonceSize()+len(plain)+aead.Overhead())
	out = append(out, sealFormat)
	out = append(out, k.keys[0].mark[:]...)
	nonce := out[len(out) : len(out)+aead.NonceSize()]
	_, _ = rand.Read(nonce) // never fails
	out = out[:len(out)+len(nonce)]
	return aead.Seal(out, nonce, plain, id[:]), nil
}

// open is the reverse of seal.
func (k *Keyring) open(id ID, sealed []byte) ([]byte, error) {
	const head = 1 + 4 + 12
	if len(sealed) < head {
		return nil, fmt.Errorf("session: a record of %d bytes is none", len(sealed))
	}
	if sealed[0] != sealFormat {
		return nil, fmt.Errorf("session: record of format %d, written by a newer version?", sealed[0])
	}
	err := ErrSealed
	for _, key := range k.keys {
		if markOf(sealed) != key.mark {
			continue
		}
		aead, e := key.aead(id)
		if e != nil {
			return nil, e
		}
		plain, e := aead.Open(nil, sealed[5:head], sealed[head:], id[:])
		if e == nil {
			return plain, nil
		}
		err = fmt.Errorf("session: record was changed or moved: %w", e) // or two keys have one mark
	}
	return nil, err
}

// markOf names the key of sealed data that has a head.
func markOf(sealed []byte) keyMark { return keyMark(sealed[1:5]) }

func (k *key) aead(id ID) (cipher.AEAD, error) {
	own := hash(k.record, string(id[:]))
	block, err := aes.NewCipher(own[:])
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return aead, nil
}
