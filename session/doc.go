// Package session keeps what a browser must never hold.
//
// A session is one browser's login: who it is, its grant, its limits, its device.
// The browser gets a ticket, an encrypted cookie value that names the session and
// nothing else. The record with the tokens is sealed and lies in a [Store].
//
//	ticket ──open──▶ id ──memory, else Store──▶ record ──unseal──▶ Session ──▶ Token
//	                                                                  │ due
//	                                                                  ▼
//	                            lease by compare-and-swap ──▶ Refresher, once ──▶ Store
//
// [Manager] is the door: Begin, Open, OfSubject, Live, EndAll; a [Session] gives its access token,
// notes activity and ends. What the package promises, on any Store:
//
//   - One refresh. However many requests wait, one presentation of a refresh token is
//     under way at a time; it runs on its own context, so that a caller may leave but
//     never cancel it.
//   - Nothing lost. The new refresh token is stored before anybody is answered and
//     before anything that may fail.
//   - Ended stays ended. A store has no upsert; every write names the version that it
//     replaces, and an ended session is a recorded state, not a missing row.
//
// Besides the tokens of its refresh-token chain, one for each [Target], a session has tokens
// that its own was traded for, and the Manager has the gateway's own: a [TokenIssuer] makes
// them, memory keeps them.
//
// The package knows neither HTTP routes nor providers: a [Refresher] speaks to the
// provider, a Store keeps bytes.
package session
