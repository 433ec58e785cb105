package session

import "context"

// Restored turns a record of a backup into one that may go into a store again. live reports
// whether it is that of a session that lived when the backup was taken.
//
// What has happened to such a session since, nobody knows: its user may have signed out,
// and a logout is final. So it comes back without access tokens, and whoever opens it waits
// for a refresh. Where the logout has revoked the refresh token, the provider refuses it
// and the session ends before anything is served. All else goes back as it is: an ended
// session stays ended, and what was to be revoked is revoked again, which harms nobody.
//
// It fails for a record that no key of the ring opens, with an error that wraps
// ErrSealed, and for one of a newer release.
func Restored(ring *Keyring, r Record) (restored Record, live bool, err error) {
	if len(r.Data) == 0 {
		return r, false, nil // the mark of a value that was used
	}
	st, err := readState(ring, r)
	if err != nil {
		return Record{}, false, err
	}
	if st.Ended != "" {
		return r, false, nil
	}
	st.Grant.Access, st.Unproven = nil, true
	again, err := st.record(ring, r.ID, 0)
	if err != nil {
		return Record{}, false, err
	}
	again.Due = r.Due // by the idle timeout that it was written under
	return again, true, nil
}

// prove presents the refresh token of a session that comes out of a backup. The errors are
// those of Token; one without a refresh token ends.
func (s *Session) prove(ctx context.Context) error {
	if !s.State().Unproven {
		return nil
	}
	_, err := s.await(ctx, Target{})
	return err
}
