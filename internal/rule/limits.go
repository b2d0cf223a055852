package rule

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits are the owner's limits together with what budgets leave for one decision.
type Limits struct {
	channel.Limits

	// Rooms are what the limits over time leave: by how much the ceiling may rise. None if they are
	// not considered.
	Rooms []channel.Room
	// run is what the request's own budgets leave: by how much MayExist may rise. Nil if there are
	// none.
	run *budget
	// lead is what a stream has earned, for a decision about it. See lead.go.
	lead lead
}

// budget is a budget and how much it leaves.
type budget struct {
	channel.Room
	left voucher.Amount
}

// Of returns limits without a bound by budgets.
func Of(l channel.Limits) Limits { return Limits{Limits: l} }

// over returns the error for an amount that is above a limit.
func (l Limits) over(limit string, wanted, allowed voucher.Amount) error {
	return &channel.LimitError{
		Limit: limit, Wanted: wanted, Allowed: allowed, Left: allowed, Currency: l.Currency,
	}
}

// For returns nil if the limits are for an asset. Otherwise the error is [channel.ErrAsset].
func (l Limits) For(asset channel.Asset) error {
	if l.Currency.Asset == asset {
		return nil
	}
	if _, dollar := channel.Dollar(asset); dollar && l.Currency == (channel.Currency{}) {
		return nil
	}
	return fmt.Errorf("%w: %s", channel.ErrAsset, asset)
}

// CheckPrice returns an error for a unit price that is zero or above the limit.
func (l Limits) CheckPrice(price voucher.Amount) error {
	if price.IsZero() {
		return fmt.Errorf("%w: the price is zero", channel.ErrOffer)
	}
	if l.Price.Less(price) {
		return l.over("Price", price, l.Price)
	}
	return nil
}

// step returns Step, or what it means if it is zero.
func (l Limits) step(price voucher.Amount) voucher.Amount { return l.Step.Max(price) }

// Budgets returns the budgets over time that a payment must fit: those of all payments, of its
// origin and of its payee, each with the longest window first. Limits that are not set are filled
// in.
func (l Limits) Budgets() (all, origin, payee [3]channel.BudgetRule) {
	most := cmp.Or(l.All.Month, l.Total, l.Deposit) // in a month
	for _, b := range [...]struct {
		rules            *[3]channel.BudgetRule
		month, day, hour string
		set              channel.Windows
	}{
		{&all, "All.Month", "All.Day", "All.Hour", l.All},
		{&origin, "Origin.Month", "Origin.Day", "Origin.Hour", l.Origin},
		{&payee, "Payee.Month", "Payee.Day", "Payee.Hour", l.Payee},
	} {
		inMonth := cmp.Or(b.set.Month, most)
		inDay := cmp.Or(b.set.Day, inMonth)
		*b.rules = [3]channel.BudgetRule{
			{Name: b.month, Length: month * time.Second, Allowed: inMonth},
			{Name: b.day, Length: day * time.Second, Allowed: inDay},
			{Name: b.hour, Length: hour * time.Second, Allowed: cmp.Or(b.set.Hour, inDay)},
		}
	}
	return all, origin, payee
}

// FeeBudgets returns the limits on fees with what those that are not set mean: the most that one
// transaction may cost, and the budgets over time, with the longest window first.
func (l Limits) FeeBudgets() (transaction voucher.Amount, windows [3]channel.BudgetRule) {
	all, _, _ := l.Budgets()
	longer := voucher.Amount{}
	for i, set := range [3]voucher.Amount{l.Fees.Month, l.Fees.Day, l.Fees.Hour} {
		longer = cmp.Or(set, longer)
		windows[i] = channel.BudgetRule{
			Name: [3]string{"Fees.Month", "Fees.Day", "Fees.Hour"}[i], Length: all[i].Length,
			Allowed: cmp.Or(longer, fraction(all[i].Allowed, feesShare)),
		}
	}
	return cmp.Or(l.Fees.Transaction, fraction(l.Deposit, feeShare)), windows
}

const (
	// feesShare is the part of what all payments may take that fees may: a quarter.
	feesShare = 4
	// feeShare is the part of a deposit that one transaction may cost: a tenth.
	feeShare = 10
)

// fraction returns an amount divided by n, rounded down.
func fraction(a voucher.Amount, n int64) voucher.Amount {
	p, _ := voucher.AmountFromBig(new(big.Int).Div(a.Big(), big.NewInt(n)))
	return p
}

