// Package storetest holds the conformance suite of [session.Store]: what the contract
// says, a test for each sentence, alone and under parallel load.
//
//	func TestTheStoreKeepsTheContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Fixture {
//			return storetest.Fixture{Store: openEmptyStore(t)}
//		})
//	}
//
// Where the contract leaves room, the suite takes this much and no more:
//
//   - Due and Expires are kept to the millisecond at least; what is finer may be lost.
//   - A record that has expired when it is created or replaced is accepted, and absent.
//   - A record without an ID or without Expires is refused, by an error that is no decision.
//   - A call whose context has ended before it began returns the context's error and
//     changes nothing.
//   - A key that stands twice in an Index finds its record once.
//   - Due with a limit below one returns nothing.
//
// Durability over a crash is each store's own to test: it needs a process to kill.
package storetest
