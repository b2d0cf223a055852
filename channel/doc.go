// Package channel defines the types that users of the module see of payment channels: [Limits] and
// how they decide ([Decision]), the offers of servers ([Offer]), channels ([Info]), and errors. All
// amounts are base units of a channel's token.
package channel