// WithinRun returns the limits with what the request's own budgets leave, for one decision. They
// count by how much [State.MayExist] rises.
func (l Limits) WithinRun(r channel.Room) Limits {
	l.run = &budget{r, r.Left()}
	return l
}

// room returns the one of Rooms that leaves the least, the first of several, or nil if there is none.
func (l Limits) room() (least *budget) {
	for _, r := range l.Rooms {
		if left := r.Left(); least == nil || left.Less(least.left) {
			least = &budget{r, left}
		}
	}
	return least
}

// checkBudgets refuses a target above what the budgets allow.
func (s *State) checkBudgets(target voucher.Amount, lim Limits) error {
	room, more := lim.room(), target.SubFloor(s.authorized)
	if room == nil || !room.left.Less(more) {
		room, more = lim.run, target.SubFloor(s.MayExist())
	}
	if room == nil || !room.left.Less(more) {
		return nil
	}
	return &channel.LimitError{
		Limit: room.Rule.Name, Wanted: room.Used.AddCapped(more), Allowed: room.Rule.Allowed,
		Left: room.left, Currency: lim.Currency,
	}
}

// Decide returns how the limits decide a request on s, without counting it. A nil s means that
// there is no channel yet.
func (l Limits) Decide(s *State, req Request) (d channel.Decision) {
	defer func() { d.Currency = l.Currency }()
	if s == nil {
		s = &State{Confirmed: true, Deposit: l.Deposit}
	} else {
		funded := *s
		funded.Deposit = l.Deposit.Max(s.Deposit)
		s = &funded
	}
	_, _, _, err := s.Renew(Claim{}, req, l)
	var over *channel.LimitError
	switch {
	case errors.As(err, &over):
		return channel.Decision{
			Verdict: channel.Deny, Rule: over.Limit, Wanted: over.Wanted, Allowed: over.Allowed,
			Left: over.Left,
		}
	case err != nil:
		return channel.Decision{
			Verdict: channel.Deny, Rule: "Price", Wanted: req.Price, Allowed: l.Price,
			Left: l.Price,
		}
	case !l.Ask.IsZero() && l.Ask.Less(req.Price):
		return channel.Decision{
			Verdict: channel.Ask, Rule: "Ask", Wanted: req.Price, Allowed: l.Ask, Left: l.Ask,
		}
	}
	room := l.room()
	if room == nil || l.run != nil && l.run.left.Less(room.left) {
		room = l.run
	}
	if room == nil {
		return channel.Decision{
			Verdict: channel.Allow, Rule: "Price", Wanted: req.Price, Allowed: l.Price,
			Left: l.Price,
		}
	}
	return channel.Decision{
		Verdict: channel.Allow, Rule: room.Rule.Name, Wanted: room.Used.AddCapped(req.Price),
		Allowed: room.Rule.Allowed, Left: room.left,
	}
}

// Step is what must happen before a voucher can be presented.
type Step uint8

// The steps.
const (
	Pay   Step = iota // the deposit covers it
	TopUp             // put Amount more into the channel first
	Fund              // open a channel with a deposit of Amount
)

// Plan is one step and its amount.
type Plan struct {
	Step   Step
	Amount voucher.Amount
	// Costly reports that a limit keeps Amount below what is worth its fee and below what few
	// requests cost: another funding transaction, with another fee, follows soon.
	Costly bool
}

// Wish is what an opening or a top-up should put in, beyond what the request needs. Limits bound it.
type Wish struct {
	// Suggested is the server's suggestion, Open and Fee what an opening and a top-up cost the payer,
	// in base units of the channel's token. Zero if there is none, or it is not known. Fee decides
	// about both: an opening costs more, but once.
	Suggested, Open, Fee voucher.Amount
	// Reserve is what of Limits.Total the fee takes, if that is known: an earlier plan left too little.
	// Otherwise Open or Fee is left for it, as far as the request does not need it.
	Reserve voucher.Amount
	// Exact wishes for Suggested only.
	Exact bool
}

const (
	// FundedRequests is how many requests an opening or a top-up pays for at least, as far as the
	// limits allow it.
	FundedRequests = 20
	// FundedFees is how many times the fee of a top-up it puts in at least, as far as the limits
	// allow it.
	FundedFees = 100
	// FundedShare: a top-up follows when less than this part of the deposit is left, a quarter. When
	// the n-th begins, at least 75 n times its fee was paid out of the channel, so that the fees of
	// top-ups are at most 1/75 of that.
	FundedShare = 4
)

