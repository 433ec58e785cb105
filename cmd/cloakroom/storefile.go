package main

import (
	"errors"

	"github.com/cloakroom-bff/cloakroom/internal/app"
	"github.com/cloakroom-bff/cloakroom/internal/config"
)

// storeFile is the file of sessions that the configuration names. A configuration that names
// none is the caller's to mend.
func (s *surroundings) storeFile() (*app.StoreFile, *config.Config, error) {
	cfg, err := s.load()
	if err != nil {
		return nil, nil, err
	}
	file, err := app.NewStoreFile(cfg)
	if errors.Is(err, app.ErrNoFile) {
		err = &usageError{err}
	}
	return file, cfg, err
}
