package sse

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

type vector struct {
	ID                string          `json:"id"`
	Name              string          `json:"name"`
	Stream            []byte          `json:"stream"`
	Splits            []int           `json:"splits"`
	Whatwg            []vectorEvent   `json:"whatwg"`
	Events            json.RawMessage `json:"events"`
	MppxMatchesWhatwg bool            `json:"mppxMatchesWhatwg"`
}

type vectorEvent struct {
	Type  string          `json:"type"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// sizes returns the sizes of reads that split the stream at the vector's offsets.
func (v vector) sizes() (sizes []int) {
	from := 0
	for _, at := range append(v.Splits, len(v.Stream)) {
		sizes = append(sizes, at-from)
		from = at
	}
	return sizes
}

// TestVectors reads the streams of the vectors. The HTML standard decides where mppx differs.
func TestVectors(t *testing.T) {
	var differ []string
	for _, v := range vectors.Cases[vector](t, vectors.SSE) {
		if !v.MppxMatchesWhatwg {
			differ = append(differ, v.ID)
		}
		stream := string(v.Stream)
		for way, in := range map[string][]int{"whole": nil, "bytes": {1}, "splits": v.sizes()} {
			t.Run(v.ID+"-"+v.Name+"/"+way, func(t *testing.T) {
				got := filtered(t, stream, 0, in, 512)
				assert.Equal(t, reference(stream, MaxFrame), got)
				events, err := collect(got.out, 0, in)
				require.NoError(t, err)
				assert.EqualValues(t, len(events), got.events)
				for _, want := range v.Whatwg {
					if want.Type == "message" {
						require.NotEmpty(t, events)
						var data string
						require.NoError(t, json.Unmarshal(want.Data, &data))
						assert.Equal(t, want.Event, events[0].Type)
						assert.Equal(t, data, events[0].Data)
						events = events[1:]
						continue
					}
					name, data := want.Type, string(want.Data)
					if want.Type == "malformed" { // The vector has its data as a string.
						name = want.Event
						require.NoError(t, json.Unmarshal(want.Data, &data))
					}
					require.NotEmpty(t, got.frames)
					assert.Equal(t, name, got.frames[0].name)
					assert.JSONEq(t, data, got.frames[0].data)
					got.frames = got.frames[1:]
				}
				assert.Empty(t, events)
				assert.Empty(t, got.frames)
			})
		}
	}
	assert.Equal(t, []string{"sse-008"}, differ)
}