// PlanPayment decides how req is paid on s; nil means that there is no channel yet. funded is what
// the session has put into channels so far.
//
// Limits.Fund sets the amount. If it is zero, it is the largest of the server's suggestion,
// [FundedRequests] prices, [FundedFees] fees and, for a top-up, the present deposit, so that top-ups
// grow and become rare; but no more than half of what Limits.Total leaves for all channels, unless
// that is not worth the fee. It is at least what the request needs, and stays within Limits.Deposit
// and Limits.Total.
//
// The error is [channel.ErrLimit], [channel.ErrOffer] or [channel.ErrRaised]: nothing may be signed,
// and nothing is deposited for it.
func PlanPayment(
	s *State, req Request, wish Wish, funded voucher.Amount, lim Limits,
) (Plan, error) {
	if err := lim.CheckPrice(req.Price); err != nil {
		return Plan{}, err
	}
	var now State
	step, size, need, fee := Fund, req.Price, req.Price, wish.Open
	if s != nil {
		now, step, size, need, fee = *s, TopUp, s.size(req, lim), s.need(req, lim), wish.Fee
		if !s.Deposit.Less(need) {
			return Plan{Step: Pay}, nil
		}
	}
	funding := now
	funding.Deposit = need
	bounds := funding.bounds(Claim{}, Claim{Price: size, Elsewhere: req.Elsewhere}, lim)
	most := bounds.most.Min(now.asked.AddCapped(bounds.own).AddCapped(lim.Ahead))
	short, total := need.SubFloor(now.Deposit), cmp.Or(lim.Total, lim.Deposit)
	switch {
	case !req.Elsewhere.IsZero() && most.Less(now.Claimed.AddCapped(size)):
		return Plan{}, fmt.Errorf("%w: %s of %s", channel.ErrRaised,
			lim.Currency.Format(req.Elsewhere), lim.Currency.Format(req.Price))
	case lim.Deposit.Less(need):
		return Plan{}, lim.lasting("Deposit", need, lim.Deposit, now.Deposit, req.Price)
	case total.Less(funded.AddCapped(short)):
		return Plan{}, lim.lasting("Total", funded.AddCapped(short), total, funded, req.Price)
	case total.Less(funded.AddCapped(short).AddCapped(wish.Reserve)):
		err := lim.lasting("Total", funded.AddCapped(short).AddCapped(wish.Reserve), total, funded, req.Price)
		err.Fee = wish.Reserve
		return Plan{}, err
	case bounds.ceiling.Less(need): // nothing is deposited for what may not be paid
		if err := now.checkBudgets(need, lim); err != nil {
			return Plan{}, err
		}
		return Plan{}, fmt.Errorf("%w: a voucher of %s does not fit the escrow", channel.ErrOffer, lim.Currency.Format(need))
	}
	room := lim.Deposit.Min(now.Protocol.Max()).SubFloor(now.Deposit)
	requests, _ := req.Price.Mul(FundedRequests) // zero if it is above every deposit
	fees, _ := wish.Fee.Mul(FundedFees)
	wanted := wish.Suggested
	if !wish.Exact {
		half, _ := voucher.AmountFromBig(new(big.Int).Rsh(total.SubFloor(funded).Big(), 1))
		wanted = wanted.Max(requests).Max(now.Deposit).Min(half).Max(fees)
		if room.SubFloor(wanted).Less(requests) {
			wanted = room // the rest is not worth a transaction
		}
	}
	left := total.SubFloor(funded).SubFloor(fee.Max(wish.Reserve)).Max(short)
	amount := cmp.Or(lim.Fund, wanted).Max(short).Min(room).Min(left)
	return Plan{step, amount, !wish.Exact && amount.Less(requests) && amount.Less(fees)}, nil
}

// lasting returns the error for a limit on deposits. What it advises allows as much again as was put
// in so far, and several requests: a limit raised by one price is reached again by the next request.
func (l Limits) lasting(limit string, wanted, allowed, before, price voucher.Amount) *channel.LimitError {
	more, _ := price.Mul(FundedRequests)
	return &channel.LimitError{
		Limit: limit, Wanted: wanted, Allowed: allowed, Left: allowed,
		Enough: before.AddCapped(before.Max(more)).Max(wanted), Currency: l.Currency,
	}
}

// size returns what req claims: its price, or what a frame of a stream counts as.
func (s State) size(req Request, lim Limits) voucher.Amount {
	if req.Floor.IsZero() {
		return req.Price
	}
	return s.piece(req.Floor, req.Price, lim)
}

