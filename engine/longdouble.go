package engine

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// longDouble is a number as INCRBYFLOAT and HINCRBYFLOAT compute with it: the
// 80-bit format of x86-64, 64 bits of which are digits. Rounding is to the
// nearest, ties to even, so that digits are Redis's own. An infinity has inf set.
type longDouble struct {
	big.Float
}

// maxLongDouble is how long a number's text may be, in bytes (redis 7.0.15
// util.h MAX_LONG_DOUBLE_CHARS, with the end mark).
const maxLongDouble = 5*1024 - 1

// Exponents of two beyond which a number is an infinity, or no longer normal.
const (
	longDoubleMaxExp = 16384
	longDoubleMinExp = -16381
)

// parseLongDouble reads what C's strtold does and redis 7.0.15 util.c string2ld
// lets pass: no blanks, the whole text, no NaN, nothing that is too great or too
// small to hold. The word inf is let pass too.
func parseLongDouble(b []byte) (v *longDouble, ok bool) {
	if len(b) == 0 || len(b) > maxLongDouble {
		return nil, false
	}
	text := string(b)
	sign, rest := "", text
	if rest[0] == '-' || rest[0] == '+' {
		sign, rest = rest[:1], rest[1:]
	}
	v = newLongDouble()
	switch strings.ToLower(rest) {
	case "inf", "infinity":
		v.SetInf(sign == "-")
		return v, true
	}
	if !numberText(rest) {
		return nil, false
	}
	if !v.setText(text) {
		return nil, false
	}
	return v, true
}

func newLongDouble() *longDouble {
	v := &longDouble{}
	v.SetPrec(64).SetMode(big.ToNearestEven)
	return v
}

// numberText reports whether text, without its sign, is a decimal or
// hexadecimal number as C has it.
func numberText(text string) bool {
	digits, exponent := "0123456789", "eE"
	if len(text) > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') {
		digits, exponent, text = "0123456789abcdefABCDEF", "pP", text[2:]
	}
	n := 0
	skip := func() {
		for text != "" && strings.IndexByte(digits, text[0]) >= 0 {
			text = text[1:]
			n++
		}
	}
	skip()
	if text != "" && text[0] == '.' {
		text = text[1:]
		skip()
	}
	if n == 0 {
		return false
	}
	if text == "" {
		return true
	}
	if strings.IndexByte(exponent, text[0]) < 0 {
		return false
	}
	text = text[1:]
	if text != "" && (text[0] == '-' || text[0] == '+') {
		text = text[1:]
	}
	digits, n = "0123456789", 0
	skip()
	return n > 0 && text == ""
}

// setText makes v the number nearest to text; it reports false when that is an
// infinity, or zero though text is not.
func (v *longDouble) setText(text string) bool {
	at := strings.LastIndexAny(text, "eE")
	if strings.ContainsAny(text, "xX") {
		at = strings.LastIndexAny(text, "pP")
	}
	if at >= 0 {
		// An exponent so far out decides alone: the digits are not enough to
		// bring the number back.
		if n, err := strconv.Atoi(text[at+1:]); err != nil || n > 40000 || n < -40000 {
			if strings.Trim(text[:at], "+-0.xX") != "" {
				return false
			}
			text = text[:at]
		}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		if strings.ContainsAny(text, "xX") && at < 0 {
			r, ok = new(big.Rat).SetString(text + "p0")
		}
		if !ok {
			return false
		}
	}
	v.SetRat(r)
	if r.Sign() == 0 { // without a sign, which ld2string does not show
		return true
	}
	if v.bound(); v.IsInf() {
		return false
	}
	// Below the normal numbers digits are lost one by one.
	if exp := v.MantExp(nil); exp < longDoubleMinExp {
		keep := 64 - (longDoubleMinExp - exp)
		mantissa := new(big.Float)
		v.MantExp(mantissa)
		switch {
		case keep > 0:
			v.SetPrec(uint(keep)).SetPrec(64)
		case keep == 0 && mantissa.Abs(mantissa).Cmp(big.NewFloat(0.5)) > 0: // nearer to the least number than to 0
			negative := v.Signbit()
			if v.SetMantExp(big.NewFloat(1), exp).SetPrec(64); negative {
				v.Neg(&v.Float)
			}
		default:
			return false
		}
	}
	return true
}

// bound makes a number beyond the greatest an infinity.
func (v *longDouble) bound() {
	if !v.IsInf() && v.MantExp(nil) > longDoubleMaxExp {
		v.SetInf(v.Signbit())
	}
}

// add adds w. It reports false when the sum is no finite number.
func (v *longDouble) add(w *longDouble) bool {
	if v.IsInf() || w.IsInf() {
		return false
	}
	v.Add(&v.Float, &w.Float)
	v.bound()
	return !v.IsInf()
}

// human is the number with at most 17 digits behind the point and no zeroes at
// the end (redis 7.0.15 util.c ld2string, LD_STR_HUMAN).
func (v *longDouble) human() []byte {
	b := v.Append(nil, 'f', 17)
	n := len(b)
	for b[n-1] == '0' {
		n--
	}
	if b[n-1] == '.' {
		n--
	}
	if b = b[:n]; string(b) == "-0" {
		b = b[1:]
	}
	return b
}

// parseDouble reads a double as redis 7.0.15 util.c string2d does: what strtod
// accepts, the whole text, no blanks, no NaN, nothing too great or too small.
func parseDouble(b []byte) (float64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	text := string(b)
	rest := text
	if rest[0] == '-' || rest[0] == '+' {
		rest = rest[1:]
	}
	switch strings.ToLower(rest) {
	case "inf", "infinity":
		if text[0] == '-' {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	}
	if !numberText(rest) {
		return 0, false
	}
	if strings.ContainsAny(text, "xX") && !strings.ContainsAny(text, "pP") {
		text += "p0"
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil { // of range: the text is a number
		return 0, false
	}
	if f == 0 && strings.ContainsAny(mantissa(rest), "123456789abcdefABCDEF") {
		return 0, false
	}
	return f, true
}

// mantissa is a number's text without its exponent.
func mantissa(text string) string {
	marks := "eE"
	if len(text) > 2 && (text[1] == 'x' || text[1] == 'X') {
		marks, text = "pP", text[2:]
	}
	if i := strings.IndexAny(text, marks); i >= 0 {
		return text[:i]
	}
	return text
}
