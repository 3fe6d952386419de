package result

// Exit statuses of every command that judges.
const (
	ExitHolds       = 0
	ExitViolated    = 1
	ExitUsage       = 2 // bad usage or input
	ExitUnknown     = 3 // nothing proved
	ExitInternal    = 4 // torntail's own failure
	ExitEnvironment = 5 // the environment lacks something, or took it away
	ExitUntil       = 6 // what --until waits for was not seen
	// What is known was reported after Ctrl-C or SIGTERM: as of a program that the signal
	// ended, 128 and its number.
	ExitInterrupted = 130
	ExitTerminated  = 143
)

// ExitStatuses explains them, for help texts.
const ExitStatuses = "0 holds, 1 violated, 2 bad usage or input, 3 unknown (nothing proved), 4 torntail's own failure, " +
	"5 the environment lacks something or took it away, 6 --until was not met, 130 and 143 interrupted (by Ctrl-C, by SIGTERM)"

// exitPrecedence lists the statuses, strongest first. A failure of torntail
// itself comes before everything it says; then what kept it from saying
// anything; and a violation is never hidden by an unknown, nor by what --until waited for.
var exitPrecedence = [...]int{ExitInternal, ExitUsage, ExitEnvironment, ExitTerminated, ExitInterrupted, ExitViolated, ExitUntil, ExitUnknown, ExitHolds}

// Worst is the strongest of the statuses, ExitHolds of none. A status that is
// not one of them counts as a failure of torntail itself.
func Worst(codes ...int) int {
	strongest := len(exitPrecedence) - 1
	for _, c := range codes {
		rank := 0
		for i, p := range exitPrecedence {
			if p == c {
				rank = i
				break
			}
		}
		strongest = min(strongest, rank)
	}
	return exitPrecedence[strongest]
}

// Exit is the exit status for verdicts: violated beats unknown beats holds, and
// n/a has no effect. Without any that was judged nothing is proved, so that it is
// ExitUnknown and not success. lenient: an unknown has no effect as long as
// something was proved.
func Exit(verdicts []Verdict, lenient bool) int {
	proved, unknown := false, false
	code := ExitHolds
	for _, v := range verdicts {
		switch v {
		case NotApplicable:
		case Holds:
			proved = true
		case Violated:
			proved = true
			code = Worst(code, ExitViolated)
		default:
			unknown = true
		}
	}
	if !proved || unknown && !lenient {
		code = Worst(code, ExitUnknown)
	}
	return code
}
