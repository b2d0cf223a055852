package journal

import "testing"

// BenchmarkAppend measures the line of a request on the local disk, and its two parts.
func BenchmarkAppend(b *testing.B) {
	e := whole
	e.Kind, e.Receipt = KindPay, `{"acceptedCumulative":"2600","challengeId":"-0PCWv8-yomJR4aqA7mnMGezj0augn6qJcVxPBnZG_c","channelId":"0x7748b8dcbcd8717cfab9f58e64191abe04b18ca756e3c5721a8f7a3bdabbfbff","intent":"session","method":"tempo","reference":"0x7748b8dcbcd8717cfab9f58e64191abe04b18ca756e3c5721a8f7a3bdabbfbff","spent":"2100","status":"success","timestamp":"2026-11-21T08:36:25.811Z","units":93}`
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var text []byte
		for b.Loop() {
			text = encode(text[:0], e)
		}
	})
	b.Run("append", func(b *testing.B) {
		f, err := Open(b.TempDir(), 0)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := f.Append(b.Context(), e); err != nil {
				b.Fatal(err)
			}
		}
		_ = f.Close()
	})
	b.Run("bare write", func(b *testing.B) {
		f, err := Open(b.TempDir(), 0)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Append(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		text := encode(nil, e)
		for b.Loop() {
			if _, err := f.file.Write(text); err != nil {
				b.Fatal(err)
			}
		}
		_ = f.Close()
	})
}
