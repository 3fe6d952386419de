package claims

import "fmt"

// A measurement that cannot go on ends at once, as a test does (testing.T's FailNow),
// so that what it does can be read without what could go wrong at each step. Measure
// makes an error of it again, as does whoever runs a part of one in another task.

// failed is why a measurement cannot go on.
type failed struct{ error }

// fail ends the measurement.
func fail(format string, args ...any) { check(fmt.Errorf(format, args...)) }

// check ends the measurement if there is an error.
func check(err error) {
	if err != nil {
		panic(failed{err})
	}
}

// get is a value that the measurement needs.
func get[T any](v T, err error) T {
	check(err)
	return v
}

// attempt runs a part of a measurement, and returns why it could not go on.
func attempt(part func()) (err error) {
	defer ended(&err)
	part()
	return nil
}

// ended, when deferred, makes an error of why a measurement could not go on.
func ended(err *error) {
	switch why := recover().(type) {
	case nil:
	case failed:
		*err = why.error
	default:
		panic(why)
	}
}
