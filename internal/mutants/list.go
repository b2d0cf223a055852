package main

import "slices"

// defects is the whole list, from the rule outwards. Each is something that a later change could do by
// mistake, or that the reference implementation once did.
func defects() []defect {
	return slices.Concat(theRule, theWord, theRecord, theGate, theBudgets, thePurchase, theShell, thePayment, theRetries, theManagement, theFunding, theFees, theStream, theGround, theStores, theChain, thePolicy, theBill, theAssets)
}

// peerDefects are those that a flow with a foreign peer must notice, by the flow.
func peerDefects() []defect { return slices.Concat(forTheirServer, forTheirClient, forTheirChain) }
