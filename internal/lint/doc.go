// Package lint reads torntail's source and says where it breaks the rules that
// a compiler does not know: what the simulated world may touch, which package
// may import which, and what a package may not be called. Its tests are the
// lint; they run with the others.
//
// # The fence of the simulated world
//
// The world is what the scheduler's tasks can reach. Nothing says which
// functions those are: they are found by following every function value and
// every interface from where it is made to where it is called (flow), through
// torntail and the dependencies that the world may use. What is handed to
// env.Env.Go, to a node, to a world's callbacks, is called by the scheduler in
// the end, and with it all that it calls or names. Besides, some trees are of
// the world as a whole (Tables.Trees), tasks or no tasks.
//
// In the world only what is on the list may be used of the standard library and
// of dependencies (Tables.Allowed): a function that is named, as a call, a value,
// a method value, under an alias or within a generic function, or that is called
// through a function value or an interface. So may some of the language: no go
// statement, no channel, no loop over a map without a reason, no recover that
// would keep a killed task alive, no address that can be seen.
//
// What it does not see: a value, as opposed to a function, that was made outside
// from the clock or the like and is handed in; and what reflection or assembly
// calls, which is why the world may not use either.
package lint
