package cluster

// Packed is for the external tests.
var Packed = packed
