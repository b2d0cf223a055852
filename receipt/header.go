package receipt

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// spelled is the JSON form of a receipt.
type spelled struct {
	Method     string          `json:"method"`
	Intent     string          `json:"intent,omitempty"`
	Status     string          `json:"status"`
	Timestamp  string          `json:"timestamp"`
	Reference  string          `json:"reference"`
	ExternalID string          `json:"externalId,omitempty"`
	Challenge  string          `json:"challengeId,omitempty"`
	Channel    *common.Hash    `json:"channelId,omitempty"`
	Accepted   *voucher.Amount `json:"acceptedCumulative,omitempty"`
	Spent      *voucher.Amount `json:"spent,omitempty"`
	Units      uint64          `json:"units,omitempty"`
	TxHash     *common.Hash    `json:"txHash,omitempty"`
}

// Frame returns the receipt as the JSON object of a stream frame. It ignores Raw. The error is
// [ErrMalformed] if [ParseFrame] could not read the result. Only servers need it.
func (r Receipt) Frame() ([]byte, error) {
	s := spelled{
		Method: r.Method, Intent: r.Intent, Status: r.Status,
		Timestamp: r.Timestamp.UTC().Format(time.RFC3339Nano),
		Reference: r.Reference, ExternalID: r.ExternalID,
	}
	if r.Session {
		s.Challenge, s.Channel, s.Units = r.ChallengeID, &r.ChannelID, r.Units
		s.Accepted, s.Spent = &r.Accepted, &r.Spent
	}
	if r.TxHash != (common.Hash{}) {
		s.TxHash = &r.TxHash
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := ParseFrame(text); err != nil {
		return nil, err
	}
	return text, nil
}

// Header returns the receipt as the value of a Payment-Receipt header. The error is that of
// [Receipt.Frame]. Only servers need it.
func (r Receipt) Header() (string, error) {
	text, err := r.Frame()
	return base64.RawURLEncoding.EncodeToString(text), err
}
