package history

import "fmt"

var outcomeWords = [...]string{Unknown: "unknown", OK: "ok", Failed: "failed"}

// String is the outcome's name in history files.
func (o Outcome) String() string {
	if int(o) < len(outcomeWords) {
		return outcomeWords[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

func outcomeOf(word []byte) (Outcome, error) {
	for o, w := range outcomeWords {
		if w == string(word) {
			return Outcome(o), nil
		}
	}
	return 0, fmt.Errorf("outcome %q: want ok, failed or unknown", word)
}

var eventKinds = []EventKind{ProcessKill, PowerCut, Terminated, Exited, Restarted, Ready, Refused, Repaired, FaultStruck, ConfigChange,
	Promoted, Began, RoleSeen, Returned, Lacks, CutOff, Healed, DownSeen}

func eventOf(word []byte) (EventKind, error) {
	for _, k := range eventKinds {
		if string(k) == string(word) {
			return k, nil
		}
	}
	return "", fmt.Errorf("event %q is not known", word)
}
