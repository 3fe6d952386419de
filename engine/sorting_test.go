package engine_test

// sortDraws are compared with redis-server.
const sortDraws draws = `
	SORT {list} [DESC] [ALPHA] [LIMIT {index} {index}]
	SORT {set} ALPHA [DESC] [STORE {list}]
	SORT {set} BY nosort STORE {list}
	SORT {zset} ALPHA [DESC] [LIMIT {index} {index}]
	SORT {zset} BY nosort [DESC] [LIMIT {index} {index}] [STORE {list}]
	SORT (list0|list1|list2|zset0|string0|nothing) BY nosort [DESC] [LIMIT {index} {index}] [GET #] [GET {list}]
	SORT {list} BY w_* [DESC] [GET #] [GET v_*] [GET {hget}] [STORE {list}]
	SORT (list0|list1|list2|string0|nothing) BY v_* ALPHA GET # GET {hget} GET nothing
	~SORT {set} BY v_* ALPHA GET # GET {hget} GET nothing
	SORT {zset} BY w_* STORE {key}
	SORT_RO {list} ALPHA (STORE x|BY)
	SORT_RO {set} ALPHA DESC
	MSET w_a 3 w_b 1 w_c 2 w_1 1 v_a x v_b y v_1 z
	MSET w_a (1.5|x|1e400|) v_c (b|a)
	HSET h_a f 1 g 2
	HSET h_b f 5
`