// need returns the deposit that req needs.
func (s State) need(req Request, lim Limits) voucher.Amount {
	need := s.Claimed.AddCapped(s.size(req, lim))
	// What a frame of a stream requires, as far as Ahead allows it.
	need = need.Max(req.Floor.Min(need.AddCapped(lim.Ahead)))
	if !s.Signed.IsZero() && s.Signed.Less(need) {
		// The growth that the payee requires, as far as Ahead allows it.
		need = need.Max(s.Signed.AddCapped(req.MinDelta).Min(need.AddCapped(lim.Ahead)))
	}
	return need
}

// ParseOffer reads a session challenge. The errors are [channel.ErrNotSession] and
// [channel.ErrOffer].
func ParseOffer(c wire.Challenge) (channel.Offer, error) {
	if c.Method != "tempo" || c.Intent != "session" {
		return channel.Offer{}, fmt.Errorf("%w: %s/%s", channel.ErrNotSession, c.Method, c.Intent)
	}
	r, err := c.SessionRequest()
	if err != nil {
		return channel.Offer{}, fmt.Errorf("%w: %w", channel.ErrOffer, err)
	}
	d := r.MethodDetails
	o := channel.Offer{
		ChallengeID: c.ID, Realm: c.Realm, BindsBody: c.Digest != "",
		Payee: r.Recipient, Token: r.Currency, Price: r.Amount, UnitType: r.UnitType,
		Suggested: value(r.SuggestedDeposit), MinDelta: value(d.MinVoucherDelta),
		ChainID: value(d.ChainID), FeePayer: d.FeePayer,
		Operator: value(d.Operator), FeeToken: value(d.FeeToken), ChannelID: value(d.ChannelID),
		Escrow: value(d.EscrowContract),
	}
	if o.Expires, _, err = c.ExpiresAt(); err != nil {
		return channel.Offer{}, fmt.Errorf("%w: %w", channel.ErrExpired, err)
	}
	switch d.SessionProtocol {
	case "", "v1":
		o.Protocol = voucher.V1
	case "v2":
		o.Protocol = voucher.V2
	default:
		return channel.Offer{}, fmt.Errorf(
			"%w: session protocol %q is not known", channel.ErrOffer, d.SessionProtocol,
		)
	}
	if o.Protocol == voucher.V2 && o.ChainID == 0 {
		return channel.Offer{}, fmt.Errorf(
			"%w: a v2 challenge must name its chain", channel.ErrOffer,
		)
	}
	switch {
	case o.Payee == common.Address{}, o.Token == common.Address{}:
		return channel.Offer{}, fmt.Errorf("%w: it names no payee or no token", channel.ErrOffer)
	case o.Payee == o.Token:
		return channel.Offer{}, fmt.Errorf("%w: the payee is the token", channel.ErrOffer)
	case o.Protocol.Max().Less(o.Price):
		in, _ := channel.Dollar(channel.Asset{ChainID: o.ChainID, Token: o.Token})
		return channel.Offer{}, fmt.Errorf(
			"%w: the price %s does not fit a %s channel", channel.ErrOffer, in.Format(o.Price), o.Protocol,
		)
	}
	if d.AcceptedCumulative != nil || d.Spent != nil {
		o.Hints = &channel.Report{Accepted: value(d.AcceptedCumulative), Spent: value(d.Spent)}
	}
	if d.SessionSnapshot != nil {
		s := ParseSnapshot(*d.SessionSnapshot)
		o.Snapshot = &s
	}
	return o, nil
}

// ParseSnapshot reads the snapshot of a challenge or of a Payment-Session-Snapshot header.
func ParseSnapshot(w wire.Snapshot) channel.Snapshot {
	s := channel.Snapshot{
		ChannelID: w.ChannelID, ChainID: w.ChainID, Escrow: w.Escrow,
		Descriptor: channel.Descriptor(w.Descriptor),
		Report:     channel.Report{Accepted: w.AcceptedCumulative, Spent: w.Spent, Units: w.Units},
		Required:   w.RequiredCumulative, Deposit: w.Deposit, Settled: w.Settled,
		CloseRequestedAt: w.CloseRequestedAt,
	}
	if v := w.HighestVoucher; v != nil {
		s.Voucher = &voucher.Signed{
			Voucher:   voucher.Voucher{ChannelID: v.ChannelID, Cumulative: v.CumulativeAmount},
			Signature: v.Signature,
		}
	}
	return s
}

// Live returns [channel.ErrExpired] for an offer that has expired at now.
func Live(o channel.Offer, now time.Time) error {
	if !o.Expires.IsZero() && !now.Before(o.Expires) {
		return fmt.Errorf("%w at %s", channel.ErrExpired, o.Expires.Format(time.RFC3339))
	}
	return nil
}

// value returns what a pointer points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
