package wording

// What the words of a loss table mean, a clause each: the same in every format.
const (
	StruckMeans   = "crashes that really happened as asked; of how many, where that is another number"
	AckedMeans    = "writes that clients were told are done, over all crashes, and how many of them were gone after the recovery"
	WindowMeans   = "how far before the crash the oldest lost write had been acknowledged: at the median, at the 99th percentile and at most; >= is a lower bound"
	BoundMeans    = "how far back a loss may reach by the product's documentation; ~ is a parameter of the disk model instead"
	ByItselfMeans = "share of crashes after which the server started again without a repair tool"
	FindingMeans  = "a property of the product that honest runs show, too: counted under its name, no violation by itself"
)
