package splitbrain

import "github.com/tidwall/redcon"

// texts gathers many short strings in one piece of memory: an experiment reads
// thousands of keys from each server, and thousands of experiments are run.
type texts struct {
	all  []byte
	ends []int
}

func (t *texts) add(b []byte) {
	t.all = append(t.all, b...)
	t.ends = append(t.ends, len(t.all))
}

// list is what was added; nil when nothing was.
func (t *texts) list() []string {
	if len(t.ends) == 0 {
		return nil
	}
	all := string(t.all)
	list := make([]string, len(t.ends))
	begin := 0
	for i, end := range t.ends {
		list[i] = all[begin:end]
		begin = end
	}
	return list
}

// elements are the elements of an array.
func elements(reply redcon.RESP) []string {
	t := texts{all: make([]byte, 0, len(reply.Data)), ends: make([]int, 0, reply.Count)}
	reply.ForEach(func(e redcon.RESP) bool {
		t.add(e.Data)
		return true
	})
	return t.list()
}
