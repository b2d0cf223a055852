// Package channel holds what users of the module see of payment channels: the limits that bound them, the
// offers of servers, the decisions of the limits, the channels themselves ([Info]), and the errors.
package channel
