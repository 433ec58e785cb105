package app

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cloakroom-bff/cloakroom/session"
)

func readQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("The query is not well formed.")
	}
	return query, nil
}

// readPage takes limit and after out of a query.
func readPage(query url.Values) (limit int, after session.ID, err error) {
	limit = pageUsual
	text, err := take(query, "limit")
	if err != nil {
		return 0, after, err
	}
	if text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > pageMost {
			return 0, after, badRequest("limit is %q: write a number from 1 to %d.", text, pageMost)
		}
	}
	text, err = take(query, "after")
	if err == nil && text != "" {
		after, err = readID(text)
	}
	return limit, after, err
}

// readMany reads what a DELETE of many says: a filter, or all of them; and that it is meant.
func readMany(query url.Values) (f filter, all, confirmed bool, err error) {
	if all, err = takeTrue(query, "all"); err != nil {
		return f, false, false, err
	}
	if confirmed, err = takeTrue(query, "confirm"); err != nil {
		return f, false, false, err
	}
	switch {
	case all && len(query) > 0:
		return f, false, false, badRequest("all=true goes with no filter: write the one or the other.")
	case !all && len(query) == 0:
		return f, false, false, badRequest("This names no session. Choose some by a filter such as subject, or write all=true.")
	}
	f, err = readFilter(query)
	return f, all, confirmed, err
}

// take takes the value of a parameter out of a query.
func take(query url.Values, name string) (string, error) {
	value, err := single(query, name)
	query.Del(name)
	return value, err
}

func takeTrue(query url.Values, name string) (bool, error) {
	value, err := take(query, name)
	if err == nil && value != "" && value != "true" {
		err = badRequest("%s is %q: write true, or leave it out.", name, value)
	}
	return value == "true", err
}

func readID(text string) (session.ID, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(session.ID{}) {
		return session.ID{}, badRequest("%q is no session's id: it has 64 hexadecimal digits.", text)
	}
	return session.ID(raw), nil
}
