package result

// Exit statuses of every command that judges.
const (
	ExitHolds       = 0
	ExitViolated    = 1
	ExitUsage       = 2 // bad usage or input
	ExitUnknown     = 3 // nothing proved
	ExitInternal    = 4 // torntail's own failure
	ExitEnvironment = 5 // no redis-server, no FUSE
)

// exitPrecedence lists the statuses, strongest first. A failure of torntail
// itself comes before everything it says; then what kept it from saying
// anything; and a violation is never hidden by an unknown.
var exitPrecedence = [...]int{ExitInternal, ExitUsage, ExitEnvironment, ExitViolated, ExitUnknown, ExitHolds}

// Worst is the strongest of the statuses, ExitHolds of none. A status that is
// not one of the six counts as a failure of torntail itself.
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

// ExitCodeLenient is ExitCode where an unknown is only warned of: it has no
// effect as long as something was proved. Nothing proved at all stays ExitUnknown.
func ExitCodeLenient(results []Result) int {
	var proved []Result
	for i := range results {
		if v := results[i].Judged(); v == Holds || v == Violated {
			proved = append(proved, results[i])
		}
	}
	return ExitCode(proved)
}

// ExitCode is the exit status for results: violated beats unknown beats holds,
// and n/a has no effect. Without any result that was judged nothing is proved,
// so it is ExitUnknown and not success.
func ExitCode(results []Result) int {
	judged := false
	code := ExitHolds
	for i := range results {
		switch results[i].Judged() {
		case Holds:
			judged = true
		case NotApplicable:
		case Violated:
			judged = true
			code = Worst(code, ExitViolated)
		default:
			judged = true
			code = Worst(code, ExitUnknown)
		}
	}
	if !judged {
		return ExitUnknown
	}
	return code
}
