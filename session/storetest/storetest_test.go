package storetest

import (
	"sync"
	"testing"
	"time"
)

// clock is a clock that only its owner moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is a fresh memory store with a flaw.
func fixture(t *testing.T, f flaw) Fixture {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)}
	m := newMemory(f, c.Now)
	t.Cleanup(m.late.Wait)
	return Fixture{Store: m, Now: c.Now, Wait: c.Wait}
}

func TestASoundStorePasses(t *testing.T) {
	Run(t, func(t *testing.T) Fixture { return fixture(t, sound) })
}

func TestASoundStorePassesOnTheWallClock(t *testing.T) {
	Run(t, func(*testing.T) Fixture { return Fixture{Store: newMemory(sound, time.Now)} })
}

// flaws are all that the suite is known to find.
var flaws = []flaw{
	createOverwrites, createRacesItself, createKeepsVersion, createRefusesExpired, replaceUpserts, replaceIgnoresVersion,
	replaceRacesItself, replaceKeepsVersion, replaceRevives, replaceKeepsOldIndex, replaceKeepsDue, replaceKeepsExpires,
	replaceMovesFirst, replaceIsLate, deleteIgnoresVersion, deleteOfNothing, deleteDoesNothing, deleteKeepsIndex,
	deleteTakesNeighbour, deleteBlocksID, loadOfNothing, loadShowsExpired, findShowsExpired, findRepeats, findByPrefix,
	findFailsOnNothing, dueShowsExpired, dueShowsNever, dueUnordered, dueUnlimited, dueCountsExpired, dueStopsShort,
	dueOnePerMoment, dueEnds, scanShowsExpired, scanShowsNever, scanByDue, scanRepeats, scanEndsEarly, scanFailsOnNothing,
	scanIgnoresLeaving, scanIgnoresStop, aliasesIn, aliasesOut, cutsData, cutsTimes, ignoresContext, acceptsAnything, refusesStillborn,
	halfWrites, countsNever,
}

func TestEveryFlawIsFoundAndEveryCheckFindsOne(t *testing.T) {
	found := map[string]flaw{}
	for _, flaw := range flaws {
		bitten := false
		for _, c := range checks() {
			if err := c.run(t.Context(), fixture(t, flaw)); err != nil {
				bitten = true
				found[c.sentence] = flaw
				t.Logf("%s\n\t%s\n\t%v", flaw, c.sentence, err)
				if flaw == aliasesIn || flaw == aliasesOut {
					break // Under load, the race detector would find it too.
				}
			}
		}
		if !bitten {
			t.Errorf("no check finds a store in which %s", flaw)
		}
	}
	for _, c := range checks() {
		if _, ok := found[c.sentence]; !ok {
			t.Errorf("no flawed store fails the check %q", c.sentence)
		}
	}
}
